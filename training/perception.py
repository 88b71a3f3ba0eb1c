"""How an estimate sounds, as far as machines can say: PESQ and STOI, and how far the off-screen sound is down at equal damage to the voice.

The last one answers what a table of ratios cannot: a method that takes off more may only have cut deeper into the voice. Let
X = S + N be the STFT of the mixture, Y that of an estimate, G = Y / X what was done to every point. The same G on target and interferer
alone gives what became of each (Y = G S + G N; "shadow filtering", Gustafsson, Martin, Vary 1996), whatever made the estimate. An
editor's `--amount` a mixes: it turns G into G_a = 1 - a (1 - G), so the damage to the voice is

    |(1 - G_a) S|^2 / |S|^2 = a^2 |(1 - G) S|^2 / |S|^2,

which is brought to one and the same level by choosing a (at most 1), and the off-screen sound is then 10 log10(|N|^2 / |G_a N|^2) dB down.
"""

import importlib.util
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from avsep_plugin.config import StftConfig
from avsep_plugin.dsp.resample import resample
from avsep_plugin.dsp.stft import analyse

DAMAGE_DB = -10.0
"""Energy of what the voice loses over that of the voice, at which the methods are compared."""
_PESQ_HZ = 16_000
_LARGEST_GAIN = 2.0
"""Where the mixture has next to nothing the quotient means nothing; no method that is compared makes anything twice as loud."""
_FRAME_SECONDS = 0.032


@dataclass(frozen=True)
class Heard:
    """One estimate; None where a figure cannot be had (library not installed, no speech found, too short)."""

    pesq: float | None
    stoi: float | None
    off_down: float | None


def heard(estimate: Tensor, target: Tensor, interferer: Tensor, sample_rate_hz: int) -> Heard:
    """All figures of an estimate [n] of `target` [n] in `target + interferer`, float32."""
    return Heard(
        pesq(estimate, target, sample_rate_hz),
        stoi(estimate, target, sample_rate_hz),
        off_down_db(estimate, target, interferer, sample_rate_hz),
    )


def pesq(estimate: Tensor, target: Tensor, sample_rate_hz: int) -> float | None:
    """Wideband PESQ (ITU-T P.862.2) as a MOS of 1.0 to 4.6, both resampled to 16 kHz."""
    if importlib.util.find_spec("pesq") is None or not target.any():
        return None
    from pesq import PesqError
    from pesq import pesq as measure

    sounds = [resample(sound, sample_rate_hz, _PESQ_HZ).numpy() for sound in (target, estimate)]
    found = float(measure(_PESQ_HZ, *sounds, "wb", on_error=PesqError.RETURN_VALUES))
    return found if found >= 1 else None


def stoi(estimate: Tensor, target: Tensor, sample_rate_hz: int) -> float | None:
    """Short-time objective intelligibility (Taal et al. 2011), about 0 to 1; None where too little of the target is not silence."""
    if importlib.util.find_spec("pystoi") is None:
        return None
    from pystoi import stoi as measure

    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(measure(target.double().numpy(), estimate.double().numpy(), sample_rate_hz))
        except RuntimeWarning:
            return None


def off_down_db(estimate: Tensor, target: Tensor, interferer: Tensor, sample_rate_hz: int, damage_db: float = DAMAGE_DB) -> float | None:
    """By how many dB the interferer is down where the target has lost `damage_db` at most (see the top); None without an interferer."""
    frame = 1 << (round(_FRAME_SECONDS * sample_rate_hz) - 1).bit_length()
    config = StftConfig(frame, frame // 4, frame)
    length = -(-target.shape[0] // frame) * frame
    sounds = torch.stack(
        [torch.nn.functional.pad(sound, (frame, frame + length - sound.shape[0])) for sound in (target, interferer, estimate)]
    )
    on, off, given = analyse(sounds.float(), config)
    mixture = on + off
    gain = given * mixture.conj() / mixture.abs().square().clamp_min(1e-12)
    gain = gain * (_LARGEST_GAIN / gain.abs().clamp_min(_LARGEST_GAIN))
    on_energy, off_energy = _energy(on), _energy(off)
    if min(on_energy, off_energy) == 0:
        return None
    lost = _energy((1 - gain) * on) / on_energy
    amount = min(1.0, (10 ** (damage_db / 10) / max(lost, 1e-12)) ** 0.5)
    left = _energy((1 - amount * (1 - gain)) * off)
    return 10 * float(torch.log10(torch.tensor(off_energy / max(left, 1e-12 * off_energy))))


def _energy(spectrum: Tensor) -> float:
    """Sum of the squared magnitudes."""
    return float(spectrum.abs().square().sum(dtype=torch.float64))
