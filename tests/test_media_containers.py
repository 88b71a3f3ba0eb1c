"""Real containers, written by the ffmpeg program with all that they can hold: new sound in, everything else as it was."""

import hashlib
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avsep_plugin.errors import OutputError
from avsep_plugin.media.ffmpeg import find_ffmpeg
from avsep_plugin.media.mux import NewSound, remux
from avsep_plugin.media.probe import picture_seconds, probe
from avsep_plugin.media.read import AudioReader
from avsep_plugin.media.write import SoundWriter

RATE = 48000
NTSC = "30000/1001"
DATE = "2020-01-02T03:04:05.000000Z"
SUBTITLES = "1\n00:00:00,200 --> 00:00:00,900\nHello\n"
CHAPTERS = (
    ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=500\nEND=1000\ntitle=Two\n"
)


@dataclass(frozen=True)
class Kind:
    """How ffmpeg writes a container, and what is expected of the result."""

    suffix: str
    video: str
    sound: str
    new_sound: str
    subtitles: str = ""
    options: str = ""
    rate: str = NTSC
    late: str = "0.3"
    """The first sound track's start."""
    lossless: bool = False
    names_tracks: bool = True


X264 = "libx264 -preset ultrafast -pix_fmt yuv420p -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -color_range tv"
TAGS = f"-metadata title=Élan -metadata creation_time={DATE}"
NAMED = "-metadata:s:a:0 title=Boom -metadata:s:a:0 language=fra -metadata:s:a:1 language=ita"
KINDS = [
    Kind(".mp4", X264, "aac", "aac", "mov_text", f"-timecode 01:00:00;02 {TAGS} {NAMED} -metadata location=+48.1375+011.5755/"),
    Kind(".mov", X264, "pcm_s16le", "pcm_s24le", "mov_text", f"-timecode 01:00:00;02 {TAGS} {NAMED} "
         "-metadata com.apple.quicktime.make=Apple -movflags use_metadata_tags", lossless=True),
    Kind(".mkv", X264, "flac", "flac", "srt", f"-metadata:s:v timecode=01:00:00;02 {TAGS} {NAMED} -metadata scene=12A", lossless=True),
    Kind(".webm", "libvpx -deadline realtime -cpu-used 8", "libopus", "opus", "webvtt", f"{TAGS} {NAMED}"),
    Kind(".mxf", "mpeg2video -b:v 2M", "pcm_s16le", "pcm_s24le", "", f"-timecode 10:00:00:00 {TAGS}", "25", "0", True, False),
    Kind(".avi", "mpeg4", "pcm_s16le", "pcm_s16le", "", "-metadata title=Élan", late="0", lossless=True),
    Kind(".mts", "libx264 -preset ultrafast -pix_fmt yuv420p", "ac3", "ac3", "", "-mpegts_m2ts_mode 1", "25", names_tracks=False),
    Kind(".ts", "libx264 -preset ultrafast -pix_fmt yuv420p", "aac", "aac", "", "", "25", names_tracks=False),
]  # fmt: skip


def write_clip(folder: Path, kind: Kind) -> Path:
    """A second of picture, two sound tracks (a rising tone that starts late, a steady one), subtitles and chapters where they go."""
    (folder / "s.srt").write_text(SUBTITLES)
    (folder / "c.txt").write_text(CHAPTERS)
    chirp = "aevalsrc='0.3*sin(2*PI*(300+900*t)*t)+0.5*eq(n,16000)':s=48000:d=1"
    command = f"-f lavfi -i testsrc=s=64x48:r={kind.rate}:d=1 -itsoffset {kind.late} -f lavfi -i {chirp}".split()
    command = [find_ffmpeg(), "-v", "error", *command, "-f", "lavfi", "-i", "sine=880:r=48000:d=1", "-i", str(folder / "s.srt")]
    command += ["-f", "ffmetadata", "-i", str(folder / "c.txt"), "-map", "0", "-map", "1", "-map", "2", "-map_chapters", "4"]
    command += ["-map", "3", "-c:s", kind.subtitles] if kind.subtitles else []
    command += [*f"-c:v {kind.video} -threads 1 -c:a {kind.sound} -ar 48000 {kind.options}".split(), str(folder / f"a{kind.suffix}")]
    subprocess.run(command, check=True)
    return folder / f"a{kind.suffix}"


@dataclass(frozen=True)
class Case:
    kind: Kind
    source: Path
    result: Path
    warnings: list[str]
    sound: np.ndarray
    start_seconds: Fraction


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.suffix)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A clip whose first sound was replaced, with further tracks behind."""
    kind: Kind = request.param
    folder = tmp_path_factory.mktemp("clip")
    source = write_clip(folder, kind)
    with AudioReader(source) as reader:
        sound, start = -0.5 * reader.read(10**7), reader.start_seconds
    with SoundWriter(folder / "new.wav", RATE, sound.shape[0], "16") as writer:
        writer.write(sound)
    sounds = [
        NewSound(folder / "new.wav", 0, start),
        NewSound(folder / "new.wav", 0, start, "On-screen", added=True),
        NewSound(None, 0, title="Original", added=True),
    ]
    warnings = remux(source, folder / f"out{kind.suffix}", sounds, bits=16)
    return Case(kind, source, folder / f"out{kind.suffix}", warnings, sound, start)


def packets(path: Path, place: int) -> list[str]:
    """Hashes of the packets of a stream, timecode tracks not counted."""
    with av.open(str(path)) as container:
        streams = [stream for stream in container.streams if stream.type != "data"]
        return [hashlib.sha256(bytes(packet)).hexdigest() for packet in container.demux(streams[place]) if packet.size]


def metadata(path: Path) -> tuple[dict[str, str], list[dict[str, str]]]:
    with av.open(str(path)) as container:
        streams = [stream for stream in container.streams if stream.type != "data"]
        return (
            {key.lower(): value for key, value in container.metadata.items()},
            [{key.lower(): value for key, value in stream.metadata.items()} for stream in streams],
        )


def test_picture_other_sound_and_subtitles_are_copied_packet_by_packet(case: Case) -> None:
    assert len(packets(case.source, 0)) > 20
    for place in (0, 2, 3) if case.kind.subtitles else (0, 2):
        assert packets(case.result, place) == packets(case.source, place)


def test_the_original_is_copied_packet_by_packet(case: Case) -> None:
    place = 5 if case.kind.subtitles else 4
    assert packets(case.result, place) == packets(case.source, 1)


@pytest.mark.parametrize("track", [0, 2])
def test_new_sound_is_in_step_to_the_sample(case: Case, track: int) -> None:
    assert probe(case.result).audio[track].codec == case.kind.new_sound
    with AudioReader(case.result, track) as reader:
        got, start = reader.read(10**7), reader.start_seconds
    length = 1 << 18
    product = np.fft.irfft(np.fft.rfft(got[0], length) * np.fft.rfft(case.sound[0], length).conj())
    lag = (int(np.argmax(product)) + length // 2) % length - length // 2
    is_exact = case.kind.suffix not in (".mkv", ".webm", ".mts", ".ts")  # these count milliseconds, or ticks of 1/90000 s
    assert abs(lag + (start - case.start_seconds) * RATE) <= (0 if is_exact else RATE // 1000)
    if case.kind.lossless:
        assert np.abs(got - case.sound).max() <= 2.0**-15


def test_the_other_sound_decodes_to_the_same_samples_at_the_same_time(case: Case) -> None:
    for old, new in ((1, 1), (0, 3)):
        with AudioReader(case.source, old) as before, AudioReader(case.result, new) as after:
            assert abs(before.start_seconds - after.start_seconds) <= Fraction(1, 1000)
            assert np.array_equal(before.read(10**7), after.read(10**7))


def test_tags_and_timecode_keep_their_values(case: Case) -> None:
    (old, old_streams), (new, new_streams) = metadata(case.source), metadata(case.result)
    assert old.get("title") == (None if case.kind.suffix in (".mts", ".ts", ".mxf") else "Élan")
    for key in ("title", "creation_time", "modification_date", "timecode", "scene", "com.apple.quicktime.make", "location"):
        assert new.get(key) == old.get(key), key
    for before, after in zip(old_streams, new_streams, strict=False):
        for key in ("language", "title", "name", "timecode", "creation_time"):
            assert after.get(key) == before.get(key), key
    assert probe(case.result).timecode == probe(case.source).timecode


def test_chapters_keep_times_and_titles(case: Case) -> None:
    def chapters(path: Path) -> list[tuple[Fraction, Fraction, str]]:
        with av.open(str(path)) as container:
            return [(c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"]["title"]) for c in container.chapters()]

    assert chapters(case.result) == chapters(case.source)
    assert bool(chapters(case.source)) is (case.kind.suffix in (".mp4", ".mov", ".mkv", ".webm"))


def test_colours_are_kept(case: Case) -> None:
    def colours(path: Path) -> list[int]:
        with av.open(str(path)) as container:
            context = container.streams.video[0].codec_context
            return [int(code) for code in (context.color_primaries, context.color_trc, context.colorspace, context.color_range)]

    assert colours(case.result) == colours(case.source)


def test_new_tracks_have_names_or_it_is_said(case: Case) -> None:
    _, streams = metadata(case.result)
    names = [stream.get("title") or stream.get("name") for stream in streams[-2:]]
    if case.kind.names_tracks:
        assert names == ["On-screen", "Original"]
        assert case.warnings == []
    else:
        said = [f"The track name '{name}' was dropped: the container has none." for name in ("On-screen", "Original")]
        assert (names, case.warnings) == ([None, None], said)
    if case.kind.suffix in (".mp4", ".mov"):
        assert [stream["handler_name"] for stream in streams[-2:]] == ["On-screen", "Original"]


def test_the_first_sound_stays_the_default(case: Case) -> None:
    def marks(path: Path) -> list[int]:
        with av.open(str(path)) as container:
            return [int(stream.disposition) for stream in container.streams.audio]

    old, new = marks(case.source), marks(case.result)
    assert new[:2] == old[:2]
    assert new[2:] == [0, 0]


def test_camera_streams_keep_their_wide_packets(case: Case) -> None:
    if case.kind.suffix in (".mts", ".ts"):
        wide = case.kind.suffix == ".mts"
        for path in (case.source, case.result):
            content = path.read_bytes()
            assert content[4 if wide else 0] == content[196 if wide else 188] == 0x47


def test_the_length_of_the_picture_is_that_of_its_frames(case: Case) -> None:
    assert abs(picture_seconds(case.source) - 1) <= Fraction(1, 25)


def sound_for(source: Path, folder: Path) -> NewSound:
    with AudioReader(source) as reader:
        with SoundWriter(folder / "new.wav", reader.sample_rate_hz, reader.channels) as writer:
            writer.write(reader.read(10**7))
        return NewSound(folder / "new.wav", 0, reader.start_seconds)


@pytest.mark.parametrize(("kind", "container", "codec"), [(KINDS[0], "mkv", "flac"), (KINDS[2], "mov", "pcm_s24le")])
def test_the_way_out_into_another_container(tmp_path: Path, kind: Kind, container: str, codec: str) -> None:
    source = write_clip(tmp_path, kind)
    output = tmp_path / f"out.{container}"
    warnings = remux(source, output, [sound_for(source, tmp_path)], container)  # type: ignore[arg-type]
    assert [track.codec for track in probe(output).audio] == ([codec, "aac"] if container == "mkv" else [codec, codec])
    assert packets(output, 0) == packets(source, 0)
    assert probe(output).timecode == "01:00:00;02"
    assert metadata(output)[1][1]["title" if container == "mkv" else "name"] == "Boom"
    rewritten = "Stream 3 (subtitle) was rewritten from"
    assert [warning for warning in warnings if not warning.startswith(rewritten)] == (
        [] if container == "mkv" else ["Stream 2 (flac) was encoded again: the container does not take it as it is."]
    )
    assert sum(warning.startswith(rewritten) for warning in warnings) == 1


def test_what_a_container_does_not_take_is_left_out_alone_and_said(tmp_path: Path) -> None:
    """Attachments, which MOV has no place for; the subtitles beside them stay."""
    kind = KINDS[2]
    write_clip(tmp_path, kind)
    (tmp_path / "font.ttf").write_bytes(b"not really a font")
    attach = ["-attach", str(tmp_path / "font.ttf"), "-metadata:s:t", "mimetype=application/x-truetype-font"]
    command = [find_ffmpeg(), "-v", "error", "-i", str(tmp_path / "a.mkv"), "-map", "0", "-c", "copy", *attach, str(tmp_path / "b.mkv")]
    subprocess.run(command, check=True)
    sound = sound_for(tmp_path / "b.mkv", tmp_path)
    assert remux(tmp_path / "b.mkv", tmp_path / "same.mkv", [sound]) == []
    warnings = remux(tmp_path / "b.mkv", tmp_path / "out.mov", [sound], "mov")
    assert "Stream 4 (attachment) was dropped: the container cannot take it." in warnings
    with av.open(str(tmp_path / "out.mov")) as container:
        assert [stream.type for stream in container.streams] == [
            "video",
            "audio",
            "audio",
            "subtitle",
            "data",
            "data",
        ]  # chapters, timecode


def test_a_picture_that_does_not_fit_proposes_the_way_out(tmp_path: Path) -> None:
    source = write_clip(tmp_path, KINDS[2]).rename(tmp_path / "h264.webm")
    with pytest.raises(OutputError, match=r"out\.webm cannot be written: Only VP8.*Choose the container mov or mkv, which"):
        remux(source, tmp_path / "out.webm", [sound_for(source, tmp_path)])
    assert not (tmp_path / "out.webm").exists()


def test_tags_that_are_lost_are_said(tmp_path: Path) -> None:
    """AVI has no place for them; MKV has."""
    base = write_clip(tmp_path, KINDS[5])
    command = [find_ffmpeg(), "-v", "error", "-i", str(base), "-map", "0", "-c", "copy", "-metadata", f"creation_time={DATE}"]
    subprocess.run([*command, "-metadata:s:v", "timecode=01:00:00:00", str(tmp_path / "b.mkv")], check=True)
    sound = sound_for(tmp_path / "b.mkv", tmp_path)
    assert remux(tmp_path / "b.mkv", tmp_path / "out.mkv", [sound]) == []
    assert metadata(tmp_path / "out.mkv")[0]["creation_time"] == DATE


@pytest.mark.parametrize("suffix", [".mov", ".mxf", ".avi"])
def test_a_track_of_a_part_lies_at_its_time_and_shortens_no_other(tmp_path: Path, suffix: str) -> None:
    """MXF and AVI know no start times, and MXF ends with its shortest track: silence stands for both."""
    source = write_clip(tmp_path, next(kind for kind in KINDS if kind.suffix == suffix))
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (1, RATE // 4)).astype(np.float32)
    with SoundWriter(tmp_path / "part.wav", RATE, 1) as writer:
        writer.write(noise)
    remux(source, tmp_path / f"out{suffix}", [NewSound(tmp_path / "part.wav", 0, Fraction(1, 2), "Part", added=True)], bits=16)
    for track in (0, 1):
        with AudioReader(source, track) as old, AudioReader(tmp_path / f"out{suffix}", track) as new:
            assert new.start_seconds == old.start_seconds
            assert np.array_equal(new.read(10**7), old.read(10**7))
    with AudioReader(tmp_path / f"out{suffix}", 2) as reader:
        got, late = reader.read(10**7), round((Fraction(1, 2) - reader.start_seconds) * RATE)
    assert np.abs(got[:, late : late + RATE // 4] - noise).max() <= 2.0**-15
    assert not got[:, :late].any()
    assert not got[:, late + RATE // 4 :].any()


def surround_clip(folder: Path, layout: str, codec: str, suffix: str) -> Path:
    """A second of picture with a tone of its own in every channel."""
    channels = {"5.1": 6, "7.1": 8}[layout]
    tones = "|".join(f"0.1*sin(2*PI*{200 * (number + 1)}*t)" for number in range(channels))
    command = [find_ffmpeg(), "-v", "error", "-f", "lavfi", "-i", "testsrc=s=64x48:d=1", "-f", "lavfi", "-i"]
    command += [f"aevalsrc={tones}:c={layout}:s=48000:d=1", *f"-c:v {X264} -threads 1 -c:a {codec}".split(), str(folder / f"a{suffix}")]
    subprocess.run(command, check=True)
    return folder / f"a{suffix}"


@pytest.mark.parametrize(
    ("layout", "codec", "suffix"), [("5.1", "aac", ".mp4"), ("7.1", "aac", ".mp4"), ("7.1", "flac", ".mkv"), ("5.1", "ac3", ".mts")]
)
def test_every_channel_of_surround_sound_stays_in_its_place(tmp_path: Path, layout: str, codec: str, suffix: str) -> None:
    source = surround_clip(tmp_path, layout, codec, suffix)
    assert remux(source, tmp_path / f"out{suffix}", [sound_for(source, tmp_path)]) == []
    with AudioReader(source) as old, AudioReader(tmp_path / f"out{suffix}") as new:
        assert new.channels == old.channels
        before, after = old.read(RATE)[:, 4800:38400], new.read(RATE)[:, 4800:38400]
    loudest = [np.argmax(np.abs(np.fft.rfft(part * np.hanning(part.shape[1])))[:, :2000], axis=1) for part in (before, after)]
    heard = np.abs(before).max(axis=1) > 0.01  # the bass channel of a lossy codec keeps no high tone
    assert np.abs(loudest[0] - loudest[1])[heard].max() <= 1


def test_channels_that_a_codec_does_not_take_are_said(tmp_path: Path) -> None:
    """AC-3 ends at 5.1."""
    source = surround_clip(tmp_path, "7.1", "pcm_bluray -mpegts_m2ts_mode 1", ".m2ts")
    (warning,) = remux(source, tmp_path / "out.m2ts", [sound_for(source, tmp_path)])
    assert warning == "The sound of stream 1 has 6 channels, not 8: the container takes no more."


@pytest.mark.parametrize("rotation", [90, 180])
def test_a_rotated_clip_stays_rotated_in_either_container(tmp_path: Path, rotation: int) -> None:
    upright = write_clip(tmp_path, Kind(".m4v", X264, "aac", "aac"))
    turn = [find_ffmpeg(), "-v", "error", "-display_rotation", str(-rotation), "-i", str(upright), "-map", "0:v", "-map", "0:a:1"]
    subprocess.run([*turn, "-map_chapters", "-1", "-c", "copy", str(tmp_path / "a.mp4")], check=True)
    sound = sound_for(tmp_path / "a.mp4", tmp_path)
    for name, container in (("out.mp4", "source"), ("out.mov", "mov"), ("out.mkv", "mkv")):
        remux(tmp_path / "a.mp4", tmp_path / name, [sound], container)  # type: ignore[arg-type]
        video = probe(tmp_path / name).video
        assert video is not None
        assert video.rotation_degrees == rotation
