"""Lines of text to answers, for ``predict``."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import pyarrow as pa

from w2vray.config import PredictSettings
from w2vray.scorer import TextScorer
from w2vray.texts import read_texts

__all__ = ["predict_lines"]

_CHUNK = 256


def predict_lines(settings: PredictSettings, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Classify lines of UTF-8, in order; a line that is not UTF-8 gets its reason for an answer."""
    scorer = TextScorer.load(settings.model, settings.vectors)
    remaining = iter(lines)
    while chunk := list(islice(remaining, _CHUNK)):
        batch = pa.record_batch({"text": pa.array([line.rstrip(b"\r\n") for line in chunk], pa.large_binary())})
        texts = read_texts(batch, ["text"])
        columns = scorer.score_array(texts.values).columns(top_k=settings.top_k or 0)
        answers: dict[int, dict[str, Any]] = {
            item.row: {"status": "rejected", "reason": item.reason.value, "detail": item.detail}
            for item in texts.rejected
        }
        for index, row in enumerate(texts.rows_N):
            answers[int(row)] = {name: column[index].as_py() for name, column in columns.items()}
        for row in range(len(chunk)):
            yield answers[row]
