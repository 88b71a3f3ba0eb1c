"""What a scene is: who is in the picture, what sounds from outside, and the truth that rendering returns.

Time 0 is the start of the clip. The picture of frame i is drawn as it is at (i + 1/2) / frame_rate, the middle of its display.
`offset_seconds` delays the sound against the picture: what the mouth does at t is heard at t + offset_seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

from avsep_plugin.clip import Float32, UInt8
from avsep_plugin.errors import ConfigError
from avsep_plugin.scenes.identity import Split, check_identity
from avsep_plugin.scenes.noise import NOISE_KINDS, NoiseKind

Part = Literal["face", "mouth", "object"]
StruckKind = Literal["bell", "drum", "bar"]
STRUCK_KINDS: tuple[StruckKind, ...] = get_args(StruckKind)


@dataclass(frozen=True)
class TalkingFace:
    """A head and shoulders. x, y: centre of the face as shares of the picture; size: its width as a share of the picture's short side."""

    identity: int
    x: float = 0.5
    y: float = 0.44
    size: float = 0.45
    level_db: float = 0.0
    sway: float = 1.0
    """0 = the head stands still, 1 = natural."""
    speaks: bool = True
    """False: the face listens with its mouth shut and makes no sound."""


@dataclass(frozen=True)
class Ball:
    """A bouncing ball. x, y: foot of its path on the floor; size: its diameter as a share of the short side; reach: half its way across."""

    identity: int
    x: float = 0.5
    y: float = 0.85
    size: float = 0.16
    reach: float = 0.15
    level_db: float = 0.0


@dataclass(frozen=True)
class Struck:
    """A struck object. x, y: its middle; size: its width as a share of the short side."""

    identity: int
    kind: StruckKind = "bell"
    x: float = 0.4
    y: float = 0.6
    size: float = 0.4
    level_db: float = 0.0


@dataclass(frozen=True)
class OffScreenVoice:
    """Somebody who speaks outside the picture."""

    identity: int
    level_db: float = 0.0


@dataclass(frozen=True)
class OffScreenNoise:
    """Noise from outside the picture."""

    kind: NoiseKind = "traffic"
    level_db: float = 0.0


OnScreen = TalkingFace | Ball | Struck
OffScreen = OffScreenVoice | OffScreenNoise


@dataclass(frozen=True)
class SceneConfig:
    """A scene, complete: the same config always renders to the same pictures and samples.

    snr_db: RMS of all on-screen sound over RMS of all off-screen sound; None leaves the sources' own levels.
    seed: what happens (words, bounces, sway, background); identities: who. Both split by `split`. Raises ConfigError.
    """

    on_screen: tuple[OnScreen, ...]
    off_screen: tuple[OffScreen, ...] = ()
    seed: int = 0
    split: Split = "test"
    width: int = 640
    height: int = 360
    frame_rate: Fraction = Fraction(25)
    duration_seconds: Fraction = Fraction(10)
    sample_rate_hz: int = 48000
    channels: int = 2
    snr_db: float | None = 0.0
    offset_seconds: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        for source in (*self.on_screen, *self.off_screen):
            if isinstance(source, OffScreenNoise):
                if source.kind not in NOISE_KINDS:
                    raise ConfigError(f"Unknown kind of noise {source.kind!r}; there are {', '.join(NOISE_KINDS)}.")
            else:
                check_identity(source.identity, self.split)
        if self.width < 16 or self.height < 16:
            raise ConfigError(f"A scene is at least 16x16 pixels, got {self.width}x{self.height}.")
        if self.frame_rate <= 0 or self.duration_seconds <= 0 or self.frame_count < 1:
            raise ConfigError("Frame rate and duration must be positive and make at least one frame.")
        if self.sample_rate_hz < 8000 or self.channels < 1 or self.seed < 0:
            raise ConfigError("A scene needs a sample rate of 8000 Hz or more, at least one channel and a seed of 0 or more.")

    @property
    def frame_count(self) -> int:
        """Number of pictures."""
        return round(self.frame_rate * self.duration_seconds)

    @property
    def sample_count(self) -> int:
        """Number of samples."""
        return round(self.sample_rate_hz * self.duration_seconds)

    @property
    def offset_samples(self) -> int:
        """The offset as it is rendered."""
        return round(self.sample_rate_hz * self.offset_seconds)


@dataclass(frozen=True)
class Box:
    """Where a part of a source is in one frame: left, top, width, height as shares of the picture, inside it."""

    time_seconds: float
    source: int
    part: Part
    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True)
class BoxTrack:
    """A part of source number `source` (index into on_screen) through time; xywh: [N, 4] float32, a row for each frame, in [0, 1]."""

    source: int
    part: Part
    xywh: Float32


@dataclass(frozen=True)
class Truth:
    """All that is known of a scene besides its pictures.

    on, off: [C, n] float32 stems that add up to the mixture. onsets: for each on-screen source, when its sound sets in (impacts; for
    talkers the first sound after a pause), in seconds on the sound's clock. offset_seconds: delay of the sound, as rendered.
    source_count: how many sources sound, on_count of them on screen.
    """

    on: Float32
    off: Float32
    sample_rate_hz: int
    tracks: tuple[BoxTrack, ...]
    onsets: tuple[tuple[float, ...], ...]
    frame_rate: Fraction
    offset_seconds: Fraction
    source_count: int
    on_count: int

    @property
    def mixture(self) -> Float32:
        """[C, n] float32."""
        return self.on + self.off

    @property
    def boxes(self) -> Iterator[Box]:
        """Every box of every frame, track by track."""
        for track in self.tracks:
            for index, (x, y, w, h) in enumerate(track.xywh.tolist()):
                yield Box(float((index + Fraction(1, 2)) / self.frame_rate), track.source, track.part, x, y, w, h)

    def track(self, source: int, part: Part) -> Float32:
        """Boxes [N, 4] of one part of one source. Raises KeyError if there is none."""
        for track in self.tracks:
            if (track.source, track.part) == (source, part):
                return track.xywh
        raise KeyError(f"source {source} has no {part}")


@dataclass(frozen=True)
class RenderedScene(Truth):
    """A scene with its pictures. frames: [N, H, W, 3] uint8, RGB."""

    frames: UInt8
