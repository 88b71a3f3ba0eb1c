"""How a clip is localised and what is written of it: plain values that can be sent to another process."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from avsep_plugin.draw.paint import MAX_OPACITY
from avsep_plugin.errors import ConfigError
from avsep_plugin.media.layers import LayerKind
from avsep_plugin.pipeline import Precision

Style = Literal["heat", "original", "side-by-side", "contours", "heat-only"]
"""heat: colour over the picture. original: the drawing of the paper's own tool. side-by-side: the clip, and beside it the colour over it.
contours: lines of equal evidence over the picture. heat-only: the colour over black."""
DataKind = Literal["npz", "json"]

_LAYER_NAMES = {"prores4444": "layer.mov", "vp9": "layer.webm", "png": "layer-png"}


@dataclass(frozen=True)
class LocalizeFileOptions:
    """How to localise a clip and what to write. Raises ConfigError for values that do not go together."""

    styles: tuple[Style, ...] = ("heat",)
    """Overlay videos, one for each."""
    layers: tuple[LayerKind, ...] = ()
    """What is drawn, with alpha, to be laid over the clip: one file or folder for each."""
    data: tuple[DataKind, ...] = ("npz",)
    """The map in numbers."""
    threshold: float = 0.5
    """From which share of the clip's strong evidence on it is drawn, in [0, 1)."""
    opacity: float = MAX_OPACITY
    """Of the strongest evidence, in (0, 1]."""
    legend: bool = True
    """Whether the overlay videos say what their colours mean; layers never do."""
    abstain_below: float = 0.5
    """Nothing is drawn where the probability that sound and picture belong together stays below; 0: evidence is drawn wherever it is."""
    with_audio: str = ""
    """Another file, whose sound stands in for the clip's from its beginning on; "": the clip's own."""
    track: int = 0
    """Which of the sound tracks, from 0 (of the other file, where there is one)."""
    region: str = ""
    """What the model may see of the picture (`media.region`); "": all of it."""
    shots: bool = True
    """Find the cuts, and judge every shot by itself."""
    tolerate_damage: bool = False
    precision: Precision = "fp32"

    def __post_init__(self) -> None:
        for name, chosen, known in (("styles", self.styles, Style), ("layers", self.layers, LayerKind), ("data", self.data, DataKind)):
            unknown = set(chosen) - set(get_args(known))
            if unknown:
                raise ConfigError(f"{name} are of {', '.join(get_args(known))}, not '{', '.join(sorted(unknown))}'.")
        if not (self.styles or self.layers or self.data):
            raise ConfigError("there is nothing to write: name a style, a layer or a kind of data.")
        if not 0 <= self.threshold < 1:
            raise ConfigError(f"threshold must be at least 0 and below 1, not {self.threshold:g}.")
        if not 0 < self.opacity <= 1:
            raise ConfigError(f"opacity must be above 0 and at most 1, not {self.opacity:g}.")
        if not 0 <= self.abstain_below <= 1:
            raise ConfigError(f"abstain_below is a probability between 0 and 1, not {self.abstain_below:g}.")

    @property
    def draws(self) -> bool:
        """Whether the pictures have to be looked at once more."""
        return bool(self.styles or self.layers)


DEFAULT_LOCALIZE_OPTIONS = LocalizeFileOptions()


def style_kind(style: Style) -> str:
    """What the overlay video of a style is called among the outputs."""
    return "overlay" if style == "heat" else f"overlay-{style}"


def layer_kind(layer: LayerKind) -> str:
    """What a layer is called among the outputs."""
    return f"layer-{layer}"


def localisation_outputs(out_dir: Path, options: LocalizeFileOptions = DEFAULT_LOCALIZE_OPTIONS) -> dict[str, Path]:
    """The files (for PNG the folder) that `localize_file` will write, by kind: overlay, overlay-<style>, layer-<kind>, heatmap,
    heatmap-json."""
    names = {style_kind(style): f"{style_kind(style)}.mp4" for style in options.styles}
    names |= {layer_kind(layer): _LAYER_NAMES[layer] for layer in options.layers}
    names |= {"heatmap" if data == "npz" else f"heatmap-{data}": f"heatmap.{data}" for data in options.data}
    return {kind: out_dir / name for kind, name in names.items()}
