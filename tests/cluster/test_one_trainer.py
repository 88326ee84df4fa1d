"""One process that trains one model after another: it goes on where it died, and gives up where that does not help."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray.exceptions
import ray.train
import torch

from w2vray.cluster import one_trainer
from w2vray.cluster.one_trainer import Attempt, OneTrainer
from w2vray.cluster.train_worker import last_whole
from w2vray.cluster.trainer import MAX_FAILURES, LastEpoch, epoch_reached
from w2vray.errors import W2vrayError
from w2vray.training.steps import EpochReport


def epoch(number: int) -> EpochReport:
    return EpochReport(
        epoch=number, workers=1, examples=4, train_loss=1.0, validation_loss=0.5, validation_accuracy=0.5
    )


@pytest.fixture
def config(tmp_path: Path) -> Any:
    return SimpleNamespace(checkpoints=tmp_path / "training")


def test_checkpoints_lie_where_a_training_of_ray_train_looks_for_them(
    config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the last one is kept; the next attempt goes on from it, and takes the earlier one away."""
    found: list[Any] = []

    def fit(_: Any, state: Any, report: Any) -> None:
        done = 0 if state is None else state["done"]
        found.append(done)
        for number in (done + 1, done + 2):
            report(epoch(number), {"done": number, "weights": torch.ones(2)})

    monkeypatch.setattr(one_trainer, "train_as_told", fit)
    Attempt(config).run()
    Attempt(config).run()

    assert found == [0, 2]
    last = last_whole(config.checkpoints)
    assert last is not None
    assert (last[0].parent.name, last[1]["done"]) == ("attempt-0002", 4)
    assert [place.name for place in config.checkpoints.glob("attempt-*")] == ["attempt-0002"]
    assert len(list(last[0].parent.iterdir())) == 1
    reached = epoch_reached(config.checkpoints)
    assert reached is not None
    assert (reached["attempt"], reached["metrics"]["epoch"]) == ("attempt-0002", 4)


def dying(times: list[int | None], config: Any) -> OneTrainer:
    """A trainer whose process dies after each of these epochs; None for one that is not told any more."""

    def train(_: Any, given: Any) -> None:
        assert given is config
        if not times:
            return
        number = times.pop(0)
        if number is not None:
            config.checkpoints.mkdir(exist_ok=True)
            attempt = LastEpoch(config.checkpoints, "attempt-0001")
            place = config.checkpoints / "checkpoint_1"
            place.mkdir(exist_ok=True)
            attempt.after_report(None, [{"epoch": number}], ray.train.Checkpoint(str(place)))
        raise ray.exceptions.RayActorError

    trainer = OneTrainer(1.0, lambda _: None)
    trainer._train = train.__get__(trainer)  # type: ignore[method-assign]
    return trainer


def test_a_process_that_dies_is_followed_by_another_one_while_epochs_are_done_between(config: Any) -> None:
    dying([1, 2, 3, 4, 5], config)(config)
    dying([6, *[None] * (MAX_FAILURES - 1)], config)(config)


def test_one_that_dies_again_and_again_ends_the_training(config: Any) -> None:
    with pytest.raises(W2vrayError, match="has died again and again"):
        dying([None] * (MAX_FAILURES + 1), config)(config)


@pytest.mark.parametrize("error", [ray.exceptions.OutOfMemoryError("killed"), ray.exceptions.ActorDiedError()])
def test_a_process_that_ray_ends_is_one_that_died(error: Exception, config: Any) -> None:
    """Ray ends it where memory is short, and says so by an error of another kind."""
    trained = list[Any]()

    def train(_: Any, given: Any) -> None:
        trained.append(given)
        if len(trained) == 1:
            raise error

    trainer = OneTrainer(1.0, lambda _: None)
    trainer._train = train.__get__(trainer)  # type: ignore[method-assign]
    trainer(config)
    assert trained == [config, config]


def test_any_other_error_of_ray_is_told_in_a_line(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise ray.exceptions.ActorUnschedulableError("no node has it")

    monkeypatch.setattr(OneTrainer, "_train", refused)
    with pytest.raises(W2vrayError, match=r"training failed: .*no node has it; the same command goes on"):
        OneTrainer(1.0, lambda _: None)(config)


def test_what_the_training_refuses_is_told(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise ray.exceptions.RayTaskError("train", "a long traceback", OSError(28, "No space left on device"))

    monkeypatch.setattr(OneTrainer, "_train", refused)
    with pytest.raises(W2vrayError, match=r"training failed: \[Errno 28\] No space left on device; the same command"):
        OneTrainer(1.0, lambda _: None)(config)
