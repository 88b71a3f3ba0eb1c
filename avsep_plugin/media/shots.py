"""Where one shot of a clip ends and the next begins: FFmpeg's `scdet` on small grey pictures, in one pass and little memory.

    picture i-1  A A A A | B B B B  picture i          scdet: mean difference of consecutive pictures in per cent, less what it was
                         ^ cut at the time of i               just before; a cut where that reaches the threshold

A flash or a cut of a few pictures leaves shots that are too short to be judged by themselves. `merged` joins each to its neighbour.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
import av.filter

from avsep_plugin.media.picture import Pictures
from avsep_plugin.media.region import Region

THRESHOLD = 5.0
"""Of scdet's score, per cent of full scale. On the small pictures used here, talking heads stay below 2 and a moving camera below 3;
cuts between people before one backdrop lie at 3 to 17, so that FFmpeg's default of 10 misses half of them."""
MIN_SHOT_SECONDS = Fraction(2, 5)
"""Shorter shots are joined to a neighbour: a network needs some pictures to tell anything."""
_WIDTH, _HEIGHT = 128, 72


@dataclass(frozen=True)
class Cuts:
    """The cuts of a clip on the file's clock."""

    times: tuple[Fraction, ...]
    """Each is the time of a shot's first picture, in order."""
    end: Fraction
    """When the picture ends."""

    def merged(self, start_seconds: Fraction) -> tuple[Fraction, ...]:
        """The cuts in seconds after `start_seconds` (> 0, in order), none nearer than `MIN_SHOT_SECONDS` to another, to the start or end.

        A shot that is too short goes with the one after it; the last one, which has none, with the one before.

            found    |----A----|b|----C----|d|       b, d too short
            merged   |----A----|-----C+b+d---|
        """
        kept: list[Fraction] = []
        before = Fraction(0)
        for time in self.times:
            after = time - start_seconds
            if after - before >= MIN_SHOT_SECONDS:
                kept.append(after)
                before = after
        while kept and self.end - start_seconds - kept[-1] < MIN_SHOT_SECONDS:
            kept.pop()
        return tuple(kept)


def find_cuts(
    path: Path | str,
    region: Region | None = None,
    end_seconds: Fraction | None = None,
    threshold: float = THRESHOLD,
    progress: Callable[[Fraction], None] | None = None,
    tolerate_damage: bool = False,
) -> Cuts:
    """The cuts of a clip, seen in the region only, up to a time on the file's clock (None: to its end).

    progress: takes the time of each picture on that clock. Raises what opening and reading a picture raises (media.picture).
    """
    times = []
    with _CutFinder(path, region, tolerate_damage) as finder:
        for time, begins in finder.marked(threshold):
            times += [time] if begins else []
            if progress is not None:
                progress(time)
            if end_seconds is not None and finder.end_seconds >= end_seconds:
                break
        return Cuts(tuple(times), finder.end_seconds)


class _CutFinder(Pictures):
    """The pictures of a file, each with whether a shot begins with it."""

    end_seconds = Fraction(0)
    """When the last picture so far ends."""

    def marked(self, threshold: float) -> Iterator[tuple[Fraction, bool]]:
        """(time, a shot begins here) of every picture."""
        graph = _graph(threshold)
        for number, (time, frame) in enumerate(self._decode()):
            small = self._scaler.reformat(self._shown(frame).frame, _WIDTH, _HEIGHT, "gray", interpolation="AREA", threads=1)
            small.pts, small.time_base = number, Fraction(1, 25)
            graph.push(small)
            self.end_seconds = time + self._step_seconds
            yield time, _comes_out(graph)


def _graph(threshold: float) -> av.filter.Graph:
    """scdet that lets through only pictures with which a shot begins; it looks back, never ahead, so these come out at once."""
    graph = av.filter.Graph()
    source = graph.add_buffer(width=_WIDTH, height=_HEIGHT, format=av.VideoFormat("gray"), time_base=Fraction(1, 25))
    scdet = graph.add("scdet", f"threshold={threshold}:sc_pass=1")
    graph.link_nodes(source, scdet, graph.add("buffersink")).configure()
    return graph


def _comes_out(graph: av.filter.Graph) -> bool:
    try:
        graph.vpull()
    except av.error.BlockingIOError:
        return False
    return True
