"""How Ray is entered: its logs kept off the terminal, and nothing imported from where somebody happens to stand."""

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from w2vray.stages import detail, everything

__all__ = ["away_from_here", "logs", "quiet_start", "tell_of"]


def logs() -> dict[str, Any]:
    """Return how much Ray says: nothing but errors, unless everything is to be shown."""
    return {"logging_level": logging.INFO if everything() else logging.ERROR, "log_to_driver": everything()}


def tell_of(context: Any) -> None:
    """Say where the logs of a Ray are that has just been started or joined."""
    about: Mapping[str, Any] = getattr(context, "address_info", {})
    detail(f"Ray {version('ray')}; its logs: {about.get('session_dir')}/logs")


@contextmanager
def away_from_here() -> Iterator[None]:
    """Let workers import nothing from the folder that somebody happens to stand in, as this process does not.

    Ray puts the driver's folder on the workers' path, where a ``json.py`` in it would take the place of Python's own.
    """
    try:
        here = str(Path.cwd())
    except FileNotFoundError:  # it is gone, so that nothing is imported from it
        yield
        return
    if {here, ""} & set(sys.path):
        yield
        return
    os.chdir("/")
    try:
        yield
    finally:
        os.chdir(here)


@contextmanager
def quiet_start() -> Iterator[None]:
    """Keep Ray's native log of this process off the terminal.

    It would warn on every run that workers are given the vectors by reference, which is what is wanted, and tell that
    its level was changed. What goes wrong is raised as an error too.
    """
    if everything():
        yield
        return
    level = os.environ.get("RAY_BACKEND_LOG_LEVEL")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:  # noqa: PTH123 - a file descriptor is what is needed
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        if level is None:
            os.environ.pop("RAY_BACKEND_LOG_LEVEL", None)
