"""CSV with a header: cells parted by a comma, a semicolon, a tab or what ``--delimiter`` says; all values are strings.

Arrow reads the records whose cells are as many as the header's names; the others are damaged. A cell without a
character and without quotes is missing: null. ``""`` is an empty string. Nothing else is taken for anything but what is
written: ``NA``, ``null`` and ``007`` are strings.
"""

import csv
import io
import json
from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from w2vray.errors import FileError
from w2vray.schema import FileReason, Reason
from w2vray.store.corpus import SourceFile
from w2vray.store.description import Description, ReadAs
from w2vray.store.plain.csv_ends import QUOTE, CellScanner
from w2vray.store.plain.cutting import Cutter, content_fingerprint, in_blocks, unchanged
from w2vray.store.plain.damage import Damage, is_utf8, not_utf8, too_long, with_damage
from w2vray.store.plain.records import Records, read_records
from w2vray.store.plain.streams import BOM, Head, chunks, look, require_utf8_text
from w2vray.store.units import Piece

__all__ = ["Csv", "header_names"]

_DELIMITERS = (",", ";", "\t", "|")
_ROWS_COMPARED = 20


class Csv:
    """The format of CSV; its stretches are bytes, behind the header."""

    name = "csv"
    endings = frozenset(["csv", "tsv"])
    magic = b""
    damaged = FileReason.DAMAGED_DATA

    def describe(self, handle: Any, file: SourceFile, _: Sequence[str], read_as: ReadAs) -> Description:
        """Describe an opened file: its records are counted, where they end is found.

        Raises:
            FileError: its header cannot be used, a quote is never closed, or it cannot be unpacked.
        """
        head = look(handle)
        require_utf8_text(head)
        used = read_as.delimiter or _delimiter(head, file.name)
        names, start, first_line = _header(head, used)
        size = file.size if head.compression is None else None
        scanner = CellScanner(used)
        cutter = Cutter(scanner, head=head.start[:start], first_line=first_line, size=size)
        line = first_line
        for records in read_records(chunks(handle, head.compression, start, None), cutter, first_line):
            line = int(records.lines_N[-1])
        if scanner.in_quotes:
            raise FileError(
                f"the record of line {line:,} opens a quote and never closes it: close it, or double it if it is a "
                "character of the text",
                reason=FileReason.DAMAGED_DATA,
            )
        stretches = cutter.stretches()
        return Description(
            file=file,
            format=self.name,
            schema=pa.schema([pa.field(name, pa.string()) for name in names]),
            stretches=stretches,
            fingerprint=content_fingerprint(stretches),
            layout=json.dumps({"compression": head.compression, "delimiter": used, "names": names}),
            notes=()
            if read_as.delimiter or used == ","
            else (f"its cells are separated by {used!r}; --delimiter changes that",),
        )

    def read(
        self, handle: Any, piece: Piece, columns: Sequence[str], _: pa.Schema
    ) -> Generator[pa.RecordBatch, None, None]:
        """Yield the rows of a piece of an opened file; a record that cannot be read is a row that says so.

        Raises:
            FileError: the file is not the one that was planned.
        """
        layout = json.loads(piece.layout)
        delimiter, names = layout["delimiter"], layout["names"]
        reader = _Reader(delimiter, names, [name for name in columns if name in names])
        stream = unchanged(handle, layout["compression"], piece)
        records = read_records(stream, CellScanner(delimiter), piece.first_line)
        yield from in_blocks(map(reader.rows, records))


def header_names(head: Head, name: str, delimiter: str | None) -> list[str]:
    """Return what the first line of a file would be as names of columns; none where it can be none."""
    with suppress(FileError):
        require_utf8_text(head)
        return _header(head, delimiter or _delimiter(head, name))[0]
    return []


def _delimiter(head: Head, name: str) -> str:
    """Return by which delimiter the first records have the most cells that are as many as the header's."""
    tabs_first = ".tsv" in name.lower()
    candidates = sorted(_DELIMITERS, key=lambda mark: (mark == "\t") != tabs_first) if tabs_first else _DELIMITERS
    start = head.start.removeprefix(BOM)

    def score(mark: str) -> tuple[float, int]:
        scanner = CellScanner(mark)
        found = scanner.scan(start)
        cells = np.abs(found.cells_N[~found.blank_N][: _ROWS_COMPARED + 1]).tolist()
        if head.whole:
            cells += np.abs(scanner.finish().cells_N).tolist()
        if not cells or cells[0] == 1:
            return 0.0, 0
        return cells.count(cells[0]) / len(cells), cells[0]

    return max(candidates, key=score)


def _header(head: Head, delimiter: str) -> tuple[list[str], int, int]:
    """Return the names in a file's header, where its bytes end, and the line behind it.

    Raises:
        FileError: it cannot be read.
    """
    start = len(BOM) if head.start.startswith(BOM) else 0
    scanner = CellScanner(delimiter)
    found = scanner.scan(head.start[start:])
    filled = np.flatnonzero(~found.blank_N)
    if len(filled):
        index = int(filled[0])
        end, lines = int(found.ends_N[index]), int(found.lines_N[: index + 1].sum())
        begin = int(found.ends_N[index - 1]) if index else 0
    elif head.whole:
        end, lines, begin = len(head.start) - start, 1, int(found.ends_N[-1]) if len(found.ends_N) else 0
        if begin == end:
            raise FileError("it has no rows, and no header", reason=FileReason.NO_ROWS)
    else:
        raise FileError(
            f"its header does not end in the first {len(head.start):,} bytes; is it CSV?",
            reason=FileReason.UNKNOWN_FORMAT,
        )
    try:
        text = head.start[start + begin : start + end].decode().rstrip("\r\n")
        (names,) = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    except UnicodeDecodeError as error:
        raise FileError(
            f"its header is not UTF-8 (byte {begin + error.start}): convert it, as with "
            "`iconv -f LATIN1 -t UTF-8 FILE > OTHER`",
            reason=FileReason.UNKNOWN_FORMAT,
        ) from error
    except (csv.Error, ValueError) as error:
        raise FileError(f"its header cannot be read ({error})", reason=FileReason.UNKNOWN_FORMAT) from error
    return names, start + end, 1 + lines


class _Reader:
    """Reads some columns of the records of chunks."""

    def __init__(self, delimiter: str, names: Sequence[str], columns: Sequence[str]) -> None:
        self._names = list(columns)
        self._cells = len(names)
        self._delimiter = delimiter.encode()
        self._headers = _headers(delimiter, names)
        numbered = [f"c{index}" for index in range(len(names))]  # names may be there twice, or be empty
        wanted = [numbered[names.index(name)] for name in columns] or numbered[:1]
        self._read = pyarrow.csv.ReadOptions(use_threads=False, column_names=numbered)
        self._parse = pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
        self._convert = pyarrow.csv.ConvertOptions(
            include_columns=wanted,
            column_types=dict.fromkeys(wanted, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )

    def rows(self, records: Records) -> pa.RecordBatch:
        """Return a row for each record."""
        bad_N = records.long_N | (records.cells_N != self._cells)
        again = any(header in records.data for header in self._headers)
        if not again and not bad_N.any() and is_utf8(records.data):
            return self._parsed(records.data, len(records))
        damages = [self._damage(records, index) for index in range(len(records))]
        good = [index for index, damage in enumerate(damages) if damage is None]
        data = b"".join(records.data[records.starts_N[index] : records.ends_N[index]] for index in good)
        parsed = self._parsed(data, len(good))
        places = np.full(len(records), -1, dtype=np.int64)
        places[good] = np.arange(len(good))
        return with_damage(parsed.take(pa.array(places, mask=places < 0)), damages)

    def _damage(self, records: Records, index: int) -> Damage | None:
        line = int(records.lines_N[index])
        if records.long_N[index]:
            return too_long(line)
        cells = int(records.cells_N[index])
        if cells < 0:
            detail = f"line {line}: something follows a closing quote; a quote within quotes is written twice"
            return Damage(Reason.DAMAGED_LINE, detail)
        if cells != self._cells:
            detail = f"line {line}: {_counted(cells)}, and the header names {self._cells:,}"
            if cells == self._cells + 1 and records.record(index).endswith(self._delimiter):
                detail += f"; the record ends in {self._delimiter.decode()!r}, and the header does not"
            return Damage(Reason.DAMAGED_LINE, detail)
        record = records.record(index)
        if record in self._headers:
            detail = f"line {line}: the header once more, as where several files were put together"
            return Damage(Reason.DAMAGED_LINE, detail)
        try:
            record.decode()
        except UnicodeDecodeError as error:
            return not_utf8(line, error)
        return None

    def _parsed(self, data: bytes, rows: int) -> pa.RecordBatch:
        """Let Arrow read records of as many cells as there are names.

        Raises:
            FileError: it sees other records than were counted.
        """
        if not rows:
            return pa.RecordBatch.from_pylist([], pa.schema([(name, pa.string()) for name in self._names]))
        self._read.block_size = len(data) + 1
        try:
            table = pyarrow.csv.read_csv(pa.BufferReader(data), self._read, self._parse, self._convert)
        except pa.ArrowInvalid as error:
            raise FileError(f"its records cannot be read: {error}", reason=FileReason.DAMAGED_DATA) from error
        if len(table) != rows:
            raise FileError(f"{len(table):,} records where {rows:,} were counted", reason=FileReason.DAMAGED_DATA)
        if self._names:
            table = table.rename_columns(self._names)
        return table.combine_chunks().to_batches()[0]


def _headers(delimiter: str, names: Sequence[str]) -> tuple[bytes, ...]:
    """Return how a header may be written; none where it is of one cell, which may be a text as well."""
    if len(names) == 1:
        return ()
    quoted = (f'"{name.replace(chr(QUOTE), 2 * chr(QUOTE))}"' for name in names)
    return delimiter.join(names).encode(), delimiter.join(quoted).encode()


def _counted(cells: int) -> str:
    return f"{cells:,} cell" if cells == 1 else f"{cells:,} cells"
