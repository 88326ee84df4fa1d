"""The bytes of a file: unpacked where it is compressed, in chunks whose size is the same on any filesystem."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from w2vray.errors import FileError
from w2vray.schema import FileReason
from w2vray.store.opening import UNREADABLE, file_error

__all__ = ["BOM", "CHUNK", "COMPRESSED_ENDINGS", "Head", "chunks", "compression_of", "look", "require_utf8_text"]

CHUNK = 4 << 20
"""Bytes that are read and cut into records together. Rows are yielded by chunks, so it is part of a unit's answers."""

COMPRESSED_ENDINGS = {"gz": "gzip", "gzip": "gzip", "zst": "zstd", "zstd": "zstd"}
"""Endings of names, and what Arrow calls the compression."""

BOM = b"\xef\xbb\xbf"
"""What some programs write before UTF-8; it is no part of the text."""

_OTHER_ENCODINGS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_LOOKED_AT = 1 << 18
_STEP = 1 << 14
"""Bytes that are unpacked together in a look: what is unpacked before an error is lost with it."""


class Head:
    """What a file starts with: its first bytes unpacked, and how they were packed."""

    def __init__(self, compression: str | None, start: bytes, *, whole: bool) -> None:
        self.compression = compression
        self.start = start
        self.whole = whole  # the file has no more

    def lines(self, most: int) -> list[bytes]:
        """Return its first lines that are not blank; none that is not seen to its end."""
        found = self.start.removeprefix(BOM).splitlines()
        if found and not self.whole:
            found.pop()
        return [line for line in found if line.strip()][:most]


def compression_of(start: bytes) -> str | None:
    """Return how a file that starts so is compressed."""
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)


def look(handle: Any) -> Head:
    """Look at the start of an opened file.

    Raises:
        FileError: it cannot be unpacked.
    """
    size = handle.size()
    start = bytes(handle.read_at(min(size, _LOOKED_AT), 0))
    compression = compression_of(start)
    if compression is None:
        return Head(None, start, whole=len(start) == size)
    unpacked = b""
    try:
        with pa.CompressedInputStream(pa.BufferReader(start), compression) as stream:
            while len(unpacked) < _LOOKED_AT and (more := stream.read(_STEP)):
                unpacked += more
    except UNREADABLE as error:
        if len(start) == size or not unpacked:
            raise damaged(error, compression) from error
        return Head(compression, unpacked, whole=False)  # only the look ended inside of it
    return Head(compression, unpacked, whole=len(start) == size and len(unpacked) < _LOOKED_AT)


def require_utf8_text(head: Head) -> None:
    """Refuse a text in an encoding that has bytes of value zero.

    Raises:
        FileError: it is UTF-16 or UTF-32, or no text.
    """
    name = next((name for mark, name in _OTHER_ENCODINGS.items() if head.start.startswith(mark)), None)
    start = head.start[:64]
    if name is None and (b"\0" in start[:4] or start.count(0) * 4 > len(start)):
        name = "UTF-16, or no text"
    if name is not None:
        raise FileError(
            f"it is {name}, and only UTF-8 is read: convert it, as with `iconv -f UTF-16 -t UTF-8 FILE > OTHER`",
            reason=FileReason.UNSUPPORTED,
        )


def damaged(error: Exception, compression: str | None) -> FileError:
    """Say that a file cannot be unpacked, or not be read."""
    if compression is None:
        return file_error("it", error, FileReason.DAMAGED_DATA)
    found = file_error("", error, FileReason.DAMAGED_DATA)
    if found.reason != FileReason.DAMAGED_DATA:
        return found
    what = str(found).removeprefix(" cannot be read: ")
    return FileError(
        f"it is cut short, or something follows its end: its {compression} data cannot be unpacked ({what})",
        reason=FileReason.DAMAGED_DATA,
    )


def chunks(handle: Any, compression: str | None, start: int, stop: int | None) -> Iterator[bytes]:
    """Yield the bytes from ``start`` to ``stop`` (None: the end) of what a file holds, ``CHUNK`` at a time.

    The sizes of chunks depend on ``start`` and ``stop`` alone.

    Raises:
        FileError: it cannot be unpacked.
    """
    try:
        if compression is None:
            handle.seek(start)
            yield from _read(handle, None if stop is None else stop - start)
            return
        handle.seek(0)
        with pa.CompressedInputStream(pa.BufferedInputStream(handle, CHUNK), compression) as stream:
            for _ in _read(stream, start):
                pass
            yield from _read(stream, None if stop is None else stop - start)
    except UNREADABLE as error:
        raise damaged(error, compression) from error


def _read(stream: Any, size: int | None) -> Iterator[bytes]:
    while size is None or size > 0:
        wanted = CHUNK if size is None else min(CHUNK, size)
        parts: list[bytes] = []
        while wanted and (more := stream.read(wanted)):
            parts.append(more)
            wanted -= len(more)
            size = None if size is None else size - len(more)
        if parts:
            yield parts[0] if len(parts) == 1 else b"".join(parts)
        if wanted:
            return
