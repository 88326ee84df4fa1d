"""Score with a threshold, then read the answers with pyarrow: the sure ones, the unsure ones, and the rejected rows.

::

    python examples/read_answers.py [NEW_FOLDER]

A run is a folder of Parquet files, so that pandas, DuckDB, Spark or Polars read it as well.
"""

import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from reviews import write_reviews

import w2vray


def main(folder: Path) -> None:
    """Score a store, and look into the run."""
    make_store(folder / "store")
    with w2vray.connected():  # one Ray for the training and the scoring
        make_model(folder)
        score(folder)
    read(folder / "run")


def score(folder: Path) -> None:
    """Score with a threshold."""
    # Rows whose best label has a probability below 0.8 get the status below_threshold. `keep` carries columns of the
    # store into the scores; OLD=NEW renames one, here because the scores have a `label` of their own.
    w2vray.score(
        folder / "store",
        model=folder / "model",
        output=folder / "run",
        threshold=0.8,
        keep=["id", "label=truth"],
    )


def read(run: Path) -> None:
    """Look into a run."""
    # `scores` has a row for each text that could be read, with its place in the store (source_file, source_row).
    scores = ds.dataset(run / "scores", format="parquet")
    table = scores.to_table(columns=["id", "truth", "label", "score", "status", "source_file", "source_row"])
    for status in pc.value_counts(table["status"]).to_pylist():
        print(f"{status['values']}: {status['counts']} rows")

    # The sure answers: the threshold buys accuracy with rows.
    for threshold in (0.5, 0.7, 0.9):
        sure = table.filter(pc.greater_equal(table["score"], threshold))
        accuracy = pc.mean(pc.equal(sure["label"], sure["truth"])).as_py()
        print(f"score {threshold} or more: {len(sure)} rows, accuracy {accuracy:.3f}")

    # The unsure ones, the least sure first: what a person should label next. The filter is applied while reading.
    unsure = scores.to_table(columns=["id", "label", "score"], filter=ds.field("status") == "below_threshold")
    print(unsure.sort_by("score").slice(0, 3).to_pylist())

    # Rows without an answer, with the reason. The folder is there only if a row was rejected.
    rejected = ds.dataset(run / "rejected", format="parquet").to_table()
    print(rejected.select(["source_file", "source_row", "reason"]).to_pylist())


def make_store(store: Path) -> None:
    """Write reviews, and a file with a text that is missing and one without any known word."""
    for part in range(2):
        write_reviews(store / f"part-{part}.parquet", 500, seed=part)
    odd = {"id": ["odd-0", "odd-1"], "text": [None, "ζζζ"], "label": ["positive", "negative"]}
    pq.write_table(pa.table(odd), store / "odd.parquet")


def make_model(folder: Path) -> None:
    """Train a small model, as train_and_score.py explains it."""
    write_reviews(folder / "labelled.parquet", 500, seed=10)
    w2vray.train_vectors(folder / "store", output=folder / "vectors", dim=50, epochs=200, skip_gram=True, threads=1)
    w2vray.train(
        folder / "labelled.parquet", vectors=folder / "vectors", output=folder / "model", model="average", C=100
    )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="w2vray-")))
