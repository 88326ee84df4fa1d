import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings
from torch import Tensor, nn

from w2vray.models.average.settings import AverageSettings
from w2vray.models.classifier import Classifier, build_model, shared_table, special_row
from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.directory import Bundle, ModelConfig, save_bundle
from w2vray.models.kinds import ModelSettings
from w2vray.models.recurrent.settings import GruSettings, LstmSettings
from w2vray.models.word_vectors import WordVectors
from w2vray.text.rules import family
from w2vray.vectors import Vectors, VectorsWriter
from w2vray.vectors.readers import Block

settings.register_profile("w2vray", deadline=None, max_examples=50)  # the first call of a torch operation is slow
settings.load_profile("w2vray")

pytest_plugins = [
    "tests.fixtures.buckets",
    "tests.fixtures.fasttext_models",
    "tests.fixtures.gcs",
    "tests.fixtures.rays",
    "tests.fixtures.real",
    "tests.fixtures.stores",
    "tests.fixtures.table_rows",
    "tests.fixtures.trainings",
    "tests.fixtures.simulated",
]

WORDS = ["good", "bad", "film", "dull", "great", "the"]
TABLE_VD = np.array(
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, -0.5, 0], [2, 0, 1], [0, 0, 0.25]],
    dtype=np.float32,
)
LABELS = ("negative", "neutral", "positive")
SETTINGS: dict[str, ModelSettings] = {
    "average": AverageSettings(),
    "cnn": CnnSettings(widths=(1, 2, 4), filters=3, dropout=0.5, input_dropout=0.25),
    "lstm": LstmSettings(hidden=4, bidirectional=True, pooling="max"),
    "gru": GruSettings(hidden=4),
}


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: the models here are tiny."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what tests fetch out of the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("W2VRAY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _interrupts() -> Iterator[None]:
    """Take SIGINT as a terminal's shell leaves it.

    A shell that starts the tests in the background ignores it, and all processes that a test starts and interrupts
    would inherit that.
    """
    before = signal.getsignal(signal.SIGINT)
    if before == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def write_vectors() -> Callable[..., Vectors]:
    """Write a vectors directory of six words, three numbers each, or of the words and rows given."""

    def write(
        output: Path,
        *,
        words: list[str] = WORDS,
        table_VD: Any = TABLE_VD,
        dtype: str = "float32",
    ) -> Vectors:
        with VectorsWriter(output, dtype=dtype) as writer:
            writer.append(Block(list(words), np.asarray(table_VD, dtype=np.float32)), origin="a test")
            return writer.finish(family("plain"), {"path": "a test"})

    return write


@pytest.fixture(scope="session")
def vectors(write_vectors: Callable[..., Vectors], tmp_path_factory: pytest.TempPathFactory) -> Vectors:
    """The six words, shared by all tests: not to be changed or moved."""
    return write_vectors(tmp_path_factory.mktemp("shared") / "vectors")


@pytest.fixture(scope="session")
def make_classifier() -> Callable[..., Classifier]:
    """Make a classifier of random weights over vectors, by the name of its model and its ``oov``."""

    def make(
        kind: str,
        vectors: Vectors,
        oov: str = "skip",
        *,
        model: ModelSettings | None = None,
        classes: int = len(LABELS),
        trainable: bool = False,
        seed: int = 0,
    ) -> Classifier:
        words = WordVectors(shared_table(vectors.table_VD), special_row(oov, vectors.table_VD), trainable=trainable)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            classifier = Classifier(words, build_model(model or SETTINGS[kind], vectors.dim, classes))
            for parameter in classifier.model.parameters():
                nn.init.normal_(parameter)
        return classifier.eval()

    return make


@pytest.fixture(scope="session")
def make_bundle(make_classifier: Callable[..., Classifier]) -> Callable[..., Bundle]:
    """Save a model directory of random weights, or of the weights given, with ``changes`` to its configuration."""

    def make(
        output: Path,
        vectors: Vectors,
        kind: str = "average",
        oov: str = "skip",
        *,
        weights: dict[str, Any] | None = None,
        with_vectors: bool = False,
        seed: int = 0,
        **changes: Any,
    ) -> Bundle:
        settings = changes.pop("settings", SETTINGS.get(kind))
        labels = changes.pop("labels", LABELS)
        if weights is None:
            classifier = make_classifier(kind, vectors, oov, model=settings, classes=len(labels), seed=seed)
            weights = {name: value.numpy() for name, value in classifier.state_dict().items()}
        described: dict[str, Any] = {
            "model": kind,
            "settings": settings,
            "labels": labels,
            "rules": vectors.rules,
            "oov": oov,
            "dim": vectors.dim,
            "vectors_fingerprint": vectors.fingerprint,
            "vectors_path": str(vectors.path),
            **changes,
        }
        inside = Path(described["vectors_path"]) if with_vectors else None
        return save_bundle(output, ModelConfig(**described), weights, with_vectors=inside)

    return make


class _SumInStep:
    """Sums over threads that all call it as often: what an all-reduce does for processes."""

    def __init__(self, workers: int) -> None:
        self.barrier = threading.Barrier(workers, timeout=30)
        self.values: list[Tensor] = [torch.zeros(0)] * workers

    def of(self, rank: int) -> Callable[[Tensor], Tensor]:
        def sum_over_workers(value: Tensor) -> Tensor:
            self.values[rank] = value.detach().clone()
            self.barrier.wait()
            total = torch.stack(self.values).sum(dim=0)
            self.barrier.wait()
            return total

        return sum_over_workers


@pytest.fixture(scope="session")
def run_workers() -> Callable[..., list[Any]]:
    """Run ``work(rank, sum_over_workers)`` for several workers, each in a thread, and return what each gave."""

    def run(workers: int, work: Callable[[int, Callable[[Tensor], Tensor]], Any]) -> list[Any]:
        summing = _SumInStep(workers)

        def guarded(rank: int) -> Any:
            try:
                return work(rank, summing.of(rank))
            except BaseException:
                summing.barrier.abort()  # the others would wait for this one
                raise

        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(guarded, rank) for rank in range(workers)]
        errors = [error for future in futures if (error := future.exception()) is not None]
        for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
            raise error
        return [future.result() for future in futures]

    return run
