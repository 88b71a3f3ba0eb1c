"""The legend in a corner of the picture: which colour stands for how much evidence."""

from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from avsep_plugin.draw.colours import colour_table
from avsep_plugin.draw.paint import CONTOUR_LEVELS, MAX_OPACITY, Patch, contour_colour, rising

Kind = Literal["heat", "heat-only", "contours", "original"]

WEAK, STRONG = "weak", "strong"
_TEXT_SHARE = 1 / 32
"""Height of a line of text, in short sides of the picture."""
_SMALLEST_TEXT_PIXELS = 9
_PANEL = (0, 0, 0, 150)
_INK = (255, 255, 255, 255)
_LONGEST_NAME = 32


def legend(width: int, height: int, kind: Kind = "heat", sound: str | None = None, opacity: float = MAX_OPACITY) -> Patch | None:
    """For the lower left corner of a picture of width x height pixels; None where the picture has no room for it.

    sound: name of the sound that was looked for, where it is not the clip's own; only what can be printed of it is shown.
    """
    size = max(_SMALLEST_TEXT_PIXELS, round(min(width, height) * _TEXT_SHARE))
    font = ImageFont.load_default(size)
    title = "Evidence for the sound's place" if sound is None else f"Evidence for the place of {_printable(sound)}"
    words = [font.getlength(text) for text in (title, WEAK, STRONG)]
    pad, bar_width, bar_height = round(0.6 * size), 8 * size, round(0.8 * size)
    panel_width = int(max(words[0], words[1] + words[2] + bar_width + size)) + 2 * pad
    panel_height = round(2.5 * size) + 2 * pad
    margin = size // 2 * 2
    if panel_width + 2 * margin > width or panel_height + 2 * margin > height / 2:
        return None
    image = Image.new("RGBA", (panel_width + panel_width % 2, panel_height + panel_height % 2), _PANEL)
    draw = ImageDraw.Draw(image)
    draw.text((pad, pad), title, _INK, font)
    middle = pad + 2 * size
    draw.text((pad, middle), WEAK, _INK, font, anchor="lm")
    left = int(pad + words[1] + size / 2)
    image.paste(Image.fromarray(_bar(kind, bar_width, bar_height, opacity)), (left, middle - bar_height // 2))
    draw.text((left + bar_width + size / 2, middle), STRONG, _INK, font, anchor="lm")
    top = (height - margin - image.height) // 2 * 2
    return Patch(np.array(image), margin, top)


def _bar(kind: Kind, width: int, height: int, opacity: float) -> np.ndarray:
    """[height, width, 4] opaque: the colours as they look over a middle grey, from the weakest evidence to the strongest."""
    level = np.linspace(0.0, 1.0, width)
    grey = np.full((width, 3), 0.5)
    ground = np.zeros_like(grey) if kind == "heat-only" else grey
    if kind == "contours":
        colour = grey
        for at in CONTOUR_LEVELS:
            colour[np.abs(level - at) * width < max(1.5, height / 8)] = contour_colour(at)
    else:
        strength = np.minimum(level, 0.35) if kind == "original" else rising(level) * (1.0 if kind == "heat-only" else opacity)
        table = colour_table("jet" if kind == "original" else "lagoon")
        colour = ground + (table[np.round(255 * level).astype(int)] - ground) * strength[:, None]
    row = np.column_stack([np.round(255 * colour), np.full(width, 255)]).astype(np.uint8)
    return np.repeat(row[None], height, axis=0)


def _printable(name: str) -> str:
    shown = "".join(char for char in name if char.isprintable() and char.isascii())
    return shown if len(shown) <= _LONGEST_NAME else f"{shown[: _LONGEST_NAME - 3]}..."
