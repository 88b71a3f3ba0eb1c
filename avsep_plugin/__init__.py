"""Tells apart the sounds that a picture shows from all the rest.

The effects are loaded when they are first named, so that importing the package does not load PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avsep_plugin.chain import Chain
    from avsep_plugin.effect import OnScreenSeparator

__all__ = ["Chain", "OnScreenSeparator"]


def __getattr__(name: str) -> Any:
    homes = {"Chain": "chain", "OnScreenSeparator": "effect"}
    if name not in homes:
        raise AttributeError(f"module 'avsep_plugin' has no attribute '{name}'")
    return getattr(import_module(f"avsep_plugin.{homes[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
