"""The wide part of a model, ready to score: counted runs of words to logits, and these added to the model's own.

A text's runs are weighed as scikit-learn's ``TfidfVectorizer(sublinear_tf=True)`` weighs them: ``1 + ln(times)`` times
``1 + ln((1 + n) / (1 + n_bucket))`` for n training texts, n_bucket of which have the bucket, then scaled so that a
text's squares add up to 1. Buckets that no training text had do not count.

Shape letters: CONTRIBUTING.md; F counts the buckets that training has seen, R those of them that have a row.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import read_only, why_no_kernels
from w2vray.kernels.weighing import Heaviest
from w2vray.models.evidence import Numbers, Weighed
from w2vray.models.wide.adding import add_ngrams
from w2vray.models.wide.settings import WideSettings
from w2vray.models.wide.weighing import Runs, heaviest_of_both
from w2vray.text.fast.placing_words import FastWords
from w2vray.text.lookup import Ids
from w2vray.text.vocabulary import MISSING
from w2vray.text.word_ngrams import NGRAM_FACTOR, SPREAD, NgramCounts, WordNgrams

__all__ = ["WIDE", "WidePart", "misfit"]

WIDE = "wide."
"""What the names of its arrays begin with in ``weights.safetensors``."""

_OFTEN = 64
_NAMES = ("buckets_F", "idf_F", "rows_RC", "bias_C")


class WidePart:
    """The arrays of a wide part, and how its logits are added to the main ones.

    ``buckets_F`` are the buckets that training has seen, those with a row first; ``idf_F`` are their weights.
    ``rows_RC`` say what each adds to the logits, its idf among it, and ``bias_C`` what these start from.
    """

    def __init__(self, settings: WideSettings, weights: Mapping[str, npt.NDArray[Any]], *, kernels: bool) -> None:
        self.settings = settings
        self.buckets_F, self.idf_F, self.rows_RC, self.bias_C = (weights[WIDE + name] for name in _NAMES)
        self.idf_F, self.bias_C = self.idf_F.astype(np.float32), self.bias_C.astype(np.float32)
        self._kernels = kernels and not why_no_kernels()

    @cached_property
    def word_ngrams(self) -> WordNgrams:
        """Which runs the look-up counts."""
        numbers_B = np.full(1 << self.settings.bits, MISSING, dtype=np.int32)
        numbers_B[self.buckets_F] = np.arange(len(self.buckets_F), dtype=np.int32)
        return WordNgrams(self.settings.longest, self.settings.bits, numbers_B)

    def logits(self, counts: NgramCounts) -> npt.NDArray[np.float32]:
        """Return logits_NC of counted texts."""
        if not self._kernels:
            return self._plain(counts)
        return np.asarray(
            add_ngrams(
                read_only(counts.buckets_G),
                read_only(counts.times_G),
                read_only(counts.offsets_N1),
                read_only(self.idf_F),
                read_only(self.rows_RC.view(np.uint16)),
                read_only(self.bias_C),
                read_only(_how_often(np.arange(_OFTEN)).astype(np.float32)),
            )
        )

    def added(self, ids: Ids, main_NC: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the sum of both parts' logits_NC; of a text without a vector, those of this part."""
        assert ids.ngrams is not None, "the look-up has counted them"
        wide_NC = self.logits(ids.ngrams)
        main = np.where(ids.vectors_N, np.float32(self.settings.main), np.float32(0))
        sums_NC: npt.NDArray[np.float32] = main[:, None] * main_NC + np.float32(self.settings.wide) * wide_NC
        return sums_NC

    def weighed(self, hashes: Sequence[int], direction_C: Numbers) -> Weighed:
        """Split up the logits of a text, given as the hashes of its words: a piece is a run, from word to word.

        The weights add up to the direction's share of the logits, less that of the bias.
        """
        runs = np.array(list(self.word_ngrams.runs(hashes)), dtype=np.int64).reshape(-1, 3)
        numbers_U, of_run, times_U = np.unique(runs[:, 2], return_inverse=True, return_counts=True)
        often_U = _how_often(times_U)
        length = float(np.linalg.norm(often_U * self.idf_F[numbers_U])) or 1.0
        has_row_U = numbers_U < len(self.rows_RC)
        adds_U = np.zeros(len(numbers_U))
        adds_U[has_row_U] = self.rows_RC[numbers_U[has_row_U]].astype(np.float64) @ direction_C
        weight_U = self.settings.wide * often_U * adds_U / times_U / length
        return Weighed(runs[:, 0], runs[:, 1], weight_U[of_run])

    def heaviest(
        self,
        ids: Ids,
        words: FastWords,
        main: Heaviest,
        label_N: npt.NDArray[np.int32],
        directions_CC: Numbers,
        most: int,
    ) -> Heaviest:
        """Return the pieces of texts that weigh most in both parts together, in compiled code: from word to word.

        Args:
            ids: of the texts,
            words: and their words.
            main: all pieces of the main part that weigh something, by ids.
            label_N: of the texts; below zero where none is explained.
            directions_CC: the direction of each label.
            most: pieces of a text.
        """
        counts, rules = ids.ngrams, self.word_ngrams
        assert counts is not None, "the look-up has counted them"
        runs = Runs(
            words.hashes_T,
            words.offsets_N1,
            words.word_L,
            counts.buckets_G,
            counts.times_G,
            counts.offsets_N1,
            read_only(rules.numbers_B),
            read_only(self.idf_F),
            read_only(self.rows_RC.view(np.uint16)),
            rules.longest,
            np.uint64(64 - rules.bits),
            np.uint64(NGRAM_FACTOR),
            np.uint64(SPREAD),
        )
        main_N = np.where(ids.vectors_N, self.settings.main, 0.0)
        return heaviest_of_both(runs, main, main_N, self.settings.wide, label_N, directions_CC, most, ids.offsets_N1)

    def intercept(self, direction_C: Numbers) -> float:
        """Return what a text has of the direction before a word of it is read."""
        return self.settings.wide * float(direction_C @ self.bias_C)

    def of_words(self, hashes_W: npt.NDArray[np.uint64]) -> Numbers:
        """Return logits_WC of texts of one word each, without the bias."""
        every = WordNgrams(1, self.settings.bits)
        buckets_W = [bucket for value in hashes_W.tolist() for _, _, bucket in every.runs([value])]
        return self.of_buckets(np.array(buckets_W, dtype=np.int64))

    def of_buckets(self, buckets_W: npt.NDArray[np.int64]) -> Numbers:
        """Return logits_WC of texts of one bucket each, without the bias; of a bucket without a row, zeros."""
        numbers_W = self.word_ngrams.numbers_B[buckets_W]
        with_row_W = (numbers_W != MISSING) & (numbers_W < len(self.rows_RC))
        logits_WC = np.zeros((len(buckets_W), len(self.bias_C)))
        numbers = numbers_W[with_row_W]  # the one weight of such a text is scaled to 1
        logits_WC[with_row_W] = self.rows_RC[numbers].astype(np.float64) / self.idf_F[numbers][:, None]
        return self.settings.wide * logits_WC

    def _plain(self, counts: NgramCounts) -> npt.NDArray[np.float32]:
        logits_NC = np.tile(self.bias_C, (len(counts), 1))
        often_G = _how_often(counts.times_G)
        weights_G = often_G * self.idf_F[counts.buckets_G]
        for text, start in enumerate(counts.offsets_N1[:-1].tolist()):
            own = slice(start, int(counts.offsets_N1[text + 1]))
            length = np.sqrt((weights_G[own] ** 2).sum())
            with_row = counts.buckets_G[own] < len(self.rows_RC)
            rows_GC = self.rows_RC[counts.buckets_G[own][with_row]].astype(np.float64)
            if length > 0:
                logits_NC[text] += (often_G[own][with_row] @ rows_GC / length).astype(np.float32)
        return logits_NC


def _how_often(times: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return what a number of times counts."""
    counted: npt.NDArray[np.float64] = 1 + np.log(np.maximum(times, 1).astype(np.float64))
    return counted


def misfit(settings: WideSettings, weights: Mapping[str, npt.NDArray[Any]], classes: int) -> str:
    """Return what of the stored arrays does not fit the settings; nothing where all does."""
    missing = [name for name in _NAMES if WIDE + name not in weights]
    if missing:
        return f"there is no {WIDE}{missing[0]}"
    buckets_F, idf_F, rows_RC, bias_C = (weights[WIDE + name] for name in _NAMES)
    if buckets_F.dtype != np.int32 or rows_RC.dtype != np.float16:
        return f"{WIDE}buckets_F is {buckets_F.dtype} and {WIDE}rows_RC {rows_RC.dtype}, not int32 and float16"
    shapes = [array.shape for array in (buckets_F, idf_F, rows_RC, bias_C)]
    seen = len(buckets_F)
    if shapes != [(seen,), (seen,), (len(rows_RC), classes), (classes,)] or len(rows_RC) > seen:
        return f"the arrays {', '.join(WIDE + name for name in _NAMES)} are of the shapes {shapes}"
    inside = not seen or (int(buckets_F.min()) >= 0 and int(buckets_F.max()) < 1 << settings.bits)
    if not inside or len(np.unique(buckets_F)) != seen:
        return f"{WIDE}buckets_F does not name {seen:,} of {1 << settings.bits:,} buckets"
    return ""
