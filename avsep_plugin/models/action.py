"""What is done in the picture? The fused network with a class for each action on top (paper section 5.3; spec 5)."""

from torch import Tensor, nn

from avsep_plugin.config import ModelConfig
from avsep_plugin.dsp.levels import set_rms
from avsep_plugin.errors import ConfigError
from avsep_plugin.models.fused import FusedNetwork
from avsep_plugin.models.layers import SameConv


class Recogniser(nn.Module):
    """Pictures and sound of a clip -> evidence for each of the config's classes. Scope `lb` of the TensorFlow graph.

    Raises ConfigError where the config names fewer than two classes.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if len(config.classes) < 2:
            raise ConfigError(f"Model '{config.name}' recognises actions and needs the names of two or more classes.")
        self.config = config
        self.fused = FusedNetwork(config)
        self.lb = SameConv(config.fused.trunk_widths[2], len(config.classes), (1, 1, 1), bias=True)

    def forward(self, frames: Tensor, audio: Tensor) -> Tensor:
        """frames [B, T, c, c, 3] uint8, audio [B, 2, N] float32 at any level -> logits [B, classes]."""
        return self.judge(self.fused.see(frames), audio)

    def judge(self, video: Tensor, audio: Tensor) -> Tensor:
        """Logits of the video stem's output with a sound [B, 2, N], from the mean of the last map."""
        if self.config.input_rms is not None:
            audio, _ = set_rms(audio, self.config.input_rms)
        last = self.fused.fuse(video, audio).last
        logits: Tensor = self.lb(last.mean(dim=(2, 3, 4), keepdim=True))
        return logits.flatten(1)
