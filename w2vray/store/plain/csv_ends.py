"""Where the records of CSV end: a line end inside of quotes is none.

The rules are those of Arrow's reader, and of RFC 4180 where that says anything. A quote opens a quoted part only where
a cell begins; inside of it, two quotes are one. A record ends with a line feed, a carriage return, or both. An empty
line is blank.

By no rule does anything but spaces follow a closing quote, as in ``"a" b``, or where quotes are written with a
backslash. The cells of such a record are counted all the same, and their number is negative.
"""

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import kernel, read_only
from w2vray.store.plain.records import Ends

__all__ = ["QUOTE", "CellScanner"]

QUOTE = 0x22
_TAB, _LF, _CR, _SPACE = 0x09, 0x0A, 0x0D, 0x20

_RECORD, _CELL, _PLAIN, _QUOTED, _QUOTE_SEEN, _CLOSED, _AFTER_CR = range(7)
"""Where the scan is: before a record, before a cell, in a cell, between quotes, behind a quote that may be the closing
one, in the spaces behind one that was, behind a carriage return that a line feed may follow."""


class CellScanner:
    """Finds the records of CSV, and counts their cells."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = ord(delimiter)
        self._state = np.array([_RECORD, 1, 0, 0, 1], dtype=np.int64)

    @property
    def in_quotes(self) -> bool:
        """A quote has been opened and not closed."""
        return bool(self._state[0] == _QUOTED)

    def scan(self, chunk: bytes) -> Ends:
        """Go on with the next bytes."""
        if not chunk:
            return _empty()
        most = chunk.count(b"\n") + chunk.count(b"\r") + 1
        found_4N = np.empty((4, most), dtype=np.int64)
        count = _scan(read_only(np.frombuffer(chunk, dtype=np.uint8)), self._delimiter, self._state, found_4N)
        return Ends(found_4N[0, :count], found_4N[1, :count], found_4N[2, :count], found_4N[3, :count] == 0)

    def finish(self) -> Ends:
        """Return the last record, if it has no line end."""
        if self._state[0] in {_RECORD, _AFTER_CR} and not self._state[3]:
            return _empty()
        cells, lines, size, sign = self._state[1:].tolist()
        one = np.ones(1, dtype=np.int64)
        return Ends(one * 0, one * (lines + 1), one * cells * sign, one == int(size == 0))


def _empty() -> Ends:
    none = np.empty(0, dtype=np.int64)
    return Ends(none, none, none, none == 1)


@kernel
def _next(byte: int, where: int, sign: int) -> tuple[int, int]:
    """Return where a byte of a cell leads to that is not plain yet, and the sign of the record."""
    if byte == QUOTE and where != _CLOSED:
        return _QUOTED, sign
    if where in (_QUOTE_SEEN, _CLOSED):
        return (_CLOSED, sign) if byte in (_SPACE, _TAB) else (_PLAIN, -1)
    return _PLAIN, sign


@kernel
def _scan(
    data: npt.NDArray[np.uint8], delimiter: int, state: npt.NDArray[np.int64], found_4N: npt.NDArray[np.int64]
) -> int:
    """Write the end, the lines, the cells and the bytes of each record that ends here; return how many there are.

    ``state`` is where the scan is, and the cells, the line ends and the bytes of the record so far, and -1 where
    something follows a closing quote in it.
    """
    where, cells, lines, size, sign = state[0], state[1], state[2], state[3], state[4]
    count = 0
    at = 0
    while at < len(data):
        byte = data[at]
        if where == _AFTER_CR:
            where = _RECORD
            if byte == _LF:  # of the line end before it
                at += 1
                if count:
                    found_4N[0, count - 1] = at
                continue
        at += 1
        if where == _QUOTED:
            if byte == QUOTE:
                where = _QUOTE_SEEN
            elif byte == _LF or (byte == _CR and at < len(data) and data[at] != _LF):
                lines += 1
            size += 1
            continue
        if byte in (_LF, _CR):
            found_4N[0, count], found_4N[1, count] = at, lines + 1
            found_4N[2, count], found_4N[3, count] = cells * sign, size
            count += 1
            where, cells, lines, size, sign = _AFTER_CR if byte == _CR else _RECORD, 1, 0, 0, 1
            continue
        size += 1
        if byte == delimiter:
            where = _CELL
            cells += 1
        elif where != _PLAIN:
            where, sign = _next(byte, where, sign)
    state[0], state[1], state[2], state[3], state[4] = where, cells, lines, size, sign
    return count
