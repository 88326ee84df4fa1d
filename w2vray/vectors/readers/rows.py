"""Files of rows, each a word and its numbers: word2vec's text and binary format, and GloVe's.

Which of them a file is has to be shown by its content: what is not text is not therefore binary.
"""

from collections.abc import Sequence

from w2vray.errors import VectorsError
from w2vray.vectors.readers.bad_rows import BadRows, shown
from w2vray.vectors.readers.block import MAX_DIM, Source
from w2vray.vectors.readers.not_vectors import what_lines_are
from w2vray.vectors.readers.stream import MAX_LINE, ByteStream
from w2vray.vectors.readers.text import TextRows
from w2vray.vectors.readers.text_form import TextForm, decimal_comma, form_of, is_plain_text, sample_lines
from w2vray.vectors.readers.word2vec_binary import BinaryRows, binary_trouble

__all__ = ["rows_source"]

_SAMPLE = 1 << 20
_EXPECTED = (
    "expected word2vec (a line of rows and width), GloVe (a word and its numbers, separated by spaces), fastText's "
    ".bin or gensim's save()"
)
_NARROW = 3
_LEAST_ROWS = 5


def rows_source(stream: ByteStream, format: str, bad: BadRows, limit: int | None) -> Source:  # noqa: A002
    """Open a file of rows at its start; ``format`` is one of their formats, or auto.

    Raises:
        VectorsError: it is none of them, or not the one that was asked for.
    """
    header = _header(stream)
    if header is None and format in {"word2vec-text", "word2vec-binary"}:
        raise VectorsError(
            f"{stream.path}: a {format} file starts with a line of two numbers, rows and width; got {stream.peek(60)!r}"
        )
    if header is None or format == "glove":
        return _glove(stream, format, bad, limit)
    rows, dim = header
    stream.until(b"\n", MAX_LINE)
    form = form_of(sample_lines(stream), dim)
    if format == "word2vec-text" or (format == "auto" and _is_text(stream, form)):
        if format == "auto":
            _refuse_dressed(stream, form)
        return _word2vec_text(stream, header, form, bad, limit)
    if format == "auto" and (trouble := binary_trouble(stream.peek(_SAMPLE), dim, rows)) is not None:
        raise VectorsError(
            f"{stream.path}: the header promises {rows:,} rows of {dim} numbers, and what is behind it is neither text "
            f"nor float32 of that width: {trouble}"
        )
    binary = BinaryRows(stream, rows, dim, bad)
    return Source(stream.path, "word2vec-binary", dim, rows, None, binary.blocks(limit), notes=binary.notes)


def _header(stream: ByteStream) -> tuple[int, int] | None:
    """Return rows and width where the first line is a word2vec header."""
    head = stream.peek(64)
    line, newline, _ = head.partition(b"\n")
    fields = line.split()
    if not (newline or len(head) < 64) or len(fields) != 2 or not all(field.isdigit() for field in fields):
        return None
    rows, dim = int(fields[0]), int(fields[1])
    if rows < 1 or not 1 <= dim <= MAX_DIM:
        raise VectorsError(
            f"{stream.path}: the header says {rows} rows of {dim} numbers; "
            f"expected at least 1 row, and 1 to {MAX_DIM:,} numbers"
        )
    return rows, dim


def _is_text(stream: ByteStream, form: TextForm) -> bool:
    """Tell whether what follows the header is text: rows of numbers, or at least nothing that text never has."""
    return form.numeric or is_plain_text(stream.peek(_SAMPLE))


def _word2vec_text(
    stream: ByteStream, header: tuple[int, int], form: TextForm, bad: BadRows, limit: int | None
) -> Source:
    rows, dim = header
    if form.dim is not None and form.dim != dim and form.agreeing > form.exactly and form.agreeing * 2 > form.rows:
        raise VectorsError(
            f"{stream.path}: the header says {dim} numbers a row, and {form.agreeing} of the first {form.rows} rows "
            f"have {form.dim}; correct the header"
        )
    family = "fasttext" if ".vec" in stream.path.suffixes else None  # the name that fastText gives its text files
    text = TextRows(stream, dim, bad, rows, form.tabs)
    return Source(stream.path, "word2vec-text", dim, rows, family, text.blocks(limit), notes=text.notes)


def _glove(stream: ByteStream, format: str, bad: BadRows, limit: int | None) -> Source:  # noqa: A002
    lines = sample_lines(stream)
    form = form_of(lines, None)
    if form.dim is None or form.dim > MAX_DIM:
        raise _not_rows(stream, lines)
    if format == "auto":
        _refuse_lists(stream, form, lines)
        _refuse_dressed(stream, form)
    text = TextRows(stream, form.dim, bad, None, form.tabs)
    return Source(stream.path, "glove", form.dim, None, "glove", text.blocks(limit), notes=text.notes)


def _not_rows(stream: ByteStream, lines: Sequence[bytes]) -> VectorsError:
    """Say what a file is in which most lines do not end in numbers."""
    for row, line in enumerate(lines[:1], 1):
        if (wrong := next(filter(decimal_comma, line.split()[1:]), None)) is not None:
            return VectorsError(
                f"{stream.path}, row {row}: {shown(wrong)} is not a number; write points in place of decimal commas"
            )
    if what := what_lines_are(lines):
        return VectorsError(f"{stream.path} is {what}")
    first = lines[0].rstrip(b" \t\r") if lines else b""
    return VectorsError(f"{stream.path}: the first line is {shown(first)}; {_EXPECTED}")


def _refuse_dressed(stream: ByteStream, form: TextForm) -> None:
    """Refuse rows in which something stands at each word that is not part of it: no text would find such words.

    Raises:
        VectorsError: it does.
    """
    named = "; name the format, such as --format glove, if it is meant so"
    if form.around:
        where = f"in {form.around[0]}" if len(form.around) > 1 else f"before {form.around!r}"
        raise VectorsError(
            f"{stream.path}: each of the first {form.rows:,} words stands {where}; write the words alone{named}"
        )
    if form.counted:
        raise VectorsError(
            f"{stream.path}: the {form.counted} number of each row is a whole one and others are not, as counts of "
            f"words and their places are; take it away{named}"
        )


def _refuse_lists(stream: ByteStream, form: TextForm, lines: Sequence[bytes]) -> None:
    """Refuse texts with a label behind each, and counted words, which look like narrow vectors.

    Raises:
        VectorsError: it is such a list.
    """
    assert form.dim is not None
    if form.agreeing * 2 < form.rows:
        if what := what_lines_are(lines):
            raise VectorsError(f"{stream.path} is {what}")
        raise VectorsError(
            f"{stream.path}: only {form.agreeing:,} of the first {form.rows:,} lines end in {form.dim} numbers, and no "
            f"other width is commoner; {_EXPECTED}"
        )
    if form.wordless > 0.8 * form.agreeing and form.agreeing >= _LEAST_ROWS:
        raise VectorsError(
            f"{stream.path}: {form.wordless:,} of the first {form.rows:,} lines begin with a number; expected a word "
            "and its numbers. Name --format glove if those are its words"
        )
    if form.dim > _NARROW:
        return
    named = "; name --format glove if they are word vectors"
    if form.phrases * 2 > form.rows:
        raise VectorsError(
            f"{stream.path}: {form.phrases:,} of the first {form.rows:,} lines are several words with {form.dim} "
            f"number{'s'[: form.dim > 1]} behind them, as labelled texts are{named}"
        )
    if form.dim == 1 and form.whole_numbers and form.rows > 1:
        raise VectorsError(
            f"{stream.path}: each line is a word and one whole number, as lists of counted words are{named}"
        )
