"""How the pictures of a clip follow each other: how many, at which rate, and whether evenly."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from avsep_plugin.errors import NoVideoError
from avsep_plugin.media.salvage import Salvage
from avsep_plugin.media.source import open_media, video_stream
from avsep_plugin.media.timecode import standard_rate

_LATE = Fraction(1, 2)
"""Of a picture's time: what is further from its place than that is shown as another picture. Matroska rounds to milliseconds."""


@dataclass(frozen=True)
class Pacing:
    """The pictures of a clip, on the clock of its file."""

    rate: Fraction
    """Pictures per second: the exact one if it is steady, else the standard rate that is nearest to the average."""
    is_steady: bool
    """Whether picture n is shown at start_seconds + n / rate, to half a picture."""
    start_seconds: Fraction
    length_seconds: Fraction
    """To the end of the last picture."""
    pictures: int

    @classmethod
    def of(cls, path: Path | str, tolerate_damage: bool = False) -> "Pacing":
        """Read all packets of the picture, decode none. Raises NoVideoError and what `open_media` raises."""
        path = Path(path)
        salvage = Salvage(path, tolerate_damage)
        with open_media(path, salvage) as container:
            stream = video_stream(container)
            if stream is None:
                raise NoVideoError(f"{path} has no picture.")
            base = stream.time_base or Fraction(1, 90000)
            packets = (packet for packet in salvage.packets(container, stream) if not packet.is_discard)
            stamped = ((packet.dts if packet.pts is None else packet.pts, packet.duration or 0) for packet in packets)  # AVI: dts alone
            shown = sorted((stamp * base, length * base) for stamp, length in stamped if stamp is not None)
            if not shown:
                raise NoVideoError(f"{path} has no picture that can be decoded.")
            return cls._over([time for time, _ in shown], shown[-1][1], stream.average_rate or Fraction(25))

    @classmethod
    def _over(cls, times: list[Fraction], last: Fraction, average: Fraction) -> "Pacing":
        span = times[-1] - times[0]
        rate = standard_rate(average if len(times) < 2 or not span else (len(times) - 1) / span)
        steady = all(abs((time - times[0]) * rate - number) < _LATE for number, time in enumerate(times))
        length = len(times) / rate if steady else span + (last or 1 / rate)
        return cls(rate, steady, times[0], length, len(times))
