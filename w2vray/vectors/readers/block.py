"""What every reader gives: blocks of words with their vectors, in file order."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from w2vray.errors import VectorsError
from w2vray.text.pieces import Pieces
from w2vray.vectors.ngrams import NGrams

__all__ = ["BLOCK_ROWS", "MAX_DIM", "Block", "Source", "decode_word", "rows_per_block"]

BLOCK_ROWS = 4096
_BLOCK_NUMBERS = 1 << 22

MAX_DIM = 100_000
"""Numbers of a vector at most: more is a damaged header."""


def rows_per_block(dim: int) -> int:
    """Return how many rows make a block: fewer where they are wide, so that a block stays small."""
    return max(1, min(BLOCK_ROWS, _BLOCK_NUMBERS // dim))


@dataclass(frozen=True)
class Block:
    """Some rows of a file: N words and their vectors."""

    words: list[str]
    vectors_ND: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Source:
    """An opened file of word vectors.

    ``rows`` is what its header promises, None where it has no header; ``family`` the token rules such files come with,
    None where the words have to tell (see ``families.py``); ``ngrams`` the vectors of n-grams, where it has such;
    ``pieces`` the tokenizer, where words are pieces of one.
    """

    path: Path
    format: str
    dim: int
    rows: int | None
    family: str | None
    blocks: Iterator[Block]
    ngrams: NGrams | None = None
    pieces: Pieces | None = None


def decode_word(path: Path, row: int, word: bytes) -> str:
    """Decode a word of a file's row (the first is row 1).

    Raises:
        VectorsError: it is empty or not UTF-8.
    """
    if not word:
        raise VectorsError(f"{path}, row {row}: the word is empty; expected at least one character")
    try:
        return word.decode()
    except UnicodeDecodeError as error:
        raise VectorsError(f"{path}, row {row}: the word {word!r} is not UTF-8; convert the file to UTF-8") from error
