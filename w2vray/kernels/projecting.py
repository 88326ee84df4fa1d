"""Projected rows of words: what a model's first linear step makes of each, computed once and kept within a bound.

The vectors do not change while a store is scored, so the first step of each model, which is linear in a word's vector,
need not be computed for each token, but for each distinct word: ``projected_WP = vectors_WD @ weights_DP + bias_P``.
Words come again and again; the rows of those used most are kept from block to block, in ``capacity`` places. Where all
words take no more than an instant, and fit, each has its row from the start, and no id needs to be led to its place.

No answer depends on what is kept: the product is one whose rows do not depend on those beside them, so that the same
word has the same numbers whichever words came along.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from w2vray.kernels.aligning import aligned
from w2vray.kernels.compiling import kernel, read_only
from w2vray.kernels.loading import call_for
from w2vray.kernels.multiplying import multiply, panels, whole_tiles

__all__ = ["LEAST_PLACES", "AllRows", "ProjectedRows", "RowsInUse", "Span", "projected_rows"]

LEAST_PLACES = 1024
"""Places there are whatever the bound: more than the ids that any window reads."""

_TOGETHER = 96
"""Words that are projected at once: their vectors stay in the processor's cache while all panels go by."""

_SOON_READ, _SOON_PROJECTED = 1 << 26, 1 << 30
"""Numbers that are read, and products that are summed up, within a tenth of a second."""

_READ_A_BYTE, _PROJECTED_A_BYTE = 1.25, 16.0
"""The same for each byte of text that is ahead: with that much text, projecting all words saves the time it takes.

256 million numbers (2 million rows) took 1.0 s. The first 100 MB of text then took 0.8 s less, each further one 0.2 s.
"""

_DROPPED_SHARE, _DROPS_BETWEEN_AGING = 8, 16
"""Where all places are taken, one in so many is given up; after so many times, the past counts half. On reviews whose
words need 1.7 times the places there are, ``cnn`` took three quarters of the time that giving up half of them takes."""

_FAR, _NEAR = 24, 12
"""Ids between the one that is given a place, and those whose place, and the use of whose place, are called for."""

_CACHED = 1 << 19
"""Of so many ids, most places are in the processor's cache, and to call for them would only take time."""


@kernel
def project(
    vectors_XD: npt.NDArray[np.float32],
    panels_QDJ: npt.NDArray[np.float32],
    bias_P: npt.NDArray[np.float32],
    places_W: npt.NDArray[np.int32],
    rows_QRJ: npt.NDArray[np.float32],
) -> None:
    """Write the projected rows of words into their places; there may be more vectors, of no word, to fill a tile."""
    columns = rows_QRJ.shape[2]
    products_XZ = np.empty((len(vectors_XD), panels_QDJ.shape[0] * panels_QDJ.shape[2]), dtype=np.float32)
    multiply(vectors_XD, panels_QDJ, len(places_W), products_XZ)
    for word in range(len(places_W)):
        place = places_W[word]
        for part in range(len(rows_QRJ)):
            for j in range(columns):
                p = part * columns + j
                rows_QRJ[part, place, j] = products_XZ[word, p] + bias_P[p]


@kernel
def claim(
    ids_L: npt.NDArray[np.int32],
    at: int,
    place_of_id: npt.NDArray[np.int32],
    owner_R: npt.NDArray[np.int32],
    uses_R: npt.NDArray[np.int32],
    free_R: npt.NDArray[np.int32],
    free: int,
    places_L: npt.NDArray[np.int32],
    new_R: npt.NDArray[np.int32],
) -> tuple[int, int, int]:
    """Write the place of each id from ``at`` on, giving new ids free places, until there are no more.

    Returns:
        Where it stopped, how many places were given (``new_R`` says which), and how many are still free.
    """
    given = 0
    called_until = len(ids_L) - _FAR if len(place_of_id) > _CACHED else 0
    for position in range(at, len(ids_L)):
        if position < called_until:
            call_for(place_of_id, np.int64(ids_L[position + _FAR]))
            near = place_of_id[ids_L[position + _NEAR]] - 1
            if near >= 0:
                call_for(uses_R, np.int64(near))
        id_ = ids_L[position]
        place = place_of_id[id_] - 1
        if place < 0:
            if free == 0:
                return position, given, free
            free -= 1
            place = free_R[free]
            place_of_id[id_] = place + 1
            owner_R[place] = id_
            uses_R[place] = 0
            new_R[given] = place
            given += 1
        uses_R[place] += 1
        places_L[position] = place
    return len(ids_L), given, free


@dataclass(frozen=True)
class Span:
    """A part of a block's ids, ``places_L[start:stop]``, that a model can compute: all words it reads are in place."""

    places_L: npt.NDArray[np.int32]
    start: int
    stop: int


VectorsOf = Callable[[npt.NDArray[np.int32], npt.NDArray[np.float32]], npt.NDArray[np.float32]]
"""Gives the vectors of ids, for the made rows of a block."""


class Projection:
    """The first step of a model: what becomes of a word's vector."""

    def __init__(
        self, vectors_of: VectorsOf, weights_DP: npt.NDArray[np.float32], bias_P: npt.NDArray[np.float32]
    ) -> None:
        self.dim, self.numbers = weights_DP.shape
        self._vectors_of = vectors_of
        self._panels_QDJ = panels(weights_DP)
        self._bias_P = read_only(bias_P.astype(np.float32))

    def write(
        self,
        ids_W: npt.NDArray[np.int32],
        made_MD: npt.NDArray[np.float32],
        places_W: npt.NDArray[np.int32],
        rows_QRJ: npt.NDArray[np.float32],
    ) -> None:
        """Write the projected rows of words into their places."""
        for first in range(0, len(places_W), _TOGETHER):
            part_W = places_W[first : first + _TOGETHER]
            vectors_WD = self._vectors_of(ids_W[first : first + _TOGETHER], made_MD)
            filled_XD = np.zeros((whole_tiles(len(part_W)), self.dim), dtype=np.float32)
            filled_XD[: len(part_W)] = vectors_WD
            project(read_only(filled_XD), self._panels_QDJ, self._bias_P, read_only(part_W), rows_QRJ)


class ProjectedRows(Protocol):
    """The projected rows of words, and a last row of zeros: what lies around texts. ``spans`` leads through a block."""

    rows_QRJ: npt.NDArray[np.float32]

    @property
    def rows_RP(self) -> npt.NDArray[np.float32]:
        """The rows, where they are in one part."""
        assert len(self.rows_QRJ) == 1, "they are in parts"
        rows_RP: npt.NDArray[np.float32] = self.rows_QRJ[0]
        return rows_RP

    def spans(
        self, ids_L: npt.NDArray[np.int32], made_MD: npt.NDArray[np.float32], reach: Callable[[int], int]
    ) -> Iterator[Span]:
        """Lead through a block: yield parts whose words are all in place.

        ``reach`` tells how far a model can compute where the words of all ids before a position are in place; the next
        part begins there. It is not asked at the block's end.
        """


def projected_rows(
    vectors_of: VectorsOf,
    weights_DP: npt.NDArray[np.float32],
    bias_P: npt.NDArray[np.float32],
    own_ids: int,
    bound: int,
    parts: int = 1,
    text_ahead: int = 0,
) -> ProjectedRows:
    """Make room for the rows of words, and fill it where that takes an instant, or no longer than it saves.

    Args:
        vectors_of: gives the vectors of ids, for the made rows of a block.
        weights_DP: the model's first step,
        bias_P: and what it adds.
        own_ids: V + K; ids from there on are of one block only.
        bound: bytes that may be kept.
        parts: equal parts that rows are in, each of them beside those of other words.
        text_ahead: bytes of text that are going to be scored, more or less.
    """
    projection = Projection(vectors_of, weights_DP, bias_P)
    read, kept = own_ids * projection.dim, own_ids * projection.numbers
    most_read = max(_SOON_READ, _READ_A_BYTE * text_ahead)
    most_projected = max(_SOON_PROJECTED, _PROJECTED_A_BYTE * text_ahead)
    if 4 * kept <= bound and read <= most_read and kept * projection.dim <= most_projected:
        return AllRows(projection, own_ids, parts)
    return RowsInUse(projection, own_ids, bound, parts)


class AllRows(ProjectedRows):
    """The rows of all words, each at its id; those that are made for a block come behind them."""

    def __init__(self, projection: Projection, own_ids: int, parts: int) -> None:
        self._projection = projection
        self._own_ids = own_ids
        self.rows_QRJ = aligned(parts, own_ids + 1, projection.numbers // parts)
        self.rows_QRJ[:, own_ids] = 0.0
        ids_V = np.arange(own_ids, dtype=np.int32)
        projection.write(ids_V, np.empty((0, projection.dim), dtype=np.float32), ids_V, self.rows_QRJ)

    def spans(
        self, ids_L: npt.NDArray[np.int32], made_MD: npt.NDArray[np.float32], _: Callable[[int], int]
    ) -> Iterator[Span]:
        """Lead through a block: all of it is one part."""
        last = self._own_ids + len(made_MD)
        if last >= self.rows_QRJ.shape[1]:
            parts, _places, columns = self.rows_QRJ.shape
            rows_QRJ = aligned(parts, last + 1, columns)
            rows_QRJ[:, : self._own_ids] = self.rows_QRJ[:, : self._own_ids]
            rows_QRJ[:, last] = 0.0
            self.rows_QRJ = rows_QRJ
        if len(made_MD):
            ids_W = np.arange(self._own_ids, last, dtype=np.int32)
            self._projection.write(ids_W, made_MD, ids_W, self.rows_QRJ)
        yield Span(ids_L, 0, len(ids_L))


class RowsInUse(ProjectedRows):
    """The rows of the words that are used most, in ``capacity`` places, written as words come."""

    def __init__(self, projection: Projection, own_ids: int, bound: int, parts: int) -> None:
        self._projection = projection
        self._own_ids = own_ids
        self.capacity = max(LEAST_PLACES, min(bound // (4 * projection.numbers), own_ids + LEAST_PLACES))
        # Memory is taken as places are.
        self.rows_QRJ = aligned(parts, self.capacity + 1, projection.numbers // parts)
        self.rows_QRJ[:, self.capacity] = 0.0
        self._place_of_id = np.zeros(own_ids, dtype=np.int32)  # the place plus one
        self._owner_R = np.full(self.capacity, -1, dtype=np.int32)
        self._uses_R = np.zeros(self.capacity, dtype=np.int32)
        self._free_R = np.arange(self.capacity, dtype=np.int32)[::-1].copy()
        self._free = self.capacity
        self._drops = 0

    def spans(
        self, ids_L: npt.NDArray[np.int32], made_MD: npt.NDArray[np.float32], reach: Callable[[int], int]
    ) -> Iterator[Span]:
        """Lead through a block: yield parts whose words are all in place."""
        needed = self._own_ids + len(made_MD)
        if needed > len(self._place_of_id):
            self._place_of_id = np.concatenate(
                [self._place_of_id, np.zeros(needed - len(self._place_of_id), dtype=np.int32)]
            )
        places_L = np.empty(len(ids_L), dtype=np.int32)
        new_R = np.empty(self.capacity, dtype=np.int32)
        start = 0
        while True:
            stop, given, self._free = claim(
                ids_L,
                start,
                self._place_of_id,
                self._owner_R,
                self._uses_R,
                self._free_R,
                self._free,
                places_L,
                new_R,
            )
            self._projection.write(self._owner_R[new_R[:given]], made_MD, new_R[:given], self.rows_QRJ)
            if stop == len(ids_L):
                yield Span(places_L, start, stop)
                break
            if reach(stop) > start:
                yield Span(places_L, start, reach(stop))
                start = reach(stop)
                self._drop(np.flatnonzero(self._least_used(_DROPPED_SHARE)))
            else:  # others' words hold the places that the next part needs: make much room for it
                self._drop(np.flatnonzero(self._least_used(2)))
        if len(made_MD):
            self._drop(np.flatnonzero(self._owner_R >= self._own_ids))

    def _least_used(self, share: int) -> npt.NDArray[np.bool_]:
        """Choose one of ``share`` places, whose words came least often; from time to time, let the past count half."""
        order_R = np.argsort(-self._uses_R, kind="stable")
        dropped_R = np.zeros(self.capacity, dtype=bool)
        dropped_R[order_R[self.capacity - self.capacity // share :]] = True
        self._drops += 1
        if self._drops % _DROPS_BETWEEN_AGING == 0:
            self._uses_R >>= 1
        return dropped_R

    def _drop(self, places: npt.NDArray[np.int64]) -> None:
        self._place_of_id[self._owner_R[places]] = 0
        self._owner_R[places] = -1
        self._uses_R[places] = 0
        self._free_R[self._free : self._free + len(places)] = places
        self._free += len(places)
