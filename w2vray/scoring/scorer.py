"""Texts to scores in one process, without Ray: what every run on a cluster must equal, row by row.

Shape letters: CONTRIBUTING.md.
"""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2vray.errors import BundleError
from w2vray.kernels.answering import answer
from w2vray.kernels.compiling import compiler, processor, why_no_kernels
from w2vray.models.checking import model_weights, require_fitting, tuned_rows
from w2vray.models.directory import OVERLAY, Bundle
from w2vray.models.folding import Folded, fold
from w2vray.models.wide.part import WidePart
from w2vray.scoring.answers import Scores, last_of_the_best, plain_answer
from w2vray.scoring.metrics import NO_LABEL
from w2vray.settings.answering import PROJECTION_CACHE
from w2vray.settings.device import Device
from w2vray.text.columns import BLOCK_BYTES, blocks
from w2vray.text.fast.looking_up import FastLookup, compiled
from w2vray.text.given import given_texts
from w2vray.text.lookup import Ids
from w2vray.vectors import Vectors

if TYPE_CHECKING:
    from w2vray.models.classifier import Classifier
    from w2vray.scoring.device_model import DeviceModel

Answer = Callable[
    [npt.NDArray[np.float32], npt.NDArray[np.bool_], bool, int], tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]
]

__all__ = ["SCORING_VERSION", "TextScorer", "numeric_profile"]

SCORING_VERSION = 10
"""Raised when the same model gives another answer to the same text, or the same file other texts."""

_WARMING = ["Caf\u00e9 e\u0301 a-b xyzzy \u6620\u753b"]
_ONE_WORD = Ids(np.zeros(1, dtype=np.int32), np.arange(2), np.ones(1, dtype=np.int32), np.ones(1, dtype=np.int32))
"""What makes every kernel compile, or load, before the first real text."""


class TextScorer:
    """A model and its vectors, ready to classify texts.

    ``kernels=False`` computes all of it in plain Python and torch: the plain model of the compiled kernels, which may
    keep up to ``projection_cache`` MiB of words' projected rows. With a ``device``, torch computes there, and only the
    look-up is compiled; so it is on a CPU where the kind of model has nothing else to score with. Where many bytes of
    text are said to be ahead, what saves time on these may take some at the start. It changes no answer.

    Examples:
        >>> scorer = TextScorer.load("model")  # doctest: +SKIP
        >>> scorer.score(["a moving, beautifully acted film"]).columns()["label"].to_pylist()  # doctest: +SKIP
        ['positive']
    """

    def __init__(
        self,
        bundle: Bundle,
        vectors: Vectors,
        *,
        device: Device | None = None,
        kernels: bool = True,
        projection_cache: int = PROJECTION_CACHE,
        text_ahead: int = 0,
    ) -> None:
        config = bundle.config
        if vectors.dim != config.dim:
            raise BundleError(f"the vectors have {vectors.dim} numbers, the model was trained on {config.dim}")
        require_fitting(bundle)
        self.labels = config.labels
        self.multi_label = config.multi_label
        self._independent = bool(getattr(config.settings, "independent", False))
        self.device = device
        self._sharpness = 1 / np.array(config.temperatures, dtype=np.float32) if config.temperatures else None
        self._limits = config.thresholds.limits if config.thresholds else ()
        self.bundle, self._vectors = bundle, vectors.for_oov(config.oov)
        vectors = self._vectors
        self.table_VD = vectors.table_VD
        self.ngrams = vectors.ngrams
        self.wide = None if config.wide is None else WidePart(config.wide, bundle.weights, kernels=kernels)
        ngrams = None if self.wide is None else self.wide.word_ngrams
        self.lookup = vectors.lookup(config.rules, config.oov, tuned_rows(bundle, vectors), ngrams)
        self.look_up: Callable[[pa.LargeStringArray], Ids] = self.lookup
        self.answer: Answer = plain_answer
        self.folded: Folded | None = None
        if kernels and not why_no_kernels():
            self.look_up = compiled(self.lookup)
            self.answer = answer
            if device is None:
                overlay_KD = bundle.weights[OVERLAY].astype(np.float32)
                bound = projection_cache << 20
                weights = model_weights(bundle)
                self.folded = fold(
                    config.kind,
                    config.settings,
                    weights,
                    vectors.table_VD,
                    overlay_KD,
                    bound=bound,
                    text_ahead=text_ahead,
                )
            counted = self.look_up(pa.array(_WARMING, pa.large_string())).ngrams
            self.score_ids(_ONE_WORD if counted is None else replace(_ONE_WORD, ngrams=counted.first(1)))
        if self.folded is None:
            _ = self.on_device  # built now, so that what a device lacks is told before the first text

    @cached_property
    def look_up_places(self) -> FastLookup:
        """The compiled look-up that also tells where words were written; it remembers words from unit to unit."""
        return FastLookup(self.lookup, places=True)

    @cached_property
    def on_device(self) -> "DeviceModel":
        """The model in torch: on a device, or the plain model of the kernels."""
        # torch's import takes a second and 150 MB, which scoring by kernels does without
        from w2vray.scoring.device_model import DeviceModel, stored_classifier

        return DeviceModel(stored_classifier(self.bundle, self._vectors), self.device or Device())

    @property
    def block_bytes(self) -> int:
        """Bytes of text that the model is quickest on."""
        return BLOCK_BYTES if self.folded is None else self.folded.block_bytes

    @property
    def classifier(self) -> "Classifier":
        """The torch module of ``on_device``."""
        return self.on_device.classifier

    @classmethod
    def load(cls, model: str | Path, vectors: str | Path | None = None) -> Self:
        """Open a model directory and its vectors (at ``vectors``, where they were moved).

        Raises:
            BundleError: the model directory, or the vectors for it, cannot be used.
        """
        bundle = Bundle.load(model)
        return cls(bundle, bundle.open_vectors(vectors))

    def score(self, texts: Iterable[str]) -> Scores:
        """Classify texts: a list or any other iterable of str, a pandas Series, an array of numpy or Arrow.

        Raises:
            UnusableInputError: they are one str, or a text is not a str of Unicode characters; the message says which.
        """
        return self.score_array(given_texts(texts))

    def score_array(self, texts: pa.LargeStringArray) -> Scores:
        """Classify an Arrow array of texts, without nulls, block by block; ``score`` takes other holders.

        Raises:
            UnusableInputError: it is another thing, or a text is null.
        """
        if not isinstance(texts, pa.LargeStringArray) or texts.null_count:
            texts = given_texts(texts)
        return self.join([self.score_ids(self.look_up(block)) for block in blocks(texts)])

    def logits(self, texts: pa.LargeStringArray) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Return logits_NC of an Arrow array of texts, no temperature applied, and which texts have a known word."""
        looked_up = [self.look_up(block) for block in blocks(texts)]
        none_NC, none_N = np.empty((0, len(self.labels)), dtype=np.float32), np.empty(0, dtype=np.bool_)
        logits = [none_NC, *(self.logits_of_ids(ids) for ids in looked_up)]
        return np.concatenate(logits), np.concatenate([none_N, *(ids.evidence_N for ids in looked_up)])

    def score_arrays(self, arrays: Iterable[pa.LargeStringArray]) -> Iterator[Scores]:
        """Classify one array after another."""
        return map(self.score_array, arrays)

    def score_ids(self, ids: Ids) -> Scores:
        """Run the model over the looked-up texts of a block."""
        return self.answers_of(ids, self.logits_of_ids(ids))

    def logits_of_ids(self, ids: Ids) -> npt.NDArray[np.float32]:
        """Return logits_NC of the looked-up texts of a block, before they are calibrated."""
        made_MD = self.made_rows(ids.made_words)
        if self.folded:
            return self.of_both_parts(ids, self.folded.logits(ids, made_MD))
        return self.of_both_parts(ids, self.on_device.queue(ids, made_MD, len(self.labels)).wait())

    def of_both_parts(self, ids: Ids, logits_NC: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Add the logits of the wide part, where the model has one, to those of the main part."""
        return logits_NC if self.wide is None else self.wide.added(ids, logits_NC)

    def answers_of(self, ids: Ids, logits_NC: npt.NDArray[np.float32]) -> Scores:
        """Return the answers to looked-up texts with these logits."""
        if self._sharpness is not None:
            logits_NC = np.multiply(logits_NC, self._sharpness, dtype=np.float32)
        each_alone = self.multi_label or self._independent
        probabilities_NC, label_N = self.answer(logits_NC, ids.evidence_N, each_alone, NO_LABEL)
        if self._independent:
            label_N = last_of_the_best(probabilities_NC, label_N)
        counts = (ids.token_counts_N, ids.found_counts_N)
        return Scores(self.labels, label_N, probabilities_NC, *counts, self.multi_label, self._limits)

    def made_rows(self, words: tuple[str, ...]) -> npt.NDArray[np.float32] | None:
        """Return made_MD for the words of a block that have no row."""
        return self.ngrams.rows(words) if words and self.ngrams is not None else None

    def join(self, scores: list[Scores]) -> Scores:
        """Put the answers of blocks together, without their evidence."""
        if not scores:
            empty = np.empty(0, dtype=np.int32)
            none_NC = np.empty((0, len(self.labels)), dtype=np.float32)
            return Scores(self.labels, empty, none_NC, empty, empty, self.multi_label, self._limits)
        return Scores(
            self.labels,
            np.concatenate([part.label_N for part in scores]),
            np.concatenate([part.probabilities_NC for part in scores]),
            np.concatenate([part.token_counts_N for part in scores]),
            np.concatenate([part.found_counts_N for part in scores]),
            self.multi_label,
            self._limits,
        )


def numeric_profile(device: Device | None = None) -> Mapping[str, Any]:
    """Return what answers may differ by in their last bits, as it is in this process; by kernels without a device."""
    where = device or Device()
    return {
        "device": where.name,
        "instructions": _instructions(device),
        "dtype": where.precision,
        "batch_tokens": where.batch_tokens,
        "torch": _version("torch"),
        "kernels": compiler(),
        "libm": " ".join(platform.libc_ver()),
        "arrow": _version("pyarrow"),  # which writes the answers down
        "scoring_version": SCORING_VERSION,
    }


@cache
def _version(package: str) -> str:
    return version(package)  # it reads a file each time, which takes as long as scoring a megabyte


def _instructions(device: Device | None) -> str:
    if device is None and not why_no_kernels():
        return processor()
    import torch  # as in TextScorer.on_device

    on_cpu = (device or Device()).name == "cpu"
    return torch.backends.cpu.get_cpu_capability() if on_cpu else torch.cuda.get_device_name()
