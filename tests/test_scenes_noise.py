"""Off-screen noise."""

import numpy as np
import pytest

from avsep_plugin.errors import ConfigError
from avsep_plugin.scenes.noise import NOISE_KINDS, NOISE_RMS, make_noise

RATE_HZ = 16000


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_noise_has_its_level(kind):
    noise = make_noise(kind, RATE_HZ, RATE_HZ, 3)
    assert noise.dtype == np.float32
    assert np.sqrt(np.mean(noise**2)) == pytest.approx(NOISE_RMS, rel=1e-3)


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_key_decides(kind):
    assert np.array_equal(make_noise(kind, 4000, RATE_HZ, 3), make_noise(kind, 4000, RATE_HZ, 3))
    assert not np.array_equal(make_noise(kind, 4000, RATE_HZ, 3), make_noise(kind, 4000, RATE_HZ, 4))


def test_hiss_is_brighter_than_traffic():
    def centroid_hz(kind):
        power = np.abs(np.fft.rfft(make_noise(kind, RATE_HZ, RATE_HZ, 1))) ** 2
        return np.dot(power, np.arange(len(power))) / power.sum()

    assert centroid_hz("hiss") > 3 * centroid_hz("traffic")


def test_unknown_kind_is_an_error():
    with pytest.raises(ConfigError, match="traffic"):
        make_noise("thunder", 100, RATE_HZ, 1)  # type: ignore[arg-type]
