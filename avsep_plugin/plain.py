"""Dataclasses to plain dictionaries, as TOML and JSON have them, and strictly back."""

import contextlib
import dataclasses
import difflib
import types
import typing
from fractions import Fraction
from typing import Any, Literal, TypeVar

from avsep_plugin.errors import ConfigError

T = TypeVar("T")


def to_dict(config: Any) -> dict[str, Any]:
    """Plain dictionary of a dataclass: numbers, strings, lists, nested dictionaries; fractions as "n/d"."""

    def plain(value: Any) -> Any:
        if dataclasses.is_dataclass(value):
            return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        if isinstance(value, Fraction):
            return f"{value.numerator}/{value.denominator}"
        if isinstance(value, tuple):
            return [plain(item) for item in value]
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return value

    result: dict[str, Any] = plain(config)
    return result


def from_dict(cls: type[T], values: Any, where: str = "") -> T:
    """Build a dataclass from a plain dictionary, strictly.

    Where a field may be None, "none" says so (TOML has no word for it).
    Raises ConfigError for an unknown key (naming the nearest) or a value of the wrong type.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"{where or cls.__name__} must be a table, got {type(values).__name__}.")
    hints = typing.get_type_hints(cls)
    for key in values:
        if key not in hints:
            near = difflib.get_close_matches(str(key), hints, n=1)
            advice = f"; did you mean '{near[0]}'?" if near else f"; known keys: {', '.join(hints)}."
            raise ConfigError(f"Unknown key '{where}{key}'{advice}")
    return cls(**{key: _convert(hints[key], value, f"{where}{key}") for key, value in values.items()})


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return from_dict(typing.cast(type[Any], hint), value, where + ".")
    if origin is Literal and value in typing.get_args(hint):
        return value
    if origin in (types.UnionType, typing.Union):
        if value in (None, "none") and type(None) in typing.get_args(hint):
            return None
        *others, last = (arg for arg in typing.get_args(hint) if arg is not type(None))
        for kind in others:
            with contextlib.suppress(ConfigError):
                return _convert(kind, value, where)
        return _convert(last, value, where)
    if origin is tuple and isinstance(value, list | tuple):
        args = typing.get_args(hint)
        if args[-1] is Ellipsis:
            return tuple(_convert(args[0], item, where) for item in value)
        if len(value) == len(args):
            return tuple(_convert(arg, item, where) for arg, item in zip(args, value, strict=True))
    if origin is dict and isinstance(value, dict):
        kind = typing.get_args(hint)[1]
        return {str(key): _convert(kind, item, f"{where}.{key}") for key, item in value.items()}
    if hint is Fraction and isinstance(value, int | str | Fraction) and not isinstance(value, bool):
        try:
            return Fraction(value)
        except (ValueError, ZeroDivisionError) as exc:
            raise ConfigError(f"'{where}' must be a fraction such as 25 or '2997/100', got {value!r}.") from exc
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    name = getattr(hint, "__name__", str(hint)) if origin is None else str(hint).replace("typing.", "")
    raise ConfigError(f"'{where}' must be {name}, got {value!r}.")
