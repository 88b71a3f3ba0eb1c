"""Change of sample rate; the only module that imports torchaudio."""

import math

import torchaudio.functional
from torch import Tensor


def resample(signal: Tensor, from_hz: int, to_hz: int) -> Tensor:
    """Band-limited resampling of `signal` [..., n] float32 -> [..., ceil(n * to_hz / from_hz)] (windowed sinc, torchaudio).

    Sample m of the result is the signal at the time m / to_hz.
    """
    if from_hz == to_hz:
        return signal
    length = math.ceil(signal.shape[-1] * to_hz / from_hz)
    resampled: Tensor = torchaudio.functional.resample(signal, from_hz, to_hz, lowpass_filter_width=16)
    return resampled[..., :length]
