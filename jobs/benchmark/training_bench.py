"""Training: examples a second, on one worker and on two, beside the plain loop that people write.

Each run starts from texts: w2vray looks them up and then takes the steps of ``fit``, averages, state and all, for some
epochs; two workers add up their gradients as those of Ray Train do. Two that train apart, each on all the texts, tell
what two could come to on this machine if they had nothing to wait for and halves were as cheap as wholes. The plain
loop looks each batch up with a dictionary, pads it to its longest text as the texts come, and takes the steps of Adam,
for an epoch. Labels are made up: they do not change the speed.

Shape letters: CONTRIBUTING.md.
"""

import multiprocessing
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from material import LABELS, Material, random_vectors
from stopwatch import Row, alternate
from torch import Tensor, nn

from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.kinds import ModelSettings, model_settings
from w2vray.models.recurrent.settings import RecurrentSettings
from w2vray.settings.steps import StepSettings
from w2vray.text import rules as token_rules
from w2vray.text import tokens
from w2vray.training.epochs import ALONE, Workers
from w2vray.training.examples import NO_EXAMPLES, Examples
from w2vray.training.fit import Task, fit
from w2vray.training.objectives import OneLabel
from w2vray.vectors import Vectors

__all__ = ["NETWORKS", "measure_training"]

NETWORKS = ("cnn", "lstm", "gru")
DIM = 300
EXAMPLES, EPOCHS = 3200, 3
FAMILY = "plain"
WORKERS = 2
WIDEST = 5
"""Words of the widest filter of ``cnn``: the plain loop pads no less."""


def measure_training(
    material: Material, runs: int, networks: Sequence[str] = NETWORKS, batch_size: int | None = None
) -> Iterator[Row]:
    """Train each network for some epochs on some of the texts, frozen and tuned; in steps of its own size or this."""
    rows = np.unique(np.linspace(0, len(material.texts) - 1, EXAMPLES, dtype=np.int64))
    texts = material.texts.take(rows).to_pylist()
    split = tokens.tokenizer(token_rules.family(FAMILY))
    words = [word for word, _ in Counter(word for text in texts for word in split(text)).most_common()]
    with tempfile.TemporaryDirectory(prefix="w2vray-") as name, _processes() as pool:
        vectors = random_vectors(Path(name) / "vectors", words, DIM, FAMILY)
        for network in networks:
            for tuned in (False, True):
                options = {} if batch_size is None else {"batch_size": batch_size}
                settings = model_settings(network, options | {"epochs": EPOCHS}, tuned=tuned)
                assert isinstance(settings, StepSettings)
                set_up = _Training(network, settings, str(vectors.path), tuned, texts)
                batch = settings.for_examples(len(texts)).batch_size
                note = f"{len(texts):,} texts, {len(words):,} words; steps of {batch} texts"
                yield from _measured(set_up, pool, runs, note)


def _processes() -> ProcessPoolExecutor:
    """Return two processes that each use one thread."""
    return ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn"), torch.set_num_threads, (1,))


@dataclass(frozen=True)
class _Training:
    """What is trained."""

    network: str
    settings: ModelSettings
    vectors: str
    tuned: bool
    texts: list[str]


def _measured(set_up: _Training, pool: ProcessPoolExecutor, runs: int, note: str) -> Iterator[Row]:
    number_of = {word: number for number, word in enumerate(Vectors.open(set_up.vectors).vocabulary, start=1)}

    def plain() -> float:
        _plain_epoch(set_up, number_of)
        return len(set_up.texts)

    def one() -> float:
        _epochs(set_up)
        return EPOCHS * len(set_up.texts)

    def two() -> float:
        with tempfile.TemporaryDirectory(prefix="w2vray-") as meeting:
            _wait([pool.submit(_epochs_of, set_up, rank, str(Path(meeting) / "here")) for rank in range(WORKERS)])
        return EPOCHS * len(set_up.texts)

    def apart() -> float:
        _wait([pool.submit(_epochs, set_up) for _ in range(WORKERS)])
        return WORKERS * EPOCHS * len(set_up.texts)

    few = replace(set_up, texts=set_up.texts[:64])  # what is done once for all: imports, compiled code
    _epochs(few)
    _wait([pool.submit(_epochs, few) for _ in range(WORKERS)])
    speed = alternate({"plain loop": plain, "1 worker": one, "2 workers": two, "2 apart": apart}, runs)
    what = f"{set_up.network}, {'tuned' if set_up.tuned else 'frozen'}"
    compared = {"1 worker": ["plain loop"], "2 workers": ["plain loop", "1 worker"], "2 apart": ["1 worker"]}
    for workers, rivals in compared.items():
        against = {rival: speed[workers] / speed[rival] for rival in rivals}
        yield Row("training", f"{what}, {workers}", speed[workers], "examples/s", against, note)


def _wait(workers: Sequence[Future[None]]) -> None:
    for worker in workers:
        worker.result()


def _epochs_of(set_up: _Training, rank: int, meeting: str) -> None:
    """Be one of the workers."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=WORKERS)
    try:
        _epochs(set_up, Workers(rank, WORKERS, _summed))
    finally:
        dist.destroy_process_group()


def _summed(value: Tensor) -> Tensor:
    dist.all_reduce(value)
    return value


def _epochs(set_up: _Training, workers: Workers = ALONE) -> None:
    """Look the texts up and fit."""
    vectors = Vectors.open(set_up.vectors)
    ids = vectors.lookup(vectors.rules, "skip")(set_up.texts)
    examples = Examples.of(ids.ids_L, ids.offsets_N1, np.arange(len(set_up.texts)) % len(LABELS), len(LABELS))
    task = Task(model=set_up.settings, classes=len(LABELS), objective=OneLabel(), tune_vectors=set_up.tuned)
    fit(task, vectors.table_VD, examples, NO_EXAMPLES, workers=workers)


def _plain_epoch(set_up: _Training, number_of: Mapping[str, int]) -> None:
    """Do what a tutorial does, with the same sizes and as many steps; 0 is the padding's number."""
    torch.manual_seed(0)
    vectors = Vectors.open(set_up.vectors)
    split = tokens.tokenizer(token_rules.family(FAMILY))
    assert isinstance(set_up.settings, StepSettings)
    settings = set_up.settings.for_examples(len(set_up.texts))
    embedding = nn.Embedding(len(number_of) + 1, DIM, padding_idx=0)
    with torch.no_grad():
        embedding.weight[1:] = torch.from_numpy(np.array(vectors.table_VD))
    embedding.weight.requires_grad_(set_up.tuned)
    network = _PlainCnn(settings) if isinstance(settings, CnnSettings) else _PlainRecurrent(set_up.network, settings)
    model = nn.Sequential(embedding, network).train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=settings.step_size)
    order_N = torch.randperm(len(set_up.texts)).tolist()
    for start in range(0, len(order_N), settings.examples_a_step):
        rows = order_N[start : start + settings.examples_a_step]
        ids = [[number_of[word] for word in split(set_up.texts[row])] or [0] for row in rows]
        longest = max(WIDEST, *map(len, ids))
        ids_BT = torch.tensor([each + [0] * (longest - len(each)) for each in ids])
        labels_B = torch.tensor([row % len(LABELS) for row in rows])
        optimizer.zero_grad()
        loss = F.cross_entropy(model(ids_BT), labels_B)
        torch.autograd.backward(loss)
        optimizer.step()


class _PlainCnn(nn.Module):
    def __init__(self, settings: CnnSettings) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv1d(DIM, settings.filters, width, padding=width - 1) for width in settings.widths
        )
        self.dropout = nn.Dropout(settings.dropout)
        self.dense = nn.Linear(settings.filters * len(settings.widths), len(LABELS))

    def forward(self, vectors_BTD: Tensor) -> Tensor:
        vectors_BDT = vectors_BTD.transpose(1, 2)
        pooled = [F.relu(convolution(vectors_BDT)).amax(dim=2) for convolution in self.convolutions]
        logits_BC: Tensor = self.dense(self.dropout(torch.cat(pooled, dim=1)))
        return logits_BC


class _PlainRecurrent(nn.Module):
    def __init__(self, network: str, settings: Any) -> None:
        super().__init__()
        assert isinstance(settings, RecurrentSettings)
        kind = nn.LSTM if network == "lstm" else nn.GRU
        self.recurrent = kind(DIM, settings.hidden, batch_first=True)
        self.dropout = nn.Dropout(settings.dropout)
        self.dense = nn.Linear(settings.hidden, len(LABELS))

    def forward(self, vectors_BTD: Tensor) -> Tensor:
        states_BTF, _ = self.recurrent(vectors_BTD)
        logits_BC: Tensor = self.dense(self.dropout(states_BTF[:, -1]))
        return logits_BC
