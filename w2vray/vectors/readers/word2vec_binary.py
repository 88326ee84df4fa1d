"""The binary format of the word2vec tool: a header ``V D``, then each word, a space, and D little-endian float32.

Some writers put a newline behind each vector (the original tool, gensim's older files), some do not (GoogleNews).
"""

from collections.abc import Iterator

import numpy as np

from w2vray.errors import VectorsError
from w2vray.vectors.readers.block import Block, decode_word, rows_per_block
from w2vray.vectors.readers.stream import ByteStream

__all__ = ["read_word2vec_binary"]

_MAX_WORD = 1 << 16


def read_word2vec_binary(stream: ByteStream, rows: int, dim: int, limit: int | None = None) -> Iterator[Block]:
    """Read the first ``limit`` rows behind the header, which promises ``rows``.

    Raises:
        VectorsError: the file ends early, goes on behind the last row, or a word is empty or not UTF-8.
    """
    words: list[str] = []
    vectors: list[bytes] = []
    block_rows = rows_per_block(dim)
    last = rows if limit is None else min(rows, limit)
    for row in range(1, last + 1):
        word = stream.until(b" ", _MAX_WORD).lstrip(b"\n")
        vector = stream.read(4 * dim)
        if len(vector) < 4 * dim:
            raise VectorsError(
                f"{stream.path}, row {row}: the file ends here; its header promises {rows:,} rows of {dim} numbers. "
                "It is truncated, or its header is wrong"
            )
        words.append(decode_word(stream.path, row, word))
        vectors.append(vector)
        if len(words) == block_rows or row == last:
            yield Block(words, np.frombuffer(b"".join(vectors), dtype="<f4").reshape(-1, dim))
            words, vectors = [], []
    if last != limit and stream.peek(2) not in {b"", b"\n"}:
        raise VectorsError(
            f"{stream.path}: there is more behind row {rows:,}, the last that its header promises; "
            "the header counts too few rows, or this is another format"
        )
