"""The separator: shapes for any window, what its heads mean, the bin that the u-net does not see."""

import dataclasses
import math

import pytest
import torch

from avsep_plugin.config import FusedConfig, ModelConfig, PictureConfig, SeparatorConfig, StftConfig, WindowConfig
from avsep_plugin.errors import ConfigError
from avsep_plugin.models import published
from avsep_plugin.models.separator import Separator, Spectrum
from avsep_plugin.models.unet import TransposedConv, UNet

FUSED = FusedConfig(
    audio_widths=(4, 6, 6, 8), audio_fused_width=6, video_width=4, fusion_width=8, trunk_widths=(6, 8, 10), scale_gamma=True
)
UNET = SeparatorConfig(width=4, layers=5)
RECURRENT = SeparatorConfig(kind="recurrent", head="mask", width=8, layers=1, spectrogram_channel="mean")
STFT = StftConfig(frame_samples=512, hop_samples=128, fft_size=512)


def build(separator: SeparatorConfig, fixed: bool = True) -> Separator:
    torch.manual_seed(0)
    picture, window = PictureConfig(crop_size=32), WindowConfig(fixed=fixed)
    return Separator(ModelConfig(picture=picture, stft=STFT, fused=FUSED, separator=separator, window=window)).eval()


def some_input(model: Separator, frames: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    size = model.config.picture.crop_size
    pictures = torch.randint(0, 256, (2, frames, size, size, 3), dtype=torch.uint8, generator=draw)
    return pictures, 0.1 * torch.randn(2, 2, model.config.window_samples(frames), generator=draw)


HEADS = {
    "u-net spectrogram": UNET,
    "u-net mask": dataclasses.replace(UNET, head="mask"),
    "u-net without pictures": dataclasses.replace(UNET, with_video=False),
    "recurrent": RECURRENT,
    "recurrent without pictures": dataclasses.replace(RECURRENT, with_video=False),
}


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("frames", [16, 21])
@pytest.mark.parametrize("head", HEADS)
def test_masks_cover_every_bin_and_frame_of_any_window(head: str, frames: int, fixed: bool) -> None:
    model = build(HEADS[head], fixed)
    pictures, audio = some_input(model, frames)
    with torch.inference_mode():
        masks = model.masks(pictures, audio)
    assert masks.shape == (2, STFT.bins, STFT.frame_count(audio.shape[-1]))
    assert masks.min() >= 0
    assert masks.max() <= 1


@pytest.mark.parametrize("head", ["u-net spectrogram", "u-net mask", "recurrent"])
def test_masks_depend_on_the_pictures(head: str) -> None:
    model = build(HEADS[head])
    pictures, audio = some_input(model, 16)
    with torch.inference_mode():
        assert not torch.equal(model.masks(pictures, audio), model.masks(255 - pictures, audio))


@pytest.mark.parametrize("head", ["u-net without pictures", "recurrent without pictures"])
def test_the_audio_only_twin_does_not_look(head: str) -> None:
    model = build(HEADS[head])
    pictures, audio = some_input(model, 16)
    with torch.inference_mode():
        assert torch.equal(model.masks(pictures, audio), model.masks(255 - pictures, audio))


def test_dropout_is_for_training_only() -> None:
    model = build(dataclasses.replace(RECURRENT, layers=2, dropout=0.5))
    pictures, audio = some_input(model, 16)
    plain = build(dataclasses.replace(RECURRENT, layers=2))
    with torch.inference_mode():
        assert torch.equal(model.masks(pictures, audio), plain.masks(pictures, audio))
        model.gen.train()
        first, second = model.masks(pictures, audio), model.masks(pictures, audio)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("wrong", [{"dropout": 1.0}, {"dropout": -0.1}, {"kind": "unet", "layers": 5}])
def test_dropout_is_a_share_and_for_recurrent_networks(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="Dropout"):
        build(dataclasses.replace(RECURRENT, **{"dropout": 0.5, **wrong}))  # type: ignore[arg-type]


def test_the_spectrogram_heads_mask_is_the_wiener_ratio() -> None:
    model = build(UNET)
    pictures, audio = some_input(model, 16)
    with torch.inference_mode():
        on, off = model.spectra(model.mixture(audio), model.features(pictures, audio))
        masks = model.masks(pictures, audio)
    power = [10 ** (spectrum.level_db / 10) for spectrum in (on, off)]
    torch.testing.assert_close(masks[..., : on.level_db.shape[-1]], power[0] / (power[0] + power[1]), rtol=1e-4, atol=1e-5)


def test_the_bin_that_the_unet_does_not_see_is_at_the_floor_with_the_mixtures_phase() -> None:
    model = build(UNET)
    pictures, audio = some_input(model, 16)
    with torch.inference_mode():
        mixture = model.mixture(audio)
        for spectrum in model.spectra(mixture, model.features(pictures, audio)):
            assert torch.all(spectrum.level_db[:, -1] == -100)
            torch.testing.assert_close(spectrum.phase[:, -1], mixture[:, -1, : spectrum.phase.shape[-1]].angle())


def test_predicted_levels_and_phases_are_bounded() -> None:
    model = build(UNET)
    pictures, audio = some_input(model, 16)
    for weight in (model.gen.fg.weight, model.gen.bg.weight):
        torch.nn.init.normal_(weight, std=100.0)
    with torch.inference_mode():
        for spectrum in model.spectra(model.mixture(audio), model.features(pictures, audio)):
            assert (spectrum.level_db.min(), spectrum.level_db.max()) == (-100, 80)
            assert spectrum.phase.abs().max() <= math.pi + 1e-6


def test_a_spectrum_as_complex_numbers() -> None:
    value = Spectrum(torch.tensor([20.0]), torch.tensor([math.pi / 2])).complex()
    torch.testing.assert_close(value, torch.tensor([10j]), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("channel", "level"), [("left", 1.0), ("mean", 0.5)])
def test_which_channel_the_spectrogram_is_made_of(channel: str, level: float) -> None:
    model = build(dataclasses.replace(UNET, spectrogram_channel=channel))  # type: ignore[arg-type]
    left = torch.randn(1, 1024)
    mixture = model.mixture(torch.stack([left, torch.zeros_like(left)], 1))
    torch.testing.assert_close(mixture, level * model.mixture(torch.stack([left, left], 1)))


@pytest.mark.parametrize("frames", [63, 125, 248])
def test_the_original_reconstruction_has_the_published_length(frames: int) -> None:
    """64 ms every 16 ms, cropped to 128 steps per 2.1 s: 44016, 87024 and 173040 samples."""
    steps = {63: 128, 125: 256, 248: 512}[frames]
    config = published.with_frames(published.unet_pit(), frames)
    with torch.device("meta"):
        on, off = Separator(config).eval().original(torch.empty(1, frames, 1, 1, 3), torch.empty(1, 2, config.window_samples(frames)))
    assert on.shape == off.shape == (1, (steps - 1) * 336 + 1344)


def test_feature_maps_of_a_248_frame_window() -> None:
    config = published.full()
    with torch.device("meta"):
        features = Separator(config).eval().features(torch.empty(1, 248, 224, 224, 3, dtype=torch.uint8), torch.empty(1, 2, 173774))
    assert features is not None
    assert [tuple(scale.shape[1:]) for scale in features.scales] == [(64, 62, 28, 28), (128, 62, 28, 28), (512, 31, 7, 7)]


@pytest.mark.parametrize(("stride", "start"), [(1, 1), (2, 1)])
def test_a_transposed_convolution_is_the_gradient_of_the_same_convolution(stride: int, start: int) -> None:
    """SAME with kernel 4 puts one place before the input at both strides, so output i of a unit impulse at j is tap i - j * stride + 1."""
    layer = TransposedConv(1, 1, (1, stride))
    x = torch.zeros(1, 1, 4, 6)
    x[0, 0, 2, 3] = 1.0
    y = layer(x)
    assert y.shape == (1, 1, 4, 6 * stride)
    taps = [y[0, 0, 2, 3 * stride - start + k].item() for k in range(4)]
    assert taps == pytest.approx(layer.weight[0, 0, 1].tolist())


def test_without_pictures_the_skips_are_stored_before_the_activation() -> None:
    """Only where features join does the joined tensor replace the stored one (spec 2.3)."""
    model = build(HEADS["u-net without pictures"])
    assert isinstance(model.gen, UNet)
    stored: list[torch.Tensor] = []
    joined: list[torch.Tensor] = []
    model.gen.conv4.register_forward_hook(lambda _m, _i, output: stored.append(output))  # type: ignore[union-attr]
    model.gen.deconv2.register_forward_hook(lambda _m, inputs, _o: joined.append(inputs[0]))  # type: ignore[union-attr]
    with torch.inference_mode():
        model.masks(*some_input(model, 16))
    assert torch.equal(joined[0][:, -stored[0].shape[1] :], stored[0].relu())


def test_a_unet_that_the_stft_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of 512 frequency bins, not 256"):
        build(dataclasses.replace(UNET, layers=9))


@pytest.mark.parametrize("head", ["u-net spectrogram", "u-net mask", "recurrent"])
def test_every_parameter_of_the_separator_gets_a_gradient(head: str) -> None:
    model = build(HEADS[head]).train()
    pictures, audio = some_input(model, 16)
    model.masks(pictures, audio).square().sum().backward()
    idle = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert idle == {"joint.logits.weight", "joint.logits.bias"}
