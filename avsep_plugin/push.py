"""A generator that pulls its input, turned round: pieces are pushed in, and what it can make of them comes back at once.

    push(piece) --inbox-->  feed ---> generator ---> made
        ^                                              |
        +------------------outbox----------------------+   when the generator asks for the next piece, or ends

The generator runs in a thread of its own because only a stack of its own lets it stop in the middle of asking for input. The two
threads never run at the same time: the one that pushes waits until the other one asks for more. So nothing here needs a lock.
"""

import enum
import os
import weakref
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Thread
from typing import Generic, NamedTuple, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


class _Signal(enum.Enum):
    END = enum.auto()
    """There is no more input."""
    STOP = enum.auto()
    """Nobody wants the result any more."""


class _Stopped(BaseException):
    """Unwinds the generator, so that it lets go of what it holds."""


class _Answer(NamedTuple, Generic[Out]):
    made: list[Out]
    error: BaseException | None
    over: bool
    """The generator has ended."""


class Pushed(Generic[In, Out]):
    """Runs make(pieces), a generator over an iterator of its input.

    What the generator raises comes out of the call that made it run, and ends it. One caller at a time.
    """

    def __init__(self, make: Callable[[Iterator[In]], Iterator[Out]]) -> None:
        self._inbox: SimpleQueue[In | _Signal] = SimpleQueue()
        self._outbox: SimpleQueue[_Answer[Out]] = SimpleQueue()
        self._process = os.getpid()
        self._over = False
        self._thread = Thread(target=_work, args=(make, self._inbox, self._outbox), name="avsep-push", daemon=True)
        self._thread.start()
        weakref.finalize(self, self._inbox.put, _Signal.STOP)

    def push(self, piece: In) -> list[Out]:
        """What the generator yields from here until it asks for the piece after this one."""
        return self._ask(piece)

    def finish(self) -> list[Out]:
        """What the generator yields once it knows that there is no more input."""
        return self._ask(_Signal.END)

    def close(self) -> None:
        """End the generator wherever it is, and wait until it has let go of what it holds. May be called twice."""
        self._over = True
        self._inbox.put(_Signal.STOP)
        if self._process == os.getpid():
            self._thread.join()

    def _ask(self, message: In | _Signal) -> list[Out]:
        if self._over:
            raise RuntimeError("the stream has ended")
        if self._process != os.getpid():
            raise RuntimeError("a stream cannot go on in a forked process; begin a new one there")
        try:
            self._inbox.put(message)
            answer = self._outbox.get()
        except BaseException:  # Ctrl-C while the other thread works: its answer would be taken for that to the next piece
            self._over = True
            self._inbox.put(_Signal.STOP)
            raise
        self._over = answer.over
        if answer.error is not None:
            raise answer.error
        return answer.made


def _work(make: Callable[[Iterator[In]], Iterator[Out]], inbox: "SimpleQueue[In | _Signal]", outbox: "SimpleQueue[_Answer[Out]]") -> None:
    """The thread. It knows the queues only, so that a `Pushed` that is forgotten goes away and stops it."""
    made: list[Out] = []

    def feed() -> Iterator[In]:
        piece = inbox.get()
        while not isinstance(piece, _Signal):
            yield piece
            outbox.put(_Answer(made.copy(), None, over=False))
            made.clear()
            piece = inbox.get()
        if piece is _Signal.STOP:
            raise _Stopped

    try:
        for item in make(feed()):
            made.append(item)
        outbox.put(_Answer(made, None, over=True))
    except _Stopped:
        pass
    except BaseException as exc:
        outbox.put(_Answer([], exc, over=True))
