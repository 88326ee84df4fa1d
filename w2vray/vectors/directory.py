"""The vectors directory: flat arrays that open by memory map, whatever their size.

::

    vectors.json     rows, width, dtype, token rules, fingerprint, where they came from
    table.bin        [V, D] float32 or float16
    words.bin        UTF-8 of all words; word_offsets.bin [V + 1] int64 says where each starts
    slot_rows.bin    [slots] int32 and slot_tags.bin [slots] uint32: the hash index of vocabulary.py
    ngrams.bin       [G, D] of the table's dtype, only where the vectors have n-grams (see ngrams.py)
    tokenizer.json   only where words are pieces of a tokenizer (see text/pieces.py)
    bucket_rows.bin, label_words.bin, label_offsets.bin   only of a fastText classifier (see text/features.py): the rows
                     of its n-grams follow those of words in table.bin

``writer.py`` makes it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from w2vray.artefacts import no_path_because, plain_file, read_json
from w2vray.errors import BundleError, VectorsError
from w2vray.places.fetching import DirectoryKind, fetched_directory
from w2vray.places.uris import is_uri, without_secrets
from w2vray.settings.choices import DTYPES
from w2vray.standing import instead
from w2vray.text.features import FeatureLookup, Features
from w2vray.text.lookup import Lookup
from w2vray.text.pieces import Pieces
from w2vray.text.rules import TokenRules
from w2vray.text.vocabulary import MISSING, Vocabulary
from w2vray.text.word_ngrams import WordNgrams
from w2vray.vectors.content import META, require_content
from w2vray.vectors.ngrams import NGrams

__all__ = ["FILES", "FORMAT_VERSION", "JOINED", "META", "TOKENIZER", "Vectors"]

FORMAT_VERSION = 1
TOKENIZER = "tokenizer.json"
JOINED = "joined"
"""Format of the source of vectors that were joined."""

_ARRAYS = ("table", "words", "word_offsets", "slot_rows", "slot_tags", "ngrams")
_OF_FEATURES = ("bucket_rows", "label_words", "label_offsets")
FILES = frozenset({META, TOKENIZER, *(f"{name}.bin" for name in (*_ARRAYS, *_OF_FEATURES))})
"""All that a vectors directory may hold."""

_KIND = DirectoryKind(
    what="a vectors directory",
    sign=META,
    names=FILES,
    made_by="make one with `w2vray vectors import` or `w2vray vectors train`",
    error=VectorsError,
)

_NO_ROWS = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Vectors:
    """A table of word vectors, its words, and the rules for splitting text that go with it.

    ``table_VD`` may be a memory map or a view of Ray's object store: it is shared, and nothing may write to it.
    """

    table_VD: npt.NDArray[Any]
    vocabulary: Vocabulary
    rules: TokenRules
    fingerprint: str
    source: Mapping[str, Any]
    path: Path | None = None
    ngrams: NGrams | None = None
    pieces: Pieces | None = None
    features: Features | None = None
    uri: str = ""  # where they were fetched from, without any key

    @property
    def place(self) -> str:
        """Where a person finds them: a URI, or a path."""
        return self.uri or (str(self.path) if self.path else "these vectors")

    def sent_to(self, output: str) -> Self:
        """Return these vectors as they are known after they were written to ``output``, a path or a URI."""
        return replace(self, path=None, uri=without_secrets(output)) if is_uri(output) else self

    @property
    def dim(self) -> int:
        """Width of the table."""
        return int(self.table_VD.shape[1])

    @property
    def unit_length(self) -> bool:
        """Whether the library that they came with scales the mean of a text to length 1."""
        return self.pieces is not None and self.pieces.unit_length

    def __len__(self) -> int:
        return len(self.table_VD)

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Map a vectors directory into memory; nothing of the table is read yet.

        One at a URI is fetched, once: see ``places/cache.py``.

        Raises:
            VectorsError: it is not a vectors directory, or a file of it is missing or of the wrong size.
        """
        if is_uri(str(path)):
            local = fetched_directory(str(path), _KIND, require_content)
            return replace(cls.open(local), uri=without_secrets(str(path)))
        path = Path(path)
        meta = _read_meta(path)
        try:
            rows, dim, dtype = meta["rows"], meta["dim"], meta["dtype"]
            if dtype not in DTYPES:
                raise VectorsError(f"{path / META}: dtype is {dtype!r}; expected one of {', '.join(DTYPES)}")
            of_features = meta.get("features") or {}
            feature_rows = int(of_features.get("rows", 0))
            table = _map(path, "table", dtype, (rows + feature_rows if of_features else rows, dim))
            vocabulary = Vocabulary(
                blob=_map(path, "words", "uint8", (meta["word_bytes"],)),
                offsets=_map(path, "word_offsets", "int64", (rows + 1,)),
                slot_rows=_map(path, "slot_rows", "int32", (meta["slots"],)),
                slot_tags=_map(path, "slot_tags", "uint32", (meta["slots"],)),
            )
            _check_vocabulary(path, vocabulary, rows)
            rules, ngrams = TokenRules.from_dict(meta["tokens"]), None
            if (stored := meta.get("ngrams")) is not None:
                rows_GD = _map(path, "ngrams", dtype, (stored["buckets"], dim))
                ngrams = NGrams(rows_GD, int(stored["shortest"]), int(stored["longest"]))
            pieces = _pieces(path, meta["pieces"]) if rules.pieces else None
            features = _features(path, of_features, rows + feature_rows) if rules.features else None
            source, fingerprint = dict(meta["source"]), str(meta["fingerprint"])
            return cls(table, vocabulary, rules, fingerprint, source, path.resolve(), ngrams, pieces, features)
        except (KeyError, TypeError, ValueError, BundleError) as error:
            raise VectorsError(f"{path / META} is not a description of word vectors ({error})") from error

    def for_oov(self, oov: str) -> Self:
        """Return the vectors that this ``--oov`` needs: without n-grams, unless it makes rows of them.

        Raises:
            VectorsError: it needs n-grams, and these vectors have none.
        """
        if oov != "subword":
            return replace(self, ngrams=None)
        if self.ngrams is None:
            none = "none, as joined vectors never have" if self.source.get("format") == JOINED else "none"
            raise VectorsError(
                f"--oov subword makes vectors from n-grams, and {self.place} has {none}; import a "
                "fastText .bin file or train with `vectors train --algorithm fasttext`, or choose another --oov"
            )
        return self

    def require_words(self) -> None:
        """Refuse the vectors of a classifier, which no other model can use.

        Raises:
            VectorsError: they are such.
        """
        if self.features is not None:
            raise VectorsError(
                f"{self.place} belongs to a classifier of fastText, and says what that one's labels "
                "need; name vectors that were trained on text"
            )

    def without_html(self) -> Self:
        """Return the vectors with the rule that texts are read without their HTML."""
        return replace(self, rules=replace(self.rules, strip_html=True))

    def lookup(
        self,
        rules: TokenRules,
        oov: str,
        replaced_rows: npt.NDArray[np.int64] = _NO_ROWS,
        word_ngrams: WordNgrams | None = None,
    ) -> Lookup:
        """Return the look-up of a model: in this table, by these n-grams, or of these pieces."""
        if self.features is not None:
            return FeatureLookup(self.vocabulary, rules, oov, replaced_rows, features=self.features)
        covers = None if self.ngrams is None else self.ngrams.covers
        return Lookup(self.vocabulary, rules, oov, replaced_rows, covers, self.pieces, word_ngrams)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the flat arrays, for Ray's object store; ``from_arrays`` is the way back."""
        vocabulary = self.vocabulary
        arrays = {
            "table": self.table_VD,
            "words": vocabulary.blob,
            "word_offsets": vocabulary.offsets,
            "slot_rows": vocabulary.slot_rows,
            "slot_tags": vocabulary.slot_tags,
        }
        if self.ngrams is not None:
            arrays["ngrams"] = self.ngrams.table_GD
            arrays["ngram_lengths"] = np.array([self.ngrams.shortest, self.ngrams.longest])
        if self.pieces is not None:
            arrays["tokenizer"] = self.pieces.described
            arrays["unit_length"] = np.array(self.pieces.unit_length)
        if self.features is not None:
            arrays |= self.features.arrays()
        return {name: np.asarray(array) for name, array in arrays.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], rules: TokenRules, fingerprint: str) -> Self:
        """Rebuild around shared arrays without copying them."""
        vocabulary = Vocabulary(arrays["words"], arrays["word_offsets"], arrays["slot_rows"], arrays["slot_tags"])
        ngrams = NGrams(arrays["ngrams"], *arrays["ngram_lengths"].tolist()) if "ngrams" in arrays else None
        pieces = Pieces(arrays["tokenizer"], bool(arrays["unit_length"])) if "tokenizer" in arrays else None
        features = Features.from_arrays(arrays) if "features" in arrays else None
        return cls(arrays["table"], vocabulary, rules, fingerprint, {}, ngrams=ngrams, pieces=pieces, features=features)


def _read_meta(path: Path) -> dict[str, Any]:
    if not path.is_dir():
        if why := no_path_because(str(path)):
            raise VectorsError(f"{path}: {why}")
        raise VectorsError(
            f"{path} is not a vectors directory{instead(path)}; make one with `w2vray vectors import` or "
            "`w2vray vectors train`"
        )
    if not (path / META).exists():
        raise VectorsError(f"{path} is not a vectors directory: it has no readable {META}{instead(path)}")
    meta = read_json(path, META, VectorsError)
    if not isinstance(meta, dict) or meta.get("format_version") != FORMAT_VERSION:
        found = meta.get("format_version") if isinstance(meta, dict) else None
        raise VectorsError(f"{path / META}: format version {found!r}; this version of w2vray reads {FORMAT_VERSION}")
    return meta


def _pieces(path: Path, stored: Mapping[str, Any]) -> Pieces:
    unit_length = stored["unit_length"]
    if not isinstance(unit_length, bool):
        raise VectorsError(f"{path / META}: unit_length of pieces is {unit_length!r}; expected true or false")
    return Pieces(_map(path, TOKENIZER, "uint8", (stored["bytes"],)), unit_length, str(path / TOKENIZER))


def _features(path: Path, stored: Mapping[str, Any], rows: int) -> Features:
    numbers = [stored[name] for name in ("shortest", "longest", "word_ngrams", "buckets", "pruned", "labels")]
    if any(type(number) is not int or number < 0 for number in numbers):
        raise VectorsError(f"{path / META}: features are {stored!r}; expected whole numbers from 0 on")
    shortest, longest, word_ngrams, buckets, pruned, labels = numbers
    bucket_rows = _map(path, "bucket_rows", "int32", (buckets,)) if pruned else np.empty(0, dtype=np.int32)
    if pruned and (int(bucket_rows.min()) < MISSING or int(bucket_rows.max()) >= rows):
        raise VectorsError(f"{path / 'bucket_rows.bin'} names rows beyond the {rows:,} there are: import it again")
    if not pruned and buckets != stored["rows"]:
        raise VectorsError(f"{path / META}: {buckets:,} buckets and {stored['rows']:,} rows of them; import it again")
    offsets = _map(path, "label_offsets", "int64", (labels + 1,))
    blob = _map(path, "label_words", "uint8", (int(offsets[-1]),))
    if offsets[0] != 0 or bool((np.diff(offsets) < 0).any()):
        raise VectorsError(f"{path / 'label_offsets.bin'} does not cut label_words.bin into labels: import it again")
    words = [blob[start:stop].tobytes() for start, stop in pairwise(offsets.tolist())]
    return Features(shortest, longest, word_ngrams, buckets, bucket_rows, Vocabulary.build(words))


def _check_vocabulary(path: Path, vocabulary: Vocabulary, rows: int) -> None:
    """Check the arrays that compiled code follows without looking where they lead."""
    offsets, slot_rows = vocabulary.offsets, vocabulary.slot_rows
    ends = offsets[0] == 0 and offsets[-1] == len(vocabulary.blob)
    if not ends or bool((np.diff(offsets) < 0).any()):
        raise VectorsError(
            f"{path / 'word_offsets.bin'} does not cut words.bin into words. It is damaged: make it again"
        )
    if int(slot_rows.min()) < MISSING or int(slot_rows.max()) >= rows:
        raise VectorsError(
            f"{path / 'slot_rows.bin'} names rows beyond the {rows:,} there are. It is damaged: make it again"
        )
    if len(slot_rows) & (len(slot_rows) - 1) or int(np.count_nonzero(slot_rows == MISSING)) == 0:
        raise VectorsError(f"{path / 'slot_rows.bin'} is no hash index: a search in it may not end. Make it again")


def _map(path: Path, name: str, dtype: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    if any(not isinstance(size, int) or size < 1 for size in shape):
        raise VectorsError(f"{path / META}: {name} would be of shape {shape}; expected whole numbers above 0")
    expected = math.prod(shape) * np.dtype(dtype).itemsize
    file = plain_file(path, name if "." in name else f"{name}.bin", VectorsError, most_bytes=1 << 62)
    try:
        size = file.stat().st_size
        if size != expected:
            raise VectorsError(f"{file} has {size:,} bytes; expected {expected:,}. It is damaged: make it again")
        return np.memmap(file, dtype=dtype, mode="r", shape=shape)
    except OSError as error:
        raise VectorsError(f"{file} cannot be read ({error.strerror})") from error
