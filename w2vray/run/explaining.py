"""The rows of a run that are explained: which ones, and by what.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2vray.run.request import Request
from w2vray.scoring.answers import Scores
from w2vray.scoring.evidence import evidence_of
from w2vray.scoring.explaining import ExplainingScorer
from w2vray.scoring.scorer import TextScorer
from w2vray.store.reading import FILE_COLUMN, ROW_COLUMN
from w2vray.text.keys import mixed, name_key

__all__ = ["explained", "place_keys", "scored_arrays", "slow_evidence"]


def explained(
    scores: Scores,
    scorer: TextScorer,
    texts: pa.LargeStringArray,
    rows: pa.RecordBatch,
    *,
    request: Request,
    up_to: int,
) -> Scores:
    """Return scores with the evidence that was asked for; as they are where none was.

    Args:
        scores: of some rows,
        scorer: by what,
        texts: of their texts,
        rows: and where these are in the store.
        request: says how many pieces are told, and how they are found.
        up_to: rows are explained whose places have no larger key.
    """
    answer = request.answer
    if answer.evidence is None or scores.evidence is not None:
        return scores
    evidence = evidence_of(
        scorer,
        texts,
        scores,
        most=answer.evidence,
        method=answer.explain_method,
        threshold=answer.threshold,
        no_threshold=answer.no_threshold,
        chosen_N=None if answer.evidence_sample is None else place_keys(rows) <= np.uint64(up_to),
    )
    return replace(scores, evidence=evidence)


def scored_arrays(scorer: TextScorer, arrays: Iterable[pa.LargeStringArray], request: Request) -> Iterator[Scores]:
    """Classify one array after another; with evidence at once, where all texts are explained and kernels do it."""
    answer = request.answer
    whole = answer.evidence is not None and answer.evidence_sample is None and answer.explain_method == "model"
    if answer.evidence is None or not whole or not ExplainingScorer.usable(scorer):
        return scorer.score_arrays(arrays)
    explaining = ExplainingScorer(
        scorer, most=answer.evidence, threshold=answer.threshold, no_threshold=answer.no_threshold
    )
    return explaining.score_arrays(arrays)


def slow_evidence(request: Request) -> str | None:
    """Say that all rows are to be explained, and that no compiled code does it; None where it does, or a sample is."""
    answer = request.answer
    if answer.evidence is None or answer.evidence_sample is not None:
        return None
    if answer.explain_method != "model":
        why = f"--explain-method {answer.explain_method}"
    elif request.device is not None:
        why = "a GPU"
    else:
        return None
    return (
        f"with {why}, no compiled code explains the rows, which makes this run many times slower; "
        "--evidence-sample ROWS explains a sample of them"
    )


def place_keys(rows: pa.RecordBatch) -> npt.NDArray[np.uint64]:
    """Return a number for each row that follows from its file's name and its place there, evenly spread."""
    coded = rows.column(FILE_COLUMN)
    if not pa.types.is_dictionary(coded.type):
        coded = coded.dictionary_encode()
    keys = np.array([name_key(name) for name in coded.dictionary.to_pylist()] or [0], dtype=np.uint64)
    files_N = keys[coded.indices.to_numpy()] if len(rows) else keys[:0]
    return mixed(files_N + rows.column(ROW_COLUMN).to_numpy().astype(np.uint64))
