"""Short-time Fourier transform with the framing of Owens & Efros (spec 2.1, 2.4), written out because torch.stft frames differently.

Frame l of a signal is the `frame_samples` samples from l * hop on, times a periodic Hann window, zero-padded at the end to
`fft_size`. Nothing is centred and nothing is padded at the ends of the signal:

    samples   |-----------------------------------------|
    frame 0   [~~~~~~~~~~~]
    frame 1        [~~~~~~~~~~~]
    frame L-1                          [~~~~~~~~~~~]      L = 1 + floor((N - frame) / hop)

Synthesis windows every frame once more and adds. What comes out is x times the sum of the squared windows that cover a
sample, so dividing by that sum makes it exact: sum_l w[n - l hop]^2 x[n] / sum_l w[n - l hop]^2 = x[n].
"""

import torch
from torch import Tensor
from torch.nn import functional

from avsep_plugin.config import StftConfig


def hann(config: StftConfig, like: Tensor) -> Tensor:
    """Periodic Hann window [frame_samples] on the device of `like`, float32."""
    return torch.hann_window(config.frame_samples, periodic=True, device=like.device, dtype=torch.float32)


def analyse(signal: Tensor, config: StftConfig) -> Tensor:
    """STFT of `signal` [..., N] float32 -> [..., bins, L] complex64, L = config.frame_count(N) (N >= frame_samples)."""
    frames = signal.unfold(-1, config.frame_samples, config.hop_samples) * hann(config, signal)
    spectrum: Tensor = torch.fft.rfft(frames, n=config.fft_size)
    return spectrum.transpose(-1, -2)


def synthesise(spectrum: Tensor, config: StftConfig, *, raw: bool = False) -> Tensor:
    """Inverse STFT of `spectrum` [..., bins, L] -> [..., (L - 1) * hop + frame] float32.

    raw=True leaves out the division by the summed squared window, as the original tool does: 1.5 times the level inside at
    its settings, fading at both ends.
    """
    window = hann(config, spectrum)
    frames = torch.fft.irfft(spectrum.transpose(-1, -2), n=config.fft_size)[..., : config.frame_samples] * window
    signal = overlap_add(frames, config.hop_samples)
    if raw:
        return signal
    weight = overlap_add((window**2).expand(spectrum.shape[-1], -1), config.hop_samples)
    return signal / weight.clamp_min(1e-8)


def overlap_add(frames: Tensor, hop_samples: int) -> Tensor:
    """Sum `frames` [..., L, frame], each starting one hop after the one before -> [..., (L - 1) * hop + frame]."""
    *batch, count, length = frames.shape
    total = (count - 1) * hop_samples + length
    columns = frames.reshape(-1, count, length).transpose(1, 2)
    folded = functional.fold(columns, output_size=(1, total), kernel_size=(1, length), stride=(1, hop_samples))
    return folded.reshape(*batch, total)
