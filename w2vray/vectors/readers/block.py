"""What every reader gives: blocks of words with their vectors, in file order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from w2vray.text.pieces import Pieces
from w2vray.vectors.ngrams import NGrams

__all__ = ["BLOCK_ROWS", "MAX_DIM", "Block", "Source", "rows_per_block"]

BLOCK_ROWS = 4096
_BLOCK_NUMBERS = 1 << 22

MAX_DIM = 100_000
"""Numbers of a vector at most: more is a damaged header."""


def rows_per_block(dim: int) -> int:
    """Return how many rows make a block: fewer where they are wide, so that a block stays small."""
    return max(1, min(BLOCK_ROWS, _BLOCK_NUMBERS // dim))


@dataclass(frozen=True)
class Block:
    """Some rows of a file: N words and their vectors.

    ``rows`` are their places in the file, from 1; None where no row before or among them was left out. ``read`` is how
    many rows of the file were gone through for it, those that were left out counted too.
    """

    words: list[str]
    vectors_ND: npt.NDArray[np.float32]
    rows: Sequence[int] | None = None
    read: int | None = None


@dataclass(frozen=True)
class Source:
    """An opened file of word vectors.

    ``rows`` is what its header promises, None where it has no header; ``family`` the token rules such files come with,
    None where the words have to tell (see ``families.py``); ``ngrams`` the vectors of n-grams, where it has such;
    ``pieces`` the tokenizer, where words are pieces of one; ``notes`` sentences about the file that whoever asked
    should read, complete once all blocks were taken.
    """

    path: Path
    format: str
    dim: int
    rows: int | None
    family: str | None
    blocks: Iterator[Block]
    ngrams: NGrams | None = None
    pieces: Pieces | None = None
    notes: list[str] = field(default_factory=list)
