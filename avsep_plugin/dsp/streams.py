"""Sound that comes in pieces: a sliding buffer, the overlap-add, and the two channels that a model hears.

Nothing here depends on how the sound is cut into pieces, and nothing holds more of it than it was asked to.
"""

from collections import deque
from collections.abc import Iterable

import torch
from torch import Tensor

from avsep_plugin.config import StftConfig
from avsep_plugin.dsp.stft import synthesise
from avsep_plugin.dsp.windows import Span

_HALF_POWER = 0.5**0.5
_SURROUND = (
    (1.0, 0.0, _HALF_POWER, 0.0, _HALF_POWER, 0.0),
    (0.0, 1.0, _HALF_POWER, 0.0, 0.0, _HALF_POWER),
)
"""ITU-R BS.775 downmix of 5.1 in FFmpeg's order: left, right, centre, low effects (left out), surround left and right."""


class SampleBuffer:
    """The part of a sound [C, n] float32 that is still needed, addressed by samples counted from the first one.

    blocks: consecutive pieces [C, n], any n (0 too), all with the same C. They are kept as they come, never copied as a whole.
    """

    def __init__(self, blocks: Iterable[Tensor]) -> None:
        self._blocks = iter(blocks)
        self._held: deque[tuple[int, Tensor]] = deque()
        self.stop = 0
        """One past the last sample read so far."""

    @property
    def held(self) -> int:
        """Samples per channel in memory."""
        return self.stop - self._held[0][0] if self._held else 0

    def fill(self, stop: int) -> bool:
        """Read on until sample `stop` is reached; False if the sound ends before."""
        while self.stop < stop:
            block = next(self._blocks, None)
            if block is None:
                return False
            if block.ndim != 2 or not block.is_floating_point():
                raise ValueError(f"a block of sound must be [channels, samples] of floats, not {tuple(block.shape)} {block.dtype}")
            if block.shape[1]:
                self._held.append((self.stop, block))
                self.stop += block.shape[1]
        return True

    def take(self, span: Span) -> Tensor:
        """A copy of the samples [C, n] of a range; silence where it lies before the first or after the last sample read."""
        if not self._held or max(span.start, 0) < self._held[0][0]:
            raise ValueError(f"sample {span.start} is not held: nothing has been read yet, or it was dropped")
        taken = self._held[0][1].new_zeros(self._held[0][1].shape[0], span.length)
        for begin, block in self._held:
            start, stop = max(span.start, begin), min(span.stop, begin + block.shape[1])
            if start < stop:
                taken[:, start - span.start : stop - span.start] = block[:, start - begin : stop - begin]
        return taken

    def drop(self, before: int) -> None:
        """Forget the blocks that end before that sample."""
        while len(self._held) > 1 and self._held[1][0] <= before:
            self._held.popleft()


class OverlapAdd:
    """Streamed inverse STFT: spectra in, finished samples out.

        frames 0..2   [~~~~~~~~]                    frame = 4 hops
                        [~~~~~~~~]
                          [~~~~~~~~]
        finished      |=====|             <- three hops, given out
        tail                |. . . .|     <- kept, the next frames are added to it

    Where the frame is m >= 3 hops, the squared periodic Hann windows that cover a sample add up to 3 m / 8 everywhere:
    Hann^2 = 3/8 - cos(x)/2 + cos(2x)/8, and the cosines cancel over m equidistant points. Dividing by it inverts the analysis.
    """

    def __init__(self, config: StftConfig) -> None:
        overlap, rest = divmod(config.frame_samples, config.hop_samples)
        if rest or overlap < 3:
            raise ValueError(f"the frame must be a whole number of hops, at least three, not {config.frame_samples} / {config.hop_samples}")
        self._config = config
        self._gain = 8 / (3 * overlap)
        self._tail: Tensor | None = None

    def add(self, spectrum: Tensor) -> Tensor:
        """The next frames [C, bins, L], L >= 1 -> the L * hop samples [C, L * hop] that they finish."""
        signal = synthesise(spectrum, self._config, raw=True)
        if self._tail is not None:
            overlap = self._tail.shape[1]
            signal = torch.cat([signal[:, :overlap] + self._tail, signal[:, overlap:]], dim=1)
        finished = spectrum.shape[-1] * self._config.hop_samples
        self._tail = signal[:, finished:].clone()
        return signal[:, :finished] * self._gain


def to_stereo(sound: Tensor) -> Tensor:
    """[C, n] -> the [2, n] that a model hears: mono doubled, six channels taken for 5.1, other counts averaged and doubled."""
    channels = sound.shape[0]
    if channels == 2:
        return sound
    if channels == len(_SURROUND[0]):
        return sound.new_tensor(_SURROUND) @ sound
    return sound.mean(dim=0, keepdim=True).expand(2, -1)
