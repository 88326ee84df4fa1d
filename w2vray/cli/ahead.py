"""Other processes that a verb will need: they start, and import, while this one does."""

import os

from w2vray.other_process import serving, start_ahead

__all__ = ["start_processes"]


def start_processes(address: str | None) -> None:
    """Start what describes files, and the first worker where no Ray is named: most stores need none."""
    start_ahead(serving("w2vray.store.describing"))
    if address is None and not os.environ.get("RAY_ADDRESS"):
        start_ahead(serving("w2vray.cluster.alone"))
