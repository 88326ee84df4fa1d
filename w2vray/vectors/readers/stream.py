"""Bytes of a file of word vectors, plain or packed, with every failure told in the file's name."""

import codecs
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from w2vray.errors import VectorsError
from w2vray.vectors.readers.archives import TAR_HEAD, choose_member, is_tar, packing_of, tar_members, zip_members

__all__ = ["MAX_LINE", "ByteStream", "open_bytes"]

MAX_LINE = 1 << 22
"""Longest line taken for a word and its numbers (4 MiB); a file without line ends must not fill the memory."""

_CHUNK = 1 << 20
_LAYERS = 3
"""Packed files in packed files that are looked into, such as a tar archive in gzip."""


@dataclass
class ByteStream:
    """Read forward through a file with a buffer of its own, looking ahead where needed.

    ``packing`` names what the bytes come out of, empty where the file is plain.
    """

    path: Path
    handle: Any
    packing: str = ""
    _buffer: bytes = b""
    _at: int = field(default=0)

    @property
    def position(self) -> int:
        """Where the next byte is in the file, once it is unpacked."""
        return int(self.handle.tell()) - (len(self._buffer) - self._at)

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
        if not self.packing:
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
                raise self._endless(mark, limit)
            self._at += len(rest)
            return rest
        data = self._buffer[self._at : found]
        self._at = found + len(mark)
        return data

    def lines(self, count: int) -> bytes:
        r"""Return up to ``count`` lines, each with its ``\n``, and move behind them; fewer only at the end.

        Raises:
            VectorsError: a line does not end within ``MAX_LINE`` bytes.
        """
        end, found = self._at, 0
        while found < count:
            mark = self._buffer.find(b"\n", end)
            if (len(self._buffer) if mark < 0 else mark) - end >= MAX_LINE:
                raise self._endless(b"\n", MAX_LINE)
            if mark >= 0:
                end, found = mark + 1, found + 1
            elif more := self._more(_CHUNK):
                self._buffer = self._buffer[self._at :] + more
                end, self._at = end - self._at, 0
            else:
                end = len(self._buffer)
                break
        data = self._buffer[self._at : end]
        self._at = end
        return data

    def _endless(self, mark: bytes, limit: int) -> VectorsError:
        return VectorsError(f"{self.path}: no {mark!r} within {limit:,} bytes; this is not a file of word vectors")

    def _more(self, size: int) -> bytes:
        try:
            return bytes(self.handle.read(max(size, _CHUNK)))
        except (EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, tarfile.TarError, OSError) as error:
            raise self._failed(error) from error
        except UnicodeError as error:
            raise VectorsError(f"{self.path}: the {self.packing} text is damaged ({error}); fetch it again") from error
        except (RuntimeError, NotImplementedError, pa.ArrowException) as error:
            raise VectorsError(f"{self.path}: the {self.packing} data cannot be unpacked ({error})") from error

    def _failed(self, error: Exception) -> VectorsError:
        """Tell a file that was cut short from one that is damaged, and both from one that cannot be read."""
        if isinstance(error, OSError) and (error.errno is not None or not self.packing):
            return VectorsError(f"{self.path}: cannot be read ({error.strerror or error})")
        cut = isinstance(error, EOFError) or any(word in str(error).lower() for word in ("truncated", "unexpected end"))
        how = "truncated: fetch the file again" if cut else "damaged"
        return VectorsError(f"{self.path}: the {self.packing} data is {how} ({error})")


class _Unpacked(io.RawIOBase):
    """A stream as the file that the next layer reads."""

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Utf8:
    """Text of another encoding as UTF-8: what the next layer reads."""

    def __init__(self, file: Any, encoding: str) -> None:
        self.text = io.TextIOWrapper(file, encoding=encoding, newline="")

    def read(self, size: int) -> bytes:
        return self.text.read(size).encode()


def _wide_encoding(head: bytes) -> str | None:
    """Return the encoding that a byte order mark tells; None for UTF-8, and where there is no such mark."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    return "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else None


@contextmanager
def open_bytes(path: Path, member: str | None = None) -> Iterator[ByteStream]:
    """Open a file, seeing through gzip, bzip2, xz, zstd, lz4, zip and tar by their first bytes.

    Args:
        path: of the file.
        member: which file of an archive, where it holds several.

    Raises:
        VectorsError: there is no such file, it cannot be opened, or it is an archive that does not hold one file.
    """
    with ExitStack() as stack:
        stream = _plain(path, stack)
        taken = False
        for _ in range(_LAYERS):
            head = stream.peek(TAR_HEAD)
            if is_tar(head):
                stream, taken = _from_tar(path, stream, member, stack), True
            elif head.startswith(b"PK\x03\x04"):
                stream, taken = _from_zip(path, stream, member, stack), True
            elif (packing := packing_of(head)) is not None:
                inner = _file_of(stream)
                stream = ByteStream(path, stack.enter_context(packing.open(inner)), packing.name)
            else:
                break
        if (encoding := _wide_encoding(stream.peek(4))) is not None:
            stream = ByteStream(path, _Utf8(_file_of(stream), encoding), encoding.upper())
        if member is not None and not taken:
            raise VectorsError(f"{path} is not an archive of files, so it has no {member!r}; leave --member out")
        # Outside of any try: an OSError of whoever reads (a full disk) is not this file's.
        yield stream


def _plain(path: Path, stack: ExitStack) -> ByteStream:
    try:
        return ByteStream(path, stack.enter_context(path.open("rb")))
    except OSError as error:
        raise VectorsError(f"{path}: cannot be opened ({error.strerror or error})") from error


def _file_of(stream: ByteStream) -> Any:
    if stream.packing:
        return io.BufferedReader(_Unpacked(stream), _CHUNK)
    stream.handle.seek(0)
    return stream.handle


def _from_zip(path: Path, stream: ByteStream, member: str | None, stack: ExitStack) -> ByteStream:
    if stream.packing:
        raise VectorsError(f"{path} is a zip archive in {stream.packing}; unpack it first")
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
    except (zipfile.BadZipFile, OSError) as error:
        raise VectorsError(f"{path}: the zip archive is truncated or damaged ({error}); fetch it again") from error
    name = choose_member(path, "zip", zip_members(path, archive), member)
    try:
        return ByteStream(path, stack.enter_context(archive.open(name)), "zip")
    except (RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:  # a password, an unknown compression
        raise VectorsError(f"{path}: {name} cannot be unpacked ({error}); unpack it yourself, and name it") from error


def _from_tar(path: Path, stream: ByteStream, member: str | None, stack: ExitStack) -> ByteStream:
    packing = f"{stream.packing} tar".strip()
    try:
        # Read twice: which files there are is known at the end only, and packed data cannot go back.
        with ExitStack() as first:
            again = _plain(path, first)
            if stream.packing:
                opened = packing_of(again.peek(TAR_HEAD))
                assert opened is not None
                again = ByteStream(path, first.enter_context(opened.open(_file_of(again))), stream.packing)
            with tarfile.open(fileobj=_file_of(again), mode="r|") as archive:
                names = tar_members(archive)
        name = choose_member(path, packing, names, member)
        chosen = stack.enter_context(tarfile.TarFile.open(fileobj=_file_of(stream), mode="r|"))
        for item in chosen:
            if item.name == name and (handle := chosen.extractfile(item)) is not None:
                return ByteStream(path, stack.enter_context(handle), packing)
    except (tarfile.TarError, EOFError) as error:
        raise VectorsError(
            f"{path}: the {packing} archive is truncated or damaged ({error}); fetch it again"
        ) from error
    raise VectorsError(f"{path}: {name} is no longer in the archive")
