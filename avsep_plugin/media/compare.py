"""Compares a result with its source: whatever the container could not take is said, one sentence for each thing.

Looked at: streams with their marks and tags, the file's tags, chapters, and of the picture what its first frame says (colours, shape,
rotation, mastering display and the like). Names under which containers keep the same value count as one; what every muxer writes of itself
is left out.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av.container
import av.error
from av.audio.stream import AudioStream
from av.stream import Disposition, Stream

from avsep_plugin.media.plan import Out, content
from avsep_plugin.media.salvage import Salvage
from avsep_plugin.media.source import open_media, video_stream

_OWN_TAGS = re.compile(
    r"(encoder|duration|major_brand|minor_version|compatible_brands|vendor_id|handler_name|name|bps|number_of_\w+|_statistics_\w+"
    r"|(operational_pattern|application_platform|company_name|product_\w+|toolkit_\w+|generation_uid|uid|\w+_umid|\w+_package_name)\w*"
    r"|id3v2_priv\..*|isft|software)(-[a-z]{3})?"
)
"""What muxers write of themselves; a stream's `name` is its title."""
_SAME = {"modification_date": "creation_time", "location-eng": "location", "date-eng": "date"}
_TICK = Fraction(1, 500)
"""Times this close are equal: Matroska counts milliseconds."""
_SHORTER = Fraction(1, 5)
"""Seconds by which a copied stream may seem shorter: some containers only guess."""
_FRAME_FACTS = ("DISPLAYMATRIX", "MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL", "SPHERICAL", "STEREO3D", "ICC_PROFILE")
_FACT_NAMES = {
    "DISPLAYMATRIX": "rotation", "MASTERING_DISPLAY_METADATA": "mastering display", "CONTENT_LIGHT_LEVEL": "content light level",
    "SPHERICAL": "spherical mapping", "STEREO3D": "stereoscopic layout", "ICC_PROFILE": "colour profile",
}  # fmt: skip


@dataclass(frozen=True)
class _Stream:
    """What is compared of a stream."""

    index: int
    codec: str
    channels: int
    """0 where it is no sound."""
    length_seconds: Fraction | None
    tags: Mapping[str, str]
    """With its marks."""


@dataclass(frozen=True)
class _File:
    """What is compared of a file."""

    tags: Mapping[str, str]
    streams: Sequence[_Stream]
    """Those that are copied."""
    chapters: Sequence[tuple[Fraction, Fraction, str]]
    picture: Mapping[str, Any]

    @property
    def timecode(self) -> str:
        """The file's own or the first of a stream."""
        return next((tags["timecode"] for tags in (self.tags, *(stream.tags for stream in self.streams)) if "timecode" in tags), "")


def differences(source: Path, result: Path, outs: Sequence[Out], tolerate_damage: bool = False, moved: bool = False) -> list[str]:
    """What of the source is not, or is otherwise, in the result whose streams are `outs`; one sentence each.

    Streams that were left out on purpose are not named: who left them out has said so. moved: neither are the lengths of streams and
    the times of chapters, which were changed on purpose.
    """
    old, new = _look(source, tolerate_damage), _look(result)
    said = list(_lost_tags("", {key: value for key, value in old.tags.items() if key != "timecode"}, new.tags))
    said += [f"The timecode {old.timecode} was dropped: the container has none."] if old.timecode not in ("", new.timecode) else []
    if len(new.streams) != len(outs):
        return [*said, f"The container holds {len(new.streams)} streams of {len(outs)}."]
    before = {stream.index: stream for stream in old.streams}
    for out, after in zip(outs, new.streams, strict=True):
        was = replace(before[out.tags_of], length_seconds=None) if moved else before[out.tags_of]
        said += _stream_differences(out, was, after, old.tags.get("creation_time"))
    if len(old.chapters) != len(new.chapters):
        said.append(
            f"{len(old.chapters) - len(new.chapters)} of {len(old.chapters)} chapters were dropped: the container has no place for them."
        )
    elif not moved and not all(_same_chapter(first, second) for first, second in zip(old.chapters, new.chapters, strict=True)):
        said.append("The chapters have other times or titles.")
    changed = [name for name, value in old.picture.items() if new.picture.get(name) != value]
    return said + [f"The picture's {name} was changed: the container cannot say it." for name in changed]


def _look(path: Path, tolerate_damage: bool = False) -> _File:
    with open_media(path, Salvage(path, tolerate_damage)) as container:
        streams = [
            _Stream(
                stream.index,
                getattr(stream.codec_context, "name", "unknown"),
                stream.codec_context.channels if isinstance(stream, AudioStream) and stream.codec_context else 0,
                stream.duration * stream.time_base if stream.duration and stream.time_base else None,
                _tags(stream.metadata, stream),
            )
            for stream in content(container)
        ]
        return _File(_tags(container.metadata), streams, list(_chapters(container)), _picture(container))


def _tags(metadata: Mapping[str, str], stream: Stream | None = None) -> dict[str, str]:
    """Tags by lower-case name, without what muxers write of themselves; of a stream also its title and its marks."""
    found = {key.lower(): value for key, value in metadata.items()}
    tags = {_SAME.get(key, key): once(value) for key, value in found.items() if value and not is_own(key)}
    if tags.get("language") == "und":
        del tags["language"]
    if stream is None:
        return tags
    if "name" in found:
        tags.setdefault("title", found["name"])
    marks = Disposition.forced | Disposition.hearing_impaired | Disposition.visual_impaired | Disposition.comment
    return tags | {f"{mark.name} mark": "set" for mark in marks if stream.disposition & mark}


def is_own(key: str) -> bool:
    """Whether muxers write a tag of this name of themselves."""
    return _OWN_TAGS.fullmatch(key.lower()) is not None


def once(value: str) -> str:
    """A value that FFmpeg found twice in a file and gives as "X;X" is X."""
    half = len(value) // 2
    return value[:half] if value[half : half + 1] == ";" and value[:half] == value[half + 1 :] else value


def _lost_tags(where: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for key, value in old.items():
        if value and not _same_value(value, new.get(key, "")):
            what = f"is now '{new[key]}'" if key in new else "was dropped"
            yield f"The tag {key} ('{value}'){where} {what}: the container cannot keep it."


def _same_value(old: str, new: str) -> bool:
    """Equal texts, dates that say the same moment, or places on Earth (ISO 6709) with the same numbers."""
    if old == new or _moment(old) == _moment(new) != "":
        return True
    place = re.compile(r"[+-]\d+(?:\.\d+)?")
    places = [[float(number) for number in place.findall(text)] for text in (old, new)]
    both = all(re.fullmatch(rf"(?:{place.pattern}){{2,3}}/?(?:CRS.*)?/?", text) for text in (old, new))
    return both and len(places[0]) == len(places[1]) and all(abs(a - b) < 1e-4 for a, b in zip(*places, strict=True))


def _moment(text: str) -> str:
    """A date and time to the second, "" where the text is none."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.0*)?(?:Z|\+00:?00)?", text)
    return f"{found[1]} {found[2]}" if found else ""


def _stream_differences(out: Out, old: _Stream, new: _Stream, date: str | None) -> Iterator[str]:
    """What a stream lost; `date` is that of the file, which MP4 repeats in every stream."""
    number = out.tags_of
    expected = {
        key: value for key, value in old.tags.items()
        if key != "timecode" and not (out.title and key == "title") and not (key == "creation_time" and value == date)
    }  # fmt: skip
    yield from _lost_tags(f" of stream {number}", expected, new.tags)
    if out.title and new.tags.get("title") != out.title:
        yield f"The track name '{out.title}' was dropped: the container has none."
    if new.channels != out.channels:
        yield f"The sound of stream {number} has {new.channels} channels, not {out.channels}: the container takes no more."
    if out.how == "text":
        yield f"Stream {number} (subtitle) was rewritten from {out.codec} to {new.codec}: the container takes no other."
    before, after = old.length_seconds, new.length_seconds
    if out.how == "copy" and before and after and before - after > _SHORTER:
        yield f"Stream {number} lasts {float(after):.3f} s, not {float(before):.3f} s: the container cut it off."


def _chapters(container: av.container.InputContainer) -> Iterator[tuple[Fraction, Fraction, str]]:
    for chapter in container.chapters():
        base = chapter["time_base"] or Fraction(1)
        yield chapter["start"] * base, chapter["end"] * base, chapter["metadata"].get("title", "")


def _same_chapter(old: tuple[Fraction, Fraction, str], new: tuple[Fraction, Fraction, str]) -> bool:
    return abs(old[0] - new[0]) <= _TICK and abs(old[1] - new[1]) <= _TICK and old[2] == new[2]


def _picture(container: av.container.InputContainer) -> dict[str, Any]:
    """What is known about the picture, its first frame included, under names for people; what the file does not say is left out."""
    stream = video_stream(container)
    if stream is None:
        return {}
    context = stream.codec_context
    facts: dict[str, Any] = {
        "codec": context.name, "width": stream.width, "height": stream.height,
        "pixel shape": stream.sample_aspect_ratio if stream.sample_aspect_ratio not in (None, 0, 1) else None,
        "colour primaries": _said(context.color_primaries), "colour transfer": _said(context.color_trc),
        "colour space": _said(context.colorspace), "colour range": int(context.color_range) or None,
    }  # fmt: skip
    try:
        first = next(container.decode(stream), None)
    except av.error.FFmpegError:
        first = None
    for name in _FRAME_FACTS if first is not None else ():
        data: Any = first.side_data.get(name) if first is not None else None
        facts[_FACT_NAMES[name]] = bytes(data) if data is not None else None
    return {name: value for name, value in facts.items() if value is not None}


def _said(code: int) -> int | None:
    """A colour code of FFmpeg; 2 says unknown."""
    return None if int(code) in (0, 2) else int(code)
