"""Texts to answers with their evidence, in one go and in compiled code: for runs in which every text is explained.

The compiled twin of ``evidence_of`` (``evidence.py``): the same answers, and the same pieces but for the last bits of
their weights.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2vray.kernels.weighing import Heaviest
from w2vray.models.evidence import direction_of
from w2vray.scoring.answers import EVIDENCE_TYPE, Scores
from w2vray.scoring.evidence import scales_of
from w2vray.scoring.metrics import NO_LABEL
from w2vray.scoring.scorer import TextScorer
from w2vray.text.columns import blocks
from w2vray.text.fast.placing import Places, gathered

__all__ = ["ExplainingScorer"]


class ExplainingScorer:
    """Classifies and explains what ``scorer`` classifies, in about the time that it takes.

    ``usable`` tells whether a scorer can be had for that.
    """

    def __init__(
        self, scorer: TextScorer, *, most: int, threshold: float | None = None, no_threshold: bool = False
    ) -> None:
        self._scorer, self._most = scorer, most
        self._threshold, self._no_threshold = threshold, no_threshold
        scales_C = scales_of(scorer.bundle)
        self._directions_CC = np.array(
            [direction_of(label, scales_C, multi_label=scorer.multi_label) for label in range(len(scales_C))]
        )

    @staticmethod
    def usable(scorer: TextScorer) -> bool:
        """Tell whether a scorer computes by kernels of a kind that tells its evidence."""
        return scorer.folded is not None and scorer.folded.explains

    def score_arrays(self, arrays: Iterable[pa.LargeStringArray]) -> Iterator[Scores]:
        """Classify one array after another, as ``TextScorer.score_arrays`` does."""
        return map(self.score_array, arrays)

    def score_array(self, texts: pa.LargeStringArray) -> Scores:
        """Classify an Arrow array of texts, without nulls, block by block."""
        parts = [self._block(block) for block in blocks(texts)]
        columns = [part.evidence for part in parts]
        return replace(self._scorer.join(parts), evidence=pa.concat_arrays([pa.array([], EVIDENCE_TYPE), *columns]))

    def _block(self, texts: pa.LargeStringArray) -> Scores:
        scorer = self._scorer
        assert scorer.folded is not None
        look_up, words = scorer.look_up_places, None
        if scorer.wide is None:
            ids, places = look_up.placed(texts)
        else:
            ids, words = look_up.placed_words(texts)
            places = words.places
        logits_NC, weigh = scorer.folded.explained(ids, scorer.made_rows(ids.made_words))
        scores = scorer.answers_of(ids, scorer.of_both_parts(ids, logits_NC))
        label_N = scores.explained_N(self._threshold, no_threshold=self._no_threshold)
        if scorer.wide is None or words is None:
            heaviest = weigh(label_N, self._directions_CC, self._most)
        else:
            main = weigh(label_N, self._directions_CC, 0)
            heaviest = scorer.wide.heaviest(ids, words, main, label_N, self._directions_CC, self._most)
        return replace(scores, evidence=_column(heaviest, places, label_N != NO_LABEL))


def _column(heaviest: Heaviest, places: Places, explained_N: npt.NDArray[np.bool_]) -> pa.ListArray:
    """Write down the pieces of texts."""
    text_O = np.repeat(np.arange(len(explained_N)), heaviest.counts_N)
    spans = places.spans(text_O, heaviest.first_O, heaviest.last_O)
    text_offsets, text = gathered(places.scanned.source.data, spans.first_byte_O, spans.end_byte_O)
    values = [
        pa.StringArray.from_buffers(len(text_O), pa.py_buffer(text_offsets), pa.py_buffer(text)),
        pa.array(spans.starts_O),
        pa.array(spans.ends_O),
        pa.array(heaviest.weight_O),
    ]
    pieces = pa.StructArray.from_arrays(values, fields=list(EVIDENCE_TYPE.value_type))
    offsets_N1 = np.concatenate(([0], np.cumsum(heaviest.counts_N))).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets_N1), pieces, EVIDENCE_TYPE, mask=pa.array(~explained_N))
