"""Which words the strongest runs of a wide part are: the model keeps hashes of runs, the examples know the words.

A run is named where it makes up most of what its bucket was met for. So a run that only shares the bucket of a strong
one is not taken for it, and runs with words that have no vector, which the examples do not know, stay without a name.

Shape letters: CONTRIBUTING.md; F counts the buckets with a row.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.models.wide.named_runs import NamedRun
from w2vray.models.wide.part import WIDE
from w2vray.models.wide.settings import WideSettings
from w2vray.text.vocabulary import MISSING, Vocabulary
from w2vray.text.word_ngrams import NGRAM_FACTOR, SPREAD, hashes_of
from w2vray.training.example_files import Part

__all__ = ["MOST_NAMED", "named_runs"]

MOST_NAMED = 100
"""Runs of several words that are named for a label, and as many against it."""

_MOST_OF_ALL = 1 << 16
"""Runs that are named for all labels together; of very many labels, each has fewer."""

_LOOKED_AT = 10
"""Times as many buckets among which they are looked for: many are of single words."""

_IDS_AT_ONCE = 1 << 19

_Run = tuple[int, ...]
"""The place of a bucket among those that are looked at, then the ids of a run."""


def named_runs(
    settings: WideSettings,
    weights: Mapping[str, npt.NDArray[Any]],
    parts: Iterable[Part],
    vocabulary: Vocabulary,
) -> list[NamedRun]:
    """Name the strongest runs of several words.

    Args:
        settings: of the wide part.
        weights: of the model.
        parts: the examples.
        vocabulary: the words of their ids.
    """
    if settings.longest == 1:
        return []
    buckets_F = weights[f"{WIDE}buckets_F"][: len(weights[f"{WIDE}rows_RC"])]
    apart_FC = _apart(weights)
    most = max(1, min(MOST_NAMED, _MOST_OF_ALL // (2 * apart_FC.shape[1])))
    strongest = [row for column in apart_FC.T for row in _strongest(column, _LOOKED_AT * most)]
    if not strongest:  # no run tells labels apart
        return []
    looked_at = np.unique(strongest)
    place_B = np.full(1 << settings.bits, MISSING, dtype=np.int32)
    place_B[buckets_F[looked_at]] = np.arange(len(looked_at))
    found: Counter[_Run] = Counter()
    met_P = np.zeros(len(looked_at), dtype=np.int64)
    hashes = _Hashes(vocabulary)
    for part in parts:
        met_P += _met(part, place_B, len(looked_at))
        for ids_L, text_L in _stretches(part):
            found.update(_runs(ids_L, text_L, hashes, settings, place_B))
    names: dict[int, tuple[_Run, int]] = {}
    for run, times in sorted(found.items(), key=lambda item: (-item[1], item[0])):
        names.setdefault(run[0], (run[1:], times))
    # words with an unknown one between them look like a run, so that one may be met more often than its bucket
    kept = {
        place: (ids, times / met_P[place])
        for place, (ids, times) in names.items()
        if 2 * abs(times - met_P[place]) < met_P[place]
    }
    several = np.array([place for place, (ids, _) in sorted(kept.items()) if len(ids) > 1], dtype=np.int64)
    chosen = {several[row] for column in apart_FC[looked_at[several]].T for row in _strongest(column, most)}
    return [
        NamedRun(
            int(buckets_F[looked_at[place]]),
            tuple(vocabulary.word(id_) for id_ in kept[place][0]),
            round(min(kept[place][1], 1.0), 4),
        )
        for place in sorted(chosen)
    ]


def _apart(weights: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float64]:
    """Return what each bucket says of each label against the others, in a text of it alone."""
    rows_FC = weights[f"{WIDE}rows_RC"].astype(np.float64)
    alone_FC = rows_FC / weights[f"{WIDE}idf_F"][: len(rows_FC), None]
    apart_FC: npt.NDArray[np.float64] = alone_FC - alone_FC.mean(axis=1, keepdims=True) * (alone_FC.shape[1] > 1)
    return apart_FC


def _strongest(weights_F: npt.NDArray[np.float64], most: int) -> Iterator[int]:
    """Yield the rows that speak most for a label, and those that speak most against it."""
    order = np.argsort(weights_F, kind="stable")
    yield from order[:most].tolist()
    yield from order[::-1][:most].tolist()


class _Hashes:
    """The hashes of words by their ids, computed as they come."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._hash_V = np.zeros(len(vocabulary), dtype=np.uint64)
        self._known_V = np.zeros(len(vocabulary), dtype=np.bool_)

    def of(self, ids_L: npt.NDArray[np.int32]) -> npt.NDArray[np.uint64]:
        """Return those of ids; of an id that no word has, any."""
        ids_L = np.where(ids_L < len(self._hash_V), ids_L, 0)
        new = np.unique(ids_L[~self._known_V[ids_L]])
        self._hash_V[new] = hashes_of([self._vocabulary.word(id_) for id_ in new.tolist()])
        self._known_V[new] = True
        return self._hash_V[ids_L]

    def __len__(self) -> int:
        return len(self._hash_V)


def _met(part: Part, place_B: npt.NDArray[np.int32], places: int) -> npt.NDArray[np.int64]:
    """Count how often texts have each bucket that is looked at."""
    assert part.ngrams is not None, "runs were counted when the file was written"
    met_P = np.zeros(places, dtype=np.int64)
    for start in range(0, len(part.ngrams.buckets_G), _IDS_AT_ONCE):
        place_G = place_B[part.ngrams.buckets_G[start : start + _IDS_AT_ONCE]]
        times_G = part.ngrams.times_G[start : start + _IDS_AT_ONCE]
        met_P += np.bincount(place_G[place_G >= 0], times_G[place_G >= 0], places).astype(np.int64)
    return met_P


def _stretches(part: Part) -> Iterator[tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]]:
    """Yield the ids of some texts after another, and the text of each."""
    start = 0
    while start < len(part):
        stop = int(np.searchsorted(part.offsets_N1, part.offsets_N1[start] + _IDS_AT_ONCE, side="right")) - 1
        stop = min(max(stop, start + 1), len(part))
        offsets = part.offsets_N1[start : stop + 1]
        yield part.ids_L[offsets[0] : offsets[-1]], np.repeat(np.arange(stop - start), np.diff(offsets))
        start = stop


def _runs(
    ids_L: npt.NDArray[np.int32],
    text_L: npt.NDArray[np.int64],
    hashes: _Hashes,
    settings: WideSettings,
    place_B: npt.NDArray[np.int32],
) -> Iterator[_Run]:
    """Yield each run whose bucket is looked at."""
    if not len(ids_L):
        return
    value_L, word_L = hashes.of(ids_L), ids_L < len(hashes)
    run_L, whole_L = value_L, word_L
    for more in range(settings.longest):
        if more:
            run_L = run_L[:-1] * np.uint64(NGRAM_FACTOR) + value_L[more:]
            whole_L = whole_L[:-1] & word_L[more:] & (text_L[: len(text_L) - more] == text_L[more:])
        place_L = place_B[(run_L * np.uint64(SPREAD)) >> np.uint64(64 - settings.bits)]
        at = np.flatnonzero(whole_L & (place_L >= 0))
        columns = [place_L[at].tolist(), *(ids_L[at + word].tolist() for word in range(more + 1))]
        yield from zip(*columns, strict=True)
