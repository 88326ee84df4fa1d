"""Starting a Ray on this machine that nobody else can reach."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from w2vray.cluster.lazy_ray import ray
from w2vray.cluster.quiet import away_from_here, logs, quiet_start, tell_of
from w2vray.cluster.ray_internals import (
    clear_failed_start,
    keeping_sigterm,
    listening_on_loopback,
    starting_few_processes,
    starting_in_a_group_of_its_own,
)
from w2vray.errors import ClusterError

__all__ = ["start_here"]

_STARTS = 3
"""How often Ray is started before it is given up: on a busy machine it may take longer than the 30 s that Ray waits."""


def start_here(cpus: int, spilling: str | None = None) -> None:
    """Start a Ray on this machine that nobody else can reach; again where it does not come up in time.

    Args:
        cpus: that it may use.
        spilling: a folder for objects that do not fit into memory, where it is not to be among Ray's other files.

    Raises:
        ClusterError: it does not come up at all.
    """
    failed = 0
    few_processes: Callable[[], AbstractContextManager[None]] = starting_few_processes
    while True:
        try:
            with (
                quiet_start(),
                keeping_sigterm(),
                listening_on_loopback(),
                few_processes(),
                starting_in_a_group_of_its_own(),
                _cleared_if_failed(),
                away_from_here(),
            ):
                spill: Mapping[str, Any] = {} if spilling is None else {"object_spilling_directory": spilling}
                started = ray.init(address="local", num_cpus=cpus, include_dashboard=False, **logs(), **spill)
        except (AttributeError, TypeError):
            if few_processes is nullcontext:
                raise
            few_processes = nullcontext  # this Ray uses what was not started
        except Exception as error:  # Ray raises a plain Exception where it is late
            failed += 1
            if failed == _STARTS or not _may_come_up(error):
                raise ClusterError(
                    f"Ray did not start on this machine, tried {failed} {'time' if failed == 1 else 'times'}: "
                    f"{_first_sentence(error)}; check that memory, room in /tmp and a CPU are free, or use a "
                    "running Ray with --address"
                ) from error
        else:
            tell_of(started)  # only now: while Ray starts, nothing gets to the terminal
            return


@contextmanager
def _cleared_if_failed() -> Iterator[None]:
    """Leave nothing of a start that fails, or is interrupted."""
    try:
        yield
    except BaseException as error:
        clear_failed_start(error)
        ray.shutdown()
        raise


def _may_come_up(error: Exception) -> bool:
    """Tell whether Ray may come up when it is started again: where it was late, its error has no type of its own."""
    if isinstance(error, ray.exceptions.AuthenticationError):
        return False
    return isinstance(error, ConnectionError | RuntimeError | ray.exceptions.RayError) or type(error) is Exception


def _first_sentence(error: Exception) -> str:
    """Return what an error says first: Ray's go on for lines, with those of its logs."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].split(". ")[0].rstrip(".")
