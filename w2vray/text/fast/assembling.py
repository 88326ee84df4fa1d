"""Codes of tokens to ids: the rows of resolved misses in place, ``oov`` applied, everything counted.

Shape letters: CONTRIBUTING.md.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import kernel

__all__ = ["Entries", "OovIds", "assemble"]


class Entries(NamedTuple):
    """What each miss was resolved to: the entries ``offsets_W1[m]`` to ``offsets_W1[m + 1]``."""

    rows_E: npt.NDArray[np.int64]  # -1 where there is none
    made_E: npt.NDArray[np.int64]  # which of the words that rows are made for it is, -1 where none is made
    offsets_W1: npt.NDArray[np.int64]


class OovIds(NamedTuple):
    """Which id an entry without a row gets: the special one, or that of a row made for it; or it is skipped."""

    special: int  # -1 where there is none
    first_made: int  # -1 where none are made
    replaced: npt.NDArray[np.int32]  # [V] id of each row that the overlay replaces, -1 of others; empty without such


@kernel
def assemble(
    codes_L: npt.NDArray[np.int32],
    ends_N: npt.NDArray[np.int64],
    entries: Entries,
    oov: OovIds,
    words: int,
    noting: bool,
) -> tuple[
    npt.NDArray[np.int32],
    npt.NDArray[np.int32],
    npt.NDArray[np.int64],
    npt.NDArray[np.int32],
    npt.NDArray[np.int32],
    npt.NDArray[np.int64],
]:
    """Return ids_L, offsets_N1, token_counts_N and found_counts_N, as ``Ids`` has them, and which words are to be made.

    Args:
        codes_L: row of each token, or -1 less the number of its miss.
        ends_N: tokens before the end of each text.
        entries: of the misses.
        oov: of the model.
        words: M, as many as ``made_E`` speaks of.
        noting: whether it is told, between ids_L and offsets_N1, which token each id is of.
    """
    special, first_made, replaced = oov.special, oov.first_made, oov.replaced
    rows_E, made_E, offsets_W1 = entries.rows_E, entries.made_E, entries.offsets_W1
    numbers_M = np.full(words, -1, dtype=np.int64)
    made_U = np.empty(words, dtype=np.int64)
    made = 0
    texts = len(ends_N)
    ids_L = np.empty(len(codes_L), dtype=np.int32)
    tokens_L = np.empty(len(codes_L) if noting else 0, dtype=np.int32)
    offsets_N1 = np.zeros(texts + 1, dtype=np.int64)
    token_counts_N = np.zeros(texts, dtype=np.int32)
    found_counts_N = np.zeros(texts, dtype=np.int32)
    written = 0
    for text in range(texts):
        tokens = found = 0
        for token in range(ends_N[text - 1] if text else 0, ends_N[text]):
            code = codes_L[token]
            if code >= 0:
                first, last = 0, 1
                if written < len(ids_L) and not len(replaced):  # the common case, once more, without a loop
                    tokens += 1
                    found += 1
                    ids_L[written] = code
                    if noting:
                        tokens_L[written] = token
                    written += 1
                    continue
            else:
                first, last = offsets_W1[-1 - code], offsets_W1[-code]
            if written + last - first > len(ids_L):
                grown = np.empty(2 * (written + last - first), dtype=np.int32)
                grown[:written] = ids_L[:written]
                ids_L = grown
                if noting:
                    more = np.empty(len(grown), dtype=np.int32)
                    more[:written] = tokens_L[:written]
                    tokens_L = more
            if noting:
                tokens_L[written : written + last - first] = token
            for entry in range(first, last):
                row = np.int64(code) if code >= 0 else rows_E[entry]
                tokens += 1
                if row >= 0:
                    found += 1
                    ids_L[written] = replaced[row] if len(replaced) and replaced[row] >= 0 else row
                    written += 1
                elif special >= 0:
                    ids_L[written] = special
                    written += 1
                elif made_E[entry] >= 0:
                    word = made_E[entry]
                    if numbers_M[word] < 0:
                        numbers_M[word] = made
                        made_U[made] = word
                        made += 1
                    ids_L[written] = first_made + numbers_M[word]
                    written += 1
        token_counts_N[text], found_counts_N[text] = tokens, found
        offsets_N1[text + 1] = written
    return ids_L[:written], tokens_L[: written * noting], offsets_N1, token_counts_N, found_counts_N, made_U[:made]
