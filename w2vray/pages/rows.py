"""Labelled rows with what was predicted (``rows.parquet``), as a page needs them: counts first, then a few texts.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.sparse import csr_matrix

__all__ = ["ReadRows", "read_rows", "rows_at", "some_texts"]

_BATCH = 1 << 15


@dataclass(frozen=True, kw_only=True)
class ReadRows:
    """All rows but their texts. ``..._Y`` are of the labels that were given: a row may have several, or none.

    ``true_N`` and ``predicted_N`` are places in ``labels``, -1 for none; of a multi-label model they are empty.
    """

    labels: tuple[str, ...]
    right_N: npt.NDArray[np.bool_]
    tokens_N: npt.NDArray[np.int64]
    coverage_N: npt.NDArray[np.float64]
    answered_N: npt.NDArray[np.bool_]  # which rows have a known word
    true_N: npt.NDArray[np.int64]
    predicted_N: npt.NDArray[np.int64]
    confidence_Y: npt.NDArray[np.float64]
    right_Y: npt.NDArray[np.bool_]
    rows_Y: npt.NDArray[np.int64]
    true_NC: Any = None  # sparse, of a multi-label model
    given_NC: Any = None

    @property
    def multi_label(self) -> bool:
        """Whether a row may have any number of labels."""
        return self.true_NC is not None


def read_rows(file: Path, labels: Sequence[str]) -> ReadRows:
    """Read the rows of the first model."""
    with pq.ParquetFile(file) as parquet:
        multi_label = pa.types.is_list(parquet.schema_arrow.field("true").type)
    names = ["true", "predicted", "score", "token_count", "coverage"]
    table = pq.read_table(file, columns=names)
    read = _many_labels if multi_label else _one_label
    predicted = table["predicted"].combine_chunks()
    return ReadRows(
        labels=tuple(labels),
        tokens_N=pc.fill_null(table["token_count"], 0).to_numpy().astype(np.int64),
        coverage_N=pc.fill_null(table["coverage"], 0.0).to_numpy().astype(np.float64),
        answered_N=predicted.is_valid().to_numpy(zero_copy_only=False),
        **read(table["true"].combine_chunks(), predicted, table["score"].combine_chunks(), labels),
    )


def _one_label(true: pa.Array, predicted: pa.Array, scores: pa.Array, labels: Sequence[str]) -> dict[str, Any]:
    known = pa.array(labels, pa.string())
    true_N, predicted_N = (
        pc.index_in(values, known).fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        for values in (true, predicted)
    )
    right_N = (true_N == predicted_N) & (true_N >= 0)
    rows_Y = np.flatnonzero(predicted_N >= 0)
    return {
        "right_N": right_N,
        "true_N": true_N,
        "predicted_N": predicted_N,
        "rows_Y": rows_Y,
        "right_Y": right_N[rows_Y],
        "confidence_Y": scores.fill_null(0.0).to_numpy(zero_copy_only=False)[rows_Y].astype(np.float64),
    }


def _many_labels(true: pa.Array, predicted: pa.Array, scores: pa.Array, labels: Sequence[str]) -> dict[str, Any]:
    (true_NC, unknown_N), (given_NC, _) = (_matrix(values, labels) for values in (true, predicted))
    differing_N = np.asarray(abs(true_NC - given_NC).sum(axis=1)).ravel()
    rows_Y = pc.list_parent_indices(predicted).to_numpy().astype(np.int64)
    places_Y = pc.index_in(pc.list_flatten(predicted), pa.array(labels, pa.string())).fill_null(-1)
    given_Y = places_Y.to_numpy(zero_copy_only=False).astype(np.int64)
    empty = np.empty(0, dtype=np.int64)
    return {
        "right_N": (differing_N == 0) & (unknown_N == 0),
        "true_N": empty,
        "predicted_N": empty,
        "rows_Y": rows_Y,
        "right_Y": np.asarray(true_NC[rows_Y, given_Y]).ravel() > 0
        if len(rows_Y)  # scipy makes a matrix of no places
        else np.empty(0, dtype=np.bool_),
        "confidence_Y": pc.list_flatten(scores).to_numpy(zero_copy_only=False).astype(np.float64),
        "true_NC": true_NC,
        "given_NC": given_NC,
    }


def _matrix(lists: pa.Array, labels: Sequence[str]) -> tuple[Any, npt.NDArray[np.int64]]:
    """Return labels as a sparse matrix, and how many of each row are none of the model's."""
    parents = pc.list_parent_indices(lists).to_numpy().astype(np.int64)
    places = pc.index_in(pc.list_flatten(lists), pa.array(labels, pa.string())).fill_null(-1)
    places_Y = places.to_numpy(zero_copy_only=False).astype(np.int64)
    known_Y = places_Y >= 0
    shape = (len(lists), len(labels))
    made = csr_matrix((np.ones(known_Y.sum()), (parents[known_Y], places_Y[known_Y])), shape=shape)
    made.data[:] = 1.0  # a label that a row has twice counts once
    return made, np.bincount(parents[~known_Y], minlength=len(lists)).astype(np.int64)


def rows_at(file: Path, places: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    """Return some rows with their texts, and with the evidence of their answers where the file has it."""
    wanted = np.unique(np.array(list(places), dtype=np.int64))
    found: dict[int, Mapping[str, Any]] = {}
    start = 0
    with pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(_BATCH):
            inside = wanted[(wanted >= start) & (wanted < start + len(batch))]
            if len(inside):
                few = batch.take(pa.array(inside - start)).to_pylist()
                found.update(zip(inside.tolist(), few, strict=True))
            start += len(batch)
    return found


def some_texts(file: Path, rows: int) -> Iterator[pa.LargeStringArray]:
    """Yield texts from all over the file, about so many."""
    with pq.ParquetFile(file) as parquet:
        step = max(parquet.metadata.num_rows // rows, 1)
        for batch in parquet.iter_batches(_BATCH, columns=["text"]):
            yield batch.column(0)[::step].drop_null().cast(pa.large_string())
