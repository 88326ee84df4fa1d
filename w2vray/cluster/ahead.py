"""Other processes that a verb will need: they start, and import, while this one does."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from w2vray.other_process import end_ahead, serving, start_ahead

__all__ = ["processes_ahead", "start_for", "start_processes"]

_WITH_PROCESSES = {"score", "evaluate", "calibrate"}
_ON_RAY = ("--address", "--gpu")
_ONLY_TOLD = {"-h", "--help", "--show-config"}
"""Options with which a verb says something and does nothing."""


def start_for(command: Sequence[str]) -> None:
    """Start what a command is going to need before it is imported: all of them import for a second, side by side then.

    What is started for nothing, because the command is wrong or Ray is named in a file, is ended by the command.
    """
    if command and command[0] in _WITH_PROCESSES and not _ONLY_TOLD.intersection(command):
        start_processes("local" if any(argument.startswith(_ON_RAY) for argument in command) else None)


def start_processes(address: str | None) -> None:
    """Start what describes files, and the first worker where no Ray is named: most stores need none."""
    start_ahead(serving("w2vray.store.describing"))
    ray = sys.modules.get("ray")
    if address is None and not os.environ.get("RAY_ADDRESS") and not (ray and ray.is_initialized()):
        start_ahead(serving("w2vray.cluster.copies"))


@contextmanager
def processes_ahead(address: str | None) -> Iterator[None]:
    """Start them, and end those that nobody needed."""
    start_processes(address)
    try:
        yield
    finally:
        end_ahead()
