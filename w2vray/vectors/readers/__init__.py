"""Streaming readers of the file formats of word vectors; each format is recognised by looking at the file."""

from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from w2vray.errors import VectorsError
from w2vray.vectors.readers.block import MAX_DIM, Block, Source
from w2vray.vectors.readers.fasttext_binary import fasttext_source, is_fasttext_binary
from w2vray.vectors.readers.gensim_pickle import gensim_source, is_pickle
from w2vray.vectors.readers.static_model import FORMAT as STATIC_MODEL
from w2vray.vectors.readers.static_model import is_static_model, static_model_source
from w2vray.vectors.readers.stream import MAX_LINE, ByteStream, open_bytes
from w2vray.vectors.readers.text import is_number, read_text
from w2vray.vectors.readers.word2vec_binary import read_word2vec_binary

__all__ = ["Block", "Source", "open_source"]

_ZIP = b"PK\x03\x04"


@contextmanager
def open_source(
    path: str | Path,
    format: str = "auto",  # noqa: A002 - the option's own name
    *,
    trust_pickle: bool = False,
    limit: int | None = None,
) -> Iterator[Source]:
    """Open a file of word vectors; ``format`` is one of ``vectors_config.FORMATS``.

    Of the rows behind the first ``limit`` none is read: whatever is wrong with them is not told.

    Raises:
        VectorsError: it is not such a file; the message names the file, the row and what was expected. A file that can
            run code is not loaded unless ``trust_pickle`` is set.
    """
    path = Path(path)
    if path.is_dir():
        if format not in ("auto", STATIC_MODEL) or not (format == STATIC_MODEL or is_static_model(path)):
            raise VectorsError(
                f"{path} is a directory; expected a file of word vectors, or the directory of a static model, with "
                "model.safetensors and tokenizer.json"
            )
        with static_model_source(path) as source:
            yield source
        return
    with open_bytes(path) as stream:
        head = stream.peek(64)
        if path.suffix == ".safetensors":
            raise VectorsError(
                f"{path} holds tensors without their words; name the directory that it is in, with its tokenizer.json"
            )
        if head.startswith(_ZIP):
            raise VectorsError(f"{path} is a zip archive; unpack it first, and name the file of word vectors in it")
        if format == STATIC_MODEL:
            raise VectorsError(
                f"{path} is a file; {format} is a directory, with model.safetensors and tokenizer.json in it"
            )
        if format == "gensim" or (format == "auto" and is_pickle(head)):
            yield gensim_source(path, head, limit, trusted=trust_pickle)
        elif format == "fasttext-binary" or (format == "auto" and is_fasttext_binary(head)):
            with fasttext_source(stream, limit) as source:
                yield source
        else:
            yield _word2vec_or_glove(stream, format, limit)


def _word2vec_or_glove(stream: ByteStream, format: str, limit: int | None) -> Source:  # noqa: A002
    if stream.peek(len(BOM_UTF8)) == BOM_UTF8:
        stream.read(len(BOM_UTF8))
    header = _header(stream)
    if format == "auto":
        format = "glove" if header is None else "word2vec-text" if _is_text(stream, header[1]) else "word2vec-binary"  # noqa: A001
    if format == "glove":
        return _glove(stream, limit)
    if header is None:
        first = stream.peek(60)
        raise VectorsError(
            f"{stream.path}: a {format} file starts with a line of two numbers, rows and width; got {first!r}"
        )
    rows, dim = header
    stream.until(b"\n", MAX_LINE)
    if format == "word2vec-binary":
        return Source(stream.path, format, dim, rows, None, read_word2vec_binary(stream, rows, dim, limit))
    family = "fasttext" if ".vec" in stream.path.suffixes else None  # the name that fastText gives its text files
    return Source(stream.path, format, dim, rows, family, read_text(stream, rows, dim, limit))


def _header(stream: ByteStream) -> tuple[int, int] | None:
    """Return rows and width where the first line is a word2vec header."""
    line, newline, _ = stream.peek(64).partition(b"\n")
    fields = line.split()
    if not newline or len(fields) != 2 or not all(field.isdigit() for field in fields):
        return None
    rows, dim = int(fields[0]), int(fields[1])
    if rows < 1 or not 1 <= dim <= MAX_DIM:
        raise VectorsError(
            f"{stream.path}: the header says {rows} rows of {dim} numbers; "
            f"expected at least 1 row, and 1 to {MAX_DIM:,} numbers"
        )
    return rows, dim


def _is_text(stream: ByteStream, dim: int) -> bool:
    """Tell whether what follows the header is text: a word, then at most ``dim`` fields of which most are numbers."""
    lines = stream.peek(MAX_LINE).split(b"\n", 2)
    fields = lines[1].split()[1:][-dim:] if len(lines) > 1 else []
    return sum(map(is_number, fields)) > len(fields) / 2


def _glove(stream: ByteStream, limit: int | None) -> Source:
    line = stream.peek(MAX_LINE).split(b"\n", 1)[0].rstrip(b" \t\r")
    dim = 0
    for field in reversed(line.split(b" ")[1:]):
        if not is_number(field):
            break
        dim += 1
    if not 1 <= dim <= MAX_DIM:
        raise VectorsError(
            f"{stream.path}: the first line is {line[:60]!r}; expected word2vec (a line of rows and width), GloVe (a "
            "word and its numbers, parted by spaces), fastText's .bin or gensim's save()"
        )
    return Source(stream.path, "glove", dim, None, "glove", read_text(stream, None, dim, limit))
