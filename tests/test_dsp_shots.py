"""Windows within shots: every frame kept once, nothing seen or heard across a cut."""

import itertools
import random
from fractions import Fraction

import pytest

from avsep_plugin.config import ModelConfig, PictureConfig, StftConfig, WindowConfig
from avsep_plugin.dsp.shots import Shots
from avsep_plugin.dsp.windows import Grid, Window

RATES = [8000, 44100, 48000]


def grid(cuts: list[Fraction], rate: int = 48000, fixed: bool = False, hop: int = 12, context: int = 4) -> Grid:
    config = ModelConfig(
        sample_rate_hz=16000,
        stft=StftConfig(512, 128, 512),
        window=WindowConfig(hop, context, fixed),
        picture=PictureConfig(frame_rate=Fraction(25)),
    )
    return Grid(config, rate, tuple(cuts))


def some_cuts(seed: int, seconds: int = 20) -> list[Fraction]:
    chooser = random.Random(seed)
    return sorted(Fraction(chooser.randrange(1, seconds * 1000), 1000) for _ in range(12))


def all_windows(the_grid: Grid, samples: int) -> list[Window]:
    return [the_grid.window(index, samples) for index in range(the_grid.window_count(samples))]


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seed", [0, 1])
def test_kept_frames_cover_the_file_once(fixed: bool, rate: int, seed: int) -> None:
    windows = all_windows(grid(some_cuts(seed), rate, fixed), 20 * rate + 17)
    assert windows[0].keep.start == 0
    assert all(after.keep.start == before.keep.stop for before, after in itertools.pairwise(windows))
    assert all(after.stft_frames.start == before.stft_frames.stop for before, after in itertools.pairwise(windows))
    assert [window.last for window in windows] == [False] * (len(windows) - 1) + [True]


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("rate", RATES)
def test_no_window_keeps_or_hears_anything_of_another_shot(fixed: bool, rate: int) -> None:
    the_grid = grid(some_cuts(2), rate, fixed)
    for window in all_windows(the_grid, 20 * rate):
        shot = window.shot
        assert shot.start <= window.keep.start < window.keep.stop
        assert the_grid.model_sample(shot.start) <= window.heard.start
        if shot.stop is not None:
            assert window.keep.stop <= shot.stop
            assert window.heard.stop <= the_grid.model_sample(shot.stop)


@pytest.mark.parametrize("fixed", [True, False])
def test_what_is_read_never_goes_back(fixed: bool) -> None:
    starts = [window.reads.start for window in all_windows(grid(some_cuts(3), 44100, fixed), 20 * 44100)]
    assert starts == sorted(starts)


def test_windows_are_laid_afresh_from_the_cut() -> None:
    windows = all_windows(grid([Fraction(20, 25)]), 40 * 48000 // 25)
    assert [tuple(window.keep) for window in windows] == [(0, 12), (12, 20), (20, 32), (32, 44)]
    assert [tuple(window.see) for window in windows] == [(0, 16), (8, 20), (20, 36), (28, 40)]
    assert [window.shot.number for window in windows] == [0, 0, 1, 1]


def test_fixed_windows_keep_their_length_at_a_cut() -> None:
    windows = all_windows(grid([Fraction(20, 25)], fixed=True), 40 * 48000 // 25)
    assert {window.see.length for window in windows} == {20}
    assert tuple(windows[2].see) == (16, 36)


@pytest.mark.parametrize(("cut", "first"), [(Fraction(10, 25), 10), (Fraction(41, 100), 10), (Fraction(421, 1000), 11)])
def test_a_shot_begins_with_the_first_frame_that_shows_it(cut: Fraction, first: int) -> None:
    """Frame i is what is displayed at (i + 1/2) / 25."""
    assert all_windows(grid([cut]), 48000)[1].keep.start == first


def test_a_shot_that_no_frame_shows_keeps_its_number() -> None:
    cuts = [Fraction(401, 1000), Fraction(402, 1000)]
    assert [window.shot.number for window in all_windows(grid(cuts), 48000)] == [0, 2, 2]


@pytest.mark.parametrize("fixed", [True, False])
def test_a_cut_after_the_end_changes_nothing_but_where_the_shot_ends(fixed: bool) -> None:
    plain, beyond = (all_windows(grid(cuts, fixed=fixed), 50001) for cuts in ([], [Fraction(2)]))
    assert [window[3:] for window in map(as_tuple, plain)] == [window[3:] for window in map(as_tuple, beyond)]


def as_tuple(window: Window) -> tuple[object, ...]:
    return (window.index, window.last, window.shot, window.keep, window.see, window.model, window.heard, window.segment, window.reads)


def test_a_window_at_a_cut_still_gets_enough_frames() -> None:
    the_grid = grid([Fraction(1, 25), Fraction(3, 25)])
    assert all(window.see.length >= the_grid.min_frames for window in all_windows(the_grid, 48000))


def test_cuts_must_be_in_order() -> None:
    with pytest.raises(ValueError, match="in order"):
        Shots((Fraction(2), Fraction(1)))


def test_all_is_untouched_only_if_every_shot_is() -> None:
    cuts = (Fraction(1),)
    assert Shots(cuts, frozenset({0, 1})).all_untouched
    assert not Shots(cuts, frozenset({1})).all_untouched
    assert not Shots().all_untouched
