import threading
from collections.abc import Iterator

import pytest

from w2vray.store.ahead import read_ahead


def test_everything_comes_in_order() -> None:
    """Nothing is lost at either end."""
    assert list(read_ahead(iter(range(50)))) == list(range(50))
    assert list(read_ahead(iter([]))) == []
    assert list(read_ahead(iter([None]))) == [None]


def test_the_next_item_is_read_while_this_one_is_worked_on() -> None:
    """The second one is there although nobody asked for it, and the third is not."""
    read: list[int] = []
    second = threading.Event()

    def source() -> Iterator[int]:
        for number in range(3):
            read.append(number)
            if number == 1:
                second.set()
            yield number

    ahead = read_ahead(source())
    assert next(ahead) == 0
    assert second.wait(10)
    assert read == [0, 1]
    assert list(ahead) == [1, 2]


def test_an_error_comes_where_the_source_raised_it() -> None:
    """What was read before it is not lost."""

    def source() -> Iterator[int]:
        yield 1
        raise ValueError("damaged")

    ahead = read_ahead(source())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="damaged"):
        next(ahead)


def test_no_thread_is_left_when_the_reader_stops_early() -> None:
    """A unit that fails in the middle must not leave its file being read."""
    ahead = read_ahead(iter(range(5)))
    next(ahead)
    ahead.close()  # type: ignore[attr-defined] # a generator

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]
