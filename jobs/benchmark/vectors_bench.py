"""Vectors: import, open, put into Ray, the first ``get``, against gensim's reader."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import ray
from gensim.models import KeyedVectors
from stopwatch import Row

from w2vray.cluster.connecting import connected
from w2vray.cluster.sharing import share
from w2vray.settings.vectors import ImportSettings
from w2vray.vectors import Vectors, import_vectors

__all__ = ["measure_vectors"]

DIM = 300
BLOCK = 1 << 14


def measure_vectors(words: int) -> Iterator[Row]:
    """A made-up word2vec binary file of so many words; each step once."""
    with tempfile.TemporaryDirectory(prefix="w2vray-", dir=Path.cwd()) as name:
        folder = Path(name)
        file, output = folder / "made-up.bin", str(folder / "vectors")
        _write(file, words)
        what = f"{words:,} x {DIM}"
        gensim = _seconds(lambda: KeyedVectors.load_word2vec_format(str(file), binary=True))
        ours = _seconds(lambda: import_vectors(ImportSettings(source=str(file), output=output, family="plain")))
        file.unlink()
        opened = _seconds(lambda: Vectors.open(output))
        yield Row("vectors", f"import, {what}", ours, "s", {"gensim's load": gensim / ours})
        yield Row("vectors", f"open, {what}", opened, "s", {"gensim's load": gensim / opened})
        vectors = Vectors.open(output)
        with connected("local"):
            shared: list[Any] = []
            yield Row("vectors", f"put, {what}", _seconds(lambda: shared.append(share(vectors))), "s", {})
            get: Any = ray.remote(_get)
            yield Row("vectors", f"first get, {what}", ray.get(get.remote(shared)), "s", {})


def _get(shared: list[Any]) -> float:
    started = time.perf_counter()
    vectors = shared[0].get()
    assert len(vectors)
    return time.perf_counter() - started


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _write(file: Path, words: int) -> None:
    source = np.random.default_rng(0)
    with file.open("wb") as handle:
        handle.write(f"{words} {DIM}\n".encode())
        for start in range(0, words, BLOCK):
            rows = source.standard_normal((min(BLOCK, words - start), DIM), dtype=np.float32)
            handle.writelines(f"w{start + index} ".encode() + row.tobytes() for index, row in enumerate(rows))
