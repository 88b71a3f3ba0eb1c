"""What an editor would take instead: denoisers that hear and do not see, as rows beside ours.

    afftdn        ffmpeg's spectral denoiser told of a noise floor of -25 dB, near the highest that it takes
    noisereduce   spectral gating (Sainburg), as it comes
    rnnoise       Xiph's recurrent network, at 48 kHz, as it comes with the wheel of pyrnnoise

They delay what they give by some milliseconds, each by its own; an editor would notice and put that right, so it is put right here:
the result is moved to where it resembles the mixture most. The last two come with the extra `evaluate`.
"""

import importlib.util
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from avsep_plugin.dsp.resample import resample
from avsep_plugin.errors import ConfigError
from avsep_plugin.media.filtered import filtered

_LONGEST_DELAY_SECONDS = 0.1
_RNNOISE_HZ = 48_000
_RNNOISE_FRAME = 480
_AFFTDN = "nf=-25"


def denoise(name: str, sound: Tensor, sample_rate_hz: int) -> Tensor:
    """The sound [n] float32 without what that denoiser takes for noise, [n]. Raises ConfigError where its library is not installed."""
    missing = missing_library(name)
    if missing:
        raise ConfigError(f"The row '{name}' needs {missing}: pip install 'avsep-plugin[evaluate]'.")
    return aligned(DENOISERS[name](sound, sample_rate_hz), sound, round(_LONGEST_DELAY_SECONDS * sample_rate_hz))


def missing_library(name: str) -> str:
    """The library that a denoiser needs and that is not there; "" where nothing is missing."""
    library = {"noisereduce": "noisereduce", "rnnoise": "pyrnnoise"}.get(name, "")
    return "" if not library or importlib.util.find_spec(library) else library


def aligned(estimate: Tensor, sound: Tensor, longest: int) -> Tensor:
    """An estimate [m] moved by up to `longest` samples either way to where it resembles a sound [n] most, cut or padded to [n]."""
    size = sound.shape[0] + estimate.shape[0]
    alike = torch.fft.irfft(torch.fft.rfft(estimate, size) * torch.fft.rfft(sound, size).conj(), size)
    delays = torch.arange(-longest, longest + 1)
    late = int(delays[alike[delays % size].argmax()])
    moved = estimate[late:] if late > 0 else torch.nn.functional.pad(estimate, (-late, 0))
    return torch.nn.functional.pad(moved, (0, max(0, sound.shape[0] - moved.shape[0])))[: sound.shape[0]]


def _afftdn(sound: Tensor, sample_rate_hz: int) -> Tensor:
    return torch.from_numpy(filtered(sound.numpy(), sample_rate_hz, "afftdn", _AFFTDN))


def _noisereduce(sound: Tensor, sample_rate_hz: int) -> Tensor:
    import noisereduce

    return torch.from_numpy(np.asarray(noisereduce.reduce_noise(y=sound.numpy(), sr=sample_rate_hz), np.float32))


def _rnnoise(sound: Tensor, sample_rate_hz: int) -> Tensor:
    from pyrnnoise import rnnoise

    heard = resample(sound, sample_rate_hz, _RNNOISE_HZ).numpy()
    padded = np.pad(heard, (0, -heard.shape[0] % _RNNOISE_FRAME + _RNNOISE_FRAME)).reshape(-1, _RNNOISE_FRAME)
    whole_numbers = np.round(padded.clip(-1, 1) * np.iinfo(np.int16).max).astype(np.int16)
    state = rnnoise.create()
    try:
        given = np.concatenate([rnnoise.process_mono_frame(state, frame)[0] for frame in whole_numbers])
    finally:
        rnnoise.destroy(state)
    return resample(torch.from_numpy(given.astype(np.float32) / np.iinfo(np.int16).max), _RNNOISE_HZ, sample_rate_hz)


DENOISERS: dict[str, Callable[[Tensor, int], Tensor]] = {"afftdn": _afftdn, "noisereduce": _noisereduce, "rnnoise": _rnnoise}
