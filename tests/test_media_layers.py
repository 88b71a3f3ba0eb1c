"""Layers for a second track: every picture at its time, alpha as it was drawn, timecode; read again with a decoder."""

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from sighted import shown, steady

from avsep_plugin.draw.paint import Patch
from avsep_plugin.errors import OutputError
from avsep_plugin.media.layers import FilmLayer, LayerKind, PngLayer
from avsep_plugin.media.probe import probe
from avsep_plugin.media.timecode import Clock

DECODERS = {"prores4444": None, "vp9": "libvpx-vp9", "png": None}
SUFFIXES = {"prores4444": ".mov", "vp9": ".webm", "png": ""}
COLOUR = (230, 120, 40)


def patch(alpha: int = 160, left: int = 16, top: int = 8) -> Patch:
    """16 x 16 pixels of one colour, in four fields."""
    return Patch(np.tile(np.array([*COLOUR, alpha], np.uint8), (4, 4, 1)), left, top, 4)


def write(
    folder: Path, kind: LayerKind, times: Sequence[Fraction], patches: Sequence[Patch | None], *, size: tuple[int, int] = (64, 48),
    rate: Fraction | int = 25, timecode: str | None = None, aspect: Fraction | None = None,
) -> tuple[Path, list[str]]:  # fmt: skip
    path, clock = folder / f"layer{SUFFIXES[kind]}", Clock.of(timecode, Fraction(rate))
    film = PngLayer(path, *size, Fraction(rate), clock) if kind == "png" else FilmLayer(path, kind, *size, Fraction(rate), aspect, clock)
    with film as layer:
        for time, one in zip(times, patches, strict=True):
            layer.write(time, one)
    return path, film.warnings


def read(path: Path, kind: LayerKind) -> list[tuple[Fraction, np.ndarray]]:
    """Time (0 for PNG) and RGBA [H, W, 4] of every picture."""
    if kind == "png":
        return [shown(file, pixel_format="rgba")[0] for file in sorted(path.glob("*.png"))]
    return shown(path, DECODERS[kind], "rgba")


@pytest.mark.parametrize("kind", DECODERS)
@pytest.mark.parametrize("size", [(64, 48), (63, 47)])
def test_alpha_and_colour_come_back(tmp_path: Path, kind: LayerKind, size: tuple[int, int]) -> None:
    path, _ = write(tmp_path, kind, steady(0.2), [patch()] * 5, size=size)
    pictures = read(path, kind)
    assert len(pictures) == 5
    for _, picture in pictures:
        assert picture.shape == (size[1], size[0], 4)
        assert np.abs(picture[12:20, 20:28].astype(int) - (*COLOUR, 160)).max() <= (1 if kind == "png" else 6)
        outside = picture[..., 3].copy()
        outside[4:28, 12:36] = 0
        assert outside.max() <= 1


@pytest.mark.parametrize("kind", DECODERS)
def test_alpha_is_straight(tmp_path: Path, kind: LayerKind) -> None:
    """A faint patch has its full colour."""
    path, _ = write(tmp_path, kind, steady(0.2), [patch(alpha=40)] * 5)
    assert np.abs(read(path, kind)[2][1][12:20, 20:28, :3].astype(int) - COLOUR).max() <= 8


@pytest.mark.parametrize("kind", DECODERS)
def test_one_picture_for_each_picture_also_for_those_with_nothing(tmp_path: Path, kind: LayerKind) -> None:
    path, _ = write(tmp_path, kind, steady(1.2), [patch() if number % 7 == 3 else None for number in range(30)])
    drawn = [picture[..., 3].max() > 100 for _, picture in read(path, kind)]
    assert drawn == [number % 7 == 3 for number in range(30)]
    assert read(path, kind)[0][1][..., 3].max() <= (0 if kind != "vp9" else 1)


@pytest.mark.parametrize("kind", ["prores4444", "vp9"])
@pytest.mark.parametrize("start", [Fraction(0), Fraction(5, 2)])
def test_variable_rate_keeps_its_distances_and_begins_at_0(tmp_path: Path, kind: LayerKind, start: Fraction) -> None:
    times = [Fraction(0), Fraction(1, 25), Fraction(1, 9), Fraction(1, 2), Fraction(3, 4)]
    path, _ = write(tmp_path, kind, [start + time for time in times], [patch()] * 5)
    tick = Fraction(1, 1000) if kind == "vp9" else Fraction(1, 10_000)
    assert all(abs(got - time) <= tick for (got, _), time in zip(read(path, kind), times, strict=True))


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(60000, 1001)])
def test_rate_is_exact_however_a_container_has_rounded(tmp_path: Path, rate: Fraction) -> None:
    rounded = [Fraction(round(time * 1000), 1000) for time in steady(1, rate)]
    path, _ = write(tmp_path, "prores4444", rounded, [None] * len(rounded), rate=rate)
    info = probe(path)
    assert info.video is not None
    assert info.video.average_rate == rate
    assert [time for time, _ in read(path, "prores4444")] == steady(1, rate)


@pytest.mark.parametrize(("rate", "timecode"), [(Fraction(25), "01:00:00:10"), (Fraction(30000, 1001), "00:59:59;28")])
def test_start_timecode(tmp_path: Path, rate: Fraction, timecode: str) -> None:
    for kind in ("prores4444", "vp9"):
        path, _ = write(tmp_path, kind, steady(0.2, rate), [None] * len(steady(0.2, rate)), rate=rate, timecode=timecode)  # type: ignore[arg-type]
        assert probe(path).timecode == timecode


def test_pngs_are_numbered_by_timecode(tmp_path: Path) -> None:
    path, warnings = write(tmp_path, "png", steady(0.12), [None] * 3, timecode="01:00:00:10")
    assert sorted(file.name for file in path.iterdir()) == ["layer.00090010.png", "layer.00090011.png", "layer.00090012.png", "layer.json"]
    described = json.loads((path / "layer.json").read_text())
    assert {key: described[key] for key in ("format", "first_number", "pictures", "rate", "timecode", "alpha", "times_seconds")} == {
        "format": "avsep.layer/1", "first_number": 90010, "pictures": 3, "rate": "25/1", "timecode": "01:00:00:10", "alpha": "straight",
        "times_seconds": None,
    }  # fmt: skip
    assert warnings == []


def test_pngs_of_a_variable_rate_come_with_their_times(tmp_path: Path) -> None:
    path, warnings = write(tmp_path, "png", [Fraction(1), Fraction(11, 10), Fraction(3, 2)], [None] * 3)
    assert json.loads((path / "layer.json").read_text())["times_seconds"] == [0.0, 0.1, 0.5]
    assert "not evenly spaced" in warnings[0]


def test_prores_is_what_editing_programs_expect(tmp_path: Path) -> None:
    path, _ = write(tmp_path, "prores4444", steady(0.2), [patch()] * 5, aspect=Fraction(4, 3))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.codec_tag, stream.codec_context.pix_fmt) == ("ap4h", "yuva444p12le")
        assert stream.sample_aspect_ratio == Fraction(4, 3)
        frame = next(container.decode(stream))
        assert (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc) == (1, 1, 1, 1)


@pytest.mark.parametrize("kind", DECODERS)
def test_a_failure_leaves_nothing(tmp_path: Path, kind: LayerKind) -> None:
    def fail() -> None:
        clock = Clock.of(None, Fraction(25))
        path = tmp_path / f"layer{SUFFIXES[kind]}"
        film = PngLayer(path, 64, 48, Fraction(25), clock) if kind == "png" else FilmLayer(path, kind, 64, 48, Fraction(25), None, clock)
        with film as layer:
            layer.write(Fraction(0), patch())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="layer cannot be written"):
        write(tmp_path / "gone", "png", [Fraction(0)], [None])
