"""Lines of text to answers, for ``predict``."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from w2vray.errors import UnusableInputError
from w2vray.scoring.answers import Answer, Scores
from w2vray.scoring.evidence import evidence_of, require_evidence
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.answering import PredictSettings
from w2vray.text.columns import read_texts

__all__ = ["given_lines", "is_a_file", "predict_lines", "waiting_lines"]

_TEXTS_AT_ONCE = 256
_BYTES_AT_ONCE = 1 << 20


def is_a_file(text: str) -> bool:
    """Tell whether a text is also the name of a file: its lines may have been meant."""
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False


def given_lines(texts: Sequence[str]) -> Iterator[list[bytes]]:
    """Yield the texts of a command line as the bytes that were typed, some at a time."""
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        yield [text.encode("utf-8", "surrogateescape") for text in texts[start : start + _TEXTS_AT_ONCE]]


def waiting_lines(descriptor: int) -> Iterator[list[bytes]]:
    """Yield the lines that are there to be read, as soon as there is one: whoever asks in turn is answered in turn.

    Raises:
        UnusableInputError: it cannot be read from.
    """
    begun: list[bytes] = []  # pieces of a line whose end is still to come
    while piece := _read(descriptor):
        first, *others = piece.split(b"\n")
        begun.append(first)
        if others:
            yield [b"".join(begun), *others[:-1]]
            begun = others[-1:]
    if rest := b"".join(begun):
        yield [rest]


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _BYTES_AT_ONCE)
    except OSError as error:
        raise UnusableInputError(f"stdin cannot be read ({error.strerror}); give texts as arguments") from error


def predict_lines(settings: PredictSettings, blocks: Iterable[list[bytes]]) -> Iterator[list[dict[str, Any]]]:
    """Classify lines of UTF-8, in order, block by block; a line that is not UTF-8 gets its reason for an answer."""
    scorer = TextScorer.load(settings.model, settings.vectors)
    asked = Answer.asked(settings, multi_label=scorer.multi_label)
    if asked.evidence is not None:
        require_evidence(scorer.bundle, asked.explain_method)
    for block in blocks:
        batch = pa.record_batch({"text": pa.array([line.rstrip(b"\r\n") for line in block], pa.large_binary())})
        texts = read_texts(batch, ["text"])
        columns = asked.columns(_scored(scorer, texts.values, asked))
        answers: list[dict[str, Any]] = [{}] * len(block)
        for item in texts.rejected:
            answers[item.row] = {"status": "rejected", "reason": item.reason.value, "detail": item.detail}
        rows = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns)).to_pylist()
        for place, answer in zip(texts.rows_N, rows, strict=True):
            answers[place] = answer
        yield answers


def _scored(scorer: TextScorer, texts: pa.LargeStringArray, asked: Answer) -> Scores:
    scores = scorer.score_array(texts)
    if asked.evidence is None:
        return scores
    evidence = evidence_of(
        scorer,
        texts,
        scores,
        most=asked.evidence,
        method=asked.explain_method,
        threshold=asked.threshold,
        no_threshold=asked.no_threshold,
    )
    return replace(scores, evidence=evidence)
