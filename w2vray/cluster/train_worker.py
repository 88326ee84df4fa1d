"""What each Ray Train worker does: gather its examples, fit the model, report after each epoch."""

import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray.train
import torch
from ray.train import Checkpoint
from ray.train.torch import get_device, prepare_model
from torch import Tensor

from w2vray.batches import WordVectors
from w2vray.cluster.examples import collect
from w2vray.cluster.runtime import SharedVectors
from w2vray.logistic import fit_logistic, text_means
from w2vray.models.classifier import Classifier, build_model, shared_table, special_row
from w2vray.models.settings import AverageSettings, ModelSettings, StepSettings
from w2vray.training import NO_EXAMPLES, EpochReport, Examples, Training, joined, validate

__all__ = ["EXAMPLES", "SEARCH", "WorkerConfig", "load_state", "train_loop_per_worker"]

EXAMPLES = "examples"
_STATE = "state.pt"
SEARCH = "search"
"""In a checkpoint of the second fit: the learning curve of the first, which found how many epochs are best."""
_READ_ROWS = 8192


@dataclass(frozen=True, kw_only=True)
class WorkerConfig:
    """What every worker is told."""

    shared: SharedVectors
    labels: tuple[str, ...]
    policy: str
    model: ModelSettings
    refit: bool
    seed: int


def train_loop_per_worker(arguments: Mapping[str, Any]) -> None:
    """Train on this worker's share of the examples, in step with the others."""
    config: WorkerConfig = arguments["config"]
    # More workers, not more threads, use more CPUs: threads wait for one another at every small step, and where
    # another process wants a CPU too, that takes ten times as long as one thread.
    torch.set_num_threads(1)
    pa.set_cpu_count(1)
    shard = ray.train.get_dataset_shard(EXAMPLES)
    batches = shard.iter_batches(batch_size=_READ_ROWS, batch_format="pyarrow", prefetch_batches=1)
    train, validation = collect(batches, config.labels)
    torch.manual_seed(config.seed)  # the same first weights on every worker
    match config.model:
        case AverageSettings():
            _fit_average(config, config.model, train, validation)
        case StepSettings():
            _fit_in_steps(config, config.model, train, validation)


def _classifier(config: WorkerConfig, *, train_overlay: bool) -> Classifier:
    table_VD = config.shared.get().table_VD
    overlay_KD = special_row(config.policy, table_VD)
    words = WordVectors(shared_table(table_VD), overlay_KD, trainable=train_overlay)
    return Classifier(words, build_model(config.model, table_VD.shape[1], len(config.labels)))


def _sum_over_workers(value: Tensor) -> Tensor:
    if ray.train.get_context().get_world_size() == 1:
        return value
    on_device = value.to(get_device())
    torch.distributed.all_reduce(on_device)
    return on_device.to(value.device)


def _fit_average(config: WorkerConfig, model: AverageSettings, train: Examples, validation: Examples) -> None:
    """Find the optimum of logistic regression on the means; the special row stays as it is."""
    classifier = _classifier(config, train_overlay=False)
    fit = fit_logistic(
        text_means(classifier.words, train),
        torch.from_numpy(train.labels_N),
        len(config.labels),
        C=model.C,
        max_iterations=model.iterations,
        sum_over_workers=_sum_over_workers,
    )
    state = classifier.state_dict()
    state |= {"model.dense.weight": fit.weight_CD, "model.dense.bias": fit.bias_C}
    classifier.load_state_dict(state)
    classes, device = len(config.labels), torch.device("cpu")
    loss, accuracy = validate(classifier, validation, classes, device, _sum_over_workers)
    report = EpochReport(1, fit.objectives[-1], loss, accuracy)
    best = {name: value.clone() for name, value in classifier.state_dict().items()}
    _report(report, {"best": best, "curve": [report.as_dict()]})


def _fit_in_steps(config: WorkerConfig, model: StepSettings, train: Examples, validation: Examples) -> None:
    """Train in small steps until the validation loss no longer falls; go on from a checkpoint where there is one."""
    checkpoint = ray.train.get_checkpoint()
    state = load_state(checkpoint) if checkpoint is not None else {}
    classes = len(config.labels)
    if SEARCH not in state:
        training = _training(config, model, state)
        for report in training.run(train, validation, classes):
            _report(report, training.state_dict())
        if not config.refit:
            return
        state = {SEARCH: training.state_dict()["curve"]}
    search: list[dict[str, Any]] = state[SEARCH]
    best = min(search, key=lambda line: float(line["validation_loss"]))
    torch.manual_seed(config.seed)
    again = _training(config, replace(model, epochs=best["epoch"]), state)
    for report in again.run(joined(train, validation), NO_EXAMPLES, classes):
        _report(report, {**again.state_dict(), SEARCH: search})


def _training(config: WorkerConfig, model: StepSettings, state: Mapping[str, Any]) -> Training:
    """Start a training, or take one up where its state was saved."""
    context = ray.train.get_context()
    classifier = _classifier(config, train_overlay=config.policy == "unknown")
    classifier.words.move_table(get_device())
    training = Training(
        prepare_model(classifier),
        learning_rate=model.learning_rate,
        weight_decay=model.weight_decay,
        clip_norm=model.clip_norm,
        averaging=model.averaging,
        epochs=model.epochs,
        patience=model.patience,
        batch_size=model.batch_size,
        seed=config.seed,
        rank=context.get_world_rank(),
        workers=context.get_world_size(),
        sum_over_workers=_sum_over_workers,
    )
    if "weights" in state:
        training.load_state_dict(dict(state))
    return training


def _report(report: EpochReport, state: Mapping[str, Any]) -> None:
    """Report an epoch; the first worker's state becomes the checkpoint, whole or not at all."""
    first = ray.train.get_context().get_world_rank() == 0
    with tempfile.TemporaryDirectory() if first else nullcontext() as folder:
        checkpoint = None
        if folder is not None:
            torch.save(dict(state), Path(folder) / _STATE)
            checkpoint = Checkpoint.from_directory(folder)
        ray.train.report(report.as_dict(), checkpoint=checkpoint)


def load_state(checkpoint: Checkpoint) -> dict[str, Any]:
    """Read a checkpoint; only tensors and plain values are read from it, never code."""
    with checkpoint.as_directory() as folder:
        state: dict[str, Any] = torch.load(Path(folder) / _STATE, weights_only=True, map_location="cpu")
    return state
