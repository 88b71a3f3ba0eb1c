"""The sounds a rendered talker can make: vowels, and consonants made of one to three phones.

Formants are textbook averages for an adult male (Peterson & Barney 1952, rounded); a speaker scales them by the length of his vocal tract.
"""

from dataclasses import dataclass

Formants = tuple[float, float, float]


@dataclass(frozen=True)
class Phone:
    """A steady sound and the mouth that makes it.

    opening in [0, 1]; width in [-1 (rounded), 1 (spread)]; teeth in [0, 1]. voiced, breath, friction: RMS of the three sources relative
    to a full vowel. friction_hz: centre of the fricative's band.
    """

    symbol: str
    formants_hz: Formants = (500.0, 1450.0, 2450.0)
    opening: float = 0.3
    width: float = 0.0
    teeth: float = 0.0
    voiced: float = 0.0
    breath: float = 0.0
    friction: float = 0.0
    friction_hz: float = 3000.0
    lips_closed: bool = False


@dataclass(frozen=True)
class Consonant:
    """A consonant as its phones in time, with their lengths in seconds."""

    parts: tuple[tuple[Phone, float], ...]

    @property
    def seconds(self) -> float:
        """Length of the whole consonant."""
        return sum(seconds for _, seconds in self.parts)


CLOSED = Phone("-", opening=0.0, lips_closed=True)
"""The mouth at rest in a pause."""
GAP = Phone("_", opening=0.3)
"""Mouth already open before the first sound of a phrase."""


def _vowel(symbol: str, formants_hz: Formants, opening: float, width: float) -> Phone:
    return Phone(symbol, formants_hz, opening, width, voiced=0.45 + 0.55 * opening)


VOWELS = (
    _vowel("a", (730, 1200, 2500), 1.0, 0.1),
    _vowel("ae", (660, 1700, 2400), 0.9, 0.5),
    _vowel("e", (530, 1850, 2500), 0.65, 0.6),
    _vowel("i", (290, 2250, 2900), 0.36, 0.95),
    _vowel("o", (540, 900, 2400), 0.7, -0.7),
    _vowel("u", (320, 850, 2300), 0.34, -1.0),
    _vowel("uh", (500, 1450, 2450), 0.55, 0.0),
)


def _plosive(symbol: str, burst_hz: float, breath: float, lips: bool) -> Consonant:
    formants = (400.0, 1000.0, 2300.0) if lips else (400.0, 1750.0, 2600.0)
    gap = Phone(symbol, formants, opening=0.12 if lips else 0.22, lips_closed=lips)
    burst = Phone(symbol, formants, opening=0.3, friction=0.5, friction_hz=burst_hz, breath=0.1)
    parts = [(gap, 0.075 if lips else 0.06), (burst, 0.014)]
    if breath:
        parts.append((Phone(symbol, formants, opening=0.35, breath=breath), 0.03))
    return Consonant(tuple(parts))


def _steady(phone: Phone, seconds: float) -> Consonant:
    return Consonant(((phone, seconds),))


_P = _plosive("p", 900, 0.25, lips=True)
_B = _plosive("b", 700, 0.0, lips=True)
_T = _plosive("t", 4200, 0.2, lips=False)
_D = _plosive("d", 3500, 0.0, lips=False)
_K = _plosive("k", 2000, 0.25, lips=False)
_G = _plosive("g", 1700, 0.0, lips=False)
_S = _steady(Phone("s", (300, 1750, 2600), 0.18, 0.5, teeth=1.0, friction=0.28, friction_hz=6200), 0.1)
_SH = _steady(Phone("sh", (300, 1800, 2500), 0.25, -0.6, teeth=0.9, friction=0.33, friction_hz=3300), 0.1)
_F = _steady(Phone("f", (350, 1100, 2300), 0.1, 0.1, teeth=1.0, friction=0.14, friction_hz=7500), 0.09)
_H = _steady(Phone("h", (500, 1450, 2450), 0.4, 0.0, breath=0.28), 0.06)
_N = _steady(Phone("n", (280, 1600, 2500), 0.2, 0.2, voiced=0.4), 0.06)
_L = _steady(Phone("l", (350, 1250, 2700), 0.3, 0.1, voiced=0.5), 0.06)
_R = _steady(Phone("r", (350, 1150, 1650), 0.25, -0.4, voiced=0.45), 0.06)
_W = _steady(Phone("w", (300, 700, 2200), 0.12, -1.0, voiced=0.4), 0.07)

ONSETS = (_P, _B, _P, _B, _T, _D, _K, _G, _S, _SH, _F, _H, _N, _L, _R, _W)
CODAS = (_T, _K, _P, _S, _SH, _N, _L)
