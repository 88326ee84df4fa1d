"""Reading while computing: the next batch is read by a thread while this one is worked on."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["read_ahead"]

T = TypeVar("T")


def read_ahead(source: Iterator[T]) -> Iterator[T]:
    """Yield what ``source`` yields, one ahead; one thread runs it, and its errors come in their place."""
    end = object()
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
        coming = reader.submit(next, source, end)
        while (item := coming.result()) is not end:
            coming = reader.submit(next, source, end)
            yield item  # type: ignore[misc] # what is not the end is of the source
