"""What people would use instead, as plain scripts: fastText, and TF-IDF with logistic regression.

Each reads the same Parquet files, splits text at spaces after lower-casing, and writes a label and a score for each
row; files are shared out to as many processes as there are CPUs.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fasttext
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier

__all__ = ["fasttext_model", "fasttext_script", "tfidf_script"]

BATCH = 4096
TRAINING_ROWS = 20_000

_TRAIN = """
import sys, fasttext
text, ngrams, dim, output = sys.argv[1:]
model = fasttext.train_supervised(text, wordNgrams=int(ngrams), dim=int(dim), epoch=1, thread=1, verbose=0)
model.save_model(output)
"""
"""In a process of its own: beside other libraries of numbers, its training ends in NaN."""

_work: Callable[[Sequence[str]], tuple[list[str], list[float]]]


def lines_of(texts: Sequence[str]) -> list[str]:
    """Return texts as fastText reads them: lower-cased, on one line each."""
    return [" ".join(text.lower().split()) for text in texts]


def fasttext_model(folder: Path, texts: Sequence[str], ngrams: int, dim: int = 100) -> Path:
    """Train a model on made-up labels (its speed does not depend on them) and return its file."""
    path = folder / f"fasttext-{ngrams}.bin"
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        for number, line in enumerate(lines_of(texts[:TRAINING_ROWS])):
            file.write(f"__label__{'abcdef'[number % 6]} {line}\n")
        file.flush()
        command = [sys.executable, "-c", _TRAIN, file.name, str(ngrams), str(dim), str(path)]
        subprocess.run(command, check=True)  # noqa: S603 - all of it is ours
    return path


def fasttext_script(store: Path, output: Path, model: Path, processes: int | None = None) -> None:
    """Score a store with fastText, in as many processes as there are CPUs unless it is said."""
    _in_processes(store, output, _start_fasttext, (str(model),), processes)


def tfidf_script(store: Path, output: Path, texts: Sequence[str]) -> None:
    """Score a store with TF-IDF of words and pairs, and a linear model fitted on made-up labels."""
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), max_features=200_000)
    some = texts[:TRAINING_ROWS]
    classifier = SGDClassifier(loss="log_loss", max_iter=2, tol=None)
    classifier.fit(vectorizer.fit_transform(some), [number % 6 for number in range(len(some))])
    _in_processes(store, output, _start_tfidf, (vectorizer, classifier))


def _start_fasttext(model: str) -> None:
    global _work  # noqa: PLW0603 - a process of the pool keeps what it loaded
    loaded = fasttext.load_model(model)

    def predict(texts: Sequence[str]) -> tuple[list[str], list[float]]:
        labels, scores = loaded.predict(lines_of(texts))
        return [label[0] for label in labels], [float(score[0]) for score in scores]

    _work = predict


def _start_tfidf(vectorizer: Any, classifier: Any) -> None:
    global _work  # noqa: PLW0603 - the same

    def predict(texts: Sequence[str]) -> tuple[list[str], list[float]]:
        probabilities = classifier.predict_proba(vectorizer.transform(texts))
        return [str(label) for label in probabilities.argmax(axis=1)], probabilities.max(axis=1).tolist()

    _work = predict


def _in_processes(
    store: Path, output: Path, start: Callable[..., None], arguments: tuple[Any, ...], processes: int | None = None
) -> None:
    output.mkdir(parents=True)
    files = [(str(file), str(output / file.name)) for file in sorted(store.glob("*.parquet"))]
    processes = processes or len(os.sched_getaffinity(0))
    with multiprocessing.get_context("fork").Pool(processes, start, arguments) as pool:
        pool.map(_score_file, files, chunksize=1)


def _score_file(names: tuple[str, str]) -> None:
    schema = pa.schema([("row", pa.int64()), ("label", pa.string()), ("score", pa.float32())])
    row = 0
    with pq.ParquetFile(names[0]) as source, pq.ParquetWriter(names[1], schema, compression="zstd") as writer:
        for batch in source.iter_batches(BATCH, columns=["text"]):
            labels, scores = _work(batch.column(0).to_pylist())
            rows = pa.array(range(row, row + len(batch)), pa.int64())
            writer.write_batch(pa.record_batch([rows, pa.array(labels), pa.array(scores, pa.float32())], schema=schema))
            row += len(batch)
