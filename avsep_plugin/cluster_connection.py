"""The way to a Ray: the library, a running cluster, or a Ray of its own on this machine for as long as a batch lasts."""

import importlib
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from avsep_plugin.errors import ConfigError, WorkerError

_STORE_BYTES = 80 * 2**20
"""Of Ray's object store, about the least that it takes; footage never goes through it."""
_KNOCK_SECONDS = 5.0


def library() -> Any:
    """The module ray. Its decorators and handles are untyped. Raises ConfigError where it is not installed."""
    try:
        return importlib.import_module("ray")
    except ImportError as exc:
        raise ConfigError("Ray is not installed: pip install 'avsep-plugin[cluster]', here and on the cluster's machines.") from exc


@contextmanager
def connected(ray: Any, address: str | None, cpus: int) -> Iterator[None]:
    """Use the Ray that this process has begun already, else the one at an address, else begin one of so many CPUs.

    Raises WorkerError where it cannot be reached or begun.
    """
    if ray.is_initialized():
        yield
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address is None:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else a Ray that we begin reports to its makers
            ray.init("local", num_cpus=cpus, include_dashboard=False, object_store_memory=_STORE_BYTES, **quiet)
        else:
            _knock(address)
            ray.init(address, **quiet)
    except (OSError, RuntimeError, ValueError) as exc:
        where = f"The Ray cluster {address} cannot be reached" if address else "Ray cannot be started"
        raise WorkerError(f"{where}: {' '.join(str(exc).split())}") from exc
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raises OSError where nobody listens; Ray would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS).close()
