"""What is going on at the moment, in a few words ("starting Ray"), told by Python's logging to whoever listens.

The command line shows it in its progress line. In Python, ``logging.getLogger("w2vray")`` gets it at level INFO.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["listening", "stage"]

_LOGGER = logging.getLogger("w2vray")


class _Teller(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on what is going on; warnings go where Python sends them."""
        if record.levelno == logging.INFO:
            self._tell(record.getMessage())


def stage(what: str) -> None:
    """Say what begins now."""
    _LOGGER.info(what)


@contextmanager
def listening(tell: Callable[[str], None]) -> Iterator[None]:
    """Call ``tell`` with each stage that begins meanwhile."""
    handler, level = _Teller(tell), _LOGGER.level
    _LOGGER.addHandler(handler)
    _LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        _LOGGER.removeHandler(handler)
        _LOGGER.setLevel(level)
