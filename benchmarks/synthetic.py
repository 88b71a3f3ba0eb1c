"""Synthetic weights and inputs that anybody can make again: no trained weights, no recordings.

The rule is that of the recordings in `golden/`: NumPy's legacy generator, seeded by the CRC-32 of the TensorFlow variable's name.
Weights are scaled by their fan-in, so that activations neither die nor explode on the way through the networks.
"""

import zlib

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from avsep_plugin.release.graph import load_variables, shapes

Float32 = npt.NDArray[np.float32]


def variable(name: str, shape: tuple[int, ...]) -> Float32:
    """The values of the TensorFlow variable of that name, in TensorFlow's layout."""
    draw = np.random.RandomState(zlib.crc32(name.encode("ascii")))
    leaf = name.rpartition("/")[2]
    if leaf == "weights":
        value = draw.randn(*shape) * _weight_scale(name, shape)
    elif leaf in _AFFINE:
        offset, scale = _AFFINE[leaf]
        value = offset + scale * draw.randn(*shape)
    elif leaf == "moving_variance":
        value = draw.uniform(1.0, 2.0, size=shape)
    else:
        value = np.zeros(shape)
    return np.asarray(value, dtype=np.float32)


_AFFINE = {"biases": (0.0, 0.05), "beta": (0.0, 0.1), "gamma": (1.0, 0.1), "moving_mean": (0.0, 0.1)}
"""Mean and standard deviation by the last part of the name."""


def _weight_scale(name: str, shape: tuple[int, ...]) -> float:
    """1 / sqrt(fan-in). A transposed kernel is [height, width, out, in] and each output meets a quarter of it at stride 2."""
    transposed = name.startswith(("gen/deconv", "gen/fg", "gen/bg"))
    if not transposed:
        return float(np.sqrt(1.0 / np.prod(shape[:-1])))
    scale = float(np.sqrt(1.0 / (shape[0] * shape[1] * shape[3] / 4.0)))
    return scale if name.startswith("gen/deconv") else 0.2 * scale  # heads end in a tanh that should not saturate


def fill(model: nn.Module) -> None:
    """Give every variable of the network its synthetic value."""
    load_variables(model, {name: torch.from_numpy(variable(name, shape)) for name, shape in shapes(model).items()})


def frames(count: int, size: int = 224, seed: int = 0) -> Tensor:
    """Pictures [1, count, size, size, 3] uint8 of random squares 8 pixels wide."""
    squares = np.random.RandomState(seed).randint(0, 256, size=(count, size // 8, size // 8, 3))
    pictures = squares.repeat(8, axis=1).repeat(8, axis=2)
    return torch.from_numpy(pictures[None].astype(np.uint8))


def samples(count: int, seed: int = 1, rms: float = 0.14, sample_rate_hz: int = 21000) -> Tensor:
    """Stereo sound [1, 2, count] float32: a warbling and a steady tone, fading in and out, with noise, at the given RMS per channel."""
    time = np.arange(count) / float(sample_rate_hz)
    left = np.sin(2 * np.pi * (200 + 50 * np.sin(3 * time)) * time)
    right = np.sin(2 * np.pi * 330 * time + 0.3)
    tones = np.stack([left, right], axis=1) * (0.5 + 0.5 * np.sin(2 * np.pi * 1.7 * time))[:, None]
    noisy = tones + 0.3 * np.random.RandomState(seed).randn(count, 2)
    levelled = rms * noisy / np.sqrt((noisy**2).mean(axis=0, keepdims=True))
    return torch.from_numpy(levelled.T[None].astype(np.float32).copy())
