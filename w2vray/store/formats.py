"""The formats of files that a store may have. A format is a file of its own, and a line in ``FORMATS``."""

from collections.abc import Generator, Sequence
from typing import Any, Protocol

import pyarrow as pa
from pyarrow import fs

from w2vray.errors import FileError
from w2vray.schema import FileReason
from w2vray.store.corpus import SourceFile
from w2vray.store.description import Description
from w2vray.store.failures import Failure
from w2vray.store.opening import NAMELESS_FOLDER, UNREADABLE, errors_of, file_error, first_line
from w2vray.store.parquet import Parquet
from w2vray.store.units import Piece

__all__ = ["FORMATS", "Format", "describe_file"]


class Format(Protocol):
    """How files of one kind are described and read; ``read`` gives what ``describe`` has promised, or raises."""

    name: str
    endings: frozenset[str]  # of the names of its files, in small letters
    magic: bytes  # what its files start with; empty where that is nothing of their own
    damaged: FileReason  # why a file cannot be described where nothing better is known

    def describe(self, handle: Any, file: SourceFile, columns: Sequence[str]) -> Description:
        """Describe an opened file: its schema, its stretches, what its content is known by.

        Raises:
            FileError: it cannot be used.
        """

    def read(self, handle: Any, piece: Piece, columns: Sequence[str]) -> Generator[pa.RecordBatch, None, None]:
        """Yield the rows of a piece of an opened file, in order, with those of ``columns`` that it has.

        Raises:
            FileError: the file is not the one that was planned.
        """


FORMATS: dict[str, Format] = {made.name: made for made in (Parquet(),)}
"""The formats by name. A file is taken for the first where nothing tells another."""


_MAY_BE_NO_DATA = frozenset({FileReason.NOT_PARQUET, FileReason.ZERO_BYTES})
_OTHER_DATA_ENDINGS = frozenset(["csv", "tsv", "jsonl", "ndjson", "orc", "avro", "arrow", "feather", "ipc"])
_CHECKSUMS = frozenset(["crc", "md5", "sha1", "sha256", "sha512", "asc", "sig", "dvc"])
_COMPRESSED_ENDINGS = frozenset(["gz", "gzip", "zst", "zstd", "bz2", "xz", "lz4", "snappy"])


def _says_data(name: str) -> bool:
    """Tell whether a file's name lets one expect rows in it: by its ending, or because it has none.

    A store also holds cards, checksums and the markers of folders, which are no rows that were lost.
    """
    last = name.rpartition("/")[2]
    _, *endings = last.lower().split(".")
    if not endings:
        return not (last.isupper() or last.endswith("_$folder$"))  # README, LICENSE; what Hadoop marks folders with
    if endings[-1] in _CHECKSUMS:
        return False
    compressed = any(ending in _COMPRESSED_ENDINGS for ending in endings)
    of_data = _OTHER_DATA_ENDINGS.union(*(made.endings for made in FORMATS.values()))
    return any(ending in of_data or (compressed and ending == "json") for ending in endings)


def _named(name: str) -> Format:
    """Return the format that a file's name tells, or else the first."""
    ending = name.lower().rpartition(".")[2]
    return next((made for made in FORMATS.values() if ending in made.endings), next(iter(FORMATS.values())))


def _starting_as(handle: Any) -> Format | None:
    """Return the format that an opened file's first bytes tell."""
    start = bytes(handle.read_at(max(len(made.magic) for made in FORMATS.values()), 0))
    return next((made for made in FORMATS.values() if made.magic and start.startswith(made.magic)), None)


def describe_file(store: fs.FileSystem, base: str, file: SourceFile, columns: Sequence[str]) -> Description | Failure:
    """Describe a file of a store whose root is ``base``, in this process.

    The name tells the format. If the file turns out not to have it, its first bytes do: most files need no extra read.
    """
    if "" in file.name.split("/"):
        return Failure(reason=FileReason.UNSUPPORTED, detail=NAMELESS_FOLDER, file=file.name)
    made = _named(file.name)
    try:
        with errors_of(store), store.open_input_file(f"{base}/{file.name}") as handle:
            try:
                return made.describe(handle, file, columns)
            except (FileError, *UNREADABLE):
                other = _starting_as(handle)
                if other is None or other is made:
                    raise
                made = other
                return made.describe(handle, file, columns)
    except FileError as error:
        if error.reason in _MAY_BE_NO_DATA and not _says_data(file.name):
            detail = f"neither its content nor its name is of a format that w2vray reads: {', '.join(FORMATS)}"
            return Failure(reason=FileReason.NOT_DATA, detail=detail, file=file.name)
        return Failure(reason=FileReason(error.reason), detail=str(error), file=file.name)
    except UNREADABLE as error:
        refused = file_error(file.name, error, made.damaged)
        local = isinstance(store, fs.LocalFileSystem)
        hint = "" if local or refused.reason != FileReason.VANISHED else "; it is gone, or its key ends in a slash"
        return Failure(reason=FileReason(refused.reason), detail=first_line(error) + hint, file=file.name)
