"""Draws a heat map over a clip, or beside it, or onto layers: one pass over its pictures for all that is asked for.

pictures --UprightReader--> picture, time --Levels--> levels --Painter--> patch --style--> OverlayWriter
                                                                            \\-----------> LayerWriter
"""

import itertools
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from avsep_plugin.clip import Float32, HeatMap
from avsep_plugin.draw.heatmap import OriginalDrawing
from avsep_plugin.draw.legend import Kind, legend
from avsep_plugin.draw.levels import Levels
from avsep_plugin.draw.paint import Painter, Patch, fine_scale
from avsep_plugin.localize_options import LocalizeFileOptions, Style, layer_kind, style_kind
from avsep_plugin.media.layers import FilmLayer, LayerWriter, PngLayer
from avsep_plugin.media.planes import Layer, Picture, Shrinker, blackened, copied, doubled
from avsep_plugin.media.probe import MediaInfo
from avsep_plugin.media.timecode import Clock
from avsep_plugin.media.upright import UprightReader
from avsep_plugin.media.write import OverlaySound, OverlayWriter
from avsep_plugin.pipeline import Progress

_SIDE_BY_SIDE_PIXELS = 1920
"""How wide a side-by-side picture may be where the clip's own is no wider: what any screen shows and any player decodes."""
_LEGENDS: dict[Style, Kind] = {"original": "original", "contours": "contours", "heat-only": "heat-only"}


@dataclass(frozen=True)
class Show:
    """What is to be drawn."""

    heat_map: HeatMap
    """As the network said it."""
    levels: Levels
    sound: OverlaySound
    """What is heard under the overlay videos."""
    sound_name: str | None = None
    """Of the sound in the legend, where it is not the clip's own."""


def draw(info: MediaInfo, show: Show, drafts: dict[str, Path], options: LocalizeFileOptions, progress: Progress) -> list[str]:
    """Write the overlay videos and layers that the options name; drafts: their paths by kind. Returns warnings. Raises OutputError."""
    assert info.video is not None
    clock, rate = Clock.of(info.timecode, info.video.average_rate), info.video.average_rate
    with ExitStack() as stack:
        reader = stack.enter_context(UprightReader(info.path, options.tolerate_damage, bool(options.styles)))
        brushes = Brushes(reader.width, reader.height, show, options)
        overlays: list[tuple[Style, OverlayWriter]] = []
        for style in options.styles:
            size = brushes.size(style)
            writer = OverlayWriter(drafts[style_kind(style)], *size, show.sound, rate, reader.aspect, _written(clock))
            overlays.append((style, stack.enter_context(writer)))
        layers: list[LayerWriter] = []
        for kind in options.layers:
            path, width, height = drafts[layer_kind(kind)], reader.width, reader.height
            if kind == "png":
                layers.append(stack.enter_context(PngLayer(path, width, height, rate, clock)))
            else:
                layers.append(stack.enter_context(FilmLayer(path, kind, width, height, rate, reader.aspect, clock)))
        for seconds, picture in reader:
            moment = Moment(seconds, picture, brushes, show)
            for style, overlay in overlays:
                overlay.write(seconds, brushes.drawn(style, moment))
            for layer in layers:
                layer.write(seconds, moment.heat)
            progress(max(0.0, float(seconds - show.heat_map.start_seconds)))
        notes = reader.salvage.notes
    said: list[list[str]] = [writer.warnings for _, writer in overlays] + [layer.warnings for layer in layers]
    return [*notes, *itertools.chain.from_iterable(said)]


class Moment:
    """One picture of the clip, and what is drawn on it; patches are painted when they are first wanted."""

    def __init__(self, seconds: Fraction, picture: Picture | None, brushes: "Brushes", show: Show) -> None:
        self.seconds, self._picture, self._brushes = seconds, picture, brushes
        self.levels: Float32 | None = show.levels.at(seconds)

    @property
    def picture(self) -> Picture:
        """The picture itself; not to be drawn on."""
        assert self._picture is not None
        return self._picture

    @cached_property
    def heat(self) -> Patch | None:
        """See Painter."""
        return None if self.levels is None else self._brushes.painter.heat(self.levels)

    @cached_property
    def opaque(self) -> Patch | None:
        """The same without the picture showing through."""
        return None if self.levels is None else self._brushes.painter.heat(self.levels, opacity=1.0)

    @cached_property
    def contours(self) -> Patch | None:
        """See Painter."""
        return None if self.levels is None else self._brushes.painter.contours(self.levels)


class Brushes:
    """What all pictures of a clip are drawn with. width, height: of the upright picture in pixels."""

    def __init__(self, width: int, height: int, show: Show, options: LocalizeFileOptions) -> None:
        self.width, self.height = width, height
        heat_map = show.heat_map
        self.painter = Painter(width, height, heat_map.values.shape[1:], heat_map.area, options.opacity)
        self._heat_map = heat_map
        self._half = Shrinker(*half_size(self.width, self.height))
        self._half_painter = Painter(self._half.width, self._half.height, heat_map.values.shape[1:], heat_map.area, options.opacity)
        self._original = OriginalDrawing(heat_map.values) if "original" in options.styles else None
        self._legends = {
            style: legend(*self._drawn_size(style), _LEGENDS.get(style, "heat"), show.sound_name, options.opacity)
            for style in options.styles
            if options.legend
        }
        self._layers = {style: (Layer(), Layer()) for style in options.styles}  # one for what moves, one for the legend

    def size(self, style: Style) -> tuple[int, int]:
        """Of an overlay's pictures, even."""
        width, height = (_even(pixels) for pixels in self._drawn_size(style))
        return (2 * width if style == "side-by-side" else width), height

    def drawn(self, style: Style, moment: Moment) -> Picture:
        """A picture of its own in that style."""
        if style == "side-by-side":
            frame, right = doubled(self._half(moment.picture)), self._half.width
        else:
            frame, right = (blackened if style == "heat-only" else copied)(moment.picture), 0
        for layer, patch in zip(self._layers[style], (self._patch(style, moment), self._legends.get(style)), strict=True):
            if patch is not None:
                layer.lay(patch, frame, right)
        return frame

    def _drawn_size(self, style: Style) -> tuple[int, int]:
        """Of what the colours are laid over."""
        return (self._half.width, self._half.height) if style == "side-by-side" else (self.width, self.height)

    def _patch(self, style: Style, moment: Moment) -> Patch | None:
        if style == "original":
            return self._as_the_original(moment.seconds - self._heat_map.start_seconds)
        if style == "side-by-side":
            return None if moment.levels is None else self._half_painter.heat(moment.levels)
        return moment.contours if style == "contours" else moment.opaque if style == "heat-only" else moment.heat

    def _as_the_original(self, seconds: Fraction) -> Patch | None:
        """As the original draws it, on the part of the picture that the map covers; only it does so before the map and behind it."""
        assert self._original is not None
        left, top, width, height = self._heat_map.area
        position = float(seconds / self._heat_map.step_seconds)
        place = _pixels(top, height, self.height), _pixels(left, width, self.width)
        return self._original.patch(*place, position, self._heat_map.shot_at(seconds), fine_scale(self.width, self.height))


def half_size(width: int, height: int) -> tuple[int, int]:
    """Of each half of a side-by-side picture, even: that of the picture itself, unless the two together would be wider than the
    picture and than 1920 pixels; then they are made smaller to fit."""
    width, height = _even(width), _even(height)
    half = min(width, max(width, _SIDE_BY_SIDE_PIXELS) // 4 * 2)
    return half, 2 * round(height * half / width / 2)


def _even(pixels: int) -> int:
    """The next even number that is no smaller."""
    return pixels + pixels % 2


def _pixels(start: float, length: float, pixels: int) -> slice:
    """The part of an axis, which may reach past its ends."""
    return slice(round(start * pixels), round((start + length) * pixels))


def _written(clock: Clock) -> str | None:
    return clock.counting.text(clock.start) if clock.is_known else None
