"""A generator turned round: what comes out does not change, it only comes when it can."""

import gc
import threading
from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from avsep_plugin import push
from avsep_plugin.push import Pushed


def sums_of_three(numbers: Iterator[int]) -> Iterator[int]:
    """Needs several pieces before it gives one; what is left over comes at the end."""
    group: list[int] = []
    for number in numbers:
        group.append(number)
        if len(group) == 3:
            yield sum(group)
            group = []
    if group:
        yield sum(group)


def several(numbers: Iterator[int]) -> Iterator[int]:
    for number in numbers:
        yield from range(number)


def fails(numbers: Iterator[int]) -> Iterator[int]:
    for number in numbers:
        yield 12 // number


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "avsep-push"]


def test_results_come_with_the_piece_that_makes_them() -> None:
    stream: Pushed[int, int] = Pushed(sums_of_three)
    assert [stream.push(number) for number in (1, 2, 3, 4, 5, 6, 7)] == [[], [], [6], [], [], [15], []]
    assert stream.finish() == [7]


def test_one_piece_may_make_several_results() -> None:
    stream: Pushed[int, int] = Pushed(several)
    assert [stream.push(2), stream.push(0), stream.push(3), stream.finish()] == [[0, 1], [], [0, 1, 2], []]


def test_what_the_generator_raises_comes_out_and_ends_it() -> None:
    stream: Pushed[int, int] = Pushed(fails)
    assert stream.push(3) == [4]
    with pytest.raises(ZeroDivisionError):
        stream.push(0)
    with pytest.raises(RuntimeError, match="has ended"):
        stream.push(3)


@pytest.mark.parametrize("end", ["finish", "close"])
def test_an_ended_stream_takes_nothing_more(end: str) -> None:
    stream: Pushed[int, int] = Pushed(several)
    getattr(stream, end)()
    with pytest.raises(RuntimeError, match="has ended"):
        stream.push(1)


def test_closing_unwinds_the_generator() -> None:
    unwound = []

    def holding(numbers: Iterator[int]) -> Iterator[int]:
        try:
            yield from numbers
        finally:
            unwound.append(True)

    stream: Pushed[int, int] = Pushed(holding)
    stream.push(1)
    assert unwound == []
    stream.close()
    stream.close()
    assert unwound == [True]
    assert threads() == []


def test_a_forgotten_stream_stops_its_thread() -> None:
    stream: Pushed[int, int] = Pushed(several)
    stream.push(1)
    (thread,) = threads()
    del stream
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_a_forked_process_is_told_instead_of_waiting_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    stream: Pushed[int, int] = Pushed(several)
    with monkeypatch.context() as patch:
        patch.setattr(push.os, "getpid", lambda: -1)
        with pytest.raises(RuntimeError, match="forked"):
            stream.push(1)
    stream.close()


def test_an_interrupted_call_ends_the_stream() -> None:
    class Interrupted(SimpleQueue[object]):
        def get(self, *_: object) -> object:
            raise KeyboardInterrupt

    stream: Pushed[int, int] = Pushed(several)
    stream._outbox = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        stream.push(1)
    with pytest.raises(RuntimeError, match="has ended"):
        stream.push(1)
    stream._thread.join(10)
    assert threads() == []
