"""Where the words of texts were written, those without an id too: what runs of words are made of.

The compiled twin of ``PlacedWords`` (``text/spans.py``). A word is an entry of a token; the places of words are those
of a look-up in which each entry has an id.

Shape letters: CONTRIBUTING.md; T counts the words of all texts, one text after another.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import kernel, read_only
from w2vray.text.fast.assembling import Entries, OovIds, assemble
from w2vray.text.fast.placing import Places

__all__ = ["FastWords", "words_of"]

_EACH = OovIds(0, -1, read_only(np.empty(0, dtype=np.int32)))
"""Ids of words whatever they are: all the same one, where there is no row."""


@dataclass(frozen=True, eq=False)
class FastWords:
    """The words of a block.

    ``places`` are those of words, ``hashes_T`` what runs are hashed from, ``offsets_N1`` the words before each text,
    and ``word_L`` the word that each id of the block is of.
    """

    places: Places
    hashes_T: npt.NDArray[np.uint64]
    offsets_N1: npt.NDArray[np.int64]
    word_L: npt.NDArray[np.int64]


def words_of(places: Places, hashes_V: npt.NDArray[np.uint64], hashes_E: npt.NDArray[np.uint64]) -> FastWords:
    """Find the words of a block whose runs were counted.

    Args:
        places: of its ids.
        hashes_V: of the rows of the vocabulary that the block has,
        hashes_E: and of the entries of misses.
    """
    scanned, entries = places.scanned, places.entries
    every = Entries(np.full_like(entries.rows_E, -1), np.full_like(entries.made_E, -1), entries.offsets_W1)
    _, tokens_T, offsets_N1, *_ = assemble(scanned.codes_L, scanned.ends_N, every, _EACH, 0, True)
    hashes_T, has_id_T = _told(
        scanned.codes_L, tokens_T, entries, places.oov_ids, read_only(hashes_V), read_only(hashes_E)
    )
    of_words = scanned._replace(tokens_L=tokens_T, offsets_N1=offsets_N1)
    return FastWords(
        replace(places, scanned=of_words, entries=every, oov_ids=_EACH),
        hashes_T,
        offsets_N1,
        np.flatnonzero(has_id_T),
    )


@kernel
def _told(
    codes_L: npt.NDArray[np.int32],
    tokens_T: npt.NDArray[np.int32],
    entries: Entries,
    oov: OovIds,
    hashes_V: npt.NDArray[np.uint64],
    hashes_E: npt.NDArray[np.uint64],
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]]:
    """Return the hash of each word, and whether it has an id."""
    hashes_T, has_id_T = np.empty(len(tokens_T), dtype=np.uint64), np.ones(len(tokens_T), dtype=np.bool_)
    before = np.int64(-1)  # the token of the last word
    entry = np.int64(0)
    for word in range(len(tokens_T)):
        token = np.int64(tokens_T[word])
        code = np.int64(codes_L[token])
        if code >= 0:
            hashes_T[word] = hashes_V[code]
        else:
            entry = entry + 1 if token == before else entries.offsets_W1[-1 - code]
            hashes_T[word] = hashes_E[entry]
            has_id_T[word] = entries.rows_E[entry] >= 0 or oov.special >= 0 or entries.made_E[entry] >= 0
        before = token
    return hashes_T, has_id_T
