"""From clip to overlay and layers with a fake network: the right place at the right time, no flicker, nothing where nothing fits."""

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from sighted import CONFIG, RATE, STEP, WINDOW, aligner, colourful, shown, sound, steady, write_clip
from torch import Tensor

from avsep_plugin.drawing import half_size
from avsep_plugin.errors import ConfigError, DamagedMediaError, NoAudioError, NoVideoError
from avsep_plugin.localisation import localize_file
from avsep_plugin.localize_options import LocalizeFileOptions, Style, localisation_outputs, style_kind
from avsep_plugin.media.probe import probe
from avsep_plugin.media.read import AudioReader

SECONDS = 3.2
PLAIN = LocalizeFileOptions(legend=False)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mov", steady(SECONDS))


def drawn(clip: Path, out: Path, model: object = None, options: LocalizeFileOptions = PLAIN) -> list[tuple[Fraction, np.ndarray]]:
    return shown(localize_file(clip, out, model or aligner(), options).outputs["overlay"])  # type: ignore[arg-type]


def test_it_writes_what_it_says(clip: Path, tmp_path: Path) -> None:
    result = localize_file(clip, tmp_path / "out", aligner())
    assert result.outputs == localisation_outputs(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["heatmap.npz", "overlay.mp4"]
    assert result.warnings == []


def test_everything_at_once(clip: Path, tmp_path: Path) -> None:
    styles = ("heat", "original", "side-by-side", "contours", "heat-only")
    options = LocalizeFileOptions(styles=styles, layers=("prores4444", "vp9", "png"), data=("npz", "json"))
    outputs = localize_file(clip, tmp_path / "out", aligner(), options).outputs
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in outputs.values())
    videos = [path for path in outputs.values() if path.suffix in (".mp4", ".mov", ".webm")]
    assert [len(shown(path)) for path in videos] == [80] * 7


def test_colour_is_where_the_sound_comes_from(clip: Path, tmp_path: Path) -> None:
    _, picture = drawn(clip, tmp_path)[10]
    assert colourful(picture)[12, 16] > 40
    assert colourful(picture)[30:, 40:].max() < 10


def test_nothing_but_the_colour_changes(clip: Path, tmp_path: Path) -> None:
    _, before = shown(clip)[10]
    _, after = drawn(clip, tmp_path)[10]
    assert np.abs(after[32:, 40:].astype(int) - before[32:, 40:]).max() <= 3


def test_constant_evidence_gives_a_constant_picture_across_windows(clip: Path, tmp_path: Path) -> None:
    levels = [picture[12, 16].astype(int) for _, picture in drawn(clip, tmp_path)]
    assert len(levels) / 25 > 6 * WINDOW
    assert np.ptp(levels[2:], axis=0).max() <= 3  # the encoder is still finding its feet in the first ones


@pytest.mark.parametrize("jump", [1.04, 1.6, 2.0])
def test_colour_begins_when_the_evidence_does(tmp_path: Path, jump: float) -> None:
    """The network sees a place as long as the picture is bright: half a step more or less."""

    def when_bright(brightness: Tensor) -> Tensor:
        return torch.where(brightness[:, None, None] > 0.5, 5.0, -5.0).expand(-1, 2, 2)

    source = write_clip(tmp_path / "jump.mov", steady(SECONDS), grey=lambda time: 180 if time >= jump - 1e-6 else 60)
    pictures = drawn(source, tmp_path / "out", aligner(when_bright, 1.0))
    strength = np.array([colourful(picture).mean() for _, picture in pictures])
    first = float(next(time for (time, _), much in zip(pictures, strength, strict=True) if much > strength.max() / 2))
    assert abs(first - jump) <= STEP / 2 + Fraction(1, 25)


CUT = Fraction(37, 25)
"""Where the second shot of `two_shots` begins: neither on a step of the map nor on a window."""


def two_shots(path: Path, before: int, after: int) -> Path:
    """3.2 s that change their brightness at the cut."""
    return write_clip(path, steady(SECONDS), grey=lambda time: after if time >= CUT - Fraction(1, 1000) else before)


def as_bright_as_the_window(brightness: Tensor) -> Tensor:
    """Evidence that is the same in all of a window, and looks at all that the window sees."""
    return (10 * brightness.mean() - 3).expand(brightness.shape[0], 2, 2)


def localized_shots(folder: Path, before: int, after: int, **options: bool) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """The map before and after the cut, and the cuts that were found."""
    source = two_shots(folder / f"{before}-{after}.mov", before, after)
    everything = LocalizeFileOptions(styles=(), **options)
    outputs = localize_file(source, folder / f"{before}-{after}", aligner(as_bright_as_the_window), everything).outputs
    with np.load(outputs["heatmap"]) as found:
        values, middles = found["values"], (np.arange(len(found["values"])) + 0.5) * float(STEP)
        return values[middles < CUT], values[middles > CUT], found["cuts"].tolist()


def test_nothing_beyond_a_cut_changes_a_map(tmp_path: Path) -> None:
    before, after, cuts = localized_shots(tmp_path, 60, 180)
    assert cuts == pytest.approx([float(CUT)], abs=1e-4)
    assert np.array_equal(localized_shots(tmp_path, 60, 250)[0], before)
    assert np.array_equal(localized_shots(tmp_path, 120, 180)[1], after)


def test_without_shots_windows_look_over_a_cut(tmp_path: Path) -> None:
    before, after, cuts = localized_shots(tmp_path, 60, 180, shots=False)
    assert cuts == []
    assert not np.array_equal(localized_shots(tmp_path, 60, 250, shots=False)[0], before)
    assert not np.array_equal(localized_shots(tmp_path, 120, 180, shots=False)[1], after)


@pytest.mark.parametrize("style", ["heat", "original", "contours", "heat-only"])
def test_colour_changes_with_the_first_picture_of_a_shot(tmp_path: Path, style: Style) -> None:
    def when_bright(brightness: Tensor) -> Tensor:
        # The original draws evidence against as well.
        cam = torch.zeros(brightness.shape[0], 2, 2)
        cam[:, 0, 0] = torch.where(brightness > 0.5, 5.0, 0.0)
        return cam

    options = LocalizeFileOptions(styles=(style,), legend=False)
    outputs = localize_file(two_shots(tmp_path / "a.mov", 60, 180), tmp_path / "out", aligner(when_bright, 1.0), options).outputs
    strength = np.array([colourful(picture).mean() for _, picture in shown(outputs[style_kind(style)])])
    first = int(CUT * 25)
    assert strength[:first].max() < 0.1 * strength.max()
    assert strength[first:].min() > 0.7 * strength.max()


def test_what_is_not_believed_is_not_drawn(clip: Path, tmp_path: Path) -> None:
    result = localize_file(clip, tmp_path / "no", aligner(logit=-1.0), PLAIN)
    assert max(colourful(picture).max() for _, picture in shown(result.outputs["overlay"])) < 10
    assert "Nothing is drawn" in result.warnings[0]
    stubborn = LocalizeFileOptions(legend=False, abstain_below=0)
    assert colourful(drawn(clip, tmp_path / "yes", aligner(logit=-1.0), stubborn)[10][1])[12, 16] > 40


def test_weak_noise_is_not_blown_up(clip: Path, tmp_path: Path) -> None:
    """Whatever its percentile: evidence that would not convince anybody is no colour."""

    def noise(brightness: Tensor) -> Tensor:
        return 0.1 + 0.2 * torch.rand(brightness.shape[0], 2, 2, generator=torch.Generator().manual_seed(0))

    assert max(colourful(picture).max() for _, picture in drawn(clip, tmp_path, aligner(noise))) < 10


def test_silence_comes_from_nowhere(tmp_path: Path) -> None:
    samples = np.concatenate([sound(1.6), np.zeros((1, round(3 * RATE)), np.int16)], axis=1)
    source = write_clip(tmp_path / "half.mov", steady(4.6), samples=samples)
    pictures = drawn(source, tmp_path / "out")
    assert min(colourful(picture)[12, 16] for time, picture in pictures if time < Fraction(3, 2)) > 40
    assert max(colourful(picture).max() for time, picture in pictures if time > 3) < 10


def test_nothing_is_drawn_after_the_sound(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "short.mov", steady(SECONDS), samples=sound(1.6))
    pictures = drawn(source, tmp_path / "out")
    assert len(pictures) == 80
    assert max(colourful(picture).max() for time, picture in pictures if time > Fraction(16, 10) + 2 * STEP) < 10


def test_threshold_and_opacity(clip: Path, tmp_path: Path) -> None:
    def strength(name: str, **options: float) -> float:
        picture = drawn(clip, tmp_path / name, aligner(lambda b: torch.linspace(1, 5, b.shape[0])[:, None, None].expand(-1, 2, 2)),
                        LocalizeFileOptions(legend=False, **options))  # fmt: skip
        return float(np.mean([colourful(one).mean() for _, one in picture]))

    assert strength("a", threshold=0.9) < strength("b", threshold=0.5) < strength("c", threshold=0.1)
    assert strength("d", opacity=0.2) < strength("b") < strength("e", opacity=1.0)


def test_the_legend_can_be_left_out(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "large.mov", steady(0.4), size=(320, 240))
    with_legend, without = (
        drawn(source, tmp_path / str(legend), None, LocalizeFileOptions(legend=legend))[3][1].astype(int) for legend in (True, False)
    )
    changed = np.abs(with_legend - without).max(axis=2) > 20
    assert changed[180:, :200].any()
    assert not changed[:160].any()


def test_side_by_side_begins_with_the_clip_itself(clip: Path, tmp_path: Path) -> None:
    options = LocalizeFileOptions(styles=("side-by-side",), legend=False)
    _, picture = shown(localize_file(clip, tmp_path, aligner(), options).outputs["overlay-side-by-side"])[10]
    assert picture.shape == (48, 128, 3)
    assert colourful(picture[:, :62]).max() < 10
    assert colourful(picture)[12, 64 + 16] > 40


@pytest.mark.parametrize(
    ("size", "half"),
    [((64, 48), (64, 48)), ((65, 47), (66, 48)), ((960, 540), (960, 540)), ((1280, 720), (960, 540)), ((1920, 1080), (960, 540)),
     ((3840, 2160), (1920, 1080)), ((1080, 1920), (960, 1706)), ((5, 99), (6, 100)), ((1921, 1081), (960, 540))],
)  # fmt: skip
def test_side_by_side_is_no_wider_than_a_screen_or_the_clip(size: tuple[int, int], half: tuple[int, int]) -> None:
    assert half_size(*size) == half


def test_a_side_by_side_picture_made_smaller_shows_the_same(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "wide.mov", steady(0.4), size=(1280, 720))
    outputs = localize_file(source, tmp_path, aligner(), LocalizeFileOptions(styles=("heat", "side-by-side"), legend=False)).outputs
    _, whole = shown(outputs["overlay"])[3]
    _, picture = shown(outputs["overlay-side-by-side"])[3]
    assert picture.shape == (540, 1920, 3)
    assert colourful(picture[:, :950]).max() < 10
    places = (np.argwhere(colourful(one) > 20).mean(axis=0) / one.shape[:2] for one in (picture[:, 960:], whole))
    assert np.abs(np.subtract(*places)).max() < 0.01


def test_heat_only_is_black_where_nothing_is(clip: Path, tmp_path: Path) -> None:
    options = LocalizeFileOptions(styles=("heat-only",), legend=False)
    _, picture = shown(localize_file(clip, tmp_path, aligner(), options).outputs["overlay-heat-only"])[10]
    assert picture[32:, 40:].max() < 10
    assert picture[12, 16].max() > 200


def test_contours_run_around_the_place(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "large.mov", steady(0.4), size=(320, 240))
    options = LocalizeFileOptions(styles=("contours",), legend=False)
    _, picture = shown(localize_file(source, tmp_path / "out", aligner(), options).outputs["overlay-contours"])[3]
    changed = np.abs(picture.astype(int) - 100).max(axis=2) > 25
    assert changed[:140, :180].any()
    assert not changed[:40, :60].any()  # the middle of the cell stays free
    assert not changed[180:, 220:].any()


def test_the_originals_drawing(clip: Path, tmp_path: Path) -> None:
    """As `original_heat_map` draws all pictures of the clip at once."""
    from avsep_plugin.draw.heatmap import original_heat_map

    options = LocalizeFileOptions(styles=("original",), legend=False)
    outputs = localize_file(clip, tmp_path, aligner(), options).outputs
    with np.load(outputs["heatmap"]) as found:
        expected = original_heat_map(np.stack([picture for _, picture in shown(clip)]), found["values"])
    got = np.stack([picture for _, picture in shown(outputs["overlay-original"])]).astype(int)
    assert np.abs(got.mean(axis=(1, 2)) - expected.mean(axis=(1, 2))).max() < 2
    # 4:2:0 keeps one colour for four pixels; the lightness is told exactly.
    weights = [0.299, 0.587, 0.114]
    assert np.abs(got @ weights - expected @ weights).max() < 12


@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv"])
def test_sound_timecode_and_times_are_the_clips(tmp_path: Path, suffix: str) -> None:
    rate = Fraction(30000, 1001)
    source = write_clip(tmp_path / f"a{suffix}", steady(1.2, rate), rate=rate, timecode="01:00:00;02")
    overlay = localize_file(source, tmp_path / "out", aligner()).outputs["overlay"]
    info = probe(overlay)
    assert info.video is not None
    assert (info.timecode, info.video.average_rate) == ("01:00:00;02", rate)
    assert [time for time, _ in shown(overlay)] == steady(1.2, rate)
    with AudioReader(source) as old, AudioReader(overlay) as new:
        assert abs(old.start_seconds - new.start_seconds) < Fraction(1, RATE)
        assert abs(old.read(10**6).shape[1] - new.read(10**6).shape[1]) <= 1024


def test_odd_sizes_and_unusual_pixels(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "odd.mov", steady(0.4), size=(63, 47), pixel_format="yuv444p", aspect=Fraction(4, 3))
    with av.open(str(localize_file(source, tmp_path / "out", aligner()).outputs["overlay"])) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.sample_aspect_ratio, stream.pix_fmt) == (64, 48, Fraction(4, 3), "yuv420p")


@pytest.mark.parametrize(("rotation", "corner"), [(0, (10, 14)), (90, (10, 10)), (180, (10, 14)), (270, (10, 10))])
def test_a_turned_clip_is_drawn_upright(tmp_path: Path, rotation: int, corner: tuple[int, int]) -> None:
    source = write_clip(tmp_path / "phone.mov", steady(0.8), rotation=rotation)
    options = LocalizeFileOptions(legend=False, layers=("png",))
    outputs = localize_file(source, tmp_path / "out", aligner(), options).outputs
    info = probe(outputs["overlay"])
    assert info.video is not None
    assert (info.video.width, info.video.height, info.video.rotation_degrees) == ((48, 64, 0) if rotation % 180 else (64, 48, 0))
    _, picture = shown(outputs["overlay"])[10]
    assert colourful(picture)[corner] > 40
    assert colourful(picture)[-10:, -10:].max() < 10
    (_, layer), *_ = shown(outputs["layer-png"] / "layer.00000010.png", pixel_format="rgba")
    assert layer.shape[:2] == picture.shape[:2]
    assert layer[(*corner, 3)] > 100


def test_another_sound_stands_in_for_the_clips(clip: Path, tmp_path: Path) -> None:
    other = write_clip(tmp_path / "other.mov", steady(0.04), samples=sound(5.0))
    model = aligner()
    result = localize_file(clip, tmp_path / "out", model, LocalizeFileOptions(with_audio=str(other), data=("npz", "json")))
    assert result.warnings == ["The sound of other.mov is longer than the picture, which ends 3.2 s after it begins."]
    described = json.loads(result.outputs["heatmap-json"].read_text())
    assert (described["clip"], described["sound"]) == ("clip.mov", "other.mov")
    assert len(described["values"]) == SECONDS / STEP
    with AudioReader(result.outputs["overlay"]) as reader, AudioReader(other) as told:
        heard, expected = reader.read(10**6)[0], told.read(10**6)[0]
    assert abs(heard.size - SECONDS * RATE) <= 1024
    # Noise through AAC: what little is left of it has to lie in the same place.
    fit = np.correlate(heard[2000:10000], expected[2000 - 200 : 2000 + 200 + 1], "valid")
    assert np.corrcoef(heard[2000:10000], expected[2000:10000])[0, 1] > 0.5, fit.argmax()


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_another_sound_over_a_clip_that_has_none(tmp_path: Path, suffix: str) -> None:
    """Sound and picture begin together, wherever on the file's clock the picture begins."""
    start = Fraction(0) if suffix == ".mp4" else Fraction(2)
    silent = write_clip(tmp_path / f"silent{suffix}", [start + time for time in steady(SECONDS)], samples=np.zeros((1, 0), np.int16))
    assert not probe(silent).audio
    other = write_clip(tmp_path / "other.mov", steady(0.04), samples=sound(SECONDS))
    options = LocalizeFileOptions(with_audio=str(other), legend=False, layers=("png",))
    result = localize_file(silent, tmp_path / "out", aligner(), options)
    assert result.warnings == []
    begins = shown(silent)[0][0]
    pictures = shown(result.outputs["overlay"])
    assert [time - begins for time, _ in pictures] == steady(SECONDS)
    assert min(colourful(picture)[12, 16] for _, picture in pictures) > 40
    with np.load(result.outputs["heatmap"]) as found:
        assert float(found["start_seconds"]) == begins
        assert len(found["values"]) == SECONDS / STEP
    with AudioReader(result.outputs["overlay"]) as reader:
        assert abs(reader.start_seconds - begins) < Fraction(1, 500)
        assert abs(reader.read(10**6).shape[1] - SECONDS * RATE) <= 1024


def test_a_clip_without_sound_needs_another(tmp_path: Path) -> None:
    silent = write_clip(tmp_path / "silent.mp4", steady(0.4), samples=np.zeros((1, 0), np.int16))
    with pytest.raises(NoAudioError, match=r"silent\.mp4 has no sound"):
        localize_file(silent, tmp_path / "out", aligner())


def test_a_short_other_sound_is_said(clip: Path, tmp_path: Path) -> None:
    other = write_clip(tmp_path / "other.mov", steady(0.04), samples=sound(1.0))
    result = localize_file(clip, tmp_path / "out", aligner(), LocalizeFileOptions(with_audio=str(other), legend=False))
    assert "ends after 1.0 s" in result.warnings[0]
    assert max(colourful(picture).max() for time, picture in shown(result.outputs["overlay"]) if time > 1.4) < 10


def test_a_region_moves_the_map_there(clip: Path, tmp_path: Path) -> None:
    outputs = localize_file(clip, tmp_path, aligner(), LocalizeFileOptions(region="right", legend=False)).outputs
    with np.load(outputs["heatmap"]) as found:
        assert found["area"] == pytest.approx([0.5, 0, 0.5, 1])
    _, picture = shown(outputs["overlay"])[10]
    assert colourful(picture)[12, 40] > 40
    assert colourful(picture[:, :30]).max() < 10


def test_damage_is_refused_or_tolerated(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "cut.mkv", steady(4.0), grey=lambda time: round(100 + 30 * time))
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 3 // 4])
    with pytest.raises(DamagedMediaError):
        localize_file(source, tmp_path / "out", aligner())
    assert list(tmp_path.iterdir()) == [source]
    options = LocalizeFileOptions(tolerate_damage=True, layers=("prores4444",))
    result = localize_file(source, tmp_path / "out", aligner(), options)
    assert result.warnings
    assert len(shown(result.outputs["overlay"])) == len(shown(result.outputs["layer-prores4444"])) > 40


def test_clip_without_picture(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "dark.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(sound(1.0), "s16", "mono")
        frame.sample_rate = RATE
        container.mux([*stream.encode(frame), *stream.encode(None)])
    with pytest.raises(NoVideoError, match=r"dark\.wav has no picture"):
        localize_file(tmp_path / "dark.wav", tmp_path / "out", aligner())


def test_a_failure_leaves_what_was_there(clip: Path, tmp_path: Path) -> None:
    everything = LocalizeFileOptions(layers=("png", "prores4444"))
    localize_file(clip, tmp_path / "out", aligner(), everything)
    before = {path: path.read_bytes() for path in sorted((tmp_path / "out").rglob("*")) if path.is_file()}

    def stop(seconds: float) -> None:
        if seconds > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        localize_file(clip, tmp_path / "out", aligner(), everything, stop)
    assert {path: path.read_bytes() for path in sorted((tmp_path / "out").rglob("*")) if path.is_file()} == before


def test_a_folder_of_pictures_makes_way_for_a_new_one(clip: Path, tmp_path: Path) -> None:
    options = LocalizeFileOptions(styles=(), layers=("png",), data=())
    folder = localize_file(clip, tmp_path, aligner(), options).outputs["layer-png"]
    (folder / "layer.00000999.png").write_bytes(b"of an older, longer clip")
    localize_file(clip, tmp_path, aligner(), options)
    assert len(list(folder.glob("*.png"))) == 80


def test_progress_goes_on_while_the_overlay_is_drawn(clip: Path, tmp_path: Path) -> None:
    seen: list[float] = []
    localize_file(clip, tmp_path / "out", aligner(), progress=seen.append)
    assert seen == sorted(seen)
    assert sum(seconds > SECONDS / 2 for seconds in seen) >= 70
    assert seen[-1] == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize(
    "wrong", [{"threshold": 1.0}, {"opacity": 0.0}, {"styles": ("jet",)}, {"styles": (), "data": ()}, {"abstain_below": 2.0}], ids=str
)
def test_options_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        LocalizeFileOptions(**wrong)  # type: ignore[arg-type]


def test_the_fake_network_looks_at_the_whole_picture() -> None:
    assert CONFIG.picture.fit == "squash"
    assert CONFIG.picture.crop_size == CONFIG.picture.stored_size
