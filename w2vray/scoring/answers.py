"""Answers to texts: labels, probabilities, and the columns that they are stored as.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2vray.schema import EVIDENCE, POSITION, Status
from w2vray.scoring.metrics import NO_LABEL

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "EVIDENCE_TYPE",
    "LABEL_THRESHOLD",
    "RESERVED_COLUMNS",
    "Answer",
    "Scores",
    "last_of_the_best",
    "plain_answer",
]

LABEL_THRESHOLD = 0.5
"""Probability from which on a multi-label model gives a label, where nothing else is asked for."""

EVIDENCE_TYPE = pa.list_(
    pa.struct([("text", pa.string()), ("start", pa.int32()), ("end", pa.int32()), ("weight", pa.float32())])
)
"""Of the column ``evidence``: the pieces of a text that weighed most, see ``evidence.py``."""

_STATUSES = (Status.SCORED, Status.BELOW_THRESHOLD, Status.NO_EVIDENCE)


@dataclass(frozen=True)
class Scores:
    """What a model makes of N texts. Those without evidence have the label ``NO_LABEL`` and probabilities of zero.

    ``label_N`` is the most probable label; of a multi-label model, whose probabilities are each label's own, the labels
    that are given follow from a threshold. ``evidence`` is there where it was asked for, see ``evidence.py``.
    """

    labels: tuple[str, ...]
    label_N: npt.NDArray[np.int32]
    probabilities_NC: npt.NDArray[np.float32]
    token_counts_N: npt.NDArray[np.int32]
    found_counts_N: npt.NDArray[np.int32]
    multi_label: bool = False
    thresholds: tuple[float, ...] = ()
    evidence: pa.ListArray | None = None

    def __len__(self) -> int:
        return len(self.label_N)

    def limits(self, threshold: float | None = None, *, no_threshold: bool = False) -> npt.NDArray[np.float32] | None:
        """Return what a probability has to reach: limits_1 or limits_C. None where nothing is asked of it.

        Args:
            threshold: overrides the model's own.
            no_threshold: whether the model's own are left aside.
        """
        if threshold is not None:
            return np.array([threshold], dtype=np.float32)
        return None if no_threshold or not self.thresholds else np.array(self.thresholds, dtype=np.float32)

    def given_NC(self, threshold: float | None = None, *, no_threshold: bool = False) -> npt.NDArray[np.bool_]:
        """Return which labels a multi-label model gives to each text."""
        limits = self.limits(threshold, no_threshold=no_threshold)
        if limits is None:
            limits = np.array([LABEL_THRESHOLD], dtype=np.float32)
        given_NC: npt.NDArray[np.bool_] = (self.probabilities_NC >= limits) & (self.label_N != NO_LABEL)[:, None]
        return given_NC

    def kept_N(self, threshold: float | None = None, *, no_threshold: bool = False) -> npt.NDArray[np.bool_]:
        """Return which texts keep a label, as far as thresholds say."""
        answered_N: npt.NDArray[np.bool_] = self.label_N != NO_LABEL
        if self.multi_label:
            return np.asarray(self.given_NC(threshold, no_threshold=no_threshold).any(axis=1))
        limits = self.limits(threshold, no_threshold=no_threshold)
        if limits is None:
            return answered_N
        reached_N: npt.NDArray[np.bool_] = _best(self) >= (limits if len(limits) == 1 else limits[self.label_N])
        return answered_N & reached_N

    def explained_N(self, threshold: float | None = None, *, no_threshold: bool = False) -> npt.NDArray[np.int32]:
        """Return the label that each text's evidence is for: of several that are given the most probable, or none."""
        if not self.multi_label or not len(self):
            return self.label_N
        given_NC = self.given_NC(threshold, no_threshold=no_threshold)
        best_N = np.where(given_NC, self.probabilities_NC, -1.0).argmax(axis=1)
        return np.where(given_NC.any(axis=1), best_N, NO_LABEL).astype(np.int32)

    def columns(
        self,
        *,
        threshold: float | None = None,
        no_threshold: bool = False,
        probabilities: bool = False,
        top_k: int | None = None,
    ) -> dict[str, pa.Array]:
        """Return the columns of an ``Answer`` with these options."""
        asked = Answer(
            multi_label=self.multi_label,
            threshold=threshold,
            no_threshold=no_threshold,
            probabilities=probabilities,
            top_k=top_k or None,
            evidence=None if self.evidence is None else 1,
        )
        return asked.columns(self)

    def to_pandas(
        self,
        *,
        threshold: float | None = None,
        no_threshold: bool = False,
        probabilities: bool = False,
        top_k: int | None = None,
    ) -> "pd.DataFrame":
        """Return the columns of ``columns`` with these options as a pandas DataFrame, a row for each text."""
        columns = self.columns(threshold=threshold, no_threshold=no_threshold, probabilities=probabilities, top_k=top_k)
        return pa.table(columns).to_pandas()

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the first and the last rows."""
        return str(self.to_pandas()._repr_html_())


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is said of each text: the label, and whatever else was asked for. It knows its columns and makes them.

    All fields but ``multi_label`` are settings of the same name, which change answers and so are part of a run's
    identity. A multi-label model's ``threshold`` says which labels are given; a text may have none of them. Without
    one, the model's own hold where it has some, unless ``no_threshold`` leaves them aside.
    """

    multi_label: bool = False
    threshold: float | None = None
    no_threshold: bool = False
    probabilities: bool = False
    top_k: int | None = None
    evidence: int | None = None  # pieces of a text, at most
    evidence_sample: int | None = None  # rows of the store that are explained; None for all
    explain_method: str = "model"

    @classmethod
    def asked(cls, settings: Any, *, multi_label: bool) -> Self:
        """Return what the settings of a verb ask for; an option that the verb does not have keeps its default."""
        names = cls.option_names()
        given = {name: getattr(settings, name) for name in names if hasattr(settings, name)}
        return cls(multi_label=multi_label, **given)

    def asked_for(self, *, but: Collection[str] = ()) -> dict[str, Any]:
        """Return the options that ask for something, by the names of their settings, without some of these."""
        others = [item for item in fields(self) if item.name not in {"multi_label", *but}]
        return {item.name: value for item in others if (value := getattr(self, item.name)) != item.default}

    @classmethod
    def option_names(cls) -> list[str]:
        """Return the names of the settings that decide what is answered."""
        return [item.name for item in fields(cls) if item.name != "multi_label"]

    @property
    def fields(self) -> list[pa.Field]:
        """Fields of the answer's columns, in order."""
        optional = [field for each in self._optional for field in each.fields]
        return [*(_MANY_LABELS if self.multi_label else _ONE_LABEL), *_EVIDENCE, *optional]

    def schema(self, kept: Sequence[pa.Field] = ()) -> pa.Schema:
        """Return the schema of a part of ``scores``: where the row is, the kept columns, the answer."""
        return pa.schema([*POSITION, *kept, *self.fields])

    def numbers(self, labels: int) -> int:
        """Return how many numbers a row has beside its label's, at least, where the model has so many labels.

        A row that is explained has a piece, with a weight.
        """
        of_labels = labels if self.probabilities else min(self.top_k or 0, labels)
        return of_labels + int(self.evidence is not None and self.evidence_sample is None)

    def columns(self, scores: Scores) -> dict[str, pa.Array]:
        """Return the columns, by the names of ``fields``."""
        none_N = scores.label_N == NO_LABEL
        columns = _many_labels(scores, self._given_NC(scores)) if self.multi_label else _one_label(scores)
        columns |= {
            "status": self._status(scores, none_N),
            "token_count": pa.array(scores.token_counts_N, pa.int32()),
            "coverage": pa.array((scores.found_counts_N / np.maximum(scores.token_counts_N, 1)).astype(np.float32)),
        }
        for each in self._optional:
            columns |= each.made(self, scores)
        return columns

    def below(self, scores: Scores) -> int:
        """Count the texts with a known word that keep no label."""
        kept_N = scores.kept_N(self.threshold, no_threshold=self.no_threshold)
        return int((~kept_N & (scores.label_N != NO_LABEL)).sum())

    def _given_NC(self, scores: Scores) -> npt.NDArray[np.bool_]:
        return scores.given_NC(self.threshold, no_threshold=self.no_threshold)

    @property
    def _optional(self) -> list["_Optional"]:
        return [each for each in _OPTIONAL if each.is_asked(self)]

    def _status(self, scores: Scores, none_N: npt.NDArray[np.bool_]) -> pa.StringArray:
        status_N = np.zeros(len(scores), dtype=np.int8)  # index into _STATUSES
        if not self.multi_label:
            kept_N = scores.kept_N(self.threshold, no_threshold=self.no_threshold)
            status_N[~kept_N] = _STATUSES.index(Status.BELOW_THRESHOLD)
        status_N[none_N] = _STATUSES.index(Status.NO_EVIDENCE)
        return _strings(tuple(status.value for status in _STATUSES)).take(pa.array(status_N))


_ONE_LABEL = (pa.field("label", pa.string()), pa.field("score", pa.float32()))
_MANY_LABELS = (pa.field("labels", pa.list_(pa.string())), pa.field("scores", pa.list_(pa.float32())))
_EVIDENCE = (
    pa.field("status", pa.string(), nullable=False),
    pa.field("token_count", pa.int32(), nullable=False),
    pa.field("coverage", pa.float32(), nullable=False),
)


@dataclass(frozen=True, kw_only=True)
class _Optional:
    """Columns that are there where they are asked for."""

    is_asked: Callable[[Answer], bool]
    fields: tuple[pa.Field, ...]
    made: Callable[[Answer, Scores], dict[str, pa.Array]]


def _best(scores: Scores) -> npt.NDArray[np.float32]:
    """Return each text's probability of its label; of a text without a label, any."""
    best_N: npt.NDArray[np.float32] = scores.probabilities_NC[np.arange(len(scores)), scores.label_N]
    return best_N


def _names(scores: Scores) -> pa.StringArray:
    return _strings(scores.labels)


@lru_cache(maxsize=8)
def _strings(values: tuple[str, ...]) -> pa.StringArray:
    return pa.array(values, pa.string())


def _one_label(scores: Scores) -> dict[str, pa.Array]:
    none_N = scores.label_N == NO_LABEL
    return {
        "label": _names(scores).take(pa.array(scores.label_N, mask=none_N)),
        "score": pa.array(_best(scores), mask=none_N, type=pa.float32()),
    }


def _many_labels(scores: Scores, given_NC: npt.NDArray[np.bool_]) -> dict[str, pa.Array]:
    """Return each text's labels, most probable first, and their probabilities."""
    none_N = scores.label_N == NO_LABEL
    order_NC = np.argsort(-scores.probabilities_NC, axis=1, kind="stable")
    given_NC = np.take_along_axis(given_NC, order_NC, axis=1)
    scores_NC = np.take_along_axis(scores.probabilities_NC, order_NC, axis=1)
    counts_N = given_NC.sum(axis=1)
    return {
        "labels": _lists(_names(scores).take(pa.array(order_NC[given_NC])), counts_N, none_N),
        "scores": _lists(pa.array(scores_NC[given_NC]), counts_N, none_N),
    }


def _all_probabilities(_: Answer, scores: Scores) -> dict[str, pa.Array]:
    """Return the probability of every label, in the model's order."""
    counts_N = np.full(len(scores), scores.probabilities_NC.shape[1])
    none_N = scores.label_N == NO_LABEL
    return {"probabilities": _lists(pa.array(scores.probabilities_NC.ravel()), counts_N, none_N)}


def _top(answer: Answer, scores: Scores) -> dict[str, pa.Array]:
    """Return the most probable labels, and their probabilities."""
    k = min(answer.top_k or 0, scores.probabilities_NC.shape[1])
    order = np.argsort(-scores.probabilities_NC, axis=1, kind="stable")[:, :k]
    top = np.take_along_axis(scores.probabilities_NC, order, axis=1)
    counts_N, none_N = np.full(len(scores), k), scores.label_N == NO_LABEL
    return {
        "top_labels": _lists(_names(scores).take(pa.array(order.ravel())), counts_N, none_N),
        "top_scores": _lists(pa.array(top.ravel()), counts_N, none_N),
    }


def _evidence(_: Answer, scores: Scores) -> dict[str, pa.Array]:
    """Return the pieces of texts that weighed most."""
    assert scores.evidence is not None, "whoever asks for evidence has the scorer find it"
    return {EVIDENCE: scores.evidence}


_OPTIONAL = (
    _Optional(
        is_asked=lambda answer: answer.probabilities,
        fields=(pa.field("probabilities", pa.list_(pa.float32())),),
        made=_all_probabilities,
    ),
    _Optional(
        is_asked=lambda answer: answer.top_k is not None,
        fields=(pa.field("top_labels", pa.list_(pa.string())), pa.field("top_scores", pa.list_(pa.float32()))),
        made=_top,
    ),
    _Optional(
        is_asked=lambda answer: answer.evidence is not None,
        fields=(pa.field(EVIDENCE, EVIDENCE_TYPE),),
        made=_evidence,
    ),
)
"""To add an optional column: a setting in ``settings/answering.py`` (and in the signature in ``verbs/``); here a field
of ``Answer`` of the same name, and an entry."""

RESERVED_COLUMNS = frozenset(
    field.name
    for field in (*POSITION, *_ONE_LABEL, *_MANY_LABELS, *_EVIDENCE, *(f for each in _OPTIONAL for f in each.fields))
)
"""Names that no kept column may have, asked for or not."""


def _lists(values: pa.Array, counts_N: npt.NDArray[Any], none_N: npt.NDArray[np.bool_]) -> pa.ListArray:
    offsets_N1 = np.concatenate(([0], np.cumsum(counts_N))).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets_N1), values, mask=pa.array(none_N))


def last_of_the_best(
    probabilities_NC: npt.NDArray[np.float32], label_N: npt.NDArray[np.int32]
) -> npt.NDArray[np.int32]:
    """Return label_N, where several labels are equally probable the last of them, which is the one fastText gives."""
    last_N = probabilities_NC.shape[1] - 1 - probabilities_NC[:, ::-1].argmax(axis=1)
    return np.where(label_N == NO_LABEL, NO_LABEL, last_N).astype(np.int32)


def plain_answer(
    logits_NC: npt.NDArray[np.float32], evidence_N: npt.NDArray[np.bool_], multi_label: bool, no_label: int = NO_LABEL
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Return probabilities_NC and label_N, as the compiled ``kernels.answering.answer`` does."""
    logits_NC = logits_NC.astype(np.float64)
    if multi_label:
        exact_NC = 1 / (1 + np.exp(-np.abs(logits_NC)))
        exact_NC = np.where(logits_NC >= 0, exact_NC, np.exp(-np.abs(logits_NC)) * exact_NC)
    else:
        exact_NC = np.exp(logits_NC - logits_NC.max(axis=1, keepdims=True))
        exact_NC /= exact_NC.sum(axis=1, keepdims=True)
    probabilities_NC = np.where(evidence_N[:, None], exact_NC, 0.0).astype(np.float32)
    label_N = np.where(evidence_N, probabilities_NC.argmax(axis=1), no_label).astype(np.int32)
    return probabilities_NC, label_N
