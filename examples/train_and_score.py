"""Train a classifier on labelled reviews, measure it, score a folder of Parquet with it, and prove that no row is lost.

::

    python examples/train_and_score.py [NEW_FOLDER]

Vectors, model and run are written to FOLDER, a temporary one by default. A second call with the same FOLDER stops at
vectors that are there already; remove them, or name another.
"""

import sys
import tempfile
from pathlib import Path

from reviews import write_reviews

import w2vray


def main(folder: Path) -> None:
    """Go from Parquet files to scores."""
    store = folder / "store"
    for part in range(3):
        write_reviews(store / f"part-{part}.parquet", 400, seed=part)
    write_reviews(folder / "labelled.parquet", 500, seed=10)
    write_reviews(folder / "test.parquet", 200, seed=11)

    # Word vectors, here learnt from the store's own text: so little of it that it takes many epochs. With one thread
    # they are the same each time. Published ones know more: w2vray.import_vectors("glove.6B.100d.txt.gz", output=...).
    vectors = w2vray.train_vectors(store, output=folder / "vectors", dim=50, epochs=200, skip_gram=True, threads=1)
    print(f"vectors: {len(vectors)} words of {vectors.dim} numbers")

    # The verbs start a Ray on this machine and end it again; here all share one. connected("HEAD:6379") uses a cluster.
    with w2vray.connected():
        trained = w2vray.train(
            folder / "labelled.parquet",
            vectors=folder / "vectors",
            output=folder / "model",
            model="average",
            progress=lambda done, _, words: print(f"training: {done} {words}"),
        )
        print(f"model: {trained.labels}, trained on {trained.rows} rows")

        measured = w2vray.evaluate(folder / "test.parquet", model=folder / "model")
        print(f"accuracy {measured.metrics.accuracy:.3f} on {measured.metrics.rows} rows kept apart")

        # Every row of the store ends up in the run: in `scores`, or in `rejected` with a reason. The same call again
        # finishes what is missing, after Ctrl-C or a crash too.
        scored = w2vray.score(store, model=folder / "model", output=folder / "run", keep="id")
        print(f"run: {scored.rows_in} rows in, {scored.rows_scored} scored, {scored.rows_rejected} rejected")
        if scored.exit_code:  # a file that cannot be read ends no run: it is named here
            sys.exit(f"not complete: {scored.left_out}")

    verified = w2vray.verify(folder / "run")
    print("verified" if verified.ok else f"problems: {verified.problems}")

    # A few texts need no Ray: a TextScorer answers in this process.
    answers = w2vray.TextScorer.load(folder / "model").score(["a moving film", "a dull, noisy film"])
    print(answers.columns()["label"].to_pylist())


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="w2vray-")))
