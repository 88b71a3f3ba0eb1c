"""A lighter separator on the same fused features: a bidirectional recurrent network that writes a ratio mask frame by frame.

spectrogram [B, bins, L] --linear--> +
                                     +-- GRU, both directions --linear--> mask logits [B, bins, L]
scales, means over fields of the picture --conv--> stretched to L steps
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from avsep_plugin.config import ModelConfig
from avsep_plugin.models.layers import legacy_resize


class RecurrentMask(nn.Module):
    """Normalised spectrogram [B, bins, L] and the three feature maps [B, C, T, H, W] (or None) -> mask logits [B, bins, L]."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c, fused = config.separator, config.fused
        bins, width, self.grid = config.stft.bins, c.width, c.picture_grid
        channels = fused.video_width + fused.trunk_widths[0] + fused.trunk_widths[2]
        seen = channels * self.grid**2 if c.with_video else 0
        self.listen = nn.Sequential(nn.Linear(bins, width), nn.ReLU())
        self.see = nn.Sequential(nn.Conv1d(seen, width, 3, padding=1), nn.ReLU()) if seen else None
        self.drop = nn.Dropout(c.dropout)
        between = c.dropout if c.layers > 1 else 0.0
        self.gru = nn.GRU((2 if seen else 1) * width, width, c.layers, batch_first=True, bidirectional=True, dropout=between)
        self.write = nn.Linear(2 * width, bins)

    def forward(self, spectrogram: Tensor, scales: tuple[Tensor, Tensor, Tensor] | None) -> Tensor:
        x = self.listen(spectrogram.transpose(1, 2))
        if self.see is not None and scales is not None:
            steps = max(scale.shape[2] for scale in scales)
            seen = torch.cat([legacy_resize(self._fields(scale), steps) for scale in scales], dim=1)
            x = torch.cat([x, legacy_resize(self.see(seen), x.shape[1]).transpose(1, 2)], dim=2)
        logits: Tensor = self.write(self.gru(self.drop(x))[0])
        return logits.transpose(1, 2)

    def _fields(self, scale: Tensor) -> Tensor:
        """Means of a map [B, C, T, H, W] over the fields of the picture -> [B, C * grid * grid, T]."""
        fields = functional.adaptive_avg_pool3d(scale, (scale.shape[2], self.grid, self.grid))
        return fields.permute(0, 1, 3, 4, 2).flatten(1, 3)
