"""Networks: seconds of computing per second of footage, and floating-point operations against the machine's matrix product."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from avsep_plugin.models import published, zoo
from avsep_plugin.models.fused import Aligner
from avsep_plugin.models.separator import Separator

from .machine import best_seconds, gemm_flops


@dataclass(frozen=True)
class NetworkFigures:
    """One network at one precision, on one window."""

    name: str
    precision: str
    seconds_per_second: float
    """Computing for each second of footage, windows back to back (their context is paid for but not counted as footage)."""
    share_of_gemm: float
    """Operations a second over those of the machine's matrix product at the same precision."""
    snr_db: float | None
    """Of the output against fp32."""


def measure(seed: int = 0) -> list[NetworkFigures]:
    """mini with its weights, and the full-width networks with random ones, in fp32 and bf16."""
    torch.manual_seed(seed)
    networks: dict[str, Aligner | Separator] = {
        "mini separate": zoo.load_separator("mini", "cpu"),
        "mini localize": zoo.load_aligner("mini", "cpu"),
        "full separate": Separator(published.full()).eval(),
        "cam localize": Aligner(published.cam()).eval(),
    }
    rates = {dtype: gemm_flops(dtype) for dtype in (torch.float32, torch.bfloat16)}
    return [figures for name, network in networks.items() for figures in _network(name, network, rates)]


def _network(name: str, network: Aligner | Separator, rates: dict[torch.dtype, float]) -> list[NetworkFigures]:
    config = network.config
    frames = config.window.frames
    side = config.picture.crop_size
    pictures = torch.randint(0, 256, (1, frames, side, side, 3), dtype=torch.uint8)
    audio = 0.1 * torch.randn(1, 2, config.window_samples(frames))
    kept_seconds = float(config.window.hop_frames / config.picture.frame_rate)
    exact = _run(network, pictures, audio, torch.float32)()
    with FlopCounterMode(display=False) as counter:
        _run(network, pictures, audio, torch.float32)()
    result = []
    for dtype in (torch.float32, torch.bfloat16):
        run = _run(network, pictures, audio, dtype)
        seconds = best_seconds(run, repeats=2)
        snr_db = None if dtype == torch.float32 else _snr_db(run(), exact)
        share = counter.get_total_flops() / seconds / rates[dtype]
        result.append(NetworkFigures(name, "fp32" if snr_db is None else "bf16", seconds / kept_seconds, share, snr_db))
    return result


def _run(network: Aligner | Separator, pictures: Tensor, audio: Tensor, dtype: torch.dtype) -> Callable[[], Tensor]:
    @torch.inference_mode()
    def run() -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            return (network(pictures, audio).cam if isinstance(network, Aligner) else network.masks(pictures, audio)).float()

    return run


def _snr_db(estimate: Tensor, exact: Tensor) -> float:
    return float(10 * torch.log10(exact.square().sum() / (estimate - exact).square().sum()))
