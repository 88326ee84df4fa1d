"""JSON Lines: one object a line. Arrow reads whole chunks; lines that it does not take are read one by one.

What Arrow is given has been looked at: each line is one object by its first and its last character, all is UTF-8, and
no bare ``null`` follows an object, at which Arrow 26 ends the process. Then a chunk has as many rows as lines, or a
line is damaged.
"""

import json
import re
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from w2vray.errors import FileError
from w2vray.schema import FileReason, Reason
from w2vray.store.corpus import SourceFile
from w2vray.store.description import Description, ReadAs
from w2vray.store.plain.cutting import Cutter, content_fingerprint, in_blocks, unchanged
from w2vray.store.plain.damage import Damage, is_utf8, not_utf8, too_long, with_damage
from w2vray.store.plain.json_heads import require_lines
from w2vray.store.plain.json_kinds import Kind, kind_named, kind_of_type
from w2vray.store.plain.json_looks import Looked
from w2vray.store.plain.json_objects import NotAnObjectError, read_object
from w2vray.store.plain.json_values import UnfitError, read_value
from w2vray.store.plain.records import LineScanner, Records, read_records
from w2vray.store.plain.streams import BOM, chunks, look, require_utf8_text
from w2vray.store.units import Piece

__all__ = ["JsonLines"]

_NULL_BETWEEN = re.compile(rb"\}[ \t\r]*null")
_ARROWS_INFINITY = re.compile(rb"Inf[ \t\r\n]*[],}]")
"""A number to Arrow, and no JSON to anybody else; what JSON's readers take is ``Infinity``."""
_EXACT = float(1 << 53)


class JsonLines:
    """The format of JSON Lines; its stretches are bytes."""

    name = "jsonl"
    endings = frozenset(["jsonl", "ndjson"])
    magic = b""
    damaged = FileReason.DAMAGED_DATA

    def describe(self, handle: Any, file: SourceFile, columns: Sequence[str], read_as: ReadAs) -> Description:
        """Describe an opened file: its lines are counted, and some are looked at for the types of the columns.

        Raises:
            FileError: it does not hold a JSON object a line, or cannot be unpacked.
        """
        head = look(handle)
        require_utf8_text(head)
        require_lines(head)
        start = len(BOM) if head.start.startswith(BOM) else 0
        size = file.size if head.compression is None else None
        cutter = Cutter(LineScanner(), head=head.start[:start], first_line=1, size=size)
        looked = Looked(columns, read_as.plain)
        for records in read_records(chunks(handle, head.compression, start, None), cutter, 1):
            looked.add(records)
        stretches = cutter.stretches()
        rows = sum(stretch.rows for stretch in stretches)
        if not rows:
            raise FileError("it has no rows", reason=FileReason.NO_ROWS)
        looked.require_read()
        kinds = {name: str(kind) for name, kind in looked.kinds.items() if name in columns}
        return Description(
            file=file,
            format=self.name,
            schema=pa.schema([pa.field(name, looked.type_of(name)) for name in looked.kinds]),
            stretches=stretches,
            fingerprint=content_fingerprint(stretches),
            layout=json.dumps({"compression": head.compression, "kinds": kinds}),
            notes=looked.notes(rows),
        )

    def read(
        self, handle: Any, piece: Piece, columns: Sequence[str], schema: pa.Schema
    ) -> Generator[pa.RecordBatch, None, None]:
        """Yield the rows of a piece of an opened file; a line that cannot be read is a row that says so.

        Raises:
            FileError: the file is not the one that was planned.
        """
        layout = json.loads(piece.layout)
        kinds = {name: kind_named(layout["kinds"][name]) for name in columns if name in layout["kinds"]}
        reader = _Reader(
            {
                name: _Column.of(kind, schema.field(name).type if name in schema.names else None)
                for name, kind in kinds.items()
            }
        )
        stream = unchanged(handle, layout["compression"], piece)
        yield from in_blocks(map(reader.rows, read_records(stream, LineScanner(), piece.first_line)))


@dataclass(frozen=True)
class _Column:
    """A column that is read: of which kind it is by the file's plan, and of which its values are handed on."""

    planned: Kind
    read: Kind

    @classmethod
    def of(cls, planned: Kind, common: pa.DataType | None) -> "_Column":
        """Return a column of a kind; ``common`` is its type in the store, None for texts and labels, which are text."""
        if common is None:
            return cls(planned, planned.as_text)
        if planned.name == "null":
            planned = kind_of_type(common) or planned
        elif pa.types.is_string(common) and planned.type != common and not planned.of:  # another file's are strings
            return cls(Kind("text") if planned.name == "float64" else planned, Kind("text"))
        return cls(planned, planned)


class _Reader:
    """Reads the records of chunks, with some columns of theirs."""

    def __init__(self, columns: dict[str, _Column]) -> None:
        self.columns = columns
        # a field that is not read: without any, Arrow would tell no number of rows
        none = pa.field("w2vray.none".ljust(1 + max(map(len, columns), default=0), "_"), pa.null())
        self.parsed = pa.schema([*(pa.field(name, item.planned.type) for name, item in columns.items()), none])
        self.schema = pa.schema([*(pa.field(name, item.read.type) for name, item in columns.items()), none])
        self.by_arrow = all(item.planned.parsed_by_arrow for item in columns.values())

    def rows(self, records: Records) -> pa.RecordBatch:
        """Return a row for each record."""
        if self.by_arrow and _may_be_parsed(records):
            with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
                table = _parsed(records.data, self.parsed)
                if len(table) == len(records) and not _too_large(table):
                    return table.cast(self.schema).combine_chunks().to_batches()[0]
        return self._one_by_one(records)

    def _one_by_one(self, records: Records) -> pa.RecordBatch:
        values: dict[str, list[Any]] = {name: [] for name in self.columns}
        damages: list[Damage | None] = []
        for index in range(len(records)):
            row, damage = self._row(records, index)
            damages.append(damage)
            for name, column in values.items():
                column.append(row.get(name))
        arrays = [pa.array(values[name], item.read.type) for name, item in self.columns.items()]
        arrays.append(pa.nulls(len(records)))
        return with_damage(pa.RecordBatch.from_arrays(arrays, schema=self.schema), damages)

    def _row(self, records: Records, index: int) -> tuple[dict[str, Any], Damage | None]:
        line = int(records.lines_N[index])
        if records.long_N[index]:
            return {}, too_long(line)
        row, name = {}, ""
        try:
            for name, (value, written) in read_object(records.record(index).decode(), self.columns).items():
                row[name] = read_value(value, written, self.columns[name].read)
        except NotAnObjectError as error:
            return {}, Damage(Reason.DAMAGED_LINE, f"line {line}: not a JSON object: {error}")
        except UnfitError as error:
            kind = self.columns[name].planned
            detail = f"line {line}: {name!r} is {error}; by the lines that were looked at, the column is {kind}"
            return {}, Damage(Reason.WRONG_TYPE, detail)
        except UnicodeEncodeError as error:
            detail = f"line {line}: {name!r} holds {error.object[error.start]!r}, half of a surrogate pair"
            return {}, Damage(Reason.INVALID_UTF8, detail)
        except UnicodeDecodeError as error:
            return {}, not_utf8(line, error)
        return row, None


def _may_be_parsed(records: Records) -> bool:
    """Tell whether each record is an object by its first and last characters, so that none goes on in the next."""
    if records.long_N.any() or not is_utf8(records.data):
        return False
    data = np.frombuffer(records.data, dtype=np.uint8)
    if (data[records.starts_N] != ord("{")).any():
        return False
    last_N = records.ends_N - 1
    for space in (ord("\n"), ord("\r"), ord(" ")):  # what may stand behind an object, in this order
        last_N = last_N - (data[last_N] == space)
    if (data[last_N] != ord("}")).any():
        return False
    if _ARROWS_INFINITY.search(records.data) is not None:
        return False
    return b"null" not in records.data or _NULL_BETWEEN.search(records.data) is None


def _parsed(data: bytes, schema: pa.Schema) -> pa.Table:
    return pyarrow.json.read_json(
        pa.BufferReader(data),
        read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(data) + 1),
        parse_options=pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )


def _too_large(table: pa.Table) -> bool:
    """Tell whether there is a float so large that it may not be the whole number that is written."""
    for column in table.columns:
        values = pc.list_flatten(column) if pa.types.is_list(column.type) else column
        if pa.types.is_floating(values.type) and pc.any(pc.greater_equal(pc.abs(values), _EXACT)).as_py():
            return True
    return False
