"""Texts to scores in one process, without Ray: what every run on a cluster must equal, row by row.

Legend: N texts, C classes, B texts of a batch.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from w2vray.batches import WordVectors
from w2vray.bundle import OVERLAY, REPLACED, Bundle
from w2vray.config import PROJECTION_CACHE, SPECIAL_POLICIES
from w2vray.device import Device, DeviceModel
from w2vray.errors import BundleError, UnusableInputError
from w2vray.kernels.compiling import compiler, compiling_once, usable
from w2vray.kernels.folding import Folded, fold
from w2vray.kernels.looking_up import FastLookup
from w2vray.lookup import Ids, Lookup
from w2vray.metrics import NO_LABEL
from w2vray.models.classifier import Classifier, build_model, probabilities, shared_table
from w2vray.schema import Status
from w2vray.texts import blocks
from w2vray.vectors import Vectors

__all__ = ["SCORING_VERSION", "Scores", "TextScorer", "numeric_profile"]

SCORING_VERSION = 2
"""Raised when the same model gives another answer to the same text."""

_WARMING = ["Caf\u00e9 e\u0301 a-b xyzzy"]
_ONE_WORD = Ids(np.zeros(1, dtype=np.int32), np.arange(2), np.ones(1, dtype=np.int32), np.ones(1, dtype=np.int32))
"""What makes every kernel compile, or load, before the first real text."""

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
        best_N = self.probabilities_NC.max(axis=1, initial=0.0)
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


class TextScorer:
    """A model and its vectors, ready to classify texts.

    ``kernels=False`` computes all of it in plain Python and torch: the plain model of the compiled kernels, which may
    keep up to ``projection_cache`` MiB of words' projected rows. With a ``device``, torch computes there, and only the
    look-up is compiled.

    Example:
        >>> scorer = TextScorer.load("model")  # doctest: +SKIP
        >>> scorer.score(["a moving, beautifully acted film"]).columns()["label"]  # doctest: +SKIP
        ["positive"]
    """

    def __init__(
        self,
        bundle: Bundle,
        vectors: Vectors,
        *,
        device: Device | None = None,
        kernels: bool = True,
        projection_cache: int = PROJECTION_CACHE,
    ) -> None:
        config = bundle.config
        if vectors.dim != config.dim:
            raise BundleError(f"the vectors have {vectors.dim} numbers, the model was trained on {config.dim}")
        self.labels = config.labels
        self.multi_label = config.multi_label
        vectors = vectors.for_policy(config.policy)
        self.ngrams = vectors.ngrams
        self.lookup = Lookup(vectors.vocabulary, config.rules, config.policy, _tuned_rows(bundle, vectors))
        self.look_up: Callable[[pa.LargeStringArray], Ids] = self.lookup
        self.on_device = DeviceModel(_classifier(bundle, vectors), device or Device())
        self.classifier = self.on_device.classifier
        self.folded: Folded | None = None
        if kernels and not usable():
            self.look_up = FastLookup(self.lookup)
            if device is None:
                model = {name: value.numpy() for name, value in self.classifier.model.state_dict().items()}
                overlay_KD = self.classifier.words.overlay_KD.detach().numpy()
                bound = projection_cache << 20
                self.folded = fold(config.settings, model, vectors.table_VD, overlay_KD, bound=bound)
            with compiling_once():
                self.look_up(pa.array(_WARMING, pa.large_string()))
                self.score_ids(_ONE_WORD)

    @classmethod
    def load(cls, model: str | Path, vectors: str | Path | None = None) -> Self:
        """Open a model directory and its vectors (at ``vectors``, where they were moved).

        Raises:
            BundleError: the model directory, or the vectors for it, cannot be used.
        """
        bundle = Bundle.load(model)
        return cls(bundle, bundle.open_vectors(vectors))

    def score(self, texts: Sequence[str]) -> Scores:
        """Classify texts.

        Raises:
            UnusableInputError: a text is not a string of Unicode characters; the message says which.
        """
        for index, text in enumerate(texts):
            if not isinstance(text, str):
                raise UnusableInputError(f"text {index} is a {type(text).__name__}; expected a str")
            if not text.isascii():
                try:
                    text.encode()
                except UnicodeEncodeError as error:
                    raise UnusableInputError(f"text {index} holds a lone surrogate at {error.start}") from error
        return self.score_array(pa.array(texts, pa.large_string()))

    def score_array(self, texts: pa.LargeStringArray) -> Scores:
        """Classify an Arrow array of texts, without nulls, block by block."""
        return self._join([self.score_ids(self.look_up(block)) for block in blocks(texts)])

    def score_arrays(self, arrays: Iterable[pa.LargeStringArray]) -> Iterator[Scores]:
        """Classify one array after another."""
        return map(self.score_array, arrays)

    def score_ids(self, ids: Ids) -> Scores:
        """Run the model over the looked-up texts of a block."""
        made_MD = self._made_rows(ids.made_words)
        if self.folded:
            return self._answers(ids, torch.from_numpy(self.folded.logits(ids, made_MD)))
        return self._answers(ids, self.on_device.queue(ids, made_MD, len(self.labels)).wait())

    def _answers(self, ids: Ids, logits_NC: torch.Tensor) -> Scores:
        probabilities_NC = probabilities(logits_NC, multi_label=self.multi_label).numpy()
        none_N = ~ids.evidence_N
        probabilities_NC[none_N] = 0.0
        label_N = probabilities_NC.argmax(axis=1).astype(np.int32)
        label_N[none_N] = NO_LABEL
        return Scores(self.labels, label_N, probabilities_NC, ids.token_counts_N, ids.found_counts_N, self.multi_label)

    def _made_rows(self, words: tuple[str, ...]) -> npt.NDArray[np.float32] | None:
        """Return made_MD for the words of a block that have no row."""
        return self.ngrams.rows(words) if words and self.ngrams is not None else None

    def _join(self, scores: list[Scores]) -> Scores:
        if not scores:
            empty = np.empty(0, dtype=np.int32)
            none_NC = np.empty((0, len(self.labels)), dtype=np.float32)
            return Scores(self.labels, empty, none_NC, empty, empty, self.multi_label)
        return Scores(
            self.labels,
            np.concatenate([part.label_N for part in scores]),
            np.concatenate([part.probabilities_NC for part in scores]),
            np.concatenate([part.token_counts_N for part in scores]),
            np.concatenate([part.found_counts_N for part in scores]),
            self.multi_label,
        )


def _tuned_rows(bundle: Bundle, vectors: Vectors) -> npt.NDArray[np.int64]:
    """Return the table rows that the model has in its overlay, checked against the table."""
    rows = bundle.replaced_rows
    if rows.size and (rows[0] < 0 or rows[-1] >= len(vectors) or (np.diff(rows) <= 0).any()):
        raise BundleError(f"the model's tuned words are not rows of the vectors, ascending, 0 to {len(vectors) - 1}")
    return rows


def _classifier(bundle: Bundle, vectors: Vectors) -> Classifier:
    config = bundle.config
    weights = {name: torch.from_numpy(np.array(array)) for name, array in bundle.weights.items()}
    overlay_KD = weights.get(OVERLAY)
    rows = int(config.policy in SPECIAL_POLICIES) + len(bundle.replaced_rows)
    if overlay_KD is None or tuple(overlay_KD.shape) != (rows, config.dim):
        raise BundleError(
            f"the model's overlay is {None if overlay_KD is None else tuple(overlay_KD.shape)}; "
            f"expected {(rows, config.dim)} for the policy {config.policy}"
        )
    _check_shapes(bundle)
    words = WordVectors(
        shared_table(vectors.table_VD), overlay_KD, trainable=False, replaced_rows=weights.get(REPLACED)
    )
    classifier = Classifier(words, build_model(config.settings, config.dim, len(config.labels)))
    try:
        classifier.load_state_dict(weights)
    except RuntimeError as error:
        raise BundleError(f"the weights do not fit the model that config.json describes: {error}") from error
    return classifier


def _check_shapes(bundle: Bundle) -> None:
    """Compare the weights with what config.json describes before any memory is taken for a model of that size."""
    config = bundle.config
    with torch.device("meta"):
        described = build_model(config.settings, config.dim, len(config.labels)).state_dict()
    for name, value in described.items():
        stored = bundle.weights.get(f"model.{name}")
        if stored is None or tuple(stored.shape) != tuple(value.shape):
            found = None if stored is None else tuple(stored.shape)
            what = f"{name} is {found}, not {tuple(value.shape)}"
            raise BundleError(f"the weights do not fit the model that config.json describes: {what}")


def numeric_profile(device: Device | None = None) -> Mapping[str, Any]:
    """Return what answers may differ by in their last bits, as it is in this process."""
    where = device or Device()
    on_cpu = where.name == "cpu"
    return {
        "device": where.name,
        "instructions": torch.backends.cpu.get_cpu_capability() if on_cpu else torch.cuda.get_device_name(),
        "dtype": where.precision,
        "batch_tokens": where.batch_tokens,
        "torch": torch.__version__,
        "kernels": compiler(),
        "scoring_version": SCORING_VERSION,
    }
