"""The text formats: a word and its numbers on each line, parted by spaces.

word2vec's has a header line ``V D``; GloVe's has none. A few of GloVe's words hold spaces, so a line is split from the
right: in both formats, because such vectors are converted from one to the other.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from w2vray.errors import VectorsError
from w2vray.vectors.readers.block import Block, decode_word, rows_per_block
from w2vray.vectors.readers.stream import MAX_LINE, ByteStream

__all__ = ["is_number", "read_text"]


def is_number(text: bytes) -> bool:
    """Tell whether a field of a line is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return b"_" not in text


def read_text(stream: ByteStream, rows: int | None, dim: int, limit: int | None = None) -> Iterator[Block]:
    """Read the first ``limit`` lines behind the header, where there is one (``rows`` is then what it promises).

    Raises:
        VectorsError: a row is of another width, not of numbers, has an empty word, or there are more or fewer rows
            than promised.
    """
    words: list[str] = []
    numbers: list[bytes] = []
    row, block_rows = 0, rows_per_block(dim)
    first = None  # the first word, where nothing but its row says how many numbers there are
    while row != limit and stream.peek(1):
        line = stream.until(b"\n", MAX_LINE).rstrip(b" \t\r")
        row += 1
        if rows is not None and row > rows:
            raise VectorsError(f"{stream.path}, row {row}: the header promises {rows:,} rows only; correct the header")
        word, values = _split(stream, row, line, dim, first)
        if rows is None and row == 1:
            first = word
        words.append(decode_word(stream.path, row, word))
        numbers.append(values)
        if len(words) == block_rows:
            yield Block(words, _parse(stream, row, numbers, dim))
            words, numbers = [], []
    if words:
        yield Block(words, _parse(stream, row, numbers, dim))
    if rows is not None and row < rows and row != limit:
        raise VectorsError(f"{stream.path}: the file ends after row {row:,}; its header promises {rows:,}")


def _split(stream: ByteStream, row: int, line: bytes, dim: int, first: bytes | None) -> tuple[bytes, bytes]:
    """Part a line into its word and the text of its ``dim`` numbers; a number before those is one too many."""
    fields = line.rsplit(b" ", dim)
    word = fields[0].strip(b" ")  # two spaces in a row part once; those inside of a word are its own
    too_many = b" " in word and is_number(word.rsplit(b" ", 1)[1])
    if len(fields) != dim + 1 or too_many:
        count = len(line.split(b" ")) - 1
        why = f", as row 1 has behind its word {first[:40]!r}; is that all a word?" if first and b" " in first else ""
        raise VectorsError(f"{stream.path}, row {row} ({line[:40]!r}): {count} numbers; expected {dim}{why}")
    return word, line[len(fields[0]) + 1 :]


def _parse(stream: ByteStream, last_row: int, numbers: list[bytes], dim: int) -> npt.NDArray[np.float32]:
    """Parse the numbers of a block of rows, the last of which is ``last_row``.

    Arrow's CSV parser is four times as fast as numpy's. Through float64, as every other reader rounds.
    """
    names = [str(column) for column in range(dim)]
    try:
        table = csv.read_csv(
            pa.BufferReader(b"\n".join(numbers)),
            read_options=csv.ReadOptions(column_names=names, use_threads=False, block_size=MAX_LINE * 2),
            parse_options=csv.ParseOptions(delimiter=" ", quote_char=False, ignore_empty_lines=False),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.float64()), null_values=[], strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        fields = b" ".join(numbers).split(b" ")
        first_row = last_row - len(numbers) + 1
        for index, field in enumerate(fields):
            if not is_number(field):
                where = f"{stream.path}, row {first_row + index // dim}, number {index % dim + 1}"
                raise VectorsError(f"{where}: {field[:40]!r} is not a number") from None
        # Numbers all the same: only Arrow refuses their spelling, such as a carriage return behind one.
        parsed = np.array([float(field) for field in fields]).reshape(-1, dim)
    else:
        parsed = np.column_stack([column.to_numpy() for column in table.columns])
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and the writer refuses it
        return parsed.astype(np.float32)
