"""The steps of a preset's finishing chain: which of pedalboard's effects there are, and what each may be told. Imports no pedalboard.

    [[finish]]
    plugin = "HighpassFilter"
    cutoff_frequency_hz = 80

The names are pedalboard's own. Listed are effects that tidy a voice. Left out is `Limiter`, which makes quiet sound louder;
`BrickwallLimiter` does not. The ranges are narrower than pedalboard's, which takes settings that blow up.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from avsep_plugin.errors import ConfigError


class Range(NamedTuple):
    """The values that a number may have, both ends included."""

    low: float
    high: float


_CUTOFF_HZ, _GAIN_DB, _THRESHOLD_DB = Range(10, 20000), Range(-24, 24), Range(-100, 0)
_ATTACK_MS, _RELEASE_MS = Range(0.1, 1000), Range(1, 5000)
_PASS = {"cutoff_frequency_hz": _CUTOFF_HZ}
_BAND = {"cutoff_frequency_hz": _CUTOFF_HZ, "gain_db": _GAIN_DB, "q": Range(0.1, 10)}
_LEVELS = {"threshold_db": _THRESHOLD_DB, "ratio": Range(1, 20), "attack_ms": _ATTACK_MS, "release_ms": _RELEASE_MS}

PLUGINS: dict[str, dict[str, Range | None]] = {
    "HighpassFilter": {**_PASS},
    "LowpassFilter": {**_PASS},
    "HighShelfFilter": {**_BAND},
    "LowShelfFilter": {**_BAND},
    "PeakFilter": {**_BAND},
    "NoiseGate": {**_LEVELS},
    "Compressor": {**_LEVELS},
    "BrickwallLimiter": {"ceiling_db": Range(-24, 0), "release_ms": _RELEASE_MS, "lookahead_ms": Range(0.1, 20), "true_peak": None},
    "Gain": {"gain_db": _GAIN_DB},
}
"""Plugin -> parameter -> its range; None: true or false."""


@dataclass(frozen=True)
class FinishStep:
    """One effect with its parameters; what is left out has pedalboard's default. Raises ConfigError for what cannot be."""

    plugin: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    """Numbers, and true or false where it is a switch."""

    def __post_init__(self) -> None:
        if not self.plugin:
            raise ConfigError(f"A finishing step names its plugin, one of {', '.join(PLUGINS)}.")
        if self.plugin not in PLUGINS:
            raise ConfigError(f"No finishing plugin is called '{self.plugin}'{nearest(self.plugin, PLUGINS)}")
        for name, value in self.parameters.items():
            self._check(name, value)

    def _check(self, name: str, value: Any) -> None:
        known = PLUGINS[self.plugin]
        where = f"finish.{self.plugin}.{name}"
        if name not in known:
            raise ConfigError(f"Unknown key '{where}'{nearest(name, known)}")
        span = known[name]
        if span is None and not isinstance(value, bool):
            raise ConfigError(f"'{where}' must be true or false, got {value!r}.")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if span is not None and not (is_number and span.low <= value <= span.high):
            raise ConfigError(f"'{where}' must be a number from {span.low:g} to {span.high:g}, got {value!r}.")


def grouped(tables: Any) -> Any:
    """Steps as they stand in TOML, parameters beside `plugin`, as tables of the two fields of `FinishStep`.

    What is no list of tables stays as it is: making a `FinishStep` of it says what is wrong.
    """
    if not isinstance(tables, list):
        return tables
    return [_grouped(table) if isinstance(table, dict) else table for table in tables]


def _grouped(table: dict[str, Any]) -> dict[str, Any]:
    return {"plugin": table.get("plugin", ""), "parameters": {key: value for key, value in table.items() if key != "plugin"}}


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the nearest known one, or all of them."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; known are {', '.join(names)}."
