"""How an identity looks: skin, hair, eyes, clothes, shape of the face. All of it follows from the identity's number."""

from dataclasses import dataclass
from typing import Literal

from avsep_plugin.scenes.canvas import Colour, mix
from avsep_plugin.scenes.identity import generator
from avsep_plugin.scenes.voice import has_high_voice

Hair = Literal["short", "side", "buzz", "curly", "bob", "long", "bun"]
Clothes = Literal["suit", "sweater", "blouse", "shirt"]

SKINS: tuple[Colour, ...] = (
    (0.98, 0.86, 0.77),
    (0.95, 0.79, 0.67),
    (0.91, 0.73, 0.58),
    (0.83, 0.63, 0.47),
    (0.71, 0.51, 0.37),
    (0.57, 0.39, 0.28),
    (0.42, 0.29, 0.21),
)
HAIRS: tuple[Colour, ...] = (
    (0.09, 0.08, 0.09),
    (0.20, 0.13, 0.09),
    (0.34, 0.21, 0.13),
    (0.49, 0.31, 0.17),
    (0.74, 0.56, 0.32),
    (0.60, 0.27, 0.14),
    (0.66, 0.66, 0.68),
)
EYES: tuple[Colour, ...] = ((0.24, 0.15, 0.09), (0.36, 0.24, 0.12), (0.25, 0.40, 0.55), (0.30, 0.45, 0.30), (0.42, 0.47, 0.50))
CLOTHES: tuple[Colour, ...] = (
    (0.16, 0.20, 0.30),
    (0.24, 0.25, 0.28),
    (0.55, 0.16, 0.18),
    (0.13, 0.37, 0.40),
    (0.42, 0.24, 0.42),
    (0.75, 0.55, 0.22),
    (0.24, 0.40, 0.62),
    (0.80, 0.78, 0.74),
)
LIPS: tuple[Colour, ...] = ((0.76, 0.30, 0.32), (0.70, 0.22, 0.28), (0.80, 0.38, 0.38))


@dataclass(frozen=True)
class FaceLook:
    """Colours and proportions of a face; lengths in half-widths of the face (see `face`)."""

    skin: Colour
    hair_colour: Colour
    eye_colour: Colour
    lip_colour: Colour
    clothes_colour: Colour
    shirt_colour: Colour
    hair: Hair
    clothes: Clothes
    glasses: bool
    earrings: bool
    jaw: float
    """Taper of the lower face: 0.1 broad to 0.3 pointed."""
    height: float
    """Half the height of the face."""
    eye_distance: float
    eye_size: float
    brow_thickness: float
    nose_width: float
    mouth_width: float
    lip_thickness: float
    age_lines: float

    @property
    def shade(self) -> Colour:
        """The skin in shadow."""
        return mix(self.skin, (0.35, 0.12, 0.10), 0.32)

    @classmethod
    def of(cls, identity: int) -> "FaceLook":
        """The looks of an identity; hair and lips go with its voice."""
        rng = generator("look", identity)
        high = has_high_voice(identity)
        hairs: tuple[Hair, ...] = ("bob", "long", "bun", "long", "curly") if high else ("short", "side", "buzz", "curly", "short")
        styles: tuple[Clothes, ...] = ("blouse", "sweater", "suit") if high else ("suit", "sweater", "shirt")
        skin_index = int(rng.integers(len(SKINS)))
        skin = mix(SKINS[skin_index], SKINS[min(skin_index + 1, len(SKINS) - 1)], float(rng.random()))
        dark = len(HAIRS) if skin_index < 3 else 3
        lip = LIPS[rng.integers(len(LIPS))]
        return cls(
            skin=skin,
            hair_colour=HAIRS[rng.integers(dark)],
            eye_colour=EYES[rng.integers(len(EYES) if skin_index < 4 else 2)],
            lip_colour=mix(skin, lip, float(rng.uniform(0.65, 0.9) if high else rng.uniform(0.4, 0.55))),
            clothes_colour=CLOTHES[rng.integers(len(CLOTHES))],
            shirt_colour=mix((0.95, 0.95, 0.96), CLOTHES[rng.integers(len(CLOTHES))], float(rng.uniform(0.0, 0.25))),
            hair=hairs[rng.integers(len(hairs))],
            clothes=styles[rng.integers(len(styles))],
            glasses=bool(rng.random() < 0.2),
            earrings=bool(high and rng.random() < 0.5),
            jaw=float(rng.uniform(0.12, 0.22) + (0.04 if high else -0.03)),
            height=float(rng.uniform(1.24, 1.38)),
            eye_distance=float(rng.uniform(0.40, 0.46)),
            eye_size=float(rng.uniform(0.165, 0.2) + (0.015 if high else 0.0)),
            brow_thickness=float(rng.uniform(0.03, 0.045) if high else rng.uniform(0.045, 0.07)),
            nose_width=float(rng.uniform(0.15, 0.22)),
            mouth_width=float(rng.uniform(0.34, 0.42)),
            lip_thickness=float(rng.uniform(0.085, 0.12) + (0.015 if high else 0.0)),
            age_lines=float(rng.uniform(0.0, 0.6)),
        )
