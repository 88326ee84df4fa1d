"""Answers to texts: labels, probabilities, and the columns that they are stored as.

Legend: N texts, C classes, K labels that are listed of each text.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2vray.schema import Status
from w2vray.scoring.metrics import NO_LABEL

__all__ = ["LABEL_THRESHOLD", "Scores", "plain_answer"]

LABEL_THRESHOLD = 0.5
"""Probability from which on a multi-label model gives a label, where nothing else is asked for."""

_STATUSES = (Status.SCORED, Status.BELOW_THRESHOLD, Status.NO_EVIDENCE)


@dataclass(frozen=True)
class Scores:
    """The answers to N texts. Texts without evidence have the label ``NO_LABEL`` and probabilities of zero.

    ``label_N`` is the most probable label; of a multi-label model, whose probabilities are each label's own, the labels
    that are given follow from a threshold.
    """

    labels: tuple[str, ...]
    label_N: npt.NDArray[np.int32]
    probabilities_NC: npt.NDArray[np.float32]
    token_counts_N: npt.NDArray[np.int32]
    found_counts_N: npt.NDArray[np.int32]
    multi_label: bool = False

    def __len__(self) -> int:
        return len(self.label_N)

    def given_NC(self, threshold: float | None = None) -> npt.NDArray[np.bool_]:
        """Return which labels a multi-label model gives to each text."""
        limit = np.float32(LABEL_THRESHOLD if threshold is None else threshold)
        given_NC: npt.NDArray[np.bool_] = (self.probabilities_NC >= limit) & (self.label_N != NO_LABEL)[:, None]
        return given_NC

    def columns(
        self, *, threshold: float | None = None, probabilities: bool = False, top_k: int = 0
    ) -> dict[str, pa.Array]:
        """Return the answer's columns as ``schema.scores_schema`` names them.

        A multi-label model's ``threshold`` says which labels are given; a text may have none of them.
        """
        none_N = self.label_N == NO_LABEL
        best_N = self.probabilities_NC[np.arange(len(self)), self.label_N]  # of none, any
        status_N = np.zeros(len(self), dtype=np.int8)  # index into _STATUSES
        if threshold is not None and not self.multi_label:
            status_N[best_N < np.float32(threshold)] = _STATUSES.index(Status.BELOW_THRESHOLD)
        status_N[none_N] = _STATUSES.index(Status.NO_EVIDENCE)
        names = pa.array(self.labels, pa.string())
        coverage_N = self.found_counts_N / np.maximum(self.token_counts_N, 1)
        answer = (
            self._many_labels(names, threshold, none_N)
            if self.multi_label
            else {
                "label": names.take(pa.array(self.label_N, mask=none_N)),
                "score": pa.array(best_N, mask=none_N, type=pa.float32()),
            }
        )
        columns = {
            **answer,
            "status": pa.array([status.value for status in _STATUSES], pa.string()).take(pa.array(status_N)),
            "token_count": pa.array(self.token_counts_N, pa.int32()),
            "coverage": pa.array(coverage_N.astype(np.float32)),
        }
        classes = self.probabilities_NC.shape[1]
        if probabilities:
            columns["probabilities"] = _lists(
                pa.array(self.probabilities_NC.ravel()), np.full(len(self), classes), none_N
            )
        elif top_k:
            k = min(top_k, classes)
            order_NK = np.argsort(-self.probabilities_NC, axis=1, kind="stable")[:, :k]
            top_NK = np.take_along_axis(self.probabilities_NC, order_NK, axis=1)
            columns["top_labels"] = _lists(names.take(pa.array(order_NK.ravel())), np.full(len(self), k), none_N)
            columns["top_scores"] = _lists(pa.array(top_NK.ravel()), np.full(len(self), k), none_N)
        return columns

    def _many_labels(
        self, names: pa.StringArray, threshold: float | None, none_N: npt.NDArray[np.bool_]
    ) -> dict[str, pa.Array]:
        """Return each text's labels, most probable first, and their probabilities."""
        order_NC = np.argsort(-self.probabilities_NC, axis=1, kind="stable")
        given_NC = np.take_along_axis(self.given_NC(threshold), order_NC, axis=1)
        scores_NC = np.take_along_axis(self.probabilities_NC, order_NC, axis=1)
        counts_N = given_NC.sum(axis=1)
        return {
            "labels": _lists(names.take(pa.array(order_NC[given_NC])), counts_N, none_N),
            "scores": _lists(pa.array(scores_NC[given_NC]), counts_N, none_N),
        }


def _lists(values: pa.Array, counts_N: npt.NDArray[Any], none_N: npt.NDArray[np.bool_]) -> pa.ListArray:
    offsets_N1 = np.concatenate(([0], np.cumsum(counts_N))).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets_N1), values, mask=pa.array(none_N))


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
