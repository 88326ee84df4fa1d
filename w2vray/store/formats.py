"""The formats of files that a store may have. A format is a file of its own, and a line in ``FORMATS``.

What a file holds decides, not its name: a file that starts as Parquet is Parquet, whatever it is called. A text tells
less of itself. One that is named ``.csv`` or ``.jsonl`` is taken at its word; another is data only if it holds columns
that were asked for, because stores hold cards, licences and settings, too.
"""

from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

import pyarrow as pa
from pyarrow import fs

from w2vray.errors import FileError
from w2vray.places.uris import first_line
from w2vray.schema import FileReason
from w2vray.store.corpus import SourceFile
from w2vray.store.description import ANY, Description, ReadAs
from w2vray.store.failures import Failure
from w2vray.store.opening import NAMELESS_FOLDER, UNREADABLE, errors_of, etag_of, file_error
from w2vray.store.other_contents import KNOWN_BY, known_content, packed_as
from w2vray.store.parquet import Parquet
from w2vray.store.plain.csv import Csv, header_names
from w2vray.store.plain.fasttext import FastText, begins_with_label
from w2vray.store.plain.json_heads import is_array, is_object, names_any, require_lines
from w2vray.store.plain.jsonl import JsonLines
from w2vray.store.plain.streams import COMPRESSED_ENDINGS, look
from w2vray.store.units import Piece

__all__ = ["FORMATS", "Format", "describe_file"]


class Format(Protocol):
    """How files of one kind are described and read; ``read`` gives what ``describe`` has promised, or raises."""

    name: str
    endings: frozenset[str]  # of the names of its files, in small letters
    magic: bytes  # what its files start with; empty where that is nothing of their own
    damaged: FileReason  # why a file cannot be described where nothing better is known

    def describe(self, handle: Any, file: SourceFile, columns: Sequence[str], read_as: ReadAs) -> Description:
        """Describe an opened file: its schema, its stretches, what its content is known by.

        Raises:
            FileError: it cannot be used.
        """

    def read(
        self, handle: Any, piece: Piece, columns: Sequence[str], schema: pa.Schema
    ) -> Generator[pa.RecordBatch, None, None]:
        """Yield the rows of a piece of an opened file, in order, with those of ``columns`` that it has.

        ``schema`` has the types that columns have in the whole store, where they have one.

        Raises:
            FileError: the file is not the one that was planned.
        """


FORMATS: dict[str, Format] = {made.name: made for made in (Parquet(), JsonLines(), Csv(), FastText())}
"""The formats by name. A file is taken for the first where nothing tells another."""


_MAY_BE_NO_DATA = frozenset({FileReason.UNKNOWN_FORMAT, FileReason.ZERO_BYTES})
_OF_NO_FORMAT = frozenset({FileReason.UNKNOWN_FORMAT, FileReason.UNSUPPORTED})
_OTHER_DATA_ENDINGS = frozenset(["orc", "avro", "arrow", "feather", "ipc"])
_CHECKSUMS = frozenset(["crc", "md5", "sha1", "sha256", "sha512", "asc", "sig", "dvc"])
_COMPRESSED_ENDINGS = frozenset([*COMPRESSED_ENDINGS, "bz2", "xz", "lz4", "snappy"])
_TEXTS = frozenset(["jsonl", "csv", "fasttext"])


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


def _named(name: str) -> Format | None:
    """Return the format that a file's name tells; that it is compressed may stand behind it."""
    _, *endings = name.rpartition("/")[2].lower().split(".")
    if endings and endings[-1] in COMPRESSED_ENDINGS:
        endings.pop()
    return next((made for made in FORMATS.values() if endings and endings[-1] in made.endings), None)


def _starting_as(handle: Any) -> Format | None:
    """Return the format that an opened file's first bytes tell."""
    start = bytes(handle.read_at(max(len(made.magic) for made in FORMATS.values()), 0))
    return next((made for made in FORMATS.values() if made.magic and start.startswith(made.magic)), None)


def _text_format(handle: Any, name: str, columns: Sequence[str], read_as: ReadAs) -> Format | None:
    """Return the format of a text whose name says none, if it holds objects or columns that were asked for.

    Raises:
        FileError: it is named .json and holds what is not read.
    """
    try:
        head = look(handle)
    except FileError:
        if _is_json(name):
            raise
        return None
    try:
        if is_object(head):
            return FORMATS["jsonl"]
        if begins_with_label(head):
            return FORMATS["fasttext"]
        if _is_json(name):
            require_lines(head)
        if columns and set(columns) <= set(header_names(head, name, read_as.delimiter)):
            return FORMATS["csv"]
    except FileError as error:
        if not _is_json(name):
            return None
        if is_array(head):  # its name says nothing: the store's rows may be in it, or what goes with them
            reason = FileReason.UNSUPPORTED if names_any(head, columns) else FileReason.PACKED
            raise FileError(str(error), reason=reason) from error
        raise
    return None


def _is_json(name: str) -> bool:
    """Tell whether a file is named as one of JSON, which may be lines of objects, or something else."""
    return ".json" in name.rpartition("/")[2].lower()


def _format_of(handle: Any, file: SourceFile, columns: Sequence[str], read_as: ReadAs) -> Format | None:
    """Return the format that a file's content tells, or else its name; None where neither tells one."""
    named = _named(file.name)
    if named is not None and named.magic:
        return named  # until it turns out not to be
    if (found := _starting_as(handle)) is not None:
        return found
    if named is None:
        return _text_format(handle, file.name, columns, read_as)
    if named.name == "csv" and read_as.format != "csv":
        with suppress(FileError):
            if is_object(look(handle)):
                return FORMATS["jsonl"]
    return named


def describe_file(
    store: fs.FileSystem,
    base: str,
    file: SourceFile,
    columns: Sequence[str],
    read_as: ReadAs = ANY,
    *,
    alone: bool = False,
) -> Description | Failure:
    """Describe a file of a store whose root is ``base``, in this process.

    A name of Parquet tells the format. If the file turns out not to have it, its first bytes do: most files need no
    extra read.

    Args:
        store: a filesystem.
        base: of the store in it.
        file: of the store.
        columns: that will be read.
        read_as: what somebody says of the files.
        alone: somebody named this file by itself, and so takes it for data.
    """
    if "" in file.name.split("/"):
        return Failure(reason=FileReason.UNSUPPORTED, detail=NAMELESS_FOLDER, file=file.name)
    named, first = _named(file.name), next(iter(FORMATS.values()))
    made = named or first
    try:
        with errors_of(store), store.open_input_file(f"{base}/{file.name}") as handle:
            etag = etag_of(handle)
            found = _format_of(handle, file, columns, read_as)
            if read_as.format is not None:
                if alone:
                    found = FORMATS[read_as.format]
                elif found is not None and found.name != read_as.format:
                    detail = f"it is {found.name}; --format says {read_as.format}"
                    return Failure(reason=FileReason.OTHER_FORMAT, detail=detail, file=file.name)
            made = found or made
            try:
                described = made.describe(handle, file, columns, read_as)
            except (FileError, *UNREADABLE) as error:
                with store.open_input_file(f"{base}/{file.name}") as again:  # whoever unpacks one closes it
                    other = _starting_as(again)
                    if other is None or other is made or (alone and read_as.format is not None):
                        _require_unknown(again, error, says_data=alone or _says_data(file.name))
                        raise
                    made = other
                    described = made.describe(again, file, columns, read_as)
            described = replace(described, etag=etag)
    except FileError as error:
        known = made is not first or _is_json(file.name) or isinstance(error.__cause__, FileError)
        told = str(error) if error.reason == FileReason.PACKED else _told(file.name, str(error), known=known)
        return _refused(file, FileReason(error.reason), told)
    except UNREADABLE as error:
        refused = file_error(file.name, error, made.damaged)
        local = isinstance(store, fs.LocalFileSystem)
        hint = "" if local or refused.reason != FileReason.VANISHED else "; it is gone, or its key ends in a slash"
        return Failure(reason=FileReason(refused.reason), detail=first_line(error) + hint, file=file.name)
    doubtful = named is None and made.name in _TEXTS and not alone and bool(columns)
    if doubtful and not set(columns) & set(described.schema.names):
        detail = f"its name does not show its format, and it has none of the columns asked for: {', '.join(columns)}"
        return Failure(reason=FileReason.NOT_DATA, detail=detail, file=file.name)
    if named is not None and named is not made:
        told = f"its name says {named.name}; it is read as what it holds, {made.name}"
        described = replace(described, notes=(*described.notes, told))
    return described


def _require_unknown(handle: Any, error: Exception, *, says_data: bool) -> None:
    """Tell what a file holds that is of no format, where that is known.

    Raises:
        FileError: it is.
    """
    if not isinstance(error, FileError) or error.reason not in _OF_NO_FORMAT:
        return
    start = bytes(handle.read_at(min(handle.size(), KNOWN_BY), 0))
    if not says_data and (packed := packed_as(start)) is not None:
        raise FileError(packed, reason=FileReason.PACKED) from error
    if (what := known_content(start)) is not None:
        raise FileError(what, reason=FileReason.UNKNOWN_FORMAT) from error


def _refused(file: SourceFile, reason: FileReason, detail: str) -> Failure:
    """Say why a file cannot be described; it is no data where nothing lets one expect any in it."""
    if reason in _MAY_BE_NO_DATA and not _says_data(file.name):
        reason = FileReason.NOT_DATA
    return Failure(reason=reason, detail=detail, file=file.name)


def _told(name: str, detail: str, *, known: bool) -> str:
    """Say more of a file of no format than that it is not of the first one."""
    ending = name.lower().rpartition(".")[2]
    if ending in _COMPRESSED_ENDINGS and ending not in COMPRESSED_ENDINGS:
        return f"it is compressed as .{ending}, which is not read: unpack it, or compress it as .gz or .zst"
    if known or _says_data(name):
        return detail
    formats = ", ".join(FORMATS)
    return (
        f"neither its content nor its name is of a format that w2vray reads ({formats}); give --format if you know it"
    )
