"""The Ray that a verb works on: the one of this process, a cluster that is there, or one started on this machine.

A verb on a store that this machine soon has done works without one.
"""

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress

from w2vray.cluster.alone import works_alone
from w2vray.cluster.lazy_ray import is_running, ray
from w2vray.cluster.quiet import away_from_here, logs, quiet_start, tell_of
from w2vray.cluster.ray_internals import keeping_sigterm
from w2vray.cluster.resources import AUTHENTICATION
from w2vray.cluster.starting import start_here
from w2vray.cluster.temporary import elsewhere, short_temporary_folder
from w2vray.errors import ClusterError
from w2vray.other_process import end_ahead
from w2vray.stages import everything, stage
from w2vray.store.units import Unit

__all__ = ["connected"]

_NO_LIMIT = -1
"""Ray Data's word for waiting as long as it takes: slow work is no hang, and a run whose CPUs others hold says so."""

_CONNECT_SECONDS = 20

_RAY_LOGGERS = ("ray.data", "ray.train", "ray.tune")


@contextmanager
def connected(
    address: str | None = None, *, units: Sequence[Unit] | None = None, workers: int | None = None
) -> Iterator[None]:
    """Use the Ray of this process, the cluster at ``address`` or in ``RAY_ADDRESS``, or one started on this machine.

    What is started here listens on the loopback only, asks for Ray's token, and is shut down at the end. None is
    started for a store that needs none: ``alone.py`` does its units.

    Args:
        address: of a cluster.
        units: what there is to do; None where it needs Ray, or nobody knows yet.
        workers: how many were asked for.

    Raises:
        ClusterError: the cluster cannot be reached, or this process uses another one.
    """
    if is_running():
        here = ray.get_runtime_context().gcs_address
        if address not in {None, "auto", here} and not _is_same(str(address), here):
            raise ClusterError(
                f"this process already uses the Ray at {here}; leave out {address}, or call ray.shutdown() first"
            )
        _quieten()
        yield
        return
    if works_alone(address, units, workers):
        yield
        return
    end_ahead()  # it would take from Ray the CPUs that its start needs
    address = address or os.environ.get("RAY_ADDRESS")
    is_ours = address is None or address == "local"
    with short_temporary_folder() if is_ours else nullcontext() as spilling:
        if is_ours:
            stage(f"starting Ray{'' if spilling is None else elsewhere(spilling)}")
            start_here(len(os.sched_getaffinity(0)), spilling)
        else:
            stage(f"joining the Ray at {address}")
            _join(str(address))
        try:
            _quieten()
            yield
        finally:
            ray.shutdown()


def _join(address: str) -> None:
    """Connect to a cluster that is there."""
    _require_listener(address)
    try:
        with quiet_start(), keeping_sigterm(), away_from_here():
            joined = ray.init(address=address, **logs())
        tell_of(joined)
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.AuthenticationError) as error:
        raise ClusterError(
            f"no Ray at {address}: {error}; check --address, or leave it out; if that Ray asks for a token, "
            f"{AUTHENTICATION}"
        ) from error


def _is_same(address: str, other: str) -> bool:
    """Tell whether two spellings of HOST:PORT name one place; of a URI nobody knows, and it is taken to."""
    if "/" in address:
        return True
    with suppress(OSError, ValueError, OverflowError):
        (host, _, port), (at, _, of) = address.rpartition(":"), other.rpartition(":")
        places = (
            {info[4][:2] for info in socket.getaddrinfo(h.strip("[]"), int(p))} for h, p in ((host, port), (at, of))
        )
        return not set.isdisjoint(*places)
    return False


def _require_listener(address: str) -> None:
    """Look whether anything listens at ``HOST:PORT``: Ray would wait for it for minutes, and say nothing."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        return  # auto, or a URI: what is there, Ray finds out
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(f"no Ray at {address}: {error}; check --address, or leave it out") from error


def _quieten() -> None:
    """Leave the terminal to our own progress, unless everything is to be shown; Ray's logs are in its folder."""
    from ray.data import DataContext  # noqa: PLC0415 - takes a second, and many stores do without

    for name in _RAY_LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO if everything() else logging.CRITICAL)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_no_progress_timeout_s = _NO_LIMIT
