"""What a step is judged by: the cross-entropy of a task with labels, and the separator's two losses (spec 1.4, 2.5, 5)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from avsep_plugin.dsp.levels import decibels, set_rms, si_sdr
from avsep_plugin.dsp.stft import analyse, synthesise
from avsep_plugin.models.action import Recogniser
from avsep_plugin.models.checkpoint import Network
from avsep_plugin.models.fused import Aligner
from avsep_plugin.models.separator import Separator, Spectrum

from .dataset import ActionBatch, AlignBatch, Batch, MixBatch
from .recipe import Loss, LossWeights

_WEIGHTS = LossWeights()
_POWER = 0.3
_GOOD_ENOUGH = 0.01
"""Energy of the error over that of the sound; less is not worth much more."""
_FAINT = 1e-3
"""A magnitude that no longer counts: some 80 dB below the loudest of a spectrum of the usual level."""


class Objective(nn.Module):
    """A model and what it is judged by, as one module, so that precision and data-parallel wrappers see one forward call."""

    def __init__(self, model: Network, kind: Loss, weights: LossWeights = _WEIGHTS) -> None:
        super().__init__()
        self.model, self.kind, self.weights = model, kind, weights

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """(loss, figures to log) of one batch."""
        if isinstance(batch, AlignBatch):
            assert isinstance(self.model, Aligner)
            return align_loss(self.model, batch)
        if isinstance(batch, ActionBatch):
            assert isinstance(self.model, Recogniser)
            return action_loss(self.model, batch)
        assert isinstance(self.model, Separator)
        return separate_loss(self.model, batch, self.kind, self.weights)


def action_loss(model: Recogniser, batch: ActionBatch) -> tuple[Tensor, dict[str, Tensor]]:
    """Cross-entropy over the classes. Returns (loss, figures to log)."""
    logits = model(batch.frames, batch.audio)
    loss = functional.cross_entropy(logits, batch.labels)
    return loss, {"accuracy": (logits.argmax(dim=1) == batch.labels).float().mean()}


def align_loss(model: Aligner, batch: AlignBatch) -> tuple[Tensor, dict[str, Tensor]]:
    """Cross-entropy over aligned and shifted sound; the pictures are looked at once for both. Returns (loss, figures to log)."""
    audio = torch.cat([batch.aligned, batch.shifted])
    if model.config.input_rms is not None:
        audio, _ = set_rms(audio, model.config.input_rms)
    video = model.fused.see(batch.frames).repeat(2, 1, 1, 1, 1)
    both = model.joint(model.fused.fuse(video, audio).last).logits  # one batch: statistics of their own would tell the two apart
    logits = both.chunk(2)
    labels = torch.cat([torch.ones_like(logits[0]), torch.zeros_like(logits[1])])
    loss = functional.binary_cross_entropy_with_logits(both, labels)
    right = ((both > 0) == (labels > 0)).float().mean()
    better = (logits[0] > logits[1]).float().mean()
    return loss, {"accuracy": right, "aligned_wins": better}


def separate_loss(model: Separator, batch: MixBatch, kind: Loss, weights: LossWeights = _WEIGHTS) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of a batch of mixtures, each picture with all its off-screen sounds. Returns (loss, figures to log)."""
    rounds = batch.off.shape[1]
    on = batch.on.repeat_interleave(rounds, dim=0)
    off = batch.off.flatten(0, 1)
    mixture = on + off
    if model.config.input_rms is not None:
        mixture, gain = set_rms(mixture, model.config.input_rms)
        on, off = on * gain, off * gain
    features = None
    if model.config.separator.with_video:
        video = model.fused.see(batch.frames).repeat_interleave(rounds, dim=0)
        features = model.fused.fuse(video, mixture)
    spectrum = model.mixture(mixture)
    if kind == "l1" and model.config.separator.head == "spectrogram":
        return _l1(model, model.spectra(spectrum, features), (on, off), weights)
    mask = torch.sigmoid(model.mask_logits(spectrum, features))
    if kind == "si_sdr":
        return _si_sdr_loss(model, mask, spectrum, on, off)
    with torch.no_grad():
        figures = _si_sdr_loss(model, mask, spectrum, on, off)[1]
    estimates = mask * spectrum, (1 - mask) * spectrum
    if kind == "l1":
        loss, more = _l1(model, (_spectrum(estimates[0]), _spectrum(estimates[1])), (on, off), weights)
    else:
        loss, more = _compressed(model, estimates, (on, off))
    return loss, more | figures


def _mono(model: Separator, audio: Tensor) -> Tensor:
    return audio.mean(dim=1) if model.config.separator.spectrogram_channel == "mean" else audio[:, 0]


def _si_sdr_loss(model: Separator, mask: Tensor, spectrum: Tensor, on: Tensor, off: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Negative score of the masked mixture as the on-screen sound, and of the rest as the off-screen sound, averaged (`_score`)."""
    stft = model.config.stft
    estimate = synthesise(mask * spectrum, stft)
    mixture = synthesise(spectrum, stft)
    inner = slice(stft.hop_samples, estimate.shape[-1] - stft.hop_samples)
    estimate, mixture = estimate[:, inner], mixture[:, inner]
    on, off = (_mono(model, audio)[:, inner][:, : estimate.shape[-1]] for audio in (on, off))
    scores = _score(estimate, on, mixture) + _score(mixture - estimate, off, mixture)
    if not model.config.separator.with_video:
        scores = torch.maximum(scores, _score(estimate, off, mixture) + _score(mixture - estimate, on, mixture))
    loss = -scores.mean() / 2
    with torch.no_grad():
        before, after = si_sdr(mixture, on), si_sdr(estimate, on)
        right = (after > si_sdr(estimate, off)).float()
        mixed = (off.abs().amax(dim=-1) > 0) & (on.abs().amax(dim=-1) > 0)
    return loss, {"si_sdr_improvement_db": _mean_of(after - before, mixed), "right_voice": _mean_of(right, mixed)}


def _score(estimate: Tensor, wanted: Tensor, mixture: Tensor) -> Tensor:
    """SI-SDR in dB of [B, N] estimates, and for wanted silence how far they lie below the mixture; neither counts beyond some 20 dB.

    Without that bound (of Wisdom et al. 2020, "Unsupervised Sound Separation Using Mixture Invariant Training") a sound that is heard
    alone, where everything is to stay, is worth more the longer one trains, and mixtures of two voices are left as they are for its sake.
    """
    error, power = estimate.square().sum(dim=-1), mixture.square().sum(dim=-1) + 1e-6
    below = -10.0 * torch.log10(error / power + _GOOD_ENOUGH)
    ratio = 10 ** (-si_sdr(estimate, wanted, eps=1e-6).clamp_min(-60.0) / 10)
    return torch.where(wanted.abs().amax(dim=-1) > 0, -10.0 * torch.log10(ratio + _GOOD_ENOUGH), below)


def _mean_of(values: Tensor, counted: Tensor) -> Tensor:
    """Mean of those that count; 0 where none does."""
    return (values * counted).sum() / counted.sum().clamp_min(1)


def _l1(
    model: Separator, heads: tuple[Spectrum, Spectrum], sounds: tuple[Tensor, Tensor], weights: LossWeights
) -> tuple[Tensor, dict[str, Tensor]]:
    """The paper's L1 on normalised spectrograms, in the given order, in the better one (PIT), or both, as the weights say."""
    steps = heads[0].level_db.shape[-1]
    targets = [_spectrum(analyse(_mono(model, audio), model.config.stft)[..., :steps]) for audio in sounds]

    def distance(head: Spectrum, target: Spectrum) -> Tensor:
        level = (model.normalise(head.level_db) - model.normalise(target.level_db)).abs().mean(dim=(1, 2))
        phase = ((head.phase - target.phase) / math.pi).abs().mean(dim=(1, 2))
        return level + weights.phase * phase

    given = distance(heads[0], targets[0]) + distance(heads[1], targets[1])
    with_video = model.config.separator.with_video
    if with_video and not weights.pit:
        return given.mean(), {"spectrum_l1": given.mean().detach()}
    better = torch.minimum(given, distance(heads[0], targets[1]) + distance(heads[1], targets[0]))
    loss = given + weights.pit * better if with_video else better
    return loss.mean(), {"spectrum_l1": (given if with_video else better).mean().detach(), "better_order_l1": better.mean().detach()}


def _compressed(model: Separator, estimates: tuple[Tensor, Tensor], sounds: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Squared distance of both estimated spectra to those of the sounds, all with their magnitudes raised to 0.3 (the loss of Ephrat et
    al. 2018, "Looking to Listen at the Cocktail Party"); in the better order where the model sees nothing."""
    steps = estimates[0].shape[-1]
    targets = [_power_law(analyse(_mono(model, audio), model.config.stft)[..., :steps]) for audio in sounds]

    def distance(estimate: Tensor, target: Tensor) -> Tensor:
        return (_power_law(estimate) - target).abs().square().mean(dim=(1, 2))

    given = distance(estimates[0], targets[0]) + distance(estimates[1], targets[1])
    if not model.config.separator.with_video:
        given = torch.minimum(given, distance(estimates[0], targets[1]) + distance(estimates[1], targets[0]))
    return given.mean(), {"compressed": given.mean().detach()}


def _power_law(stft: Tensor) -> Tensor:
    """The same phases, magnitudes to the power of 0.3; smooth at 0."""
    return stft * (stft.abs().square() + _FAINT**2) ** ((_POWER - 1) / 2)


def _spectrum(stft: Tensor) -> Spectrum:
    return Spectrum(decibels(stft.abs()), stft.angle())
