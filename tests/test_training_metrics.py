"""Figures of merit against closed forms and invariances."""

import math

import pytest
import torch

from avsep_plugin.training.metrics import CLAMP_DB, better_of, bss_eval, clustered_mean, score, si_sdr


def noise(seed: int, samples: int = 8000) -> torch.Tensor:
    return torch.randn(samples, generator=torch.Generator().manual_seed(seed))


def orthogonal(seed: int, to: torch.Tensor) -> torch.Tensor:
    """Noise of the energy of `to`, without mean and orthogonal to it."""
    signal = noise(seed, len(to)).double()
    base = (to - to.mean()).double()
    signal = signal - signal.mean()
    signal = signal - (signal @ base) / (base @ base) * base
    return (signal * base.norm() / signal.norm()).float()


@pytest.mark.parametrize("level_db", [-10.0, 0.0, 15.0])
def test_si_sdr_of_an_orthogonal_disturbance_is_its_level(level_db: float) -> None:
    target = noise(0)
    assert si_sdr(target + orthogonal(1, target) * 10 ** (-level_db / 20), target) == pytest.approx(level_db, abs=1e-3)


@pytest.mark.parametrize("gain", [0.01, -1.0, 30.0])
def test_si_sdr_does_not_depend_on_the_level_or_sign_of_the_estimate(gain: float) -> None:
    target, estimate = noise(0), noise(0) + 0.3 * noise(1)
    assert si_sdr(gain * estimate, target) == pytest.approx(si_sdr(estimate, target), abs=1e-3)


def test_si_sdr_does_not_depend_on_a_constant_offset() -> None:
    target, estimate = noise(0), noise(0) + 0.3 * noise(1)
    assert si_sdr(estimate + 5, target - 2) == pytest.approx(si_sdr(estimate, target), abs=1e-3)


def test_a_perfect_estimate_is_clamped() -> None:
    assert si_sdr(noise(0), noise(0)) == CLAMP_DB


def test_a_silent_estimate_is_the_worst_and_not_zero() -> None:
    assert si_sdr(torch.zeros(8000), noise(0)) == -CLAMP_DB
    assert bss_eval(torch.stack([torch.zeros(8000), noise(0)]), torch.stack([noise(0), noise(1)])) == (-CLAMP_DB,) * 3


def test_bss_eval_forgives_a_delay_that_si_sdr_does_not() -> None:
    references = torch.stack([noise(0), noise(1)])
    delayed = torch.stack([torch.nn.functional.pad(noise(0), (40, 0))[:-40], noise(1)])
    assert bss_eval(delayed, references)[0] > 20
    assert si_sdr(delayed[0], references[0]) < -10


def test_sir_counts_the_interferer_and_not_what_is_new() -> None:
    target, interferer = noise(0, 40000), noise(1, 40000)
    estimate = target + 0.1 * interferer + 0.3 * noise(2, 40000)
    _, sir, sar = bss_eval(torch.stack([estimate, interferer]), torch.stack([target, interferer]))
    assert sir == pytest.approx(20, abs=1.0)
    assert sar == pytest.approx(10.5, abs=0.5)


def test_bss_eval_is_the_least_squares_projection_on_delayed_references() -> None:
    taps, samples = 512, 2000
    references = torch.stack([noise(0, samples), noise(1, samples)]).double()
    estimate = references[0].roll(3) + 0.5 * references[1] + 0.3 * noise(2, samples).double()
    padded = torch.nn.functional.pad(references, (taps - 1, taps - 1))
    delays = padded.unfold(1, taps, 1)  # [2, samples + taps - 1, taps]
    wanted = torch.nn.functional.pad(estimate, (0, taps - 1))

    def projection(basis: torch.Tensor) -> torch.Tensor:
        return basis @ torch.linalg.lstsq(basis, wanted[:, None]).solution[:, 0]

    target, both = projection(delays[0]), projection(torch.cat([delays[0], delays[1]], dim=1))
    parts = ((target, wanted - target), (target, both - target), (both, wanted - both))
    expected = [float(10 * torch.log10(signal.square().sum() / rest.square().sum())) for signal, rest in parts]
    assert bss_eval(torch.stack([estimate, references[1]]), references) == pytest.approx(expected, abs=0.01)


def test_bss_eval_bears_band_limited_sound() -> None:
    spectrum = torch.fft.rfft(torch.stack([noise(0), noise(1)]))
    spectrum[:, 1000:] = 0
    references = torch.fft.irfft(spectrum, n=8000)
    assert all(math.isfinite(value) for value in bss_eval(references + 0.1 * references.flip(0), references))


def test_the_unchanged_mixture_improves_nothing() -> None:
    result = score(noise(0) + noise(1), noise(0), noise(1))
    assert result.si_sdr_improvement == 0


def test_the_right_voice_is_the_nearer_one() -> None:
    target, interferer = noise(0), noise(1)
    assert score(target + 0.5 * interferer, target, interferer).right_voice
    assert not score(0.5 * target + interferer, target, interferer).right_voice


def test_oracle_assignment_takes_the_better_estimate() -> None:
    good, bad = noise(0) + 0.1 * noise(1), noise(1)
    assert better_of([bad, good], noise(0)) is good


def test_the_interval_holds_the_mean() -> None:
    mean = clustered_mean([1.0, 2.0, 3.0, 6.0], ["a", "a", "b", "c"])
    assert mean.value == 3.0
    assert mean.low <= mean.value <= mean.high
    assert mean.n == 4


def test_the_interval_is_the_same_every_time() -> None:
    values = noise(0, 40).tolist()
    clusters = [str(i % 7) for i in range(40)]
    assert clustered_mean(values, clusters) == clustered_mean(values, clusters)


def test_values_of_one_cluster_count_as_one_draw() -> None:
    few = [0.0, 1.0, 2.0, 3.0]
    once = clustered_mean(few, list("abcd"))
    repeated = clustered_mean(few * 50, list("abcd") * 50)
    assert (repeated.low, repeated.high) == pytest.approx((once.low, once.high))


def test_many_clusters_give_the_interval_of_the_normal_law() -> None:
    values = noise(3, 2000).double()
    mean = clustered_mean(values.tolist(), [str(i) for i in range(2000)])
    assert mean.high - mean.low == pytest.approx(2 * 1.96 / math.sqrt(2000), rel=0.1)


def test_no_values_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        clustered_mean([], [])
