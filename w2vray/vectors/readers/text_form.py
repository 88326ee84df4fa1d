"""How the rows of a text file are laid out, as a sample shows: what parts fields, and how many numbers a row has."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from w2vray.vectors.readers.stream import MAX_LINE, ByteStream

__all__ = ["TextForm", "decimal_comma", "form_of", "is_number", "is_plain_text", "sample_lines"]

_SAMPLE = 1 << 20
_LINES = 256
_DECIMAL_COMMA = re.compile(rb"[-+]?\d+,\d+([eE][-+]?\d+)?")
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LEAST_TEXT = 100
_TELLING_ROWS = 5
_TELLING_WIDTH = 4
_WHOLE_BY_CHANCE = 0.01
_QUOTES, _AFTER_WORDS = (b'"', b"'"), (b":", b"=", b",", b";", b"|")


def is_number(text: bytes) -> bool:
    """Tell whether a field of a line is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return b"_" not in text


def decimal_comma(text: bytes) -> bool:
    """Tell whether a field is a number with a decimal comma."""
    return _DECIMAL_COMMA.fullmatch(text) is not None


def sample_lines(stream: ByteStream) -> list[bytes]:
    """Return the lines to come without their ends, as far as a look ahead goes; the last of them may go on."""
    sample = stream.peek(_SAMPLE)
    if b"\n" not in sample:
        sample = stream.peek(MAX_LINE)
    lines = sample.split(b"\n", _LINES)
    if len(lines) > 1:  # what is behind the last line end: nothing, the lines to come, or one that goes on
        last = lines.pop()
        if last and len(lines) < _LINES and len(sample) < _SAMPLE:
            lines.append(last)
    return lines


def is_plain_text(sample: bytes) -> bool:
    """Tell whether bytes can be nothing but text: numbers of binary files are full of what text never has."""
    if len(sample) < _LEAST_TEXT or _NOT_TEXT.search(sample) is not None:
        return False
    try:
        sample[:-3].decode()  # a letter may be cut by the end of the sample
    except UnicodeDecodeError as error:
        return error.start >= len(sample) - 6
    return True


@dataclass(frozen=True)
class TextForm:
    """The layout of a text file's rows, as a sample shows it.

    ``dim`` is the commonest number of numbers at a row's end (None where most rows have none), ``agreeing`` the rows
    that have so many, ``exactly`` those that have as many as the header says, of ``rows`` rows that were looked at.
    ``wordless`` are those of the agreeing rows that begin with a number.
    ``numeric`` tells whether most of the fields that should be numbers are, decimal commas included. ``tabs`` tells
    whether tabs part fields. ``phrases`` counts rows with a space in their word.
    """

    dim: int | None
    agreeing: int
    exactly: int
    rows: int
    numeric: bool
    tabs: bool
    phrases: int
    wordless: int
    whole_numbers: bool
    around: str  # a mark that each word ends with, or a pair that each stands between; empty where there is none
    counted: str  # "first" or "last" where that number of each row is a whole one, and no other is


def form_of(lines: Sequence[bytes], header_dim: int | None) -> TextForm:
    """Look at a sample of rows; ``header_dim`` is the width that a header promises."""
    lines = [line for line in lines if line.strip()]
    split = [line.split() for line in lines]
    runs = [_run(fields) for fields in split]
    counted = Counter(runs)
    commonest = max(counted, key=lambda run: (counted[run], run), default=0)
    dim = header_dim or commonest or None
    numbers = total = 0
    for fields in split:
        ends = fields[1:][-dim:] if dim else []
        numbers += sum(is_number(field) or decimal_comma(field) for field in ends)
        total += len(ends)
    return TextForm(
        dim=commonest or None,
        agreeing=counted[commonest],
        exactly=counted[header_dim] if header_dim else 0,
        rows=len(lines),
        numeric=numbers * 2 > total,
        tabs=sum(b"\t" in line.strip() for line in lines) * 2 > len(lines),
        phrases=sum(len(fields) > run + 1 for fields, run in zip(split, runs, strict=True)),
        wordless=sum(is_number(fields[0]) for fields, run in zip(split, runs, strict=True) if run == commonest),
        whole_numbers=all(field.isdigit() for fields in split for field in fields[1:]),
        around=_around([fields[0] for fields in split if fields]),
        counted=_counted(
            [fields[-commonest:] for fields, run in zip(split, runs, strict=True) if run == commonest], commonest
        ),
    )


def _around(words: Sequence[bytes]) -> str:
    """Return the mark that each word ends with, or the quotes that each stands in."""
    if len(words) < _TELLING_ROWS:
        return ""
    ends = {word[-1:] for word in words}
    last = next(iter(ends)) if len(ends) == 1 else b""
    if last in _QUOTES and all(word.startswith(last) and len(word) > 1 for word in words):
        return (last * 2).decode()
    return last.decode() if last in _AFTER_WORDS else ""


def _counted(numbers: Sequence[Sequence[bytes]], width: int) -> str:
    """Tell which number of each row is a count of its word, or its place: whole and none below 0, as few others are."""
    if len(numbers) < _TELLING_ROWS or width < _TELLING_WIDTH:
        return ""
    columns = [[_is_whole(row[place]) for row in numbers] for place in range(width)]
    others = [column for column in columns if not all(column)]
    if 2 * len(others) < width or sum(map(sum, others)) > _WHOLE_BY_CHANCE * len(others) * len(numbers):
        return ""
    for name, place in (("first", 0), ("last", -1)):
        values = {float(row[place]) for row in numbers}
        if all(columns[place]) and len(values) > 2 and max(values) > 1:
            return name
    return ""


def _is_whole(number: bytes) -> bool:
    value = float(number)
    return value >= 0 and value.is_integer()  # infinity and NaN are not


def _run(fields: Sequence[bytes]) -> int:
    """Count the numbers at the end of a row, the first field aside: it is the word, whatever it looks like."""
    count = 0
    for field in reversed(fields[1:]):
        if not is_number(field):
            break
        count += 1
    return count
