"""What a further scoring worker costs in memory of its own, for small and large tables of word vectors.

The tables are made up: random numbers, words that are numbered. Private memory (USS) is what would be freed if the
process ended; the shared pages of Ray's object store, which RSS counts in each process again, are no part of it.
"""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray
from material import make_model
from memory_worker import Worker, own_memory
from stopwatch import Row

from w2vray.cli.console import progress_bar
from w2vray.cluster.sharing import share
from w2vray.models.directory import Bundle
from w2vray.text import rules as token_rules
from w2vray.vectors import Vectors, VectorsWriter
from w2vray.vectors.readers import Block

WORKERS = 2
BLOCK_WORDS = 50_000
TEXTS = 2_000
MB = 1e6


def measure_memory(sizes: Sequence[int], dim: int, model: str) -> Iterator[Row]:
    """Weigh two workers and the driver with tables of these sizes."""
    largest = max(sizes) * (dim * 4 + 64)
    with tempfile.TemporaryDirectory(prefix="w2vray-", dir=Path.cwd()) as folder:
        ray.init(
            address="local",
            num_cpus=WORKERS + 1,
            object_store_memory=int(largest * 1.5) + (1 << 28),
            include_dashboard=False,
            logging_level=logging.ERROR,
        )
        try:
            for words in sizes:
                yield _measured(Path(folder), words, dim, model)
        finally:
            ray.shutdown()


def _measured(folder: Path, words: int, dim: int, model: str) -> Row:
    """Share a table of so many words with two workers, let them score, and weigh each process."""
    vectors = make_vectors(folder / str(words), words, dim)
    shared = share(vectors)
    actor: Any = ray.remote(num_cpus=1)(Worker)
    workers = [actor.remote() for _ in range(WORKERS)]
    weights = [ray.get(worker.score.remote([shared], make_bundle(vectors, model), texts(words))) for worker in workers]
    for worker in workers:
        ray.kill(worker)
    note = (
        f"table {vectors.table_VD.nbytes / MB:,.0f} MB; first worker {weights[0] / MB:,.0f} MB, "
        f"driver {own_memory() / MB:,.0f} MB"
    )
    return Row("memory", f"further worker, {words:,} x {dim}", weights[-1] / MB, "MB USS", {}, note)


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
        return writer.finish(token_rules.family("plain"), {})


def make_bundle(vectors: Vectors, model: str) -> Bundle:
    """Make an untrained model of random weights."""
    with tempfile.TemporaryDirectory() as folder:
        return make_model(Path(folder) / "model", vectors, model)
