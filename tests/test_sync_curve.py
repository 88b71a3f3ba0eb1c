"""The curve over shifts, in closed form: an aligner whose logit is the share of pictures that show what is heard."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch
from blinking import FRAME, RATE, Blinking, blinks, pictures, sound
from torch import Tensor

from avsep_plugin.config import CalibrationConfig
from avsep_plugin.dsp.windows import Span
from avsep_plugin.errors import TooShortError
from avsep_plugin.feed import held
from avsep_plugin.sync_curve import Piece, Scores, SyncCurve, compare, curve, height, read_off, shifts
from avsep_plugin.sync_pieces import Search, cut, find_curve, lay

PLAIN = CalibrationConfig()


def find(states: Tensor, heard: Tensor, search: Search | None = None, model: Blinking | None = None, rate_hz: int = RATE) -> SyncCurve:
    lasts = Fraction(heard.shape[1], rate_hz)
    shown = held(pictures(states))
    return find_curve(model or Blinking(), [heard], rate_hz, shown, (Fraction(0), Fraction(len(states), 25)), lasts, search or Search())


@pytest.mark.parametrize("frames", [-20, -3, 0, 1, 12, 25])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_the_offset_is_that_of_the_sound(frames: int, stride: int) -> None:
    states = blinks(80)
    found = find(states, sound(states, frames * FRAME), model=Blinking(stride))
    assert found.offsets_seconds[int(np.argmax(found.scores))] == pytest.approx(frames / 25)


def test_positive_means_that_the_sound_is_late() -> None:
    states = blinks(80)
    assert read_off(find(states, sound(states, 5 * FRAME)), PLAIN).offset_seconds > 0


def test_an_offset_between_two_steps_is_found_between_them() -> None:
    states = blinks(200)
    offset = read_off(find(states, sound(states, 5 * FRAME + FRAME // 4)), PLAIN).offset_seconds
    assert 0.2 < offset < 0.22


def test_a_rate_that_does_not_divide_moves_nothing() -> None:
    states = blinks(80)
    values = states.float().repeat_interleave(1764)  # 44.1 kHz
    heard = torch.cat([torch.full((7 * 1764,), 0.5), values])[None, : len(values)]
    found = find(states, heard, rate_hz=44100)
    assert found.offsets_seconds[int(np.argmax(found.scores))] == pytest.approx(0.28)


def test_steps_need_be_no_whole_pictures() -> None:
    model = Blinking(frame_rate=Fraction(2997, 100))
    states = blinks(90)
    values = states.float().repeat_interleave(267)
    shown = held(pictures(states))
    search = Search(Fraction(1, 2), Fraction(1, 100))
    found = find_curve(model, [values[None]], RATE, shown, (Fraction(0), Fraction(3)), Fraction(len(values), RATE), search)
    assert abs(found.offsets_seconds[int(np.argmax(found.scores))]) <= 0.01
    assert len(found.offsets_seconds) == 101


def test_only_sound_that_is_there_is_judged() -> None:
    """A shift of 1.2 s would leave less than 0.4 s of 1.5 s."""
    states = blinks(37)
    found = find(states, sound(states), Search(Fraction(13, 10)))
    assert max(found.offsets_seconds) == pytest.approx(1.08) == -min(found.offsets_seconds)


def test_pictures_before_the_sound_ask_for_no_sound_that_is_not_there() -> None:
    piece = Piece(pictures(blinks(50)), torch.rand(2, 30 * FRAME), -10 * FRAME)
    scores = compare(Blinking(), piece, [Fraction(0), Fraction(2, 5), Fraction(-2, 5)])
    assert scores.seconds.tolist() == [1.2, 1.2, 1.2]
    assert compare(Blinking(), piece, [Fraction(1)]).seconds.tolist() == [1.2 - 0.6]


def test_the_pictures_are_seen_once_for_all_shifts() -> None:
    model = Blinking()
    compare(model, Piece(pictures(blinks(100)), torch.rand(2, 150 * FRAME), 25 * FRAME), shifts(Fraction(1), Fraction(1, 25)))
    assert model.seen == [100]


@pytest.mark.parametrize("kind", ["silent", "still"])
def test_silence_and_a_still_picture_say_nothing(kind: str) -> None:
    states = blinks(80) if kind == "silent" else torch.ones(80)
    found = find(states, torch.zeros(2, 80 * FRAME) if kind == "silent" else sound(blinks(80)))
    assert found.scores == ()
    assert read_off(found, PLAIN).confidence == 0


def test_a_flat_curve_has_no_confidence() -> None:
    assert read_off(SyncCurve((-0.04, 0.0, 0.04), (0.3, 0.3, 0.3), 5.0), PLAIN).confidence == 0


def test_more_of_the_same_is_more_certain() -> None:
    states = blinks(300)
    parts = [find(states[:count], sound(states, FRAME)[:, : count * FRAME]) for count in (50, 100, 300)]
    confidences = [read_off(part, PLAIN).confidence for part in parts]
    assert confidences == sorted(confidences)
    assert confidences[0] < confidences[-1]


def test_the_parabola_is_exact_for_a_parabola() -> None:
    x = np.arange(-5, 6) * 0.04
    found = SyncCurve(tuple(x), tuple(1 - (x - 0.013) ** 2), 1.0)
    assert read_off(found, PLAIN).offset_seconds == pytest.approx(0.013)


def test_a_peak_at_the_edge_stays_there() -> None:
    assert read_off(SyncCurve((0.0, 0.04, 0.08), (0.0, 1.0, 2.0), 1.0), PLAIN).offset_seconds == 0.08


def test_the_height_is_the_mean_of_two_units() -> None:
    """Peak 3 above the median; the rest lies at -1, 0 and 1, so its median absolute deviation is 1."""
    x = tuple(number / 5 for number in range(-4, 4))
    found = SyncCurve(x, (-1.0, 0.0, 1.0, -1.0, 3.0, 0.0, 1.0, 0.0), 4.0)
    assert height(found, CalibrationConfig(slope=0.5)) == pytest.approx((3 * 0.5 * 2 * 3 / 1.4826) ** 0.5)


def test_scores_of_pieces_add_up() -> None:
    first, second = Scores(np.array([1.0, 2.0]), np.array([1.0, 1.0])), Scores(np.array([3.0, 0.0]), np.array([1.0, 1.0]))
    together = curve([first, second], [Fraction(0), Fraction(1)])
    assert together.scores == pytest.approx(((4 - 3) / 3, (2 - 3) / 3))


def test_a_shift_on_little_evidence_is_pulled_to_the_mean() -> None:
    found = curve([Scores(np.array([4.0, 1.0]), np.array([4.0, 0.4]))], [Fraction(0), Fraction(1)])
    assert abs(found.scores[1]) < abs(1.0 / 0.4 - 5.0 / 4.4)


def test_shifts_reach_both_ways_and_hold_zero() -> None:
    assert shifts(Fraction(1, 10), Fraction(1, 25)) == [Fraction(-2, 25), Fraction(-1, 25), 0, Fraction(1, 25), Fraction(2, 25)]
    with pytest.raises(ValueError, match="step"):
        shifts(Fraction(1, 10), Fraction(0))


def test_a_short_clip_is_one_piece() -> None:
    assert lay(Span(0, 75), 75, Search(), Fraction(25)) == [Span(0, 75)]
    assert lay(Span(10, 70), 75, Search(), Fraction(25)) == [Span(10, 70)]
    assert lay(Span(5, 5), 75, Search(), Fraction(25)) == []


def test_pieces_of_a_long_clip_have_their_sound_around_them() -> None:
    spans = lay(Span(0, 2500), 2500, Search(windows=4), Fraction(25))
    assert [span.length for span in spans] == [100] * 4
    assert (spans[0].start, spans[-1].stop) == (25, 2475)
    gaps = [b.start - a.stop for a, b in itertools.pairwise(spans)]
    assert min(gaps) > 0
    assert max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize("frames", [150, 151, 260, 400])
def test_pieces_never_overlap_and_stay_inside(frames: int) -> None:
    spans = lay(Span(0, frames), frames, Search(), Fraction(25))
    assert spans
    assert all(a.stop <= b.start for a, b in itertools.pairwise(spans))
    assert spans[0].start >= 25
    assert spans[-1].stop <= frames - 25


def test_a_long_clip_is_read_once_and_not_kept() -> None:
    states = blinks(25 * 60)
    heard = sound(states, 3 * FRAME)
    biggest = 0
    asked: list[int] = []

    def shown(start: int, count: int) -> Tensor:
        nonlocal biggest
        biggest = max(biggest, count)
        asked.append(start)
        return held(pictures(states))(start, count)

    lasts = Fraction(60)
    found = find_curve(Blinking(), heard.split(1000, dim=1), RATE, shown, (Fraction(0), lasts), lasts, Search(windows=3))
    assert found.offsets_seconds[int(np.argmax(found.scores))] == pytest.approx(0.12)
    assert biggest == 100
    assert asked == sorted(asked)
    assert len(asked) == 3
    assert found.seconds == pytest.approx(12)


def test_how_the_sound_comes_in_pieces_changes_nothing() -> None:
    states = blinks(400)
    heard = sound(states, 40)
    spans = lay(Span(0, 400), 400, Search(windows=2), Fraction(25))
    config = Blinking().config
    first, second = (
        list(cut(config, heard.split(size, dim=1), RATE, held(pictures(states)), spans, Fraction(1))) for size in (400 * FRAME, 777)
    )
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.audio, other.audio)
        assert one.lead_samples == other.lead_samples


def test_sound_that_ends_before_it_was_said_to_counts_as_far_as_it_goes() -> None:
    states = blinks(80)
    lasts = Fraction(80, 25)
    found = find_curve(Blinking(), [sound(states)[:, : 60 * FRAME]], RATE, held(pictures(states)), (Fraction(0), lasts), lasts)
    assert found.offsets_seconds[int(np.argmax(found.scores))] == 0


@pytest.mark.parametrize(("frames", "samples"), [(50, 0), (5, 2 * RATE), (50, RATE // 4)])
def test_too_little_of_picture_or_sound_is_said(frames: int, samples: int) -> None:
    lasts = Fraction(samples, RATE)
    with pytest.raises(TooShortError, match="needs at least 400 ms"):
        find_curve(Blinking(), [torch.zeros(2, samples)], RATE, held(pictures(blinks(frames))), (Fraction(0), Fraction(frames, 25)), lasts)


def test_sound_that_never_comes_is_said() -> None:
    with pytest.raises(TooShortError, match="empty"):
        find_curve(Blinking(), [torch.zeros(2, 0)], RATE, held(pictures(blinks(50))), (Fraction(0), Fraction(2)), Fraction(2))


def test_a_search_needs_windows() -> None:
    with pytest.raises(ValueError, match="window"):
        Search(windows=0)
