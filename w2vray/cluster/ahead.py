"""Other processes that a verb will need: they start, and import, while this one does."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from w2vray.other_process import end_ahead, serving, start_ahead

__all__ = ["processes_ahead", "start_processes"]


def start_processes(address: str | None) -> None:
    """Start what describes files, and the first worker where no Ray is named: most stores need none."""
    start_ahead(serving("w2vray.store.describing"))
    ray = sys.modules.get("ray")
    if address is None and not os.environ.get("RAY_ADDRESS") and not (ray and ray.is_initialized()):
        start_ahead(serving("w2vray.cluster.alone"))


@contextmanager
def processes_ahead(address: str | None) -> Iterator[None]:
    """Start them, and end those that nobody needed."""
    start_processes(address)
    try:
        yield
    finally:
        end_ahead()
