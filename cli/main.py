"""The command `avsep`: its subcommands, and the one place that turns errors into exit codes.

0  everything is done (what was skipped counts as done)
1  at least one input failed, or an AvsepError ended the command
2  the command line is wrong
130  stopped with Ctrl-C
143  stopped with SIGTERM, as `kill`, systemd and the schedulers of clusters do
"""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from avsep_plugin.errors import AvsepError

from .console import Talk, log_to_stderr
from .demo import demo
from .doctor import doctor
from .evaluate import evaluate
from .finetune import finetune
from .info import info
from .localize import localize
from .models import models
from .presets import presets
from .render import render
from .report import report
from .separate import separate
from .sync import sync
from .timeline import timeline
from .training import prepare, train
from .verify import verify


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(None, "-V", "--version", package_name="avsep-plugin", prog_name="avsep")
def app() -> None:
    """Tell apart the sounds that a picture shows from all the rest.

    \b
    Examples:
      avsep separate footage/ -o stems      separate every clip of a folder
      avsep localize talk.mp4 -o maps       show where in the picture the sound comes from
      avsep sync footage/ -o sync           say how late the sound of every clip is
      avsep finetune footage/ -o mine.safetensors   a model tuned on your own footage
      avsep report stems                    one page to look and listen through what was made
      avsep info talk.mp4                   say what is in a file
      avsep demo                            see it work on ten rendered seconds

    Every option can be given as an environment variable: AVSEP_<COMMAND>_<OPTION>, for example AVSEP_SEPARATE_DEVICE=cpu.
    `avsep COMMAND --help` shows examples for each command.
    """


_USE = (separate, localize, sync, report, timeline, verify, info, demo, doctor)
_MAKE = (render, prepare, train, finetune, evaluate, models, presets)
for command in (*_USE, *_MAKE):
    app.add_command(command)


def run(args: Sequence[str] | None = None) -> int:
    """Run one command line (default: that of the process) and return the exit code."""
    talk = Talk()
    with log_to_stderr(), _unwinding_on_sigterm():
        try:
            result = app.main(args, "avsep", standalone_mode=False, obj=talk, auto_envvar_prefix="AVSEP")
            sys.stdout.flush()
        except click.ClickException as exc:
            exc.show()
            return exc.exit_code
        except (click.Abort, KeyboardInterrupt):
            talk.fail("stopped; what was finished stays.")
            return 130
        except _Terminated:
            talk.fail("stopped; what was finished stays.")
            return 143
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except Exception as exc:
            return _failure(talk, exc)
    return result if isinstance(result, int) else 0


class _Terminated(BaseException):
    """SIGTERM came: like KeyboardInterrupt it passes everything, and whoever holds workers or drafts lets go of them."""


@contextmanager
def _unwinding_on_sigterm() -> Iterator[None]:
    """For the time of the body SIGTERM raises instead of ending the process at once; further ones change nothing.

    Where the process was told to ignore it, it does.
    """
    former = signal.getsignal(signal.SIGTERM)
    if former is signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise _Terminated

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _failure(talk: Talk, exc: Exception) -> int:
    if talk.debug:
        traceback.print_exception(exc)
    foreseen = isinstance(exc, AvsepError)
    talk.fail(str(exc) if foreseen else f"unexpected {type(exc).__name__}: {exc} (--debug shows where; please report it)")
    return 1
