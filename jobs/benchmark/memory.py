"""Measure what a further scoring worker costs in memory of its own, for small and large tables of word vectors.

The tables are made up: random numbers, words that are numbered. Private memory (USS) is what would be freed if the
process ended; the shared pages of Ray's object store, which RSS counts in each process again, are no part of it.

Example::

    python jobs/benchmark/memory.py --words 100000 3000000 --dim 300
"""

import argparse
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import ray

from w2vray import tokens
from w2vray.bundle import Bundle, ModelConfig
from w2vray.cli.console import Output, progress_bar, table
from w2vray.cluster.runtime import SharedVectors, share
from w2vray.models.classifier import build_model, special_row
from w2vray.models.settings import MODEL_SETTINGS
from w2vray.scorer import TextScorer
from w2vray.vectors import Vectors, VectorsWriter
from w2vray.vectors.readers import Block

WORKERS = 2
BLOCK_WORDS = 50_000
TEXTS = 2_000
MB = 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Private memory of scoring workers by size of the table.")
    parser.add_argument("--words", type=int, nargs="+", default=[100_000, 3_000_000])
    parser.add_argument("--dim", type=int, default=300)
    parser.add_argument("--model", choices=sorted(MODEL_SETTINGS), default="cnn")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    largest = max(arguments.words) * (arguments.dim * 4 + 64)
    with tempfile.TemporaryDirectory(prefix="w2vray-", dir=Path.cwd()) as folder:
        ray.init(
            address="local",
            num_cpus=WORKERS + 1,
            object_store_memory=int(largest * 1.5) + (1 << 28),
            include_dashboard=False,
            logging_level=logging.ERROR,
        )
        try:
            rows = [measure(Path(folder), words, arguments.dim, arguments.model) for words in arguments.words]
        finally:
            ray.shutdown()
    columns = ["words", "table MB", *(f"worker {number + 1} USS MB" for number in range(WORKERS)), "driver USS MB"]
    cells = [[f"{row[name]:,.0f}" for name in row] for row in rows]
    Output(arguments.json).result({"rows": rows}, table(f"{arguments.model}, {arguments.dim} numbers", columns, cells))


def measure(folder: Path, words: int, dim: int, model: str) -> dict[str, float]:
    """Share a table of so many words with two workers, let them score, and weigh each process."""
    vectors = make_vectors(folder / str(words), words, dim)
    shared = share(vectors)
    actor: Any = ray.remote(num_cpus=1)(Worker)
    workers = [actor.remote() for _ in range(WORKERS)]
    weights = [ray.get(worker.score.remote([shared], make_bundle(vectors, model), texts(words))) for worker in workers]
    for worker in workers:
        ray.kill(worker)
    return {
        "words": words,
        "table_mb": vectors.table_VD.nbytes / MB,
        **{f"worker_{number + 1}_uss_mb": weight / MB for number, weight in enumerate(weights)},
        "driver_uss_mb": own_memory() / MB,
    }


class Worker:
    """A process that does what a scoring worker does."""

    def score(self, shared: list[SharedVectors], bundle: Bundle, some_texts: Sequence[str]) -> float:
        """Open the shared vectors, classify, and return the private memory in bytes."""
        scorer = TextScorer(bundle, shared[0].get())
        assert len(scorer.score(some_texts)) == len(some_texts)
        return own_memory()


def own_memory() -> float:
    """Return the private memory of this process in bytes."""
    return float(psutil.Process().memory_full_info().uss)


def texts(words: int) -> list[str]:
    """Make texts whose words are spread over the whole table."""
    chosen = np.random.default_rng(1).integers(0, words, size=(TEXTS, 20))
    return [" ".join(f"w{number}" for number in row) for row in chosen]


def make_vectors(path: Path, words: int, dim: int) -> Vectors:
    """Make up a vectors directory."""
    source = np.random.default_rng(0)
    with VectorsWriter(path) as writer, progress_bar(f"table of {words:,} words") as update:
        for start in range(0, words, BLOCK_WORDS):
            stop = min(start + BLOCK_WORDS, words)
            vectors_ND = source.standard_normal((stop - start, dim), dtype=np.float32)
            writer.append(Block([f"w{number}" for number in range(start, stop)], vectors_ND), origin="made up")
            update(stop, words, "words")
        return writer.finish(tokens.family("plain"), {})


def make_bundle(vectors: Vectors, model: str) -> Bundle:
    """Make an untrained model of two classes."""
    settings = MODEL_SETTINGS[model]()
    state: dict[str, Any] = build_model(settings, vectors.dim, 2).state_dict()
    weights = {f"model.{name}": value.numpy() for name, value in state.items()}
    weights["words.overlay_KD"] = special_row("skip", vectors.table_VD).numpy()
    config = ModelConfig(
        model=model,
        settings=settings,
        labels=("no", "yes"),
        rules=vectors.rules,
        policy="skip",
        dim=vectors.dim,
        vectors_fingerprint=vectors.fingerprint,
        vectors_path=str(vectors.path),
    )
    return Bundle(config, weights)


if __name__ == "__main__":
    main()
