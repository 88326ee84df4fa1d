"""``evaluate``: how good a model is on labelled rows, on Ray Data."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from w2vray.bundle import Bundle
from w2vray.cluster.examples import labelled_units
from w2vray.cluster.labels import label_strings
from w2vray.cluster.runtime import SharedVectors, connected, run_units, share
from w2vray.cluster.units import Unit, read_unit
from w2vray.config import EvaluateSettings
from w2vray.errors import CorpusError
from w2vray.metrics import NO_LABEL, Metrics, confusion, metrics
from w2vray.scorer import TextScorer
from w2vray.texts import read_texts

__all__ = ["EvaluationSummary", "evaluate"]


@dataclass(frozen=True, kw_only=True)
class EvaluationSummary:
    """Metrics of a labelled store. Rows whose label the model does not know count as wrong in ``accuracy``."""

    metrics: Metrics
    rows_without_label: int
    rows_unknown_label: int

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON can hold it."""
        return {
            **self.metrics.as_dict(),
            "rows_without_label": self.rows_without_label,
            "rows_unknown_label": self.rows_unknown_label,
        }


def evaluate(settings: EvaluateSettings, *, address: str | None = None) -> EvaluationSummary:
    """Classify labelled rows and compare; a row that cannot be read, or has no known word, counts as wrong.

    Raises:
        UnusableInputError: the arguments, the store or the model cannot be used.
    """
    bundle = Bundle.load(settings.model)
    vectors = bundle.open_vectors(settings.vectors)
    labels = bundle.config.labels
    labelled = labelled_units(settings.labelled, settings.text_column, settings.label_column)
    total_CC1 = np.zeros((len(labels), len(labels) + 1), dtype=np.int64)
    without = unknown = 0
    with connected(address):
        arguments = {
            "shared": share(vectors),
            "bundle": bundle,
            "roots": labelled.corpus.roots,
            "text_columns": settings.text_column,
            "label_column": settings.label_column,
        }
        for row in run_units(labelled.units, EvaluationWorker, arguments, workers=settings.workers):
            total_CC1 += np.array(row["confusion"]).reshape(total_CC1.shape)
            without += row["without_label"]
            unknown += row["unknown_label"]
    rows = int(total_CC1.sum())
    if not rows:
        raise CorpusError(
            f"no row of {settings.label_column!r} has a label that the model knows ({', '.join(labels[:10])}); "
            f"{without:,} rows have none, {unknown:,} another"
        )
    summary = EvaluationSummary(
        metrics=metrics(total_CC1, labels, rows_unknown_label=unknown),
        rows_without_label=without,
        rows_unknown_label=unknown,
    )
    if settings.output is not None:
        folder = Path(settings.output)
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(summary.as_dict(), indent=2, ensure_ascii=False) + "\n"
        (folder / "metrics.json").write_text(text, encoding="utf-8")
    return summary


class EvaluationWorker:
    """A worker of the pool: classifies a unit's rows and counts."""

    def __init__(
        self,
        shared: SharedVectors,
        bundle: Bundle,
        roots: tuple[str, ...],
        text_columns: tuple[str, ...],
        label_column: str,
    ) -> None:
        torch.set_num_threads(1)
        pa.set_cpu_count(1)
        self.scorer = TextScorer(bundle, shared.get())
        self.roots, self.text_columns, self.label_column = roots, text_columns, label_column

    def __call__(self, unit: Unit) -> dict[str, Any]:
        """Return a unit's flattened confusion_CC1 and what could not be counted in it."""
        labels = self.scorer.labels
        total_CC1 = np.zeros((len(labels), len(labels) + 1), dtype=np.int64)
        without = unknown = 0
        columns = list(dict.fromkeys([*self.text_columns, self.label_column]))
        for batch in read_unit(unit, self.roots, columns):
            texts = read_texts(batch, self.text_columns)
            predicted = np.full(len(batch), NO_LABEL, dtype=np.int64)
            predicted[texts.rows_N] = self.scorer.score_array(texts.values).label_N
            label = label_strings(batch.column(self.label_column), self.label_column)
            true = pc.index_in(label, pa.array(labels, pa.string())).fill_null(-1).to_numpy()
            without += label.null_count
            unknown += int((true < 0).sum()) - label.null_count
            total_CC1 += confusion(true[true >= 0], predicted[true >= 0], len(labels))
        return {"confusion": total_CC1.ravel().tolist(), "without_label": without, "unknown_label": unknown}
