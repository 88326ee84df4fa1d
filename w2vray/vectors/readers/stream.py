"""Bytes of a file of word vectors, plain or gzip, with every failure told in the file's name."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from w2vray.errors import VectorsError

__all__ = ["MAX_LINE", "ByteStream", "open_bytes"]

MAX_LINE = 1 << 22
"""Longest line taken for a word and its numbers (4 MiB); a file without line ends must not fill the memory."""

_CHUNK = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"


@dataclass
class ByteStream:
    """Read forward through a file with a buffer of its own, looking ahead where needed."""

    path: Path
    handle: IO[bytes] | gzip.GzipFile
    _buffer: bytes = b""
    _at: int = field(default=0)

    @property
    def zipped(self) -> bool:
        """Whether the bytes come out of gzip."""
        return isinstance(self.handle, gzip.GzipFile)

    @property
    def position(self) -> int:
        """Where the next byte is in the file, once it is unpacked."""
        return self.handle.tell() - (len(self._buffer) - self._at)

    def peek(self, size: int) -> bytes:
        """Return up to ``size`` of the bytes to come and stay where we are; fewer only at the end."""
        while len(self._buffer) - self._at < size and (more := self._more(size)):
            self._buffer = self._buffer[self._at :] + more
            self._at = 0
        return self._buffer[self._at : self._at + size]

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes and move on; fewer only at the end."""
        data = self.peek(size)
        self._at += len(data)
        return data

    def skip(self, size: int) -> int:
        """Move on by up to ``size`` bytes and return by how many; fewer only at the end."""
        if not self.zipped:
            start = self.position
            passed = min(size, max(self.path.stat().st_size - start, 0))
            self.handle.seek(start + passed)
            self._buffer, self._at = b"", 0
            return passed
        passed = 0
        while passed < size and (data := self.read(min(_CHUNK, size - passed))):
            passed += len(data)
        return passed

    def until(self, mark: bytes, limit: int) -> bytes:
        """Return the bytes before ``mark`` and move behind it; all that is left where ``mark`` does not come.

        Raises:
            VectorsError: ``mark`` does not come within ``limit`` bytes.
        """
        found = self._buffer.find(mark, self._at, self._at + limit)
        size = min(_CHUNK, limit)
        while found < 0 and size < limit * 2:
            ahead = self.peek(min(size, limit))
            found = self._buffer.find(mark, self._at, self._at + limit)
            if len(ahead) < min(size, limit):
                break
            size *= 2
        if found < 0:
            rest = self.peek(limit)
            if len(rest) == limit:
                raise VectorsError(f"{self.path}: no {mark!r} within {limit:,} bytes; this is no file of word vectors")
            self._at += len(rest)
            return rest
        data = self._buffer[self._at : found]
        self._at = found + len(mark)
        return data

    def _more(self, size: int) -> bytes:
        try:
            return self.handle.read(max(size, _CHUNK))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise VectorsError(f"{self.path}: the gzip data is truncated or damaged ({error})") from error
        except OSError as error:
            raise VectorsError(f"{self.path}: cannot be read ({error.strerror or error})") from error


@contextmanager
def open_bytes(path: Path) -> Iterator[ByteStream]:
    """Open a file, seeing through gzip by its first two bytes.

    Raises:
        VectorsError: there is no such file, or it cannot be opened.
    """
    with ExitStack() as stack:
        try:
            raw = stack.enter_context(path.open("rb"))
            zipped = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
        except OSError as error:
            raise VectorsError(f"{path}: cannot be opened ({error.strerror or error})") from error
        # Outside of the try: an OSError of whoever reads (a full disk) is not this file's.
        yield ByteStream(path, stack.enter_context(gzip.open(raw)) if zipped else raw)
