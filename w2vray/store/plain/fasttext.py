"""fastText's own text format: a line a row, whose words that begin with ``__label__`` are its labels.

The columns are ``text``, which is the line without its labels, and ``label``: a string where each line of the file has
at most one, and a list otherwise. A line without any label has null, or an empty list.

Source: what ``fasttext supervised -input`` reads.
"""

import json
import re
from collections.abc import Generator, Sequence
from typing import Any

import pyarrow as pa

from w2vray.errors import FileError
from w2vray.schema import FileReason
from w2vray.store.corpus import SourceFile
from w2vray.store.description import Description, ReadAs
from w2vray.store.plain.cutting import Cutter, content_fingerprint, in_blocks, unchanged
from w2vray.store.plain.damage import Damage, not_utf8, too_long, with_damage
from w2vray.store.plain.records import LineScanner, Records, read_records
from w2vray.store.plain.streams import BOM, Head, chunks, look, require_utf8_text
from w2vray.store.units import Piece

__all__ = ["FastText", "begins_with_label"]

PREFIX = b"__label__"
TEXT, LABEL = "text", "label"

_SPACE = rb" \t\v\f\r\0"
_LABELS = re.compile(rb"(?:^|(?<=[%b]))%b[^%b]*[%b]*" % (_SPACE, PREFIX, _SPACE, _SPACE))
_TWO = re.compile(rb"(?m)^.*?(?:^|(?<=[%b]))%b.*?(?<=[%b])%b" % (_SPACE, PREFIX, _SPACE, PREFIX))


def begins_with_label(head: Head) -> bool:
    """Tell whether the first line of a file begins with a label."""
    return head.start.removeprefix(BOM).lstrip().startswith(PREFIX)


class FastText:
    """fastText's text format; its stretches are bytes."""

    name = "fasttext"
    endings = frozenset(["ft"])
    magic = b""
    damaged = FileReason.DAMAGED_DATA

    def describe(self, handle: Any, file: SourceFile, _: Sequence[str], __: ReadAs) -> Description:
        """Describe an opened file: its lines are counted, and looked at for a second label.

        Raises:
            FileError: it has no rows, or none has a label, or it cannot be unpacked.
        """
        head = look(handle)
        require_utf8_text(head)
        start = len(BOM) if head.start.startswith(BOM) else 0
        size = file.size if head.compression is None else None
        cutter = Cutter(LineScanner(), head=head.start[:start], first_line=1, size=size)
        several = any_label = False
        for records in read_records(chunks(handle, head.compression, start, None), cutter, 1):
            any_label = any_label or PREFIX in records.data
            several = several or _TWO.search(records.data) is not None
        stretches = cutter.stretches()
        if not sum(stretch.rows for stretch in stretches):
            raise FileError("it has no rows", reason=FileReason.NO_ROWS)
        if not any_label:
            raise FileError(
                f"it is not of fastText's format: no line has a label, such as {PREFIX.decode()}news",
                reason=FileReason.UNKNOWN_FORMAT,
            )
        return Description(
            file=file,
            format=self.name,
            schema=_schema((TEXT, LABEL), several=several),
            stretches=stretches,
            fingerprint=content_fingerprint(stretches),
            layout=json.dumps({"compression": head.compression, "several": several}),
        )

    def read(
        self, handle: Any, piece: Piece, columns: Sequence[str], _: pa.Schema
    ) -> Generator[pa.RecordBatch, None, None]:
        """Yield the rows of a piece of an opened file; a line that cannot be read is a row that says so.

        Raises:
            FileError: the file is not the one that was planned.
        """
        layout = json.loads(piece.layout)
        schema = _schema([name for name in (TEXT, LABEL) if name in columns], several=layout["several"])
        stream = unchanged(handle, layout["compression"], piece)
        records = read_records(stream, LineScanner(), piece.first_line)
        yield from in_blocks(_rows(found, schema) for found in records)


def _schema(columns: Sequence[str], *, several: bool) -> pa.Schema:
    types = {TEXT: pa.string(), LABEL: pa.list_(pa.string()) if several else pa.string()}
    none = pa.field("w2vray.none", pa.null())  # a batch without columns has no rows
    return pa.schema([*(pa.field(name, types[name]) for name in columns), none])


def _rows(records: Records, schema: pa.Schema) -> pa.RecordBatch:
    """Return a row for each line."""
    texts: list[str | None] = []
    labels: list[list[str] | None] = []
    damages: list[Damage | None] = []
    for index in range(len(records)):
        text, found, damage = _row(records, index)
        texts.append(text)
        labels.append(found)
        damages.append(damage)
    of_label: Sequence[Any] = labels
    if LABEL in schema.names and schema.field(LABEL).type == pa.string():
        of_label = [found[0] if found else None for found in labels]
    values = {TEXT: texts, LABEL: of_label, "w2vray.none": [None] * len(records)}
    arrays = [pa.array(values[field.name], field.type) for field in schema]
    return with_damage(pa.RecordBatch.from_arrays(arrays, schema=schema), damages)


def _row(records: Records, index: int) -> tuple[str | None, list[str] | None, Damage | None]:
    line = int(records.lines_N[index])
    if records.long_N[index]:
        return None, None, too_long(line)
    written = records.record(index)
    try:
        written.decode()
    except UnicodeDecodeError as error:
        return None, None, not_utf8(line, error)
    labels = [found.strip(b" \t\v\f\r\0").removeprefix(PREFIX).decode() for found in _LABELS.findall(written)]
    return _LABELS.sub(b"", written).strip().decode(), labels, None
