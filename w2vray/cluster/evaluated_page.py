"""The page of an evaluation: what was counted, with the texts of some rows, and which words decided about them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from w2vray.cluster.measured_rows import ROWS
from w2vray.cluster.waiting import Note
from w2vray.models.directory import Bundle
from w2vray.pages.evaluation_data import evaluation_data
from w2vray.pages.rows import some_texts
from w2vray.scoring.evidence import evidence_of, tells_evidence
from w2vray.scoring.scorer import TextScorer
from w2vray.stages import stage
from w2vray.text.coverage import measure_coverage
from w2vray.vectors import Vectors

__all__ = ["PAGE", "write_evaluation_page"]

PAGE = "report.html"
_TEXTS_FOR_WORDS, _WORDS_SHOWN = 5000, 100
"""Texts that are looked through for words without a vector, and how many of those a page shows."""

_PIECES = 3
"""Of a text, that weighed most."""


def write_evaluation_page(
    folder: Path, metrics: Mapping[str, Any], bundle: Bundle, vectors: Vectors, *, name: str, note: Note
) -> None:
    """Write the page beside ``rows.parquet``; what was measured stands without it, too.

    Args:
        folder: of the evaluation.
        metrics: as ``metrics.json`` has them.
        bundle: the model whose answers are in ``rows.parquet``, the first where there are several.
        vectors: its vectors.
        name: of the model.
        note: told where the page could not be made.
    """
    stage("writing the page")
    try:
        # matplotlib takes a second, and who asks for no folder does without it
        from w2vray.pages.evaluation import evaluation_page  # noqa: PLC0415

        explain = _Explain(bundle, vectors) if tells_evidence(bundle) else None
        data = evaluation_data(folder / ROWS, metrics, bundle.config.labels, explain=explain)
        found = measure_coverage(
            vectors.vocabulary,
            bundle.config.rules,
            some_texts(folder / ROWS, _TEXTS_FOR_WORDS),
            pieces=vectors.pieces if bundle.config.rules.pieces else None,
            words=_WORDS_SHOWN,
        )
        page = evaluation_page(data, title=f"Evaluation of {name}", missing=found.missing)
        (folder / PAGE).write_text(page.render(), encoding="utf-8")
    except Exception as error:  # noqa: BLE001 - whatever a page fails by, the numbers are there
        note(
            f"{folder / PAGE} could not be made ({type(error).__name__}: {error}); metrics.json and rows.parquet are "
            "there"
        )


class _Explain:
    """Tells which words decided about texts."""

    def __init__(self, bundle: Bundle, vectors: Vectors) -> None:
        self.bundle, self.vectors = bundle, vectors

    def __call__(self, texts: Sequence[str]) -> list[list[dict[str, Any]] | None]:
        scorer = TextScorer(self.bundle, self.vectors)
        found: list[list[dict[str, Any]] | None] = evidence_of(
            scorer, pa.array(texts, pa.large_string()), most=_PIECES
        ).to_pylist()
        return found
