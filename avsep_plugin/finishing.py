"""The finishing chain of a preset: native plugins of pedalboard on the sound that goes back into the clip, never on the stems."""

import inspect
from collections.abc import Sequence

import numpy as np
import pedalboard

from avsep_plugin.clip import Float32
from avsep_plugin.errors import ConfigError
from avsep_plugin.finish_steps import FinishStep
from avsep_plugin.native import NativeStream

_HIGHEST_CUTOFF = 0.45
"""Of the sample rate. pedalboard's filters blow up without a word when they are set above one half of it."""


class Finishing:
    """The steps as a stream: as many samples come out as go in, in step with them, whatever the pieces.

    No steps: everything comes out as it goes in. Raises ConfigError where a step cannot be done at that sample rate.
    """

    def __init__(self, steps: Sequence[FinishStep], sample_rate_hz: int) -> None:
        self._plugins = [build(step, sample_rate_hz) for step in steps]
        self._rate_hz = sample_rate_hz
        self._stream: NativeStream | None = None
        self._channels = 1

    def process(self, block: Float32) -> Float32:
        """The next piece [C, n] float32 in, [C, m] of what is finished out, m >= 0."""
        self._channels = block.shape[0]
        if not self._plugins:
            return block
        if self._stream is None:
            self._stream = NativeStream(self._plugins, self._rate_hz, self._channels)
        return self._stream.push(block)

    def flush(self) -> Float32:
        """The rest [C, m]. What comes after it is another sound."""
        stream, self._stream = self._stream, None
        return np.zeros((self._channels, 0), np.float32) if stream is None else stream.flush()


def build(step: FinishStep, sample_rate_hz: int) -> pedalboard.Plugin:
    """A step as a plugin. Raises ConfigError where pedalboard refuses it or the sample rate is too low for it."""
    cutoff_hz = step.parameters.get("cutoff_frequency_hz", 0)
    if cutoff_hz > _HIGHEST_CUTOFF * sample_rate_hz:
        raise ConfigError(f"{step.plugin} at {cutoff_hz:g} Hz cannot be done at a sample rate of {sample_rate_hz} Hz; lower it.")
    make = getattr(pedalboard, step.plugin)
    try:
        plugin: pedalboard.Plugin = make(**step.parameters)
    except (TypeError, ValueError) as exc:
        raise ConfigError(f"pedalboard refuses {step.plugin} with {step.parameters}: {inspect.cleandoc(str(exc)).splitlines()[0]}") from exc
    return plugin
