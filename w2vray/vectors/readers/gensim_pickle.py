"""gensim's own files, as its ``save`` writes them: KeyedVectors, and whole Word2Vec and FastText models.

They are Python pickles: loading one runs whatever code it names. Large arrays may lie beside it in ``.npy`` files.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from w2vray.errors import VectorsError
from w2vray.vectors.ngrams import NGrams
from w2vray.vectors.readers.bad_rows import BadRows, checked_word, shown
from w2vray.vectors.readers.block import MAX_DIM, Block, Source, rows_per_block
from w2vray.vectors.readers.stream import ByteStream

__all__ = ["gensim_source", "is_pickle"]

FORMAT = "gensim"
_PACKED = {".gz", ".bz2"}  # by their names gensim tells such files, and does not map what lies beside them


def is_pickle(head: bytes) -> bool:
    """Tell from the first two bytes: the mark of pickle protocols 2 to 5."""
    return len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5


def gensim_source(stream: ByteStream, bad: BadRows, limit: int | None = None, *, trusted: bool) -> Source:
    """Load a file by gensim.

    Only the first ``limit`` of its rows are handed on.

    Raises:
        VectorsError: nobody said that it is trusted, or it holds no word vectors that this version of gensim can load.
    """
    path, head = stream.path, stream.peek(64)
    if not is_pickle(head):
        raise VectorsError(f"{path}: gensim's files are pickles, and this is not one: it starts with {head[:8]!r}")
    if not trusted:
        raise VectorsError(
            f"{path} is a Python pickle, as gensim's save() writes it: loading it runs any code that somebody put into "
            "it. Add --trust-pickle if you know who made it; otherwise ask for word2vec format "
            "(in gensim: save_word2vec_format)"
        )
    if stream.packing and path.suffix not in _PACKED:
        raise VectorsError(f"{path} is a gensim file in {stream.packing}; unpack it first")
    vectors = _load(path)
    words, table_VD = list(vectors.index_to_key), np.asarray(vectors.vectors)
    odd = [word for word in words[:limit] if not isinstance(word, str)]
    if odd or table_VD.ndim != 2 or len(words) != len(table_VD) or not 1 <= table_VD.shape[1] <= MAX_DIM:
        raise VectorsError(
            f"{path}: {len(words):,} words ({odd[:1]} is none of them) and a table of {table_VD.shape}; expected a row "
            f"for each word, of 1 to {MAX_DIM:,} numbers, and words that are strings"
        )
    ngrams = _ngrams(path, vectors)
    family = None if ngrams is None else "fasttext"
    return Source(path, FORMAT, table_VD.shape[1], len(words), family, _blocks(words[:limit], table_VD, bad), ngrams)


def _ngrams(path: Path, vectors: Any) -> NGrams | None:
    buckets = getattr(vectors, "bucket", 0)
    if not buckets or not vectors.max_n:
        return None
    table_GD = np.asarray(vectors.vectors_ngrams)
    if len(table_GD) != buckets:
        raise VectorsError(
            f"{path}: {len(table_GD):,} rows for {buckets:,} buckets of n-grams: gensim before 4 packed them, and "
            "later ones cannot make vectors of unknown words from them; train it again, or save it in word2vec format"
        )
    return NGrams(table_GD, int(vectors.min_n), int(vectors.max_n))


def _load(path: Path) -> Any:
    """Return the KeyedVectors of a file."""
    from gensim.models import KeyedVectors

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what old files were made with is no news for who reads them
            loaded = KeyedVectors.load(str(path), mmap=None if path.suffix in _PACKED else "r")
    except FileNotFoundError as error:
        missing = Path(str(error.filename or error)).name
        raise VectorsError(
            f"{path}: {missing}, which gensim's save() wrote beside it, is missing; fetch it into the same folder, "
            "under that name"
        ) from error
    except Exception as error:  # a pickle can raise anything at all
        raise VectorsError(
            f"{path}: gensim cannot load it ({type(error).__name__}: {error}); load it with the version that wrote it, "
            "and save it in word2vec format (save_word2vec_format)"
        ) from error
    vectors = getattr(loaded, "wv", loaded)
    if not isinstance(vectors, KeyedVectors):
        kind = f"{type(loaded).__module__}.{type(loaded).__name__}"
        raise VectorsError(f"{path} holds a {kind}; expected gensim's KeyedVectors, Word2Vec or FastText")
    return vectors


def _blocks(words: list[str], table_VD: Any, bad: BadRows) -> Iterator[Block]:
    step = rows_per_block(table_VD.shape[1])
    for start in range(0, len(words), step):
        block = words[start : start + step]
        good = [index for index, word in enumerate(block) if _is_good(word, start + index + 1, bad)]
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and the writer refuses it
            vectors_ND = np.asarray(table_VD[start : start + len(block)]).astype(np.float32)[good]
        yield Block([block[index] for index in good], vectors_ND, [start + index + 1 for index in good], len(block))


def _is_good(word: str, row: int, bad: BadRows) -> bool:
    """Tell whether a word can be one, and hand it to ``bad`` where it cannot."""
    reason, message = checked_word(word.encode(errors="surrogatepass"))
    if reason:
        bad.found(row, reason, message, shown(word.encode(errors="surrogatepass")))
    return not reason
