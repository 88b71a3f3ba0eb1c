"""Native plugins of pedalboard and ours, one after the other, called like a `pedalboard.Pedalboard`.

    [HighpassFilter, NoiseGate, OnScreenSeparator, BrickwallLimiter]
     '------ one Pedalboard -'                     '- another one -'

A `Pedalboard` itself takes native plugins only.
"""

from collections.abc import Iterable, Iterator, MutableSequence
from itertools import groupby
from typing import Any, overload

import numpy as np
import pedalboard

from avsep_plugin.clip import Float32
from avsep_plugin.convention import Effect, Stream
from avsep_plugin.native import NativeStream

Plugin = pedalboard.Plugin | Effect


class Chain(Effect, MutableSequence[Plugin]):
    """A list of effects that is itself one.

    It is streamed like the others: pieces with `reset=False`, then `flush()`. What a plugin holds back for its latency is waited for,
    so that every effect gets, and the caller gets back, sound that is in step with what went in; what rings on after the end of the
    sound is cut off, as pedalboard cuts it with `reset=True`.

    Raises TypeError for what is no effect, RuntimeError where one and the same instance is in it twice, and where the list is changed
    in the middle of a stream.
    """

    __slots__ = ("_plugins",)

    def __init__(self, plugins: Iterable[Plugin] | None = None) -> None:
        super().__init__()
        self._plugins: list[Plugin] = []
        self._become(list(plugins or []))

    def open_stream(self, sample_rate_hz: int, channels: int) -> "ChainStream":
        """A new stream through new streams of all effects in it."""
        with self._lock:
            _check_once(self._plugins)  # an effect inside another chain may have come since
            stages: list[Stream] = []
            try:
                for native, run in groupby(self._plugins, lambda plugin: isinstance(plugin, pedalboard.Plugin)):
                    if native:
                        stages.append(NativeStream([p for p in run if isinstance(p, pedalboard.Plugin)], sample_rate_hz, channels))
                    else:
                        stages += [effect.open_stream(sample_rate_hz, channels) for effect in run if isinstance(effect, Effect)]
            except BaseException:
                ChainStream(stages, channels).close()
                raise
            return ChainStream(stages, channels)

    def reset(self) -> None:
        """Forget the stream, and reset every effect."""
        with self._lock:
            super().reset()
            for plugin in self._plugins:
                plugin.reset()

    def __len__(self) -> int:
        return len(self._plugins)

    @overload
    def __getitem__(self, index: int) -> Plugin: ...
    @overload
    def __getitem__(self, index: slice) -> list[Plugin]: ...
    def __getitem__(self, index: int | slice) -> Plugin | list[Plugin]:
        return self._plugins[index]

    def __setitem__(self, index: Any, plugin: Any) -> None:
        plugins = self._plugins.copy()
        plugins[index] = plugin
        self._become(plugins)

    def __delitem__(self, index: int | slice) -> None:
        plugins = self._plugins.copy()
        del plugins[index]
        self._become(plugins)

    def insert(self, index: int, value: Plugin) -> None:
        """Put an effect before the one at `index`."""
        self._become([*self._plugins[:index], value, *self._plugins[index:]])

    def reverse(self) -> None:
        """Turn the order round."""
        self._become(self._plugins[::-1])

    def __repr__(self) -> str:
        count = f"{len(self)} plugin{'' if len(self) == 1 else 's'}"
        return f"<avsep_plugin.Chain with {count}: {self._plugins} at {id(self):#x}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Chain, (self._plugins,)

    def _become(self, plugins: list[Plugin]) -> None:
        for plugin in plugins:
            if not isinstance(plugin, pedalboard.Plugin | Effect) or not plugin.is_effect:
                raise TypeError(f"A chain takes effects of pedalboard and of avsep_plugin, not {plugin!r}.")
        _check_once(plugins)
        with self._lock:
            if self._stream is not None:
                raise RuntimeError("The chain is in the middle of a stream; call flush() or reset() before its list is changed.")
            self._plugins = plugins


class ChainStream:
    """Streams one after the other (`convention.Stream`)."""

    def __init__(self, stages: list[Stream], channels: int) -> None:
        self._stages, self._channels = stages, channels

    def push(self, block: Float32) -> Float32:
        """The next piece in, what is finished out."""
        for stage in self._stages:
            block = stage.push(block)
        return block

    def flush(self) -> Float32:
        """The rest: the first stage's goes through the second one, and so on."""
        rest: Float32 = np.zeros((self._channels, 0), np.float32)
        for stage in self._stages:
            rest = np.concatenate([stage.push(rest), stage.flush()], axis=1)
        return rest

    def close(self) -> None:
        """Close every stage."""
        for stage in self._stages:
            stage.close()


def _check_once(plugins: Iterable[Plugin]) -> None:
    """Raises RuntimeError where an instance is there twice, in chains inside the chain too: it has one state only."""
    seen: set[int] = set()
    for plugin in _all(plugins):
        if id(plugin) in seen:
            raise RuntimeError(f"The same plugin instance is in the chain twice, and it has one state only: {plugin!r}")
        seen.add(id(plugin))


def _all(plugins: Iterable[Plugin]) -> Iterator[Plugin]:
    for plugin in plugins:
        yield plugin
        if isinstance(plugin, Chain | pedalboard.Chain | pedalboard.Mix | pedalboard.Pedalboard):
            yield from _all(plugin)
