"""The separator of the paper: a u-net on the mixture's spectrogram that reads the fused features on its way down (spec 2.3).

    spectrogram --conv1..conv9--> bottom --deconv1..deconv8--> fg head, bg head
                   |  |  |  scales of the fused network join after conv3, conv4, conv5
                   every encoder layer is joined again to its mirror in the decoder

Tensors are [B, C, time, frequency]. Scope `gen` of the TensorFlow graph.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from avsep_plugin.config import ModelConfig
from avsep_plugin.errors import ConfigError
from avsep_plugin.models.layers import BatchNorm, SameConv, legacy_resize

_KERNEL = (4, 4)
_FIRST_MERGE = 2
"""Index of the first encoder layer after which features join (conv3)."""


class TransposedConv(nn.Module):
    """SAME transposed convolution, kernel 4x4, stride 1 or 2 per axis -> [B, out, T * stride, F * stride].

    TensorFlow's place of the kernel: stride 2 cuts one from each end, stride 1 cuts one from the start and two from the end.
    """

    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int], bias: bool = False) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.randn(inputs, outputs, *_KERNEL) * 0.02)
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        y = functional.conv_transpose2d(x, self.weight, self.bias, self.stride)
        height, width = (n * s for n, s in zip(x.shape[2:], self.stride, strict=True))
        return y[:, :, 1 : 1 + height, 1 : 1 + width]


class Layer(nn.Module):
    """Convolution or transposed convolution and its renorm batch norm, without activation."""

    def __init__(self, conv: nn.Module, channels: int, momentum: float) -> None:
        super().__init__()
        self.conv = conv
        self.norm = BatchNorm(channels, eps=1e-5, momentum=momentum, gamma=True, renorm=True)
        nn.init.normal_(self.norm.gamma, 1.0, 0.02)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.conv(x))
        return y


class UNet(nn.Module):
    """[B, 2, T, F] and the three feature maps -> (fg, bg), each [B, outputs, T, F]; T a multiple of `time_multiple`."""

    def __init__(self, config: ModelConfig, outputs: int) -> None:
        super().__init__()
        c, momentum = config.separator, config.fused.bn_momentum
        fused = config.fused
        self.depth = c.layers
        self.time_multiple = 2 ** (c.layers - 2)
        if (config.stft.bins - 1) % 2**c.layers:
            raise ConfigError(f"A u-net of {c.layers} layers needs a multiple of {2**c.layers} frequency bins, not {config.stft.bins - 1}.")
        joined = (fused.video_width, fused.trunk_widths[0], fused.trunk_widths[2]) if c.with_video else (0, 0, 0)
        widths = [min(2**i, 8) * c.width for i in range(c.layers)]
        strides = [(1, 2), (1, 2)] + [(2, 2)] * (c.layers - 2)
        skips = [w + (joined[i - _FIRST_MERGE] if 0 <= i - _FIRST_MERGE < 3 else 0) for i, w in enumerate(widths)]
        for i, (inputs, width) in enumerate(zip([2, *skips[:-1]], widths, strict=True)):
            conv = SameConv(inputs, width, _KERNEL, strides[i])
            nn.init.normal_(conv.weight, 0.0, 0.02)
            self.add_module(f"conv{i + 1}", Layer(conv, width, momentum))
        for i in range(c.layers - 1):
            mirror = c.layers - 1 - i
            inputs = skips[mirror] if i == 0 else widths[mirror] + skips[mirror]
            deconv = TransposedConv(inputs, widths[mirror - 1], strides[mirror])
            self.add_module(f"deconv{i + 1}", Layer(deconv, widths[mirror - 1], momentum))
        self.fg = TransposedConv(2 * c.width, outputs, strides[0], bias=True)
        self.bg = TransposedConv(2 * c.width, outputs, strides[0], bias=True)

    def forward(self, x: Tensor, scales: tuple[Tensor, Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        skips = []
        for i in range(self.depth):
            stored = self.get_submodule(f"conv{i + 1}")(x)
            x = functional.leaky_relu(stored, 0.2)
            if scales is not None and 0 <= i - _FIRST_MERGE < len(scales):
                stored = x = torch.cat([x, self._stretch(scales[i - _FIRST_MERGE], x)], dim=1)
            skips.append(stored)
        skips.pop()
        for i in range(self.depth - 1):
            if i > 0:
                x = torch.cat([x, skips.pop()], dim=1)
            x = self.get_submodule(f"deconv{i + 1}")(torch.relu(x))
        x = torch.relu(torch.cat([x, skips.pop()], dim=1))
        return self.fg(x), self.bg(x)

    @staticmethod
    def _stretch(scale: Tensor, like: Tensor) -> Tensor:
        """Mean of a map [B, C, T, H, W] over the picture, stretched to the time of `like` and the same at every frequency."""
        mean = legacy_resize(scale.mean(dim=(3, 4)), like.shape[2])
        return mean[..., None].expand(-1, -1, -1, like.shape[3])
