"""Native plugins of pedalboard as one stream in which nothing depends on how the sound is cut.

    pushed   |---|-----------|--|--------...        any pieces
    given    [ step ][ step ][ step ]               whole steps only; the last one is filled up with silence
    out              |~~~~~~~~~~~~~~~...            what the plugins hold back for their latency comes after the end: they get
                                                    silence until as many samples are out as went in

Pieces as they come would be wrong: a plugin that gets a longer piece than ever before starts anew in the middle of the sound, and
pedalboard takes an array with fewer samples than channels for one that has its dimensions exchanged.
"""

import logging
from collections.abc import Sequence

import numpy as np
import pedalboard

from avsep_plugin.clip import Float32

_logger = logging.getLogger(__name__)

STEP_SAMPLES = 512
_PATIENCE_SECONDS = 10
"""Silence that plugins get at the end of a sound to give back what they hold."""


class NativeStream:
    """A stream (`convention.Stream`) through native plugins, one after the other.

    The first samples that the plugins give back belong to the first ones that they got: pedalboard leaves out the latency.
    """

    def __init__(self, plugins: Sequence[pedalboard.Plugin], sample_rate_hz: int, channels: int) -> None:
        if channels >= STEP_SAMPLES:
            raise ValueError(f"Native plugins take fewer than {STEP_SAMPLES} channels, not {channels}.")
        self._board = pedalboard.Pedalboard(list(plugins))
        self._board.reset()
        self._rate_hz = sample_rate_hz
        self._waiting: Float32 = np.zeros((channels, 0), np.float32)
        self._got = self._given = 0

    def push(self, block: Float32) -> Float32:
        """[channels, n] in, what is finished out."""
        self._got += block.shape[1]
        waiting = np.concatenate([self._waiting, block], axis=1)
        whole = waiting.shape[1] // STEP_SAMPLES * STEP_SAMPLES
        self._waiting = waiting[:, whole:]
        return self._run(waiting[:, :whole])

    def flush(self) -> Float32:
        """The rest. Where plugins keep more than ten seconds of sound to themselves, silence stands for it."""
        fill = np.zeros((self._waiting.shape[0], -self._waiting.shape[1] % STEP_SAMPLES), np.float32)
        parts = [self._run(np.concatenate([self._waiting, fill], axis=1))]
        silence = np.zeros((fill.shape[0], STEP_SAMPLES), np.float32)
        for _ in range(-(-_PATIENCE_SECONDS * self._rate_hz // STEP_SAMPLES)):
            if self._given >= self._got:
                break
            parts.append(self._run(silence))
        missing = self._got - self._given
        if missing > 0:
            _logger.warning("%s kept %d samples to itself; silence stands for them.", self._board, missing)
            parts.append(np.zeros((fill.shape[0], missing), np.float32))
        rest = np.concatenate(parts, axis=1)
        return rest[:, : rest.shape[1] + min(missing, 0)]

    def close(self) -> None:
        """Nothing is held."""

    def _run(self, steps: Float32) -> Float32:
        if not steps.shape[1]:
            return steps
        result: Float32 = self._board.process(np.ascontiguousarray(steps), self._rate_hz, buffer_size=STEP_SAMPLES, reset=False)
        self._given += result.shape[1]
        return result
