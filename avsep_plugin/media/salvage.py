"""What happens when a file turns out damaged while it is read: an error at once or, where damage is tolerated, a note, and on behind it.

A packet that cannot be decoded is left out. The clock of the file goes on: there is silence in its place, or the last picture stays.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av.container
import av.error
from av.packet import Packet
from av.stream import Stream

from avsep_plugin.errors import DamagedMediaError

_FAILURES_IN_A_ROW = 64
"""A demuxer that fails more often does not find its way back: the rest is lost."""


class Salvage:
    """Judges the damage of one file. Not tolerant: the first raises DamagedMediaError; else all are counted and told in `notes`."""

    def __init__(self, path: Path, tolerant: bool) -> None:
        self.path, self.tolerant = path, tolerant
        self._found: Counter[str] = Counter()

    def report(self, what: str) -> None:
        """Something is wrong: a sentence without its end. Raises DamagedMediaError where damage is not tolerated."""
        if not self.tolerant:
            raise DamagedMediaError(f"{self.path} is damaged: {what}.")
        self._found[what] += 1

    def packets(self, container: av.container.InputContainer, stream: Stream) -> "Iterator[Packet[Any]]":
        """The packets of a stream, as far as they can be read; an empty one, which flushes the decoder, comes last."""
        failures = 0
        while True:
            try:
                for packet in container.demux(stream):
                    failures = 0
                    yield packet
                return
            except av.error.FFmpegError as exc:
                self.report_failure(exc)
            failures += 1
            if failures == _FAILURES_IN_A_ROW:
                self.report("it cannot be read to its end")
                yield Packet()
                return

    def report_failure(self, failure: av.error.FFmpegError, what: str = "") -> None:
        """FFmpeg raised while it read the file or decoded (decoders have codes of all kinds) a packet of the sound or the picture."""
        lost = f"a packet of the {what} is lost, which " if what and self.tolerant else ""
        try:
            self.report(f"{lost}FFmpeg cannot decode{'' if lost else ' it'} ({failure.strerror})")
        except DamagedMediaError as exc:
            raise exc from failure

    @property
    def notes(self) -> list[str]:
        """What was found so far, one sentence each."""
        return [f"The clip is damaged: {what}{f', {count} times' if count > 1 else ''}." for what, count in self._found.items()]
