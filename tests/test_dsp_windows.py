"""The grid: every frame, sample and STFT frame belongs to one window, and times never drift."""

import itertools
from fractions import Fraction

import pytest

from avsep_plugin.config import ModelConfig, PictureConfig, StftConfig, WindowConfig
from avsep_plugin.dsp.windows import MIN_FRAMES, Grid, Span, Window, native_stft, next_fast_length

RATES = [8000, 11025, 22050, 44100, 48000, 96000, 21000]
LENGTHS = [1500, 5000, 8001, 44117, 100003]


def grid(rate: int = 48000, hop: int = 31, context: int = 16, fixed: bool = False, frame_rate: Fraction = Fraction(30000, 1001)) -> Grid:
    config = ModelConfig(window=WindowConfig(hop, context, fixed), picture=PictureConfig(frame_rate=frame_rate))
    return Grid(config, rate)


def all_windows(the_grid: Grid, samples: int) -> list[Window]:
    return [the_grid.window(index, samples) for index in range(the_grid.window_count(samples))]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("samples", LENGTHS)
@pytest.mark.parametrize("fixed", [True, False])
def test_kept_frames_cover_the_file_once(rate: int, samples: int, fixed: bool) -> None:
    windows = all_windows(grid(rate, fixed=fixed), samples)
    assert windows[0].keep.start == 0
    assert all(after.keep.start == before.keep.stop for before, after in itertools.pairwise(windows))
    assert [window.last for window in windows] == [False] * (len(windows) - 1) + [True]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("samples", LENGTHS)
def test_stft_frames_cover_every_sample_as_often_as_any_other(rate: int, samples: int) -> None:
    the_grid = grid(rate)
    windows = all_windows(the_grid, samples)
    hop, frame = the_grid.stft.hop_samples, the_grid.stft.frame_samples
    assert windows[0].stft_frames.start * hop == hop - frame
    assert all(after.stft_frames.start == before.stft_frames.stop for before, after in itertools.pairwise(windows))
    assert samples <= windows[-1].stft_frames.stop * hop < samples + hop


def test_stft_frame_belongs_to_the_window_that_keeps_its_centre() -> None:
    the_grid = grid(44100)
    window = the_grid.window(3)
    hop, half = the_grid.stft.hop_samples, Fraction(the_grid.stft.frame_samples, 2)
    inside = range(the_grid.native_sample(window.keep.start), the_grid.native_sample(window.keep.stop))
    centres = [frame * hop + half for frame in range(window.stft_frames.start - 1, window.stft_frames.stop + 1)]
    assert [inside.start <= centre < inside.stop for centre in centres] == [False] + [True] * (len(centres) - 2) + [False]


@pytest.mark.parametrize("rate", RATES)
def test_window_reads_all_that_it_needs(rate: int) -> None:
    the_grid = grid(rate)
    for window in all_windows(the_grid, 3 * rate + 17):
        assert window.reads.start <= window.segment.start
        assert window.reads.stop >= window.segment.stop
        assert window.reads.start <= window.stft_frames.start * the_grid.stft.hop_samples


@pytest.mark.parametrize("rate", RATES)
def test_resampled_segment_begins_where_both_rates_have_a_sample(rate: int) -> None:
    the_grid = grid(rate, fixed=True)
    for index in range(4):
        window = the_grid.window(index)
        model_rate = the_grid.config.sample_rate_hz
        assert Fraction(window.segment.start, rate) == Fraction(window.model.start - window.skip, model_rate)
        assert Fraction(window.segment.stop, rate) > Fraction(window.model.stop, model_rate)


def test_an_hour_does_not_drift() -> None:
    the_grid = grid(48000)
    frame = 3600 * 30000 // 1001
    assert abs(the_grid.native_sample(frame) - Fraction(frame * 48000 * 1001, 30000)) <= Fraction(1, 2)
    assert the_grid.window_count(48000 * 3600) == -(-(frame + 1) // 31)


@pytest.mark.parametrize("index", [0, 1, 2, 7])
def test_window_gives_the_network_the_samples_that_go_with_its_frames(index: int) -> None:
    the_grid = grid(44100, fixed=True)
    window = the_grid.window(index)
    assert window.see.length == 63
    assert window.model.length == the_grid.config.window_samples(63)


def test_loose_window_is_cut_to_what_the_file_has() -> None:
    the_grid = grid(48000, hop=30, context=10, frame_rate=Fraction(30))
    first, last = all_windows(the_grid, 48000 + 24000 + 1)
    assert (first.see, last.see) == (Span(0, 40), Span(20, 46))
    assert not first.last
    assert last.last


def test_fixed_window_is_filled_up() -> None:
    the_grid = grid(48000, hop=30, context=10, fixed=True, frame_rate=Fraction(30))
    only = the_grid.window(0, 24000)
    assert only.see == Span(-10, 40)
    assert (only.heard.start, only.heard.stop) == (0, 10500)
    assert only.model.start == -7000


@pytest.mark.parametrize("samples", [1, 100, 3200])
def test_network_never_gets_fewer_than_its_minimum(samples: int) -> None:
    window = grid(16000).window(0, samples)
    assert window.see.length >= MIN_FRAMES
    assert window.heard.length == -(-samples * 21000 // 16000)


def test_half_clip_windows_overlap_by_half_and_keep_what_is_new() -> None:
    the_grid = grid(48000)
    windows = [the_grid.half_clip(index) for index in range(4)]
    assert [window.see.start for window in windows] == [0, 31, 63, 94]
    assert [tuple(window.keep) for window in windows] == [(0, 63), (63, 94), (94, 126), (126, 157)]


@pytest.mark.parametrize("rate", [*RATES, 192000, 12345])
def test_native_stft_lasts_as_long_as_the_models(rate: int) -> None:
    model, native = StftConfig(), native_stft(StftConfig(), 21000, rate)
    assert native.frame_samples == 4 * native.hop_samples
    assert native.fft_size >= native.frame_samples
    assert abs(native.frame_samples / rate - model.frame_samples / 21000) <= 2 / rate


def test_native_stft_overlaps_at_least_three_quarters() -> None:
    native = native_stft(StftConfig(512, 256, 512), 16000, 16000)
    assert native == StftConfig(512, 128, 512)


def test_fast_length_is_the_next_even_smooth_number() -> None:
    assert [next_fast_length(length) for length in (1, 7, 97, 1344, 2822)] == [2, 8, 100, 1350, 2880]


def test_pieces_cover_a_span() -> None:
    assert list(Span(-3, 4).pieces(3)) == [Span(-3, 0), Span(0, 3), Span(3, 4)]


def test_sample_rate_must_be_positive() -> None:
    with pytest.raises(ValueError, match="sample rate"):
        grid(0)
