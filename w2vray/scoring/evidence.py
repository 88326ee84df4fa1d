"""Why a text got its label: the pieces of it that weighed most, as they were written.

A piece's weight is in logits, calibrated ones where the model is calibrated: of a label against the mean of the others,
or, of a model that gives any number of labels, of the label's own. It is positive where the piece speaks for the label.

There are two methods. ``model`` splits up what the model has computed: the words of ``average``, which add up exactly,
and the windows of words that the filters of ``cnn`` chose. ``occlusion`` leaves out one word after another and looks at
what becomes of the logits; it does so for every kind of model, and costs as many scorings as the text has words.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2vray.errors import ConfigError
from w2vray.models.checking import model_weights
from w2vray.models.directory import OVERLAY, Bundle
from w2vray.models.evidence import Evidence, Numbers, Weighed, direction_of
from w2vray.models.folding import vectors_of
from w2vray.scoring.answers import EVIDENCE_TYPE, Scores
from w2vray.scoring.metrics import NO_LABEL
from w2vray.text.lookup import Ids
from w2vray.text.spans import PlacedIds, look_up_places

if TYPE_CHECKING:
    from w2vray.scoring.scorer import TextScorer

__all__ = ["TextEvidence", "evidence_of", "require_evidence", "tells_evidence"]

_TEXTS_AT_ONCE = 256
_IDS_AT_ONCE = 1 << 18
"""Of the texts that occlusion makes of one text. Part of the scoring version: rounding depends on it."""

_NO_VECTORS = np.empty((0, 0), dtype=np.float32)


@dataclass(frozen=True)
class TextEvidence:
    """The pieces that decided about one text, the heaviest first; ``start`` and ``end`` count characters."""

    text: str
    start: int
    end: int
    weight: float


def tells_evidence(bundle: Bundle) -> bool:
    """Tell whether a model says by itself which words decided."""
    config = bundle.config
    return config.kind.evidence is not None and not config.rules.features


def require_evidence(bundle: Bundle, method: str) -> None:
    """Check that a model tells its evidence by a method.

    Raises:
        ConfigError: it does not.
    """
    if bundle.config.rules.features:
        raise ConfigError(
            f"the evidence of a model of the kind {bundle.config.model} cannot be told: it reads n-grams that overlap, "
            "and no words that could be weighed or left out"
        )
    if method == "model" and not tells_evidence(bundle):
        raise ConfigError(
            f"the model {bundle.config.model} does not tell which words decided; --explain-method occlusion finds out "
            "by leaving out one word after another"
        )


def evidence_of(
    scorer: "TextScorer",
    texts: pa.LargeStringArray,
    scores: Scores | None = None,
    *,
    most: int = 3,
    method: str = "model",
    threshold: float | None = None,
    no_threshold: bool = False,
    chosen_N: npt.NDArray[np.bool_] | None = None,
) -> pa.ListArray:
    """Return the evidence of texts as a column: up to ``most`` pieces of each, the heaviest first.

    A text is null in it that has no label: without a known word, or, by a model of several labels, with none that
    reaches the threshold. Of several labels that are given, the most probable is explained.

    Args:
        scorer: what scores the texts.
        texts: without nulls.
        scores: of them; they are scored where it is None.
        most: pieces of a text.
        method: ``model`` or ``occlusion``.
        threshold: from which on a model of several labels gives one.
        no_threshold: whether the model's own are left aside.
        chosen_N: which texts are explained, where not all are; the others are null.

    Raises:
        ConfigError: the model does not tell its evidence by this method.
    """
    require_evidence(scorer.bundle, method)
    scores = scorer.score_array(texts) if scores is None else scores
    label_N = scores.explained_N(threshold, no_threshold=no_threshold)
    if chosen_N is not None:
        label_N = np.where(chosen_N, label_N, NO_LABEL)
    explaining = _Explaining(scorer, method)
    found: list[list[TextEvidence] | None] = [None] * len(scores)
    rows = np.flatnonzero(label_N != NO_LABEL)
    for start in range(0, len(rows), _TEXTS_AT_ONCE):
        some = rows[start : start + _TEXTS_AT_ONCE].tolist()
        sources = texts.take(pa.array(some, pa.int64())).to_pylist()
        placed = look_up_places(scorer.lookup, sources)
        weighed = explaining.weighed(placed, label_N[some])
        for text, (row, source, pieces) in enumerate(zip(some, sources, weighed, strict=True)):
            found[row] = list(_written(source, text, placed, pieces.strongest(most)))
    return pa.array([None if row is None else [vars(piece) for piece in row] for row in found], EVIDENCE_TYPE)


def _written(source: str, text: int, placed: PlacedIds, pieces: Weighed) -> Iterator[TextEvidence]:
    """Yield the pieces of a text, which are runs of its words, as they were written."""
    spans = placed.words.spans[placed.words.offsets_N1[text] :]
    starts, ends = spans[pieces.first_O, 0].tolist(), spans[pieces.last_O, 1].tolist()
    for start, end, weight in zip(starts, ends, pieces.weight_O.tolist(), strict=True):
        yield TextEvidence(source[start:end], start, end, weight)


class _Explaining:
    """Weighs the pieces of looked-up texts by a method."""

    def __init__(self, scorer: "TextScorer", method: str) -> None:
        self._scorer = scorer
        bundle = scorer.bundle
        config = bundle.config
        self._told: Evidence | None = None
        if method == "model":
            self._told = config.kind.told_evidence(config.settings, model_weights(bundle))
        self._overlay_KD = bundle.weights[OVERLAY].astype(np.float32)
        self._scales_C = scales_of(bundle)

    def weighed(self, placed: PlacedIds, label_N: npt.NDArray[np.int32]) -> Iterator[Weighed]:
        """Yield what weighs of each text, for its label: pieces from word to word of the text."""
        ids, words = placed.ids, placed.words
        made_MD = self._scorer.made_rows(ids.made_words)
        for text, label in enumerate(label_N.tolist()):
            direction_C = direction_of(label, self._scales_C, multi_label=self._scorer.multi_label)
            own = slice(ids.offsets_N1[text], ids.offsets_N1[text + 1])
            first_word, end_word = words.offsets_N1[text : text + 2].tolist()
            word_T, hashes = words.word_L[own] - first_word, words.hashes_T[first_word:end_word].tolist()
            if self._told is None:
                leaving = _LeavingOut(self._scorer, ids.ids_L[own], word_T, hashes, ids.made_words)
                yield leaving.weighed(direction_C)
                continue
            made = _NO_VECTORS.reshape(0, self._overlay_KD.shape[1]) if made_MD is None else made_MD
            vectors_TD = vectors_of(ids.ids_L[own], self._scorer.table_VD, self._overlay_KD, made)
            has_vector = bool(ids.vectors_N[text])
            yield self._of_both_parts(vectors_TD, word_T, hashes, direction_C, has_vector=has_vector)

    def _of_both_parts(
        self,
        vectors_TD: npt.NDArray[Any],
        word_T: npt.NDArray[np.int64],
        hashes: list[int],
        direction_C: Numbers,
        *,
        has_vector: bool,
    ) -> Weighed:
        """Return the pieces of the main part, and those of the wide part, where the model has one, added to them."""
        assert self._told is not None
        wide = self._scorer.wide
        if wide is None or has_vector:
            main = self._told.weighed(vectors_TD, direction_C)
            main = Weighed(word_T[main.first_O], word_T[main.last_O], main.weight_O)
        else:
            main = _NOTHING
        if wide is None:
            return main
        scaled = Weighed(main.first_O, main.last_O, wide.settings.main * main.weight_O)
        return _together(scaled, wide.weighed(hashes, direction_C))


_NOTHING = Weighed(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0))


def _together(first: Weighed, second: Weighed) -> Weighed:
    """Put pieces together; two of the same words are one."""
    places = np.stack(
        [np.concatenate([first.first_O, second.first_O]), np.concatenate([first.last_O, second.last_O])], axis=1
    )
    pieces, of_piece = np.unique(places, axis=0, return_inverse=True)
    weight_O = np.zeros(len(pieces))
    np.add.at(weight_O, of_piece.ravel(), np.concatenate([first.weight_O, second.weight_O]))
    return Weighed(pieces[:, 0], pieces[:, 1], weight_O)


def scales_of(bundle: Bundle) -> Numbers:
    """Return what each logit of a model is multiplied by to become that of a calibrated probability."""
    config = bundle.config
    temperatures = np.array(config.temperatures or (1.0,), dtype=np.float64)
    return np.broadcast_to(1 / temperatures, len(config.labels)).copy()


class _LeavingOut:
    """A text without one of its words after another: those that have an id, or, where runs count, all."""

    def __init__(
        self,
        scorer: "TextScorer",
        ids_T: npt.NDArray[np.int32],
        word_T: npt.NDArray[np.int64],
        hashes: list[int],
        made: tuple[str, ...],
    ) -> None:
        self._scorer, self._ids_T, self._word_T, self._hashes, self._made = scorer, ids_T, word_T, hashes, made
        self._runs = None if scorer.wide is None else scorer.wide.word_ngrams

    def weighed(self, direction_C: Numbers) -> Weighed:
        """Weigh each word by what the logits lose without it."""
        words = self._word_T if self._runs is None else np.arange(len(self._hashes))
        whole = self._logits([None])[0].astype(np.float64) @ direction_C
        weights = [np.empty(0)]
        for start in range(0, len(words), step := max(1, _IDS_AT_ONCE // max(len(self._ids_T), 1))):
            logits_NC = self._logits(words[start : start + step].tolist())
            weights.append(whole - logits_NC.astype(np.float64) @ direction_C)
        return Weighed(words, words, np.concatenate(weights))

    def _logits(self, without: Sequence[int | None]) -> npt.NDArray[np.float32]:
        """Return logits_NC of the text without each of these words, and of the whole text for None."""
        kept = [self._ids_T if word is None else self._ids_T[self._word_T != word] for word in without]
        lengths_N = np.array([len(ids) for ids in kept], dtype=np.int64)
        ngrams = None
        if self._runs is not None:
            hashes = self._hashes
            ngrams = self._runs.counted(
                hashes if word is None else hashes[:word] + hashes[word + 1 :] for word in without
            )
        counts_N = lengths_N.astype(np.int32)
        offsets_N1 = np.concatenate(([0], np.cumsum(lengths_N)))
        ids_L = np.concatenate(kept).astype(np.int32)
        return self._scorer.logits_of_ids(Ids(ids_L, offsets_N1, counts_N, counts_N, self._made, ngrams=ngrams))
