"""What is going on at the moment, in a few words ("starting Ray"), told by Python's logging to whoever listens.

The command line shows it in its progress line, and with ``-v`` as lines, together with details. In Python,
``logging.getLogger("w2vray")`` gets stages at level INFO and details at level DEBUG. At level ``EVERYTHING``, Ray's
own log is shown too.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["EVERYTHING", "detail", "everything", "listening", "stage"]

EVERYTHING = 5
"""A level of logging below DEBUG: details, and what Ray itself says."""

_LOGGER = logging.getLogger("w2vray")

Tell = Callable[[str], None]


class _Teller(logging.Handler):
    def __init__(self, tell: Tell, tell_detail: Tell | None) -> None:
        super().__init__(logging.DEBUG)
        self._tell = {logging.INFO: tell, logging.DEBUG: tell_detail}

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on what is going on; warnings go where Python sends them."""
        tell = self._tell.get(record.levelno)
        if tell is not None:
            tell(record.getMessage())


def stage(what: str) -> None:
    """Say what begins now."""
    _LOGGER.info(what)


def detail(what: str) -> None:
    """Say what helps to understand a run: a path, a size, a version."""
    _LOGGER.debug(what)


def everything() -> bool:
    """Tell whether Ray's own log is to be shown too."""
    return _LOGGER.isEnabledFor(EVERYTHING)


@contextmanager
def listening(tell: Tell, tell_detail: Tell | None = None, *, level: int = logging.INFO) -> Iterator[None]:
    """Call ``tell`` with each stage that begins meanwhile, and ``tell_detail`` with each detail."""
    handler, before = _Teller(tell, tell_detail), _LOGGER.level
    _LOGGER.addHandler(handler)
    _LOGGER.setLevel(level)
    try:
        yield
    finally:
        _LOGGER.removeHandler(handler)
        _LOGGER.setLevel(before)
