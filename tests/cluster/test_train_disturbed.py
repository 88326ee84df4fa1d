"""Trainings whose processes are killed: the same command comes to the model of an undisturbed one."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import ray
import torch

from w2vray.cluster import train_worker
from w2vray.cluster.ray_internals import TRAINER_PROCESS
from w2vray.cluster.train import train
from w2vray.cluster.train_worker import last_whole
from w2vray.errors import W2vrayError
from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.directory import Bundle
from w2vray.training.fit import BEST, CURVE
from w2vray.training.settings import TrainSettings
from w2vray.training.steps import EpochReport
from w2vray.vectors import Vectors

LONG: dict[str, Any] = {
    "filters": 8,
    "widths": (2, 3),
    "batch_size": 16,
    "learning_rate": 0.01,
    "epochs": 12,
    "patience": 12,
}
MARK = 123.0

EACH_EPOCH = """
from w2vray.cli import main
from w2vray.cluster import trainings
trainings.REPORTING = 1.0
main()
"""
"""The command line, with a checkpoint after each epoch, however quick."""


class Killer:
    """Ends a worker of a training once, when this many epochs are done; keeps what it was told."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.killed = 0
        self.told: list[int] = []

    def __call__(self, epoch: int, _: int | None, text: str) -> None:
        if not text.startswith("epochs"):
            return
        self.told.append(epoch)
        if epoch >= self.epoch and not self.killed:
            for process in psutil.Process().children(recursive=True):
                if process.name().startswith(TRAINER_PROCESS):
                    process.kill()
                    self.killed += 1
                    break


class Others:
    """What somebody else runs on the cluster."""

    def hold(self) -> None:
        """Return when it has its CPUs."""


def hold_every_cpu() -> Any:
    """Return an actor that has them, until it is killed."""
    kind: Any = ray.remote(num_cpus=2)(Others)
    actor = kind.remote()
    ray.get(actor.hold.remote())
    return actor


def require_weights(model: Path, state: Any) -> None:
    """Compare a model with a state, bit for bit."""
    weights = Bundle.load(model).weights
    assert weights.keys() == state[BEST].keys()
    for name, value in weights.items():
        assert np.array_equal(value, state[BEST][name].numpy()), name


@pytest.mark.ray
@pytest.mark.long
@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("failures", [3, 0])
def test_a_training_whose_worker_is_killed_goes_on_from_the_last_whole_epoch(  # noqa: PLR0917 - fixtures
    make_store: Callable[..., Path],
    word_vectors: Vectors,
    fit_here: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    failures: int,
    tmp_path: Path,
) -> None:
    """Also where it has died more often than Ray Train is told to bear, if there was an epoch in between."""
    monkeypatch.setattr("w2vray.cluster.trainings.REPORTING", 1.0)
    monkeypatch.setattr("w2vray.cluster.trainer.MAX_FAILURES", failures)
    store = make_store(files=2, rows=100)
    killer = Killer(1)
    settings = TrainSettings(
        labelled=(str(store),),
        vectors=str(word_vectors.path),
        output=str(tmp_path / "model"),
        model_settings=LONG,
        validation_fraction=0.1,
    )
    summary = train(settings, progress=killer)
    assert killer.killed == 1
    assert killer.told == sorted(killer.told), "no epoch before the last whole one is done again"
    state = fit_here(store, CnnSettings(**LONG))
    assert summary.curve == state[CURVE]
    require_weights(tmp_path / "model", state)


@pytest.mark.usefixtures("training_in_process")
@pytest.mark.parametrize("damaged", [False, True])
def test_a_training_whose_worker_dies_goes_on_from_the_last_whole_epoch(  # noqa: PLR0917 - fixtures
    make_store: Callable[..., Path],
    word_vectors: Vectors,
    fit_here: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    damaged: bool,
    tmp_path: Path,
) -> None:
    """After each of its first three epochs, in this process; anew where the checkpoint is damaged."""
    deaths, begun = [1, 2, 3], []
    last_state, report = train_worker.last_state, train_worker._report

    def first_epoch(folder: Path) -> Any:
        state = last_state(folder)
        begun.append(len(state[CURVE]) if state else 0)
        return state

    def dying(told: EpochReport, state: Any) -> None:
        report(told, state)
        if told.epoch in deaths:
            deaths.remove(told.epoch)
            if damaged:
                place = max(tmp_path.glob(".model.training/*/*/checkpoint_1*"))
                (place / train_worker.STATE).write_bytes(b"")
            raise ray.train.WorkerGroupError("killed", {})

    monkeypatch.setattr("w2vray.cluster.trainings.REPORTING", 1.0)
    monkeypatch.setattr(train_worker, "last_state", first_epoch)
    monkeypatch.setattr(train_worker, "_report", dying)
    store = make_store(files=2, rows=100)
    settings = TrainSettings(
        labelled=(str(store),),
        vectors=str(word_vectors.path),
        output=str(tmp_path / "model"),
        model_settings=LONG,
        validation_fraction=0.1,
    )

    summary = train(settings)

    assert begun == ([0, 0, 0, 0] if damaged else [0, 1, 2, 3])
    state = fit_here(store, CnnSettings(**LONG))
    assert summary.curve == state[CURVE]
    require_weights(tmp_path / "model", state)


@pytest.mark.ray
@pytest.mark.long
@pytest.mark.usefixtures("local_ray")
def test_a_training_one_of_whose_two_workers_is_killed_ends_as_an_undisturbed_one(
    make_store: Callable[..., Path], word_vectors: Vectors, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Bit for bit: what dropout leaves out depends on the epoch and on which worker it is."""
    monkeypatch.setattr("w2vray.cluster.trainings.REPORTING", 1.0)
    settings = TrainSettings(
        labelled=(str(make_store(files=2, rows=100)),),
        vectors=str(word_vectors.path),
        output=str(tmp_path / "undisturbed"),
        workers=2,
        tune_vectors=True,
        model_settings={**LONG, "epochs": 5},
        validation_fraction=0.1,
    )
    undisturbed = train(settings)
    killer = Killer(2)
    summary = train(replace(settings, output=str(tmp_path / "killed")), progress=killer)
    assert killer.killed == 1
    assert killer.told == sorted(killer.told), "no epoch before the last whole one is done again"
    assert summary.curve == undisturbed.curve
    assert Bundle.load(tmp_path / "killed").fingerprint == Bundle.load(tmp_path / "undisturbed").fingerprint


@pytest.mark.ray
@pytest.mark.long
@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize(("told", "half_written"), [(signal.SIGKILL, False), (signal.SIGINT, True)])
def test_a_training_whose_driver_is_killed_is_gone_on_with_by_the_same_command(  # noqa: PLR0917 - fixtures
    make_store: Callable[..., Path],
    word_vectors: Vectors,
    fit_here: Callable[..., Any],
    wait_for_every_cpu: Callable[[], None],
    told: signal.Signals,
    half_written: bool,
    tmp_path: Path,
) -> None:
    """A mark that is put into its last checkpoint is there in the end: the epochs before are not done again.

    Also where it was interrupted, and where a further checkpoint was being written.
    """
    store, model = make_store(files=2, rows=100), tmp_path / "model"
    options = [
        (f"--{name.replace('_', '-')}", str(value))
        for name, values in LONG.items()
        for value in (values if isinstance(values, tuple) else (values,))
    ]
    address = ray.get_runtime_context().gcs_address
    places = [str(store), "--vectors", str(word_vectors.path), "--output", str(model), "--address", address]
    places += ["--validation-fraction", "0.1"]  # of so few rows none would be kept apart
    command = [
        sys.executable,
        "-c",
        EACH_EPOCH,
        "train",
        *places,
        *(word for pair in options for word in pair),
        "--json",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        while latest_checkpoint(tmp_path)[0] < 2:
            assert process.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.05)
        process.send_signal(told)
        assert process.wait() == (-signal.SIGKILL if told == signal.SIGKILL else 130)
    if told == signal.SIGINT:
        assert "interrupted; run the same command again to finish what is missing" in (tmp_path / "log").read_text()
    wait_for_every_cpu()
    done, checkpoint = latest_checkpoint(tmp_path)
    assert 2 <= done < LONG["epochs"]
    assert not model.exists()
    if half_written:
        (checkpoint.parents[1] / "last-epoch.json").write_bytes(b"{")
        later = checkpoint.parent / "checkpoint_9999-01-01_00-00-00.000000"
        later.mkdir()
        (later / "state.pt").write_bytes((checkpoint / "state.pt").read_bytes()[:-1000])
    done = put_mark(checkpoint)

    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert again.returncode == 0, again.stderr
    state = fit_here(store, CnnSettings(**LONG))
    expected = [dict(line) for line in state[CURVE]]
    for line in expected[:done]:
        line["train_loss"] = MARK
    assert json.loads(again.stdout)["curve"] == expected
    require_weights(model, state)


def latest_checkpoint(folder: Path) -> tuple[int, Path]:
    """Return the epoch and the place of a training's last whole checkpoint; epoch 0 where there is none yet."""
    found = next(filter(None, map(last_whole, folder.glob(".model.training/*"))), None)
    return (0, folder) if found is None else (len(found[1][CURVE]), found[0])


@pytest.mark.usefixtures("here_and_on_ray")
@pytest.mark.parametrize(
    ("death", "told"),
    [
        pytest.param(ray.train.WorkerGroupError("killed", {}), ".*killed", id="workers, of one epoch"),
        pytest.param(
            ray.exceptions.ActorDiedError(), "the process of Ray's that controls it has died.*", id="controller"
        ),
    ],
)
def test_a_training_that_cannot_go_on_is_given_up(  # noqa: PLR0917 - fixtures
    make_store: Callable[..., Path],
    word_vectors: Vectors,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    death: Exception,
    told: str,
) -> None:
    """What is there of it is kept for the same command."""
    begun: list[str] = []

    class Dying:
        def __init__(self, *_: Any, **__: Any) -> None:
            begun.append("")

        def fit(self) -> None:
            raise death

    monkeypatch.setattr("w2vray.cluster.trainer.TorchTrainer", Dying)
    settings = TrainSettings(
        labelled=(str(make_store(files=1, rows=60)),),
        vectors=str(word_vectors.path),
        output=str(tmp_path / "model"),
        model_settings=LONG,
        validation_fraction=0.1,
    )
    with pytest.raises(
        W2vrayError, match=rf"(?s)training failed: {told}; the same command goes on from its last epoch"
    ):
        train(settings)
    assert len(begun) == 1


def put_mark(checkpoint: Path) -> int:
    """Change what a checkpoint tells of the epochs so far; return how many they are."""
    state = torch.load(checkpoint / "state.pt", weights_only=True)
    for line in state[CURVE]:
        line["train_loss"] = MARK
    torch.save(state, checkpoint / "state.pt")
    return len(state[CURVE])


@pytest.mark.ray
@pytest.mark.long
@pytest.mark.usefixtures("local_ray")
def test_a_training_that_waits_for_cpus_of_others_says_so(
    make_store: Callable[..., Path], word_vectors: Vectors, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Before it reads, and before it trains; it goes on as soon as they are free."""
    monkeypatch.setattr("w2vray.cluster.waiting.PATIENCE_SECONDS", 2.0)
    others = [hold_every_cpu()]
    told: list[str] = []

    def note(text: str) -> None:
        if text.startswith("waiting"):
            told.append(text)
            ray.kill(others[-1])

    def progress(epoch: int, _: int | None, text: str) -> None:
        if not epoch and text.startswith("epochs"):
            others.append(hold_every_cpu())

    settings = TrainSettings(
        labelled=(str(make_store(files=1, rows=60)),),
        vectors=str(word_vectors.path),
        output=str(tmp_path / "model"),
        model_settings=LONG | {"epochs": 1},
        validation_fraction=0.1,
    )
    train(settings, progress=progress, note=note)
    assert told == ["waiting for 1 worker of 1 CPU each; 0 of 2 CPU free now"] * 2
