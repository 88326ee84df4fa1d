"""What is left of a training and was damaged: its last whole checkpoint counts, and nothing stops a new attempt."""

from pathlib import Path
from typing import Any

import pytest
import ray.train
import torch
from hypothesis import given
from hypothesis import strategies as st

from w2vray.cluster.train_worker import STATE, last_state, state_if_whole
from w2vray.cluster.trainer import LastEpoch, epoch_reached, failure, next_attempt


def checkpoint(folder: Path, name: str, epoch: int) -> Path:
    """Write a checkpoint as an attempt does."""
    place = folder / name
    place.mkdir(parents=True)
    torch.save({"epoch": epoch}, place / STATE)
    return place


def damage(file: Path, how: str) -> None:
    """Cut a file, empty it or remove it."""
    if how == "removed":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-200] if how == "cut" else b"")


@pytest.mark.parametrize("how", ["cut", "emptied", "removed"])
def test_a_worker_goes_on_from_the_last_whole_checkpoint(
    how: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where Ray knows of none; it starts anew where all are damaged."""
    first = checkpoint(tmp_path, "attempt-0001/checkpoint_2026-02", 1)
    second = checkpoint(tmp_path, "attempt-0002/checkpoint_2026-01", 2)  # by a machine whose clock is late
    monkeypatch.setattr("ray.train.get_checkpoint", lambda: None)
    assert last_state(tmp_path) == {"epoch": 2}
    damage(second / STATE, how)
    assert last_state(tmp_path) == {"epoch": 1}
    damage(first / STATE, how)
    assert last_state(tmp_path) is None


@given(place=st.integers(0, 1 << 20), bit=st.integers(0, 7))
def test_a_checkpoint_with_a_flipped_bit_is_whole_or_none(place: int, bit: int, flipped: Path) -> None:
    """Some bits of its archive say nothing; no other state comes of any."""
    whole = (flipped.parent / STATE).read_bytes()
    changed = bytearray(whole)
    changed[place % len(whole)] ^= 1 << bit
    flipped.mkdir(exist_ok=True)
    (flipped / STATE).write_bytes(changed)

    found = state_if_whole(flipped)

    assert found is None or (found["epoch"] == 1 and torch.equal(found["weights"], torch.arange(400.0)))


@pytest.fixture(scope="module")
def flipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for changed checkpoints; beside it lies the one that they are of."""
    folder = tmp_path_factory.mktemp("flipped")
    torch.save({"epoch": 1, "weights": torch.arange(400.0)}, folder / STATE)
    return folder / "changed"


def test_each_attempt_has_a_name_that_ray_has_not_seen(tmp_path: Path) -> None:
    """What it had listed in a folder may be damaged, and it would stop there."""
    assert next_attempt(tmp_path) == "attempt-0001"
    for name in ("attempt-0001", "attempt-0009", "attempt-old", "examples-1"):
        (tmp_path / name).mkdir()
    assert next_attempt(tmp_path) == "attempt-0010"


def test_an_epoch_is_written_down_when_it_has_a_checkpoint_and_earlier_attempts_go(tmp_path: Path) -> None:
    """Until then theirs is the last whole one."""
    places = [checkpoint(tmp_path, f"attempt-000{attempt}/checkpoint_2026-01", attempt) for attempt in (1, 2, 3)]
    told: list[dict[str, Any]] = [{"epoch": 4}, {"epoch": 4, "of": "another worker"}]
    last = LastEpoch(tmp_path, "attempt-0002")

    last.after_report(run_context=None, metrics=told, checkpoint=None)
    assert all(place.exists() for place in places)
    assert epoch_reached(tmp_path) is None

    last.after_report(run_context=None, metrics=told, checkpoint=ray.train.Checkpoint(str(places[1])))
    assert [place.exists() for place in places] == [False, True, True]
    assert epoch_reached(tmp_path) == {"attempt": "attempt-0002", "metrics": {"epoch": 4}}


def test_an_epoch_that_cannot_be_written_down_stops_no_training(tmp_path: Path) -> None:
    place = checkpoint(tmp_path, "attempt-0001/checkpoint_2026-01", 1)
    (tmp_path / "last-epoch.json").mkdir()
    LastEpoch(tmp_path, "attempt-0001").after_report(None, [{"epoch": 1}], ray.train.Checkpoint(str(place)))
    assert epoch_reached(tmp_path) is None


def test_a_failed_training_tells_what_the_system_refused_and_else_all_that_ray_says() -> None:
    """A full disk is no error in the code, of which the traceback would be wanted."""
    refused = 'Traceback (most recent call last):\n  File "a.py"\nOSError: [Errno 28] No space left on device\n'
    wrong = 'Traceback (most recent call last):\n  File "a.py"\nKeyError: 3\n'

    errors: Any = ray.train  # its types are declared for its version 1

    told = failure(errors.WorkerGroupError("both", {0: RuntimeError(wrong), 1: RuntimeError(refused)}))
    assert told == "OSError: [Errno 28] No space left on device"
    assert wrong in failure(errors.WorkerGroupError(wrong, {0: RuntimeError(wrong)}))
    assert "gone" in failure(errors.ControllerError(RuntimeError("gone")))
