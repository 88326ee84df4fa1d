r"""The text formats: a word and its numbers on each line, parted by spaces or tabs.

word2vec's has a header line ``V D``; GloVe's has none. A few of GloVe's words hold spaces, so a line is split from the
right: in both formats, because such vectors are converted from one to the other.

A line ends at ``\n`` alone: a word may hold what else ends a line for ``str.splitlines``.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from w2vray.errors import VectorsError
from w2vray.vectors.readers.bad_rows import BadRows, Reason, checked_word, control_in, shown
from w2vray.vectors.readers.block import Block, rows_per_block
from w2vray.vectors.readers.stream import MAX_LINE, ByteStream
from w2vray.vectors.readers.text_form import decimal_comma, is_number

__all__ = ["TextRows"]

_OF_A_WORD = re.compile(rb"\d{1,9}|\d+\.\d{1,2}")  # 7, 11, 4.0: what numbers in words look like, and a vector's do not
_TELLING_COLUMNS = 3
_BOM = b"\xef\xbb\xbf"
_WHITE = b" \t\r"


class _BadRow(Exception):  # noqa: N818 - it never leaves this module
    def __init__(self, reason: str, message: str, named: bytes) -> None:
        super().__init__(message)
        self.reason, self.message, self.named = reason, message, shown(named)


@dataclass
class TextRows:
    """The rows of a text file, behind its header where it has one.

    ``rows`` is what the header promises; ``tabs`` says that tabs part fields as spaces do.
    """

    stream: ByteStream
    dim: int
    bad: BadRows
    rows: int | None = None
    tabs: bool = False
    notes: list[str] = field(default_factory=list)
    _phrases: int = 0
    _a_phrase: str = ""

    def blocks(self, limit: int | None = None) -> Iterator[Block]:
        """Read the first ``limit`` rows.

        Raises:
            VectorsError: a row is of another width, not of numbers, or its word is none; or there are more or fewer
                rows than promised.
        """
        row, step = 0, rows_per_block(self.dim)
        while row != limit and (data := self.stream.lines(step if limit is None else min(step, limit - row))):
            if not data.endswith(b"\n") and data.strip():
                self.notes.append(f"the last line has no line end: check whether {self.stream.path} was cut short")
            data = self._without_blank_end(data)
            if not data:
                break
            count = data.count(b"\n") + (not data.endswith(b"\n"))
            block = self._block(data, row, count)
            self._refuse_rows_beyond(row, count)
            yield block
            row += count
        self._compare_rows(row, limit)
        if self._phrases:
            more = f" and {self._phrases - 1:,} more" if self._phrases > 1 else ""
            self.notes.append(f"words that hold spaces: {self._a_phrase}{more}")

    def _without_blank_end(self, data: bytes) -> bytes:
        """Take away the blank lines behind the last row: they are none that anything was lost of."""
        last = data.rstrip(b"\n").rpartition(b"\n")[2]
        if (last.strip() and not data.endswith(b"\n\n")) or self.stream.peek(MAX_LINE).strip():
            return data
        kept = data.rstrip(b" \t\r\n")
        return kept + b"\n" if kept and len(kept) < len(data) else kept

    def _refuse_rows_beyond(self, row: int, count: int) -> None:
        if self.rows is not None and row + count > self.rows and not self.bad.skip:
            raise VectorsError(
                f"{self.stream.path}, row {self.rows + 1}: the header promises {self.rows:,} rows only; correct the "
                "header, or take all rows with --on-bad skip"
            )

    def _compare_rows(self, row: int, limit: int | None) -> None:
        if self.rows is None or row == self.rows or (row == limit and row < self.rows):
            return
        if not self.bad.skip:
            raise VectorsError(
                f"{self.stream.path}: the file ends after row {row:,}; its header promises {self.rows:,}. Fetch it "
                "again, or take what is there with --on-bad skip"
            )
        self.notes.append(f"the header promises {self.rows:,} rows; the file has {row:,}")

    def _block(self, data: bytes, before: int, count: int) -> Block:
        if self.tabs:
            data = data.replace(b"\t", b" ")
        fast = self._parsed(data)
        if fast is not None and len(fast[0]) == count:
            words, vectors_ND = fast
            block = Block(words, vectors_ND, range(before + 1, before + count + 1), count)
        else:
            block = self._row_by_row(data, before, count)
        return self._without_names(block) if before == 0 and _are_names(block.vectors_ND) else block

    def _without_names(self, block: Block) -> Block:
        """Leave out the first row, which names the columns."""
        assert block.rows is not None
        row, word = block.rows[0], shown(block.words[0])
        last = block.vectors_ND[0, -1]
        message = (
            f" ({word}): its numbers count from {block.vectors_ND[0, 0]:.0f} to {last:.0f}, as names of columns do"
        )
        self.bad.found(row, Reason.COLUMNS, message, word)
        return Block(block.words[1:], block.vectors_ND[1:], block.rows[1:], block.read)

    def _parsed(self, data: bytes) -> tuple[list[str], npt.NDArray[np.float32]] | None:
        """Parse rows in one go; None where any of them is not a word and its numbers, each parted by one space."""
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
            if b"\r" in data:
                return None  # Arrow would end a line there
        if b" \n" in data:
            data = data.replace(b" \n", b"\n")  # as fastText writes each line
        if data.startswith(_BOM):
            return None  # Arrow would take it away
        table = _read_csv(data, ["word"], self.dim)
        if table is None:
            return None
        joined = table.column(0).combine_chunks()
        try:
            words = joined.cast(pa.string())
        except pa.ArrowInvalid:
            return None
        if pc.min(pc.binary_length(joined)).as_py() == 0 or control_in(b"".join(joined.to_pylist())) is not None:
            return None
        return words.to_pylist(), _as_array(table.columns[1:])

    def _row_by_row(self, data: bytes, before: int, count: int) -> Block:
        words, numbers, rows = [], [], []
        for row, line in enumerate(data.removesuffix(b"\n").split(b"\n"), before + 1):
            try:
                word, values = self._split(line)
            except _BadRow as bad:
                self.bad.found(row, bad.reason, bad.message, bad.named)
                continue
            words.append(word)
            numbers.append(values)
            rows.append(row)
        table = _read_csv(b"\n".join(numbers), [], self.dim) if numbers else None
        if table is not None and len(table) == len(numbers):
            vectors_ND = _as_array(table.columns)
        else:
            words, rows, vectors_ND = self._number_by_number(words, numbers, rows)
        return Block([word.decode() for word in words], vectors_ND, rows, count)

    def _number_by_number(
        self, words: list[bytes], numbers: list[bytes], rows: list[int]
    ) -> tuple[list[bytes], list[int], npt.NDArray[np.float32]]:
        """Parse what only Python takes for numbers, and leave out what it does not."""
        good, parsed = [], []
        for index, values in enumerate(numbers):
            fields = values.split(b" ")
            wrong = next((place for place, each in enumerate(fields, 1) if not is_number(each)), None)
            if wrong is None:
                good.append(index)
                parsed.append([float(each) for each in fields])
                continue
            said = f"{shown(fields[wrong - 1])} is not a number"
            if decimal_comma(fields[wrong - 1]):
                said += "; write a point in place of the decimal comma"
            self.bad.found(rows[index], Reason.NOT_NUMBER, f", number {wrong}: {said}", shown(words[index]))
        vectors_ND = _rounded(np.array(parsed, dtype=np.float64).reshape(-1, self.dim))
        return [words[index] for index in good], [rows[index] for index in good], vectors_ND

    def _split(self, line: bytes) -> tuple[bytes, bytes]:
        """Part a line into its word and the text of its numbers."""
        fields = line.rstrip(_WHITE).rsplit(None, self.dim)
        if line[:1] in {b" ", b"\t"} and len(fields) == self.dim and is_number(fields[0]):
            raise _BadRow(Reason.EMPTY, *_message(b""))
        if len(fields) != self.dim + 1:
            raise self._wrong_width(line, len(line.split()) - 1)
        word = fields[0].strip(b" ")
        if b" " in word and self._has_numbers(word):
            raise self._wrong_width(line, len(line.split()) - 1)
        reason, message = checked_word(word)
        if reason:
            raise _BadRow(reason, message, word)
        if b" " in word:
            self._phrases += 1
            self._a_phrase = self._a_phrase or shown(word)
        return word, b" ".join(fields[1:])

    def _has_numbers(self, word: bytes) -> bool:
        """Tell whether what is before the last ``dim`` fields holds numbers of a vector: then the row is too wide.

        Numbers of a word are few and short, such as in "iPhone 7"; of narrow vectors nobody can tell.
        """
        fields = word.split(b" ")[1:]
        numbers = [each for each in fields if is_number(each)]
        last = fields[-1]
        return 2 * len(numbers) >= self.dim or (is_number(last) and _OF_A_WORD.fullmatch(last) is None)

    def _wrong_width(self, line: bytes, count: int) -> _BadRow:
        if not line.strip():
            return _BadRow(Reason.WIDTH, f": an empty line; expected a word and {self.dim} numbers", line)
        numbers = "1 number" if count == 1 else f"{max(count, 0)} numbers"
        hint = "; lines have to end with a line feed" if b"\r" in line.strip() else ""
        message = f" ({shown(line)}): {numbers}; expected {self.dim}{hint}"
        return _BadRow(Reason.WIDTH, message, line)


def _are_names(vectors_ND: npt.NDArray[np.float32]) -> bool:
    """Tell whether the first of some rows counts their columns, from 0 or from 1, where the second is no such row."""
    if len(vectors_ND) < 2 or vectors_ND.shape[1] < _TELLING_COLUMNS:
        return False
    counting_D = np.arange(vectors_ND.shape[1]) + vectors_ND[0, 0]
    first, second = vectors_ND[0], vectors_ND[1]
    return first[0] in {0, 1} and np.array_equal(first, counting_D) and not np.array_equal(second, np.rint(second))


def _message(word: bytes) -> tuple[str, bytes]:
    return checked_word(word)[1], word


def _read_csv(data: bytes, before: Sequence[str], dim: int) -> pa.Table | None:
    """Parse lines of ``dim`` numbers behind the columns ``before`` by Arrow, which is four times as fast as numpy."""
    names = [str(column) for column in range(dim)]
    types = {**dict.fromkeys(before, pa.binary()), **dict.fromkeys(names, pa.float64())}
    try:
        return csv.read_csv(
            pa.BufferReader(data),
            read_options=csv.ReadOptions(
                column_names=[*before, *names], use_threads=False, block_size=max(len(data), MAX_LINE) * 2
            ),
            parse_options=csv.ParseOptions(delimiter=" ", quote_char=False, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(column_types=types, null_values=[], strings_can_be_null=False),
        )
    except pa.ArrowInvalid:
        return None


def _as_array(columns: Sequence[pa.ChunkedArray]) -> npt.NDArray[np.float32]:
    """Through float64, as every other reader rounds."""
    vectors_ND = np.empty((len(columns[0]), len(columns)), dtype=np.float32)
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and the writer refuses it
        for index, column in enumerate(columns):
            vectors_ND[:, index] = column.to_numpy()
    return vectors_ND


def _rounded(parsed_ND: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return parsed_ND.astype(np.float32)
