"""The kinds of the columns of JSON Lines, by some of the lines of a file."""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from w2vray.errors import FileError
from w2vray.schema import FileReason
from w2vray.store.plain.json_heads import FIRST_LINES
from w2vray.store.plain.json_kinds import Kind, kind_of, merged
from w2vray.store.plain.json_objects import NotAnObjectError, read_object
from w2vray.store.plain.records import Records

__all__ = ["Looked"]

_LINES_A_CHUNK, _LATE_LOOKS = 28, 100


@dataclass
class _Seen:
    """Lines in which a column has values of one sort: single ones, lists of them, or objects and the like."""

    lines: int = 0
    kind: Kind = field(default_factory=lambda: Kind("null"))

    def add(self, kind: Kind) -> None:
        self.lines += 1
        self.kind = merged(self.kind, kind)


class Looked:
    """The kinds of columns by the lines that are looked at.

    These are the first ones, some of each chunk, and, for a column without a value so far, the next line that seems to
    have one. ``plain`` are columns of texts or labels: most of their values decide.
    """

    def __init__(self, columns: Sequence[str], plain: Collection[str] = ()) -> None:
        self.kinds: dict[str, Kind] = {}
        self._plain = {name: {"one": _Seen(), "list": _Seen(), "json": _Seen()} for name in plain}
        self._columns = columns
        self._lines = 0
        self._unread = ""
        self._late = dict.fromkeys(columns, _LATE_LOOKS)

    def add(self, records: Records) -> None:
        """Look at some of the records of a chunk."""
        first = 0 if self._lines else min(len(records), FIRST_LINES)
        spread: list[int] = []
        if first < len(records):
            spread = np.linspace(first, len(records) - 1, _LINES_A_CHUNK).astype(int).tolist()
        for index in sorted({*range(first), *spread}):
            self._look(records, index)
        for name, left in self._late.items():
            if left and self.kinds.get(name, Kind("null")).name == "null":
                self._look_for(records, name)

    def _look_for(self, records: Records, name: str) -> None:
        pattern = re.compile(re.escape(json.dumps(name, ensure_ascii=False)).encode() + rb"\s*:\s*(?!null)")
        at = 0
        while self._late[name] and (found := pattern.search(records.data, at)):
            index = int(np.searchsorted(records.ends_N, found.start(), side="right"))
            if index >= len(records):
                return
            self._late[name] -= 1
            self._look(records, index)
            if self.kinds.get(name, Kind("null")).name != "null":
                return
            at = int(records.ends_N[index])

    def _look(self, records: Records, index: int) -> None:
        if records.long_N[index]:
            return
        try:
            found = read_object(records.record(index).decode())
        except (NotAnObjectError, UnicodeDecodeError) as error:
            self._unread = self._unread or f"line {records.lines_N[index]}: {error}"
            return
        self._lines += 1
        for name, (value, _) in found.items():
            kind = kind_of(value) if name in self._columns else Kind("null")
            if name in self._plain and value is not None:
                seen = self._plain[name]
                seen[kind.name if kind.name in seen else "one"].add(kind)
                self.kinds[name] = max(seen.values(), key=lambda each: each.lines).kind
            else:
                self.kinds[name] = merged(self.kinds.get(name, Kind("null")), kind)

    def type_of(self, name: str) -> pa.DataType:
        """Return the type of a column; objects are no texts and no labels, though they can be kept as text."""
        kind = self.kinds[name]
        return pa.struct([]) if name in self._plain and kind.name == "json" else kind.type

    def require_read(self) -> None:
        """Refuse a file of which no line that was looked at could be read.

        Raises:
            FileError: it is one.
        """
        if not self._lines and self._unread:
            raise FileError(
                f"none of the lines that were looked at can be read: {self._unread}", reason=FileReason.DAMAGED_DATA
            )

    def notes(self, rows: int) -> tuple[str, ...]:
        """Say what a person may not expect."""
        seen = "all lines" if self._lines >= rows else "some lines of each file"
        told = {"text": "its values are of several kinds, kept as text as they are written"}
        told["json"] = "its values are objects or lists of several kinds, kept as the JSON that is written"
        return tuple(
            f"column {name!r} of JSON Lines: {told[kind.name]} (by {seen})"
            for name, kind in self.kinds.items()
            if kind.name in told
        )
