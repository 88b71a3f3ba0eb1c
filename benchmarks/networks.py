"""Runs the published networks on synthetic weights and input, and names what comes out as the recordings do."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from avsep_plugin.dsp.levels import decibels
from avsep_plugin.dsp.stft import synthesise
from avsep_plugin.models import published
from avsep_plugin.models.fused import Aligner
from avsep_plugin.models.separator import Separator

from . import eigen_fft, synthetic

ROUNDING = "phase rounding"
"""Name of the array of what the recording's own FFT adds to the mixture's phase."""


def channels_last(x: Tensor) -> Tensor:
    """[B, C, ...] -> [B, ..., C]."""
    return x.movedim(1, -1)


class Taps:
    """Collects the outputs of named layers while a network runs."""

    def __init__(self, layers: dict[str, nn.Module]) -> None:
        self.seen: dict[str, Tensor] = {}
        self._hooks = [layer.register_forward_hook(self._keep(name)) for name, layer in layers.items()]

    def _keep(self, name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(_layer: nn.Module, _inputs: object, output: Tensor) -> None:
            self.seen[name] = channels_last(output)

        return hook

    def remove(self) -> None:
        """Take the taps off."""
        for hook in self._hooks:
            hook.remove()


def run_aligner(model: Aligner, frame_count: int, sample_count: int) -> dict[str, Tensor]:
    """Every array of a shift or cam recording, whole, in TensorFlow's layout."""
    layers = {"im_conv1": "im.conv1", "sf_conv1": "sf.conv1_1", "sf_conv4": "sf.conv4_1"}
    taps = Taps({name: model.fused.get_submodule(layer) for name, layer in layers.items()})
    features = model.fused(synthetic.frames(frame_count), synthetic.samples(sample_count))
    taps.remove()
    alignment = model.joint(features.last)
    maps = {
        "scale0": features.video,
        "merge": features.merged,
        "scale1": features.middle,
        "conv4_2": features.conv4,
        "scale2": features.last,
        "sf_conv5": features.audio,
    }
    arrays = taps.seen | {name: channels_last(value) for name, value in maps.items()}
    for name in ("sf_conv1", "sf_conv4", "sf_conv5"):
        arrays[name] = arrays[name].unsqueeze(2)
    return arrays | {"cam": alignment.cam[..., None], "logits": alignment.logits[:, None]}


def run_separator(model: Separator, frame_count: int, sample_count: int, steps: int | None = None) -> dict[str, Tensor]:
    """Every array of a full or unet_pit recording, whole, in TensorFlow's layout; `steps`: spectrogram steps that the u-net gets."""
    audio = synthetic.samples(sample_count)
    features = model.features(synthetic.frames(frame_count), audio)
    mixture = model.mixture(audio)[..., :steps]
    taps = Taps({name: model.gen.get_submodule(name) for name in ("conv9", "deconv8")})
    spectra = model.spectra(mixture, features)
    taps.remove()
    rounding = eigen_fft.phase_error(audio[0, 0].numpy(), model.config.stft)[None, : mixture.shape[-1]]
    arrays = taps.seen | {"spec": decibels(mixture.abs()).mT, "phase": mixture.angle().mT, ROUNDING: torch.from_numpy(rounding)}
    for side, spectrum in zip(("fg", "bg"), spectra, strict=True):
        arrays |= {f"spec_{side}": spectrum.level_db.mT, f"phase_{side}": spectrum.phase.mT}
        arrays[f"wav_{side}"] = synthesise(spectrum.complex(), model.config.stft, raw=True)
    if features is not None:
        alignment = model.align(features)
        arrays |= {f"vid{i}": channels_last(scale.mean(dim=(3, 4))) for i, scale in enumerate(features.scales)}
        arrays |= {"cam": alignment.cam[..., None], "logits": alignment.logits[:, None]}
    return arrays


@torch.inference_mode()
def run_network(network: str, meta: list[int], fill: Callable[[nn.Module], object] = synthetic.fill) -> dict[str, Tensor]:
    """Build a published network, fill it with the synthetic weights and run it on synthetic input of the sizes in `meta`."""
    config = published.with_frames(published.CONFIGS[network](), meta[0])
    if config.task == "align":
        aligner = Aligner(config).eval()
        fill(aligner)
        return run_aligner(aligner, *meta)
    separator = Separator(config).eval()
    fill(separator)
    return run_separator(separator, *meta)
