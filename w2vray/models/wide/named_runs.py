"""The words of a model's strongest runs, as a file of the model directory: buckets alone say nothing to a person."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from w2vray.artefacts import plain_file, read_json
from w2vray.errors import BundleError

__all__ = ["NAMED_RUNS", "NamedRun", "named_runs_bytes", "read_named_runs"]

NAMED_RUNS = "ngrams.json"


@dataclass(frozen=True)
class NamedRun:
    """The run of words that a bucket mostly stood for in training: in ``share`` of the places that have the bucket."""

    bucket: int
    words: tuple[str, ...]
    share: float


def named_runs_bytes(runs: Sequence[NamedRun]) -> bytes:
    """Return the content of the file."""
    stored = [{"bucket": run.bucket, "words": list(run.words), "share": run.share} for run in runs]
    return (json.dumps({"ngrams": stored}, ensure_ascii=False) + "\n").encode()


def read_named_runs(folder: Path) -> list[NamedRun]:
    """Read the file of a model directory; none where the model was made without one.

    Raises:
        BundleError: it is damaged.
    """
    if not (folder / NAMED_RUNS).exists():
        return []
    file = plain_file(folder, NAMED_RUNS, BundleError)
    stored = read_json(folder, NAMED_RUNS, BundleError)
    try:
        runs = [NamedRun(run["bucket"], tuple(run["words"]), run["share"]) for run in stored["ngrams"]]
        for run in runs:
            words = all(isinstance(word, str) for word in run.words)
            if type(run.bucket) is not int or not words or not 0 < run.share <= 1:
                raise BundleError(f"{file} cannot be used: {run} is not an n-gram; remove the file to do without it")
    except (KeyError, TypeError) as error:
        raise BundleError(
            f"{file} cannot be used ({type(error).__name__}: {error}); remove it to do without it"
        ) from error
    return runs
