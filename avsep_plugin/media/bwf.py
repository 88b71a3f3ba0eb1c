"""Broadcast WAV: what the `bext` chunk of a stem says, so that an editor's "move to timecode" puts it under its picture.

FFmpeg's WAV muxer writes the chunk (EBU Tech 3285) from these tags. The time reference counts samples since midnight:

    midnight        first picture          first sample of the track     first sample of the stem
    |--- timecode --|--- sound's start ----|--- start of the part -------|
"""

from fractions import Fraction

ORIGINATOR = "avsep"
_DESCRIPTION_BYTES = 256
_DAY_SECONDS = 24 * 60 * 60


def broadcast_tags(description: str, since_midnight_seconds: Fraction, sample_rate_hz: int, created: str = "") -> dict[str, str]:
    """FFmpeg's tags for a bext chunk.

    since_midnight_seconds: when the first sample sounds; what lies after a day goes on at midnight, what lies before one is 0.
    created: date and time of the recording as ISO 8601 ("2020-01-02T03:04:05..."), "" where nobody knows them.
    """
    seconds = max(Fraction(0), since_midnight_seconds) % _DAY_SECONDS
    tags = {
        "description": description.encode("ascii", "replace")[:_DESCRIPTION_BYTES].decode(),
        "originator": ORIGINATOR,
        "time_reference": str(round(seconds * sample_rate_hz)),
    }
    if len(created) >= len("2020-01-02T03:04:05"):
        tags |= {"origination_date": created[:10], "origination_time": created[11:19]}
    return tags
