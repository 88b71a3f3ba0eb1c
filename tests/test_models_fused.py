"""The fused network: shortcuts, merge, class-activation map, sizes."""

import dataclasses
import math

import pytest
import torch

from avsep_plugin.config import FusedConfig, ModelConfig, PictureConfig
from avsep_plugin.errors import ConfigError
from avsep_plugin.models import published
from avsep_plugin.models.fused import Aligner, Alignment, Block, FusedNetwork, compand

SMALL = FusedConfig(
    audio_widths=(4, 6, 6, 8), audio_fused_width=6, video_width=4, fusion_width=8, trunk_widths=(6, 8, 10), last_spatial_stride=1
)


def small_config(**changes: object) -> ModelConfig:
    return dataclasses.replace(ModelConfig(task="align", picture=PictureConfig(crop_size=32), fused=SMALL), **changes)  # type: ignore[arg-type]


def some_input(frames: int, config: ModelConfig, channels: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    size = config.picture.crop_size
    pictures = torch.randint(0, 256, (1, frames, size, size, channels), dtype=torch.uint8, generator=draw)
    return pictures, 0.1 * torch.randn(1, 2, config.window_samples(frames), generator=draw)


@pytest.mark.parametrize(
    ("x", "y"), [(0.0, 0.0), (1.0, 1.0), (-1.0, -1.0), (0.5, math.log(128.5) / math.log(256)), (-1 / 255, -math.log(2) / math.log(256))]
)
def test_companding(x: float, y: float) -> None:
    assert compand(torch.tensor(x)).item() == pytest.approx(y)


def test_companding_does_not_clip() -> None:
    assert compand(torch.tensor(2.0)).item() > 1


def silenced(block: Block) -> Block:
    """A block whose convolutions yield nothing, so that only the shortcut is left."""
    torch.nn.init.zeros_(block.second.weight)
    return block.eval()


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_a_shortcut_of_the_same_width_is_the_input_or_its_subsampling(stride: int) -> None:
    block = silenced(Block(3, 3, (15,), (stride,), FusedConfig()))
    x = torch.rand(1, 3, 37)
    assert block.short is None
    torch.testing.assert_close(block(x), x[..., ::stride] / math.sqrt(1 + 1e-3))


def test_a_shortcut_to_another_width_is_a_normalised_convolution_without_relu() -> None:
    block = silenced(Block(2, 3, (3, 3, 3), (2, 2, 2), FusedConfig()))
    x = torch.randn(1, 2, 5, 6, 7)
    assert block.short is not None
    weight = block.short.conv.weight[:, :, 0, 0, 0]
    expected = torch.einsum("oi,bithw->bothw", weight, x[:, :, ::2, ::2, ::2]) / (1 + 1e-3)
    torch.testing.assert_close(block(x), expected.relu())


def test_the_merge_is_a_convolution_of_the_concatenation() -> None:
    torch.manual_seed(0)
    network = FusedNetwork(small_config()).eval()
    im = network.im
    video, audio = torch.randn(1, 4, 3, 5, 5), torch.randn(1, 6, 3)
    wide = audio[..., None, None].expand(-1, -1, -1, 5, 5)
    y = im.merge2(im.merge1(torch.cat([video, wide], 1)))
    torch.testing.assert_close(im.merge(video, audio), im.merge_block(y + torch.cat([video, wide[:, -2:]], 1)).relu())


def test_the_logit_is_the_mean_of_the_map() -> None:
    torch.manual_seed(0)
    model = Aligner(small_config()).eval()
    with torch.inference_mode():
        alignment = model(*some_input(25, model.config))
    torch.testing.assert_close(alignment.logits, alignment.cam.mean((1, 2, 3)))
    assert alignment.logits.abs() > 1e-4


def test_the_logit_may_be_the_highest_place_of_the_map() -> None:
    torch.manual_seed(0)
    model = Aligner(small_config(pooling="max")).eval()
    with torch.inference_mode():
        alignment = model(*some_input(25, model.config))
    torch.testing.assert_close(alignment.logits, alignment.cam.mean(1).amax((1, 2)))


WIDE = PictureConfig(stored_size=40, crop_size=32, fit="crop")


def looked_around(model: Aligner, frames: torch.Tensor, sound: torch.Tensor) -> tuple[Alignment, Alignment, Alignment]:
    """The map of a whole picture; that of the same in a margin by hand, cut; that of the model's own square."""
    with torch.inference_mode():
        found = model.look_around(frames, sound, 2)
        laid = torch.nn.functional.pad(frames[0].movedim(-1, 1).float(), (32,) * 4, mode="replicate").movedim(1, -1)[None]
        around = model.joint.pooled(model(laid, sound).cam[:, :, 2:-2, 2:-2])
        square = model(frames[:, :, 8:40, 16:48], sound)
    return found, around, square


@pytest.mark.parametrize("seed", range(4))
def test_a_whole_picture_has_the_places_of_the_margin_and_the_level_of_the_better_view(seed: int) -> None:
    torch.manual_seed(seed)
    model = Aligner(small_config(pooling="max", picture=WIDE)).eval()
    frames = torch.randint(0, 256, (1, 25, 48, 64, 3), dtype=torch.uint8)  # the square lies at (64 - 40) / 2 + 4, (48 - 40) / 2 + 4
    found, around, square = looked_around(model, frames, some_input(25, model.config)[1])
    torch.testing.assert_close(found.logits, torch.maximum(around.logits, square.logits))
    torch.testing.assert_close(found.cam - found.logits, around.cam - around.logits)


def test_a_map_of_a_larger_picture_has_cells_of_the_same_size() -> None:
    """The layers are convolutions: a cell is as many pixels wide, whatever the picture's size."""
    config = small_config()
    frames = torch.zeros(1, 25, 64, 128, 3, dtype=torch.uint8)
    with torch.inference_mode():
        cam = Aligner(config).eval()(frames, some_input(25, config)[1]).cam
    assert cam.shape[2:] == (64 // config.fused.cell_pixels, 128 // config.fused.cell_pixels)


@pytest.mark.parametrize(
    ("network", "frames", "size"),
    [("shift", 125, (16, 7, 7)), ("cam", 125, (16, 14, 14)), ("cam", 63, (8, 14, 14)), ("shift", 248, (31, 7, 7))],
)
def test_map_sizes_of_the_published_networks(network: str, frames: int, size: tuple[int, int, int]) -> None:
    config = published.CONFIGS[network]()
    with torch.device("meta"):
        alignment = Aligner(config).eval()(
            torch.empty(1, frames, 224, 224, 3, dtype=torch.uint8), torch.empty(1, 2, config.window_samples(frames))
        )
    assert tuple(alignment.cam.shape[1:]) == size


@pytest.mark.parametrize(
    ("network", "frames", "samples"), [("shift", 125, 87588), ("cam", 125, 87588), ("full", 63, 44144), ("unet_pit", 63, 44144)]
)
def test_windows_of_the_published_networks(network: str, frames: int, samples: int) -> None:
    config = published.CONFIGS[network]()
    assert (config.window.frames, config.window_samples(frames)) == (frames, samples)


@pytest.mark.parametrize(("frames", "samples"), [(125, 87588), (248, 173774)])
def test_longer_windows(frames: int, samples: int) -> None:
    config = published.with_frames(published.full(), frames)
    assert (config.window.frames, config.window_samples(frames)) == (frames, samples)


def test_grey_pictures_are_the_mean_of_the_colours() -> None:
    torch.manual_seed(0)
    config = small_config(picture=PictureConfig(crop_size=32, channels=1))
    network = FusedNetwork(config).eval()
    frames, _ = some_input(9, config, channels=1)
    with torch.inference_mode():
        torch.testing.assert_close(network.see(frames), network.see(frames.expand(-1, -1, -1, -1, 3)), rtol=1e-4, atol=1e-5)


def test_other_widths_strides_and_rates_fit_together() -> None:
    fused = dataclasses.replace(
        SMALL, audio_strides=(4, 4, 4, 4, 2), video_strides=(1, 2), trunk_time_strides=(1, 1), audio_kernels=(33, 9)
    )
    config = small_config(sample_rate_hz=16000, picture=PictureConfig(frame_rate=25, crop_size=48), fused=fused)  # type: ignore[arg-type]
    with torch.inference_mode():
        features = FusedNetwork(config).eval()(*some_input(24, config))
    assert features.video.shape == (1, 4, 12, 6, 6)
    assert features.last.shape == (1, 10, 12, 3, 3)


def test_every_parameter_gets_a_gradient() -> None:
    torch.manual_seed(0)
    model = Aligner(small_config()).train()
    model(*some_input(25, model.config)).logits.sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_a_merge_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="merge shortcut"):
        FusedNetwork(small_config(fused=dataclasses.replace(SMALL, trunk_widths=(40, 8, 10))))
