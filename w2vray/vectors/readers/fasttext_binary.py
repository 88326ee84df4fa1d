"""The binary format of fastText (``.bin``): settings, dictionary, then a row for each word and each bucket of n-grams.

Behind them are the rows of the output layer, of which no more is wanted than that they are there. All numbers are
little-endian. Files from before 2017 have neither magic number nor version, nor what came with them.
A word's vector is the mean of its own row and of its n-grams' rows; ``</s>``, which ends lines, has no n-grams.

Source: fastText's ``Args::save``, ``Dictionary::save`` and ``DenseMatrix::save``.
"""

import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import numpy as np
import numpy.typing as npt

from w2vray.errors import VectorsError
from w2vray.vectors.ngrams import NGrams
from w2vray.vectors.readers.bad_rows import BadRows, Reason, checked_word, shown
from w2vray.vectors.readers.block import MAX_DIM, Block, Source, rows_per_block
from w2vray.vectors.readers.stream import ByteStream

__all__ = [
    "LABEL",
    "SETTINGS",
    "SUPERVISED",
    "fasttext_source",
    "is_fasttext_binary",
    "read_entry",
    "read_numbers",
    "read_version",
]

FORMAT = "fasttext-binary"
_MAGIC = 793712314
_VERSION = 12
SETTINGS = "<12id"  # dim, window, epochs, least count, negatives, word n-grams, loss, model, buckets, lengths, rate, t
_OLD_FIRST = "<13i"  # those ints of a file without a magic number
SUPERVISED = 3
LABEL = 1
_MAX_WORD = 1 << 16
_LINE_END = "</s>"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class _Header:
    dim: int
    buckets: int
    shortest: int
    longest: int
    rows: int  # of words
    words: list[str]  # the first of them that can be used
    places: list[int]  # the rows that they have
    new: bool  # with a magic number, and what came with it


def is_fasttext_binary(head: bytes) -> bool:
    """Tell from the first 64 bytes: the magic number, or settings that can be ones where it should be."""
    if head.startswith(struct.pack("<i", _MAGIC)):
        return True
    if len(head) < struct.calcsize(_OLD_FIRST):
        return False
    dim, window, epochs, least, negatives, _, loss, model, buckets, shortest, longest, _, _ = struct.unpack_from(
        _OLD_FIRST, head
    )
    if not 1 <= dim <= MAX_DIM or min(window, epochs, least, negatives, buckets) < 0:
        return False
    return bool(1 <= loss <= 4 and 1 <= model <= 3 and 0 <= shortest < 100 and 0 <= longest < 100)


@contextmanager
def fasttext_source(stream: ByteStream, bad: BadRows, limit: int | None = None) -> Iterator[Source]:
    """Open a file at its start, and read the vectors of its first ``limit`` words.

    Labels, which a text had that words were learnt from, have no vectors: they are counted and left out.

    Raises:
        VectorsError: it is truncated, quantised, supervised, or of a later version; its numbers contradict each other.
    """
    header = _read_header(stream, bad, limit)
    with _rows(stream, header) as rows_ND:
        ngrams = None
        if header.buckets and header.longest:
            ngrams = NGrams(rows_ND[header.rows :], header.shortest, header.longest)
        blocks = _blocks(header, rows_ND[: header.rows], limit, ngrams)
        yield Source(stream.path, FORMAT, header.dim, header.rows, "fasttext", blocks, ngrams)


def _blocks(
    header: _Header, own_VD: npt.NDArray[np.float32], limit: int | None, ngrams: NGrams | None
) -> Iterator[Block]:
    step = rows_per_block(own_VD.shape[1])
    read = 0
    for start in range(0, len(header.words), step):
        block, places = header.words[start : start + step], header.places[start : start + step]
        own_ND = own_VD[places[0] : places[-1] + 1]
        if len(own_ND) != len(places):
            own_ND = own_VD[places]
        with np.errstate(all="ignore"):  # whoever reads checks what comes of numbers that are not finite
            vectors_ND = own_ND if ngrams is None else ngrams.composed(block, own_ND)
        if _LINE_END in block:
            vectors_ND = np.array(vectors_ND)
            vectors_ND[block.index(_LINE_END)] = own_ND[block.index(_LINE_END)]
        last = start + step >= len(header.words)
        behind = min(header.rows, limit or header.rows) if last else places[-1] + 1
        yield Block(block, vectors_ND, [place + 1 for place in places], behind - read)
        read = behind


def _read_header(stream: ByteStream, bad: BadRows, limit: int | None) -> _Header:
    version = read_version(stream)
    new = version is not None
    settings = read_numbers(stream, SETTINGS)
    dim, model, (buckets, shortest, longest) = settings[0], settings[7], settings[8:11]
    size, words, labels, _ = read_numbers(stream, "<3iq")
    pruned = read_numbers(stream, "<q")[0] if new else 0
    if model == SUPERVISED:
        raise VectorsError(
            f"{stream.path}: a fastText classifier ({labels:,} labels); expected word vectors (fasttext skipgram or "
            "cbow): a classifier's vectors say what its labels need and no more. `w2vray models import` makes a model "
            "of it"
        )
    if not 1 <= dim <= MAX_DIM or min(words, labels + 1) < 1 or words + labels != size or buckets < 0 or pruned > 0:
        raise VectorsError(
            f"{stream.path}: {words:,} words and {labels:,} labels of {size:,} entries, words of {dim} numbers, "
            f"{buckets:,} buckets, {pruned:,} of them pruned; expected at least 1 word, 1 to {MAX_DIM:,} numbers, and "
            "nothing pruned"
        )
    if shortest < 0:
        raise VectorsError(f"{stream.path}: n-grams of {shortest} characters; expected 0 or more")
    read, places = _read_words(stream, bad, words, limit)
    for _ in range(labels):
        label, _, kind = read_entry(stream)
        if kind != LABEL:
            raise VectorsError(f"{stream.path}: {shown(label)} is a word among the labels; the file is damaged")
        bad.left_out(None, Reason.LABEL, shown(label))
    if new and read_numbers(stream, "<?")[0]:
        raise VectorsError(f"{stream.path}: quantised (.ftz); expected the .bin file that it was made from")
    rows, width = read_numbers(stream, "<2q")
    if (rows, width) != (words + buckets, dim):
        raise VectorsError(
            f"{stream.path}: a table of {rows:,} x {width:,}; expected {words + buckets:,} x {dim}: a row for each of "
            f"{words:,} words and {buckets:,} buckets of n-grams"
        )
    return _Header(dim, buckets, shortest, longest, words, read, places, new)


def _read_words(stream: ByteStream, bad: BadRows, words: int, limit: int | None) -> tuple[list[str], list[int]]:
    """Return the first words that can be used, and their rows from 0."""
    read: list[str] = []
    places: list[int] = []
    for row in range(1, words + 1):
        word, _, kind = read_entry(stream)
        if kind == LABEL:
            raise VectorsError(f"{stream.path}, row {row}: {shown(word)} is a label among the words; it is damaged")
        if limit is not None and row > limit:
            continue
        try:
            decoded = word.decode()
        except UnicodeDecodeError:
            decoded = ""
        if not decoded:  # a dictionary may hold any other word: nothing else ends it than the NUL behind it
            reason, message = checked_word(word)
            bad.found(row, reason, message, shown(word))
            continue
        read.append(decoded)
        places.append(row - 1)
    return read, places


def read_version(stream: ByteStream) -> int | None:
    """Read the magic number and the format's version; None where an old file has neither.

    Raises:
        VectorsError: it is of a later version.
    """
    if stream.peek(4) != struct.pack("<i", _MAGIC):
        return None
    _, version = read_numbers(stream, "<2i")
    if version > _VERSION:
        raise VectorsError(f"{stream.path}: fastText's format version {version}; expected at most {_VERSION}")
    return version


def read_entry(stream: ByteStream) -> tuple[bytes, int, int]:
    """Read an entry of the dictionary: a word or a label, how often it was seen, and which of both it is."""
    word = stream.until(b"\0", _MAX_WORD)
    count, kind = read_numbers(stream, "<qb")
    return word, count, kind


def read_numbers(stream: ByteStream, layout: str, where: str = "settings or dictionary") -> tuple[int, ...]:
    """Read numbers by a layout of ``struct``.

    Raises:
        VectorsError: the file ends among them.
    """
    size = struct.calcsize(layout)
    data = stream.read(size)
    if len(data) < size:
        raise VectorsError(f"{stream.path}: the file ends inside of its {where}; it is truncated")
    return struct.unpack(layout, data)


@contextmanager
def _rows(stream: ByteStream, header: _Header) -> Iterator[npt.NDArray[np.float32]]:
    """Map the rows of words and buckets, [rows + buckets, D]; of a packed file, after unpacking them to disk."""
    shape = (header.rows + header.buckets, header.dim)
    size = shape[0] * shape[1] * 4
    if not stream.packing:
        start = stream.position
        if (there := stream.skip(size)) < size:
            raise _truncated(stream, there, size, "vectors")
        _pass_output(stream, header)
        yield np.memmap(stream.path, dtype="<f4", mode="r", offset=start, shape=shape)
        return
    with tempfile.TemporaryFile(prefix="w2vray-") as file:
        _unpack(stream, size, file)
        _pass_output(stream, header)
        yield np.memmap(file, dtype="<f4", mode="r", shape=shape)


def _pass_output(stream: ByteStream, header: _Header) -> None:
    """See that the output layer is there: a file that was cut short inside of it may have lost more than that."""
    quantised = read_numbers(stream, "<?", "output layer")[0] if header.new else False
    rows, width = read_numbers(stream, "<2q", "output layer")
    if quantised or rows < 0 or width != header.dim:
        kind = "a quantised output layer" if quantised else f"an output layer of {rows:,} x {width:,}"
        raise VectorsError(f"{stream.path}: {kind}; expected one of rows of {header.dim:,} numbers")
    size = rows * width * 4
    if (there := stream.skip(size)) < size:
        raise _truncated(stream, there, size, "output layer")


def _unpack(stream: ByteStream, size: int, file: IO[bytes]) -> None:
    left = size
    while left:
        data = stream.read(min(_CHUNK, left))
        if not data:
            raise _truncated(stream, size - left, size, "vectors")
        try:
            file.write(data)
        except OSError as error:
            raise VectorsError(
                f"{stream.path}: no room to unpack {size:,} bytes in {tempfile.gettempdir()} ({error.strerror}); "
                "unpack the file yourself, or name another folder with TMPDIR"
            ) from error
        left -= len(data)
    file.flush()


def _truncated(stream: ByteStream, got: int, size: int, what: str) -> VectorsError:
    return VectorsError(f"{stream.path}: {got:,} bytes of {what}, expected {size:,}; the file is truncated")
