"""Change of sample rate; the only module that imports torchaudio."""

import math
from fractions import Fraction

import torchaudio.functional
from torch import Tensor
from torch.nn import functional

_LARGEST_FILTER = 2**25
"""torchaudio's filter has a row for each phase between the two rates: about numerator x denominator of their ratio. Rates with hardly a
common divisor (44 099 and 16 000 Hz) would need gigabytes; they take the nearest ratio whose filter is not larger than this."""


def resample(signal: Tensor, from_hz: int, to_hz: int) -> Tensor:
    """Band-limited resampling of `signal` [..., n] float32 -> [..., ceil(n * to_hz / from_hz)] (windowed sinc, torchaudio).

    Sample m of the result is the signal at the time m / to_hz.
    """
    if from_hz == to_hz or signal.shape[-1] == 0:
        return signal
    length = math.ceil(signal.shape[-1] * to_hz / from_hz)
    ratio = Fraction(to_hz, from_hz)
    if ratio.numerator * ratio.denominator > _LARGEST_FILTER:
        ratio = ratio.limit_denominator(math.isqrt(_LARGEST_FILTER * from_hz // to_hz))
    resampled: Tensor = torchaudio.functional.resample(signal, ratio.denominator, ratio.numerator, lowpass_filter_width=16)
    return functional.pad(resampled, (0, max(0, length - resampled.shape[-1])))[..., :length]
