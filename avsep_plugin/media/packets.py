"""The coded picture of a file, packet by packet: what has to be the same in a copy."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from av.stream import Discard

from avsep_plugin.media.source import open_media, reading, video_stream


@dataclass(frozen=True)
class Packets:
    """How many packets the moving picture has, the sha256 over their bytes in file order, and FFmpeg's name of the container."""

    count: int
    sha256: str
    container: str


def picture_packets(path: Path) -> Packets | None:
    """The packets of the moving picture, None where there is none. Decodes nothing. Raises what opening a file raises."""
    digest, count = hashlib.sha256(), 0
    with open_media(path) as container, reading(path):
        picture = video_stream(container)
        if picture is None:
            return None
        for other in container.streams:
            if other.index != picture.index:
                other.discard = Discard.all
        for packet in container.demux(picture):
            if packet.size:
                digest.update(bytes(packet))
                count += 1
        return Packets(count, digest.hexdigest(), container.format.name)
