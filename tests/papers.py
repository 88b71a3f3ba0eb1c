"""The paper's recipes at a size that trains in a blink: every structure kept, every width and length cut; and clips from which there is
something to learn."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from avsep_plugin.config import ModelConfig, PictureConfig, WindowConfig
from avsep_plugin.training.recipe import Recipe, load_recipe, recipe_names
from avsep_plugin.training.shards import Piece, ShardWriter, StoreConfig, write_store

NAMES = [name for name in recipe_names() if name.startswith("paper-")]
PICTURE = PictureConfig(frame_rate=Fraction(25), stored_size=36, crop_size=32, channels=1)
RATE = 4000
CLASSES = ("Clapping", "Drumming")
_SAMPLES = RATE // 25
_RATES = {"align": 0.03, "l1": 3e-3, "action": 1e-2}


def small(name: str, steps: int = 2) -> Recipe:
    """A recipe of the paper, shrunk: a quarter of its windows' length, a few channels, five layers of u-net, steps that are felt."""
    recipe = load_recipe(name)
    frames = recipe.data.window_frames // 4 + 1
    data = replace(recipe.data, window_frames=frames, shift_seconds=(1.0, 4.0))
    optimizer = replace(recipe.optimizer, steps=steps, batch_clips=4, learning_rate=_RATES[recipe.loss])
    return replace(recipe, model=_small(recipe.model, frames), data=data, optimizer=optimizer)


def _small(model: ModelConfig, frames: int) -> ModelConfig:
    fused = replace(
        model.fused, audio_widths=(4, 4, 4, 8), audio_strides=(4, 4, 4, 2, 2), audio_kernels=(9, 5), audio_fused_width=8, video_width=4,
        video_kernel=(3, 3, 3), fusion_width=8, trunk_widths=(8, 8, 8), bn_momentum=0.1,
    )  # fmt: skip
    stft = replace(model.stft, frame_samples=model.stft.frame_samples * 32 // 336, hop_samples=32, fft_size=model.stft.fft_size // 16)
    context = frames // 4 if model.window.context_frames else 0
    return replace(
        model, sample_rate_hz=RATE, picture=PICTURE, fused=fused, stft=stft, separator=replace(model.separator, width=2, layers=5),
        window=WindowConfig(frames - 2 * context, context), classes=CLASSES if model.task == "action" else (),
    )  # fmt: skip


def write_shards(folder: Path) -> Path:
    """Clips of two classes in two corpora, and backgrounds without a picture. A clip is bright and loud, then dark and soft, or the other
    way round; those of one class are brighter at the top and sound low, those of the other at the bottom and high."""
    folder.mkdir(parents=True)
    write_store(folder, StoreConfig(RATE, PICTURE))
    with ShardWriter(folder) as writer:
        for name, piece in _clips():
            writer.add(name, name.split("/")[0], "", [piece])
    return folder


def _clips() -> Iterator[tuple[str, Piece]]:
    random = np.random.default_rng(0)
    for number in range(8):
        corpus, low = f"voxceleb{number // 4 + 1}", number % 2
        name = f"{corpus}/{CLASSES[low]}/v_{CLASSES[low]}_g{number // 4 + 1:02d}_c{number // 2 + 1:02d}.avi"
        loud = np.repeat(np.array([1.0, 0.1]) if number % 4 < 2 else np.array([0.1, 1.0]), 75)
        yield name, (_sound(random, loud, (300.0, 1500.0)[low]), _pictures(random, loud, low))
    yield "audioset/street.wav", (random.integers(-3000, 3000, (2, 150 * _SAMPLES)).astype(np.int16), None)


def _sound(random: np.random.Generator, loud: npt.NDArray[np.float64], tone_hz: float) -> npt.NDArray[np.int16]:
    """[2, n]: a tone and noise as loud as `loud` says for every picture, softer in the right channel."""
    level = np.repeat(loud, _SAMPLES)
    tone = np.sin(2 * np.pi * tone_hz * np.arange(level.size) / RATE) + 0.3 * random.standard_normal(level.size)
    return np.asarray([8000 * level * tone, 4000 * level * tone], np.int16)


def _pictures(random: np.random.Generator, loud: npt.NDArray[np.float64], low: int) -> npt.NDArray[np.uint8]:
    """[n, 36, 36, 1]: noise as bright as `loud` says, more so on one side."""
    pictures = 200 * loud[:, None, None, None] * random.uniform(0.5, 1.0, (loud.size, 36, 36, 1))
    pictures[:, slice(0, 18) if low else slice(18, 36)] *= 0.5
    return np.asarray(pictures, np.uint8)
