"""Masks: from the model's time-frequency grid to the native one.

Both grids are lattices of (frame centre, bin frequency) on the same clock, so a native point is a pair of fractional indices into
the model's mask, and its value is interpolated between the four neighbours:

    model  frame l is centred at  (window start + l * hop + frame / 2) / model rate,  bin b lies at  b * model rate / fft size
    native frame j is centred at  (j * hop' + frame' / 2) / native rate,              bin c lies at  c * native rate / fft size'

The model hears nothing above its own Nyquist frequency, and its resampler fades out just below it. From there up every native bin
takes one value per frame: the mean of the mask over the top kilohertz that the model hears, or 1, or 0.
"""

import math
from fractions import Fraction
from typing import Literal

import torch
from torch import Tensor

from avsep_plugin.config import StftConfig
from avsep_plugin.dsp.windows import Span

Highs = Literal["follow", "keep", "cut"]
"""What happens to the sound above the model's band: follow the top of the mask, keep it on screen, or cut it off."""

HEARD_SHARE = Fraction(95, 100)
"""Share of the band below the model's Nyquist frequency that the resampler passes unharmed."""
TOP_BAND_HZ = 1000
"""Width of the band whose mask the sound above follows."""


def ratio_mask(on_db: Tensor, off_db: Tensor) -> Tensor:
    """The share of the on-screen sound in the power: on^2 / (on^2 + off^2), of two magnitudes in dB of any one shape.

    With d = on_db - off_db it is 1 / (1 + 10^(-d/10)), the logistic function of d * ln(10) / 10: exactly 1/2 where both are
    equal, never undefined.
    """
    return torch.sigmoid((on_db - off_db) * (math.log(10) / 10))


class MaskGrid:
    """Lays the masks of a model's windows on the native STFT.

    stft, rate_hz: the model's; native_stft, native_rate_hz: those of the file.
    """

    def __init__(self, stft: StftConfig, rate_hz: int, native_stft: StftConfig, native_rate_hz: int, highs: Highs = "follow") -> None:
        self.highs = highs
        self._stft, self._native_stft = stft, native_stft
        self._native_to_model = Fraction(rate_hz, native_rate_hz)
        bin_hz, native_bin_hz = Fraction(rate_hz, stft.fft_size), Fraction(native_rate_hz, native_stft.fft_size)
        edge_hz = HEARD_SHARE * rate_hz / 2
        top_bin = math.floor(edge_hz / bin_hz)
        self._top_band = slice(max(0, math.floor((edge_hz - TOP_BAND_HZ) / bin_hz)), top_bin + 1)
        self._heard_bins = min(native_stft.bins, math.floor(edge_hz / native_bin_hz) + 1)
        self._bins = torch.arange(self._heard_bins, dtype=torch.float64) * float(native_bin_hz / bin_hz)

    def lay(self, mask: Tensor, window_start: int, frames: Span) -> Tensor:
        """The mask of one window on some native frames.

        mask: [bins, L] in [0, 1], whose frame 0 begins at model sample `window_start`; frames: native frames j.
        Returns [native bins, len(frames)] in [0, 1]. Frames beyond the mask's ends take its first or last column. A mask of ones
        gives ones exactly.
        """
        columns = _between(mask, self._columns(window_start, frames), dim=1)
        heard = _between(columns, self._bins, dim=0)
        above = self._above(columns).expand(self._native_stft.bins - self._heard_bins, -1)
        return torch.cat([heard, above]).clamp(0, 1)

    def _columns(self, window_start: int, frames: Span) -> Tensor:
        """Fractional model frame of each native frame: exact for the first, then in equal steps."""
        native, model = self._native_stft, self._stft
        centre = Fraction(2 * frames.start * native.hop_samples + native.frame_samples, 2) * self._native_to_model
        first = (centre - window_start - Fraction(model.frame_samples, 2)) / model.hop_samples
        step = native.hop_samples * self._native_to_model / model.hop_samples
        return torch.arange(frames.length, dtype=torch.float64) * float(step) + float(first)

    def _above(self, columns: Tensor) -> Tensor:
        """[1, frames]: the value of all bins above the model's band."""
        if self.highs == "follow":
            return columns[self._top_band].mean(dim=0, keepdim=True)
        return torch.full_like(columns[:1], 1.0 if self.highs == "keep" else 0.0)


def interpolate(values: Tensor, positions: Tensor, dim: int = 0) -> Tensor:
    """Linear interpolation of [..., n, ...] at fractional indices [m] along `dim`; outside, the end values are held."""
    return _between(values, positions, dim)


def _between(values: Tensor, positions: Tensor, dim: int) -> Tensor:
    """Linear interpolation, in the form a + t (b - a), which leaves constants untouched."""
    at = positions.to(values.device).clamp(0, values.shape[dim] - 1)
    low = at.floor().long()
    high = (low + 1).clamp(max=values.shape[dim] - 1)
    shape = [-1 if axis == dim else 1 for axis in range(values.ndim)]
    return torch.lerp(values.index_select(dim, low), values.index_select(dim, high), (at - low).to(values.dtype).reshape(shape))
