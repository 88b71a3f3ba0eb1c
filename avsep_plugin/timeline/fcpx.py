"""A timeline as Final Cut Pro X's XML, through OpenTimelineIO's adapter and repaired.

The adapter knows neither 24000/1001 and its like nor a clip's timecode, and it looks clips up by their names in a way that a quote in
them breaks. So it is given marks in the place of names and addresses, and its document gets:

    times    as exact fractions; a picture late in the day is not found again from the adapter's floats
    format   frameDuration likewise, and the size, in the place of a name
    sequence the timecode of its first picture
    spine    asset-clips (picture and sound) in the place of clips of a picture that begins at zero
"""

from collections.abc import Sequence
from fractions import Fraction
from xml.etree import ElementTree

import opentimelineio as otio

from avsep_plugin.timeline.build import plain, timeline
from avsep_plugin.timeline.clips import MarkedClip

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n'


def as_fcpx(name: str, clips: Sequence[MarkedClip], start: int | None = None) -> str:
    """The timeline of `build.timeline`; every time in it is a whole number of pictures as an exact fraction of seconds."""
    made = timeline(name, clips, start)
    for place, clip in enumerate(made.tracks[0]):
        clip.name = f"clip-{place}"
        clip.media_reference.target_url = f"avsep:{place}"
    del made.tracks[1:]
    tree = ElementTree.fromstring(otio.adapters.write_to_string(made, "fcpx_xml"))
    first = clips[0].start if start is None else start
    _repair_resources(tree, clips)
    _repair_sequence(tree, clips, first)
    for element in tree.iter("project"):
        element.attrib.pop("uid", None)
    ElementTree.indent(tree, "    ")
    return _HEAD + ElementTree.tostring(tree, encoding="unicode") + "\n"


def _repair_resources(tree: ElementTree.Element, clips: Sequence[MarkedClip]) -> None:
    """One format for each size of picture, real names and addresses; all clips have one rate."""
    resources = _only(tree, "resources")
    (adapters,) = resources.findall("format")
    formats: dict[tuple[int, int], str] = {}
    for clip in clips:
        if clip.size not in formats:
            formats[clip.size] = adapters.attrib["id"] if not formats else f"{adapters.attrib['id']}-{len(formats)}"
    resources.remove(adapters)
    for place, (size, number) in enumerate(formats.items()):
        width, height = (str(pixels) for pixels in size)
        shape = {"id": number, "frameDuration": seconds(1, clips[0].counting.rate), "width": width, "height": height}
        resources.insert(place, ElementTree.Element("format", shape))
    for element in (*resources.findall("asset"), *tree.findall("asset-clip")):
        clip = _meant(element, clips)
        element.set("name", plain(clip.name))
        element.set("format", formats[clip.size])
        element.attrib |= _times(clip.start, clip.length, clip)
        if element.tag == "asset":
            element.set("src", clip.media.as_uri())
            element.set("hasAudio", str(int(clip.has_sound)))
        else:
            element.set("tcFormat", _display(clip))


def _repair_sequence(tree: ElementTree.Element, clips: Sequence[MarkedClip], first: int) -> None:
    sequence, rate = _only(tree, "project/sequence"), clips[0].counting.rate
    length = seconds(sum(clip.length for clip in clips), rate)
    sequence.attrib |= {"duration": length, "tcStart": seconds(first, rate), "tcFormat": _display(clips[0])}
    offset = 0
    for element in _only(sequence, "spine").findall("clip"):
        clip, video = _meant(element, clips), _only(element, "video")
        element.tag = "asset-clip"
        element.attrib |= {
            "name": plain(clip.name),
            "ref": video.attrib["ref"],
            "offset": seconds(offset, rate),
            "tcFormat": _display(clip),
        }
        element.attrib |= _times(clip.start, clip.length, clip)
        element.remove(video)
        for marker, mark in zip(element.findall("marker"), clip.marks, strict=True):
            marker.attrib |= _times(clip.start + mark.start, mark.length, clip)
        offset += clip.length


def _times(start: int, length: int, clip: MarkedClip) -> dict[str, str]:
    return {"start": seconds(start, clip.counting.rate), "duration": seconds(length, clip.counting.rate)}


def _meant(element: ElementTree.Element, clips: Sequence[MarkedClip]) -> MarkedClip:
    """The clip that the adapter was given under that mark."""
    return clips[int(element.attrib["name"].removeprefix("clip-"))]


def _only(element: ElementTree.Element, path: str) -> ElementTree.Element:
    found = element.find(path)
    assert found is not None
    return found


def _display(clip: MarkedClip) -> str:
    return "DF" if clip.counting.drop else "NDF"


def seconds(pictures: int, rate: Fraction) -> str:
    """A time as FCPXML writes it: "1001/30000s"; whole seconds without a denominator."""
    time = pictures / rate
    return f"{time.numerator}/{time.denominator}s" if time.denominator > 1 else f"{time.numerator}s"
