"""Libraries that the package does without: the scripts in ``jobs/`` say which extra brings theirs."""

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["extra"]


@contextmanager
def extra(name: str) -> Iterator[None]:
    """End the program with one line where what is imported meanwhile is not installed, and comes with an extra.

    Example:
        >>> with extra("bench"):
        ...     import psutil
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = f"the library {error.name} is not installed"
        raise SystemExit(f"{missing}; in the folder of w2vray's source: pip install '.[{name}]'") from None
