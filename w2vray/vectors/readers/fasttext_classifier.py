"""The binary format of a supervised fastText model (``.bin``, ``.ftz``): dictionary, features, output layer.

Rows may be quantised: a row is then a byte a group of numbers, which names one of 256 centroids, and where norms are
quantised another byte for its length. N-grams may be pruned to those that matter.

Source: ``FastText::loadModel``, ``Dictionary::load``, ``QuantMatrix::load`` and ``ProductQuantizer`` of fastText 0.9.2.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from w2vray.errors import VectorsError
from w2vray.text.features import Features
from w2vray.text.vocabulary import MISSING, Vocabulary
from w2vray.vectors.readers.bad_rows import shown
from w2vray.vectors.readers.block import MAX_DIM, rows_per_block
from w2vray.vectors.readers.fasttext_binary import (
    LABEL,
    SETTINGS,
    SUPERVISED,
    is_fasttext_binary,
    read_entry,
    read_numbers,
    read_version,
)
from w2vray.vectors.readers.stream import ByteStream, open_bytes

__all__ = ["FastTextClassifier", "open_classifier"]

_LOSSES = {1: "hs", 2: "ns", 3: "softmax", 4: "ova"}
_NO_CHARACTER_NGRAMS = 11
"""Format version of supervised models that had none, whatever their settings say."""

_CENTROIDS = 256
_MOST_BUCKETS = 1 << 31


@dataclass(frozen=True, eq=False)
class FastTextClassifier:
    """What a file holds, read as far as the rows of its table, which ``blocks`` yields in order.

    ``output()`` reads the output layer, [labels, D], once the blocks are read to their end. ``counts`` says how often
    each label was seen, which is what the tree of hierarchical softmax is made of.
    """

    path: Path
    loss: str
    dim: int
    words: list[str]
    labels: list[str]
    counts: list[int]
    features: Features
    rows: int
    quantised: bool
    _stream: ByteStream

    def blocks(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the table's rows, words' first; blocks of at most some MiB."""
        yield from _matrix(self._stream, self.rows, self.dim, quantised=self.quantised, what="input layer")

    def output(self) -> npt.NDArray[np.float32]:
        """Read the output layer.

        Raises:
            VectorsError: it is not there, or not of the labels' number.
        """
        quantised = bool(read_numbers(self._stream, "<?", "output layer")[0]) and self.quantised
        rows = _matrix(self._stream, len(self.labels), self.dim, quantised=quantised, what="output layer")
        return np.concatenate(list(rows))


@contextmanager
def open_classifier(path: str | Path) -> Iterator[FastTextClassifier]:
    """Open a supervised fastText model, plain or packed.

    Raises:
        VectorsError: it is no such file, it is damaged, or of a later version.
    """
    with open_bytes(Path(path)) as stream:
        if not is_fasttext_binary(stream.peek(64)):
            raise VectorsError(
                f"{path} is not a model of fastText; expected the .bin or .ftz file that `fasttext supervised` or "
                "`quantize` wrote"
            )
        yield _read(stream)


def _read(stream: ByteStream) -> FastTextClassifier:
    version = read_version(stream)
    settings = read_numbers(stream, SETTINGS)
    dim, word_ngrams, loss, model = settings[0], *settings[5:8]
    buckets, shortest, longest = settings[8:11]
    if model != SUPERVISED:
        raise VectorsError(
            f"{stream.path}: word vectors of fastText, and no classifier; `w2vray vectors import` reads them"
        )
    if loss not in _LOSSES:
        raise VectorsError(f"{stream.path}: a loss of the number {loss}; known: {', '.join(map(str, _LOSSES))}")
    if version == _NO_CHARACTER_NGRAMS:
        longest = 0
    without_rows = buckets == 0 and (longest > 0 or word_ngrams > 1)
    allowed = 1 <= dim <= MAX_DIM and 0 <= buckets < _MOST_BUCKETS and min(word_ngrams, shortest, longest) >= 0
    if not allowed or without_rows:
        raise VectorsError(
            f"{stream.path}: rows of {dim:,} numbers, {buckets:,} buckets, n-grams of {shortest} to {longest} "
            f"characters and {word_ngrams} words; such settings cannot be: the file is damaged"
        )
    words, labels, counts, pruned = _dictionary(stream, pruned_known=version is not None)
    bucket_rows = _bucket_rows(stream, pruned, buckets, len(words))
    quantised = version is not None and bool(read_numbers(stream, "<?")[0])
    features = Features(shortest, longest, max(word_ngrams, 1), buckets, bucket_rows, Vocabulary.build(labels))
    return FastTextClassifier(
        path=stream.path,
        loss=_LOSSES[loss],
        dim=dim,
        words=[word.decode(errors="surrogateescape") for word in words],
        labels=[label.decode(errors="replace") for label in labels],
        counts=counts,
        features=features,
        rows=len(words) + (buckets if pruned < 0 else pruned),
        quantised=quantised,
        _stream=stream,
    )


def _dictionary(stream: ByteStream, *, pruned_known: bool) -> tuple[list[bytes], list[bytes], list[int], int]:
    """Return words, labels, how often each label came, and how many n-grams were kept: -1 for all."""
    size, word_count, label_count, _ = read_numbers(stream, "<3iq")
    pruned = read_numbers(stream, "<q")[0] if pruned_known else -1
    if word_count < 1 or label_count < 1 or word_count + label_count != size:
        raise VectorsError(
            f"{stream.path}: {word_count:,} words and {label_count:,} labels of {size:,} entries; expected at least "
            "one of each, and no other entry"
        )
    words: list[bytes] = []
    labels: list[bytes] = []
    counts = []
    for _ in range(size):
        entry, count, kind = read_entry(stream)
        if kind == LABEL:
            labels.append(entry)
            counts.append(count)
        elif labels:
            raise VectorsError(f"{stream.path}: {shown(entry)} is a word among the labels; the file is damaged")
        else:
            words.append(entry)
    if (len(words), len(labels)) != (word_count, label_count):
        raise VectorsError(
            f"{stream.path}: {len(words):,} words and {len(labels):,} labels; expected {word_count:,} and "
            f"{label_count:,}: the file is damaged"
        )
    return words, labels, counts, pruned


def _bucket_rows(stream: ByteStream, pruned: int, buckets: int, words: int) -> npt.NDArray[np.int32]:
    """Read which n-grams were kept, and return the row of each bucket; empty where none was pruned."""
    if pruned < 0 or not buckets:
        return np.empty(0, dtype=np.int32)
    if pruned > buckets:
        raise VectorsError(f"{stream.path}: {pruned:,} n-grams kept of {buckets:,}; the file is damaged")
    data = stream.read(8 * pruned)
    if len(data) < 8 * pruned:
        raise VectorsError(f"{stream.path}: the file ends inside of its n-grams; it is truncated")
    kept = np.frombuffer(data, dtype="<i4").reshape(pruned, 2)
    if pruned and (kept.min() < 0 or kept[:, 0].max() >= buckets or kept[:, 1].max() >= pruned):
        raise VectorsError(f"{stream.path}: n-grams beyond the {buckets:,} buckets; the file is damaged")
    rows = np.full(buckets, MISSING, dtype=np.int32)
    rows[kept[:, 0]] = words + kept[:, 1]
    return rows


def _matrix(
    stream: ByteStream, rows: int, dim: int, *, quantised: bool, what: str
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield a matrix in blocks of rows.

    Raises:
        VectorsError: it is of another size, or ends early.
    """
    if quantised:
        yield from _quantised(stream, rows, dim, what)
        return
    found = read_numbers(stream, "<2q", what)
    _require_size(stream, what, found, (rows, dim))
    step = rows_per_block(dim)
    for start in range(0, rows, step):
        count = min(step, rows - start)
        data = _bytes(stream, count * dim * 4, what)
        yield np.frombuffer(data, dtype="<f4").reshape(count, dim)


def _quantised(stream: ByteStream, rows: int, dim: int, what: str) -> Iterator[npt.NDArray[np.float32]]:
    with_norms = bool(read_numbers(stream, "<?", what)[0])
    *found, code_bytes = read_numbers(stream, "<2qi", what)
    _require_size(stream, what, tuple(found), (rows, dim))
    if code_bytes < 0 or code_bytes % max(rows, 1):
        raise VectorsError(f"{stream.path}: {code_bytes:,} bytes of codes for {rows:,} rows; the file is damaged")
    codes_RE = np.frombuffer(_bytes(stream, code_bytes, what), dtype=np.uint8).reshape(rows, -1)
    quantizer = _Quantizer.read(stream, what)
    if (quantizer.dim, quantizer.groups) != (dim, codes_RE.shape[1]):
        raise VectorsError(f"{stream.path}: the codes of the {what} do not fit its centroids; the file is damaged")
    norms_R = None
    if with_norms:
        norm_codes_R = np.frombuffer(_bytes(stream, rows, what), dtype=np.uint8).reshape(rows, 1)
        norms_R = _Quantizer.read(stream, what).rows(norm_codes_R)[:, 0]
    step = rows_per_block(dim)
    for start in range(0, rows, step):
        rows_BD = quantizer.rows(codes_RE[start : start + step])
        yield rows_BD if norms_R is None else rows_BD * norms_R[start : start + step, None]


@dataclass(frozen=True, eq=False)
class _Quantizer:
    """Centroids of groups of ``width`` numbers; the last group may be narrower."""

    dim: int
    groups: int
    width: int
    centroids: npt.NDArray[np.float32]  # of all groups, one after another

    @classmethod
    def read(cls, stream: ByteStream, what: str) -> "_Quantizer":
        dim, groups, width, last = read_numbers(stream, "<4i", what)
        if not 1 <= dim <= MAX_DIM or groups < 1 or width < 1 or (groups - 1) * width + last != dim:
            raise VectorsError(
                f"{stream.path}: {groups:,} groups of {width:,} numbers, the last of {last:,}, for rows of {dim:,}; "
                "the file is damaged"
            )
        data = _bytes(stream, dim * _CENTROIDS * 4, what)
        return cls(dim, groups, width, np.frombuffer(data, dtype="<f4"))

    def rows(self, codes_BE: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return rows_BD."""
        parts = []
        for group in range(self.groups):
            start = group * self.width
            width = min(self.width, self.dim - start)
            of_group = self.centroids[start * _CENTROIDS : (start + width) * _CENTROIDS].reshape(_CENTROIDS, width)
            parts.append(of_group[codes_BE[:, group]])
        return np.concatenate(parts, axis=1)


def _require_size(stream: ByteStream, what: str, found: tuple[int, ...], expected: tuple[int, int]) -> None:
    if found != expected:
        raise VectorsError(
            f"{stream.path}: an {what} of {' x '.join(f'{size:,}' for size in found)}; expected {expected[0]:,} x "
            f"{expected[1]:,}"
        )


def _bytes(stream: ByteStream, size: int, what: str) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise VectorsError(
            f"{stream.path}: {len(data):,} bytes of the {what}, expected {size:,}; the file is truncated"
        )
    return data
