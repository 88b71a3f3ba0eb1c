"""Frozen configurations of pictures, STFT, windows and networks; `plain` has their way to and from TOML and JSON.

One set of fields scales the same code from the networks of Owens & Efros (2018) down to the bundled `mini`.
The defaults are the published values.
"""

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

Fit = Literal["squash", "letterbox", "crop"]


@dataclass(frozen=True)
class PictureConfig:
    """How a picture becomes the network's input: fitted to a square, of which a part `stored_size` wide is kept, then the centre
    `crop_size` of that part."""

    frame_rate: Fraction = Fraction(2997, 100)
    stored_size: int = 256
    crop_size: int = 224
    fit: Fit = "squash"
    zoom: float = 1.0
    """The fitted square's side over that of the part that is kept; 1 keeps all of it."""
    centre: tuple[float, float] = (0.5, 0.5)
    """Where the middle of the kept part lies in the fitted square, (x, y) in [0, 1]; it never reaches outside."""
    channels: Literal[1, 3] = 3
    """3 = RGB; 1 = their mean."""

    @property
    def square_size(self) -> int:
        """Side of the fitted square in the network's pixels."""
        return round(self.stored_size * self.zoom)

    @property
    def corner(self) -> tuple[int, int]:
        """(left, top) of the kept part in the fitted square."""
        room = self.square_size - self.stored_size
        left, top = (min(max(round(place * self.square_size - self.stored_size / 2), 0), room) for place in self.centre)
        return left, top

    def square_in(self, width: int, height: int) -> tuple[int, int]:
        """(left, top) of the square of `crop_size` that a model sees, in a whole picture whose short side is the fitted square's."""
        inset = (self.stored_size - self.crop_size) // 2
        left, top = self.corner
        return max(0, (width - self.square_size) // 2 + left + inset), max(0, (height - self.square_size) // 2 + top + inset)


@dataclass(frozen=True)
class StftConfig:
    """Analysis frames of `frame_samples` every `hop_samples`, zero-padded at the end to `fft_size`; periodic Hann window."""

    frame_samples: int = 1344
    hop_samples: int = 336
    fft_size: int = 2048

    @property
    def bins(self) -> int:
        """Number of frequency bins, DC and Nyquist included."""
        return self.fft_size // 2 + 1

    def frame_count(self, samples: int) -> int:
        """Whole analysis frames in a signal of that many samples (no padding)."""
        return 1 + (samples - self.frame_samples) // self.hop_samples


@dataclass(frozen=True)
class FusedConfig:
    """The fused audio-visual network (spec 1.2). Widths are channels; strides are (time, height, width)."""

    audio_widths: tuple[int, int, int, int] = (64, 128, 128, 256)
    audio_strides: tuple[int, int, int, int, int] = (4, 4, 4, 4, 4)
    """conv1_1, max-pool, conv2_1, conv3_1, conv4_1."""
    audio_kernels: tuple[int, int] = (65, 15)
    audio_fused_width: int = 128
    video_width: int = 64
    video_kernel: tuple[int, int, int] = (5, 7, 7)
    video_strides: tuple[int, int] = (2, 2)
    """Time strides of conv1 and conv2_2."""
    fusion_width: int = 512
    trunk_widths: tuple[int, int, int] = (128, 256, 512)
    trunk_time_strides: tuple[int, int] = (2, 1)
    """Time strides of conv4_1 and conv5_1."""
    last_spatial_stride: Literal[1, 2] = 2
    """Spatial stride of conv5_1: 2, or 1 in the cam network."""
    scale_gamma: bool = False
    """Whether batch normalisation has a gamma: no in shift and cam, yes inside the separator."""
    bn_momentum: float = 0.0003
    """1 - decay of the running statistics; the published decay is 0.9997."""
    frame_step: int = 1
    """Only every so-many-th picture is looked at: 4 in the paper's low-frame-rate pre-training."""
    still: bool = False
    """The middle picture of the window stands for all of them, so that nothing moves (the single-frame ablation)."""
    mono: bool = False
    """Both channels are replaced by their mean before the network hears them."""
    hears: bool = True
    """False: what the sound adds to the picture's features is zero (no early fusion; recognition by the picture alone)."""

    @property
    def stem_frames(self) -> int:
        """Pictures for each step of the video stem's output."""
        return self.frame_step * math.prod(self.video_strides)

    @property
    def cell_frames(self) -> int:
        """Pictures for each step of the last map."""
        return self.stem_frames * math.prod(self.trunk_time_strides)

    @property
    def cell_pixels(self) -> int:
        """Side of a cell of the last map: conv1, max-pool, conv2_2 and conv4_1 halve the picture, conv5_1 as it is told."""
        return 16 * self.last_spatial_stride


@dataclass(frozen=True)
class SeparatorConfig:
    """The network that turns the mixture's spectrogram and the fused features into on- and off-screen sound."""

    kind: Literal["unet", "recurrent"] = "unet"
    head: Literal["spectrogram", "mask"] = "spectrogram"
    width: int = 64
    """u-net: channels of conv1; recurrent: units per direction."""
    layers: int = 9
    """u-net: encoder layers; recurrent: stacked layers."""
    with_video: bool = True
    """False: the audio-only twin (unet_pit)."""
    spectrogram_channel: Literal["left", "mean"] = "left"
    """Which mono sum the spectrogram is made of: the original tool takes channel 0, its training the mean."""
    picture_grid: int = 1
    """recurrent: feature maps are averaged over so many by so many fields of the picture; 1 = over all of it, as the u-net does."""
    min_db: float = -100.0
    max_db: float = 80.0
    dropout: float = 0.0
    """recurrent: share of what each of its layers is given that is left out in training, so that it learns fewer people by heart."""


@dataclass(frozen=True)
class WindowConfig:
    """The grid on which a file is cut, in frames of the picture rate, counted from the first sample.

    Window k keeps [k * hop, (k + 1) * hop) and sees `context` more on either side, which is thrown away.
    """

    hop_frames: int = 31
    context_frames: int = 16
    fixed: bool = True
    """True: the network takes exactly hop + 2 * context frames, what the file lacks is silence and the last picture;
    False: at the ends of the file the window is simply shorter."""

    @property
    def frames(self) -> int:
        """Length of a whole window with its context."""
        return self.hop_frames + 2 * self.context_frames


@dataclass(frozen=True)
class CalibrationConfig:
    """What an aligner's logit is worth: the probability that sound and picture belong together is sigmoid(slope * logit + offset).

    Fitted on held-out clips of which half are aligned (`avsep evaluate --task align`); these defaults are those of a model that was
    never calibrated.
    """

    slope: float = 1.0
    offset: float = 0.0

    def probability(self, logit: float) -> float:
        """In [0, 1]; written so that no exponential overflows."""
        return (1 + math.tanh((self.slope * logit + self.offset) / 2)) / 2


@dataclass(frozen=True)
class ModelConfig:
    """Everything needed to build a network and to feed it."""

    name: str = "multisensory/full"
    task: Literal["align", "separate", "action"] = "separate"
    sample_rate_hz: int = 21000
    input_rms: float | None = 0.1 * math.sqrt(2)
    """Each channel of a window is brought to this RMS first; None leaves the level alone."""
    picture: PictureConfig = field(default_factory=PictureConfig)
    stft: StftConfig = field(default_factory=StftConfig)
    fused: FusedConfig = field(default_factory=FusedConfig)
    separator: SeparatorConfig = field(default_factory=SeparatorConfig)
    window: WindowConfig = field(default_factory=WindowConfig)
    pooling: Literal["mean", "max"] = "mean"
    """How an aligner's class activation map becomes its logit: the mean of all cells (the paper), or the highest place of the mean over
    time, which asks for one place that fits the sound and lets the rest of the picture be (Arandjelovic & Zisserman 2018, AVOL-Net)."""
    calibration: CalibrationConfig = field(default_factory=CalibrationConfig)
    """Of an aligner's logits; belongs to the weights, not to the way they are trained."""
    classes: tuple[str, ...] = ()
    """action: names of what is told apart, in the order of the logits."""

    @property
    def sees(self) -> bool:
        """Whether the network looks at pictures at all."""
        return self.task != "separate" or self.separator.with_video

    @property
    def whole_cell_pixels(self) -> int | None:
        """Side of a cell of a map over the whole picture, where this model's own square is cut out of it (its layers are convolutions and
        take any size); None where the square holds all of the picture."""
        return self.fused.cell_pixels if self.picture.fit == "crop" else None

    def window_samples(self, frames: int) -> int:
        """Samples at the model's rate that go with that many frames, rounded."""
        return round(Fraction(self.sample_rate_hz * frames) / self.picture.frame_rate)
