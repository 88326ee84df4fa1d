"""One Ray for all tests of the cluster layer, and a small store and model to score with."""

import logging
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
import torch

from w2vray import tokens
from w2vray.bundle import Bundle, ModelConfig, save_bundle
from w2vray.cluster.examples import ExampleReader, ReadingJob
from w2vray.cluster.labelled import labelled_units
from w2vray.cluster.runtime import _few_processes
from w2vray.examples import ExampleCounts, ExampleFile, Examples
from w2vray.fitting import Task, fit
from w2vray.model_settings import MODEL_SETTINGS, CnnSettings, GruSettings, LstmSettings
from w2vray.models.classifier import build_model, special_row
from w2vray.objectives import objective
from w2vray.vectors import Vectors, VectorsWriter
from w2vray.vectors.readers import Block

WORDS = [f"{a}{b}{c}" for a in "bdfghklmnprst" for b in "aeiou" for c in "bdgklmnprst"]
DIM = 16

MakeStore = Callable[..., Path]
MakeModel = Callable[..., Path]


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """A Ray of two CPUs with a temporary directory of its own, started with no more than a run starts."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # sockets need a short path
    with _few_processes():
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            _temp_dir=folder,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    yield
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def wait_for_every_cpu() -> Callable[[], None]:
    """Wait until nothing holds a CPU of Ray's any more; whatever is left by one run would stop the next one."""

    def wait() -> None:
        deadline = time.monotonic() + 60
        while (free := ray.available_resources().get("CPU", 0)) != ray.cluster_resources()["CPU"]:
            assert time.monotonic() < deadline, f"only {free:g} CPUs are free"
            time.sleep(0.2)

    return wait


@pytest.fixture(scope="session")
def word_vectors(tmp_path_factory: pytest.TempPathFactory) -> Vectors:
    """Made-up vectors whose first number says to which of three topics a word belongs."""
    random_numbers = np.random.default_rng(7)
    table = random_numbers.normal(size=(len(WORDS), DIM)).astype(np.float32)
    table[:, 0] = np.arange(len(WORDS)) % 3 - 1
    with VectorsWriter(tmp_path_factory.mktemp("vectors") / "vectors") as writer:
        writer.append(Block(list(WORDS), table), origin="made up")
        return writer.finish(tokens.family("plain"), {})


@pytest.fixture(scope="session")
def make_model(word_vectors: Vectors, tmp_path_factory: pytest.TempPathFactory) -> MakeModel:
    """Make an untrained model directory: its answers are arbitrary, and always the same."""

    def make(
        model: str = "average",
        policy: str = "skip",
        labels: Sequence[str] = ("high", "low", "mid"),
        *,
        multi_label: bool = False,
    ) -> Path:
        torch.manual_seed(3)
        settings = MODEL_SETTINGS[model]()
        built = build_model(settings, DIM, len(labels))
        weights = {f"model.{name}": torch.randn_like(value).numpy() for name, value in built.state_dict().items()}
        weights["words.overlay_KD"] = special_row(policy, word_vectors.table_VD).numpy()
        config = ModelConfig(
            model=model,
            settings=settings,
            labels=tuple(labels),
            multi_label=multi_label,
            rules=word_vectors.rules,
            policy=policy,
            dim=DIM,
            vectors_fingerprint=word_vectors.fingerprint,
            vectors_path=str(word_vectors.path),
        )
        bundle: Bundle = save_bundle(tmp_path_factory.mktemp("model") / "model", config, weights)
        assert bundle.path is not None
        return bundle.path

    return make


def sentence(source: random.Random, topic: int, words: int) -> str:
    """Words of one topic, with a few unknown ones between them."""
    of_topic = WORDS[topic::3]
    return " ".join(source.choice(of_topic) if source.random() < 0.9 else "qqq" for _ in range(words))


@pytest.fixture(scope="session")
def make_store(tmp_path_factory: pytest.TempPathFactory) -> MakeStore:
    """Write a store of several files: id, label and text, where the label is the text's topic."""

    def make(files: int = 3, rows: int = 300, words: int = 12, row_group: int = 100, **columns: Any) -> Path:
        source = random.Random(f"{files} {rows} {words}")
        folder = tmp_path_factory.mktemp("store") / "store"
        folder.mkdir()
        for file in range(files):
            topics = [source.randrange(3) for _ in range(rows)]
            table = pa.table(
                {
                    "id": [f"{file}-{row}" for row in range(rows)],
                    "label": [("low", "mid", "high")[topic] for topic in topics],
                    "text": [sentence(source, topic, words) for topic in topics],
                    **columns,
                }
            )
            pq.write_table(table, folder / f"part-{file}.parquet", row_group_size=row_group, use_dictionary=False)
        return folder

    return make


def read_run(run: Path, folder: str = "scores") -> pa.Table:
    """Read all parts of a run, in order of the store."""
    parts = sorted((run / folder).glob("part-*.parquet")) if (run / folder).is_dir() else []
    return pa.concat_tables(pq.read_table(part) for part in parts).sort_by(
        [("source_file", "ascending"), ("source_row", "ascending")]
    )


@pytest.fixture(scope="session")
def read_parts() -> Callable[..., pa.Table]:
    """``read_run``, for tests: test modules import nothing from one another."""
    return read_run


@pytest.fixture
def fit_here(word_vectors: Vectors, tmp_path: Path) -> Callable[..., Mapping[str, Any]]:
    """Train on a store without Ray and without disturbance, and return the last state."""

    def fitted(
        store: Path,
        model: CnnSettings | LstmSettings | GruSettings,
        *,
        label_column: str = "label",
        policy: str = "skip",
        balanced: bool = False,
        seed: int = 0,
        **task_options: Any,
    ) -> Mapping[str, Any]:
        labelled = labelled_units([str(store)], ("text",), label_column)
        job = ReadingJob(
            roots=labelled.corpus.roots,
            text_columns=("text",),
            label_column=label_column,
            where=None,
            multi_label=labelled.multi_label,
            rules=word_vectors.rules,
            policy=policy,
            validation_share=0.1,
            seed=seed,
        )
        here: Any = SimpleNamespace(get=lambda: word_vectors)
        reader = ExampleReader(here, job, str(tmp_path / "here"))
        files = [ExampleFile(tmp_path / "here" / f"{reader(unit)['unit']}.arrow") for unit in labelled.units]
        counts = sum((file.counts() or ExampleCounts() for file in files), ExampleCounts())
        labels = sorted(counts.labels)
        weighted = objective(
            labels, counts.labels, counts.train, multi_label=labelled.multi_label, balanced=balanced, weights={}
        )
        stated: dict[str, Any] = {"refit": model.refit, "policy": policy, "seed": seed} | task_options
        task = Task(model=model, classes=len(labels), objective=weighted, **stated)
        parts = [file.parts(labels, multi_label=labelled.multi_label) for file in files]
        train, validation = (
            Examples(tuple(part[kind] for part in parts), len(labels), labelled.multi_label) for kind in range(2)
        )
        return fit(task, word_vectors.table_VD, train, validation)

    return fitted
