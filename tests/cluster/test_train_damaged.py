"""What is left of a training and was damaged: its last whole checkpoint counts, and what stops Ray is removed."""

import json
from pathlib import Path
from typing import Any

import pytest
import ray.train
import torch
from hypothesis import given
from hypothesis import strategies as st

from w2vray.cluster.train_worker import STATE, last_state, state_if_whole
from w2vray.cluster.trainer import failure, forget_damaged

SNAPSHOT = "checkpoint_manager_snapshot.json"


def checkpoint(folder: Path, name: str, epoch: int) -> Path:
    """Write a checkpoint as a training does."""
    place = folder / f"checkpoint_{name}"
    place.mkdir()
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
    first, second = checkpoint(tmp_path, "2026-01", 1), checkpoint(tmp_path, "2026-02", 2)
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


def latest(name: str) -> dict[str, Any]:
    """What Ray's list says of its last checkpoint, as far as it is looked at."""
    return {"latest_checkpoint_result": {"checkpoint_dir_name": name, "metrics": {"epoch": 1}}}


@pytest.mark.parametrize(
    ("text", "stays"),
    [
        (json.dumps(latest("checkpoint_2026-01")), True),
        (json.dumps({"latest_checkpoint_result": None}), True),
        (json.dumps(latest("checkpoint_2026-02")), False),  # which is gone
        (json.dumps(latest("checkpoint_2026-01"))[:-1], False),
        ("", False),
        ("{}", False),
        ("[]", False),
        ('{"latest_checkpoint_result": {}}', False),
    ],
)
def test_a_list_of_checkpoints_that_ray_would_not_go_on_with_is_removed(text: str, stays: bool, tmp_path: Path) -> None:
    checkpoint(tmp_path, "2026-01", 1)
    (tmp_path / SNAPSHOT).write_text(text)
    forget_damaged(tmp_path)
    assert (tmp_path / SNAPSHOT).exists() is stays


@pytest.mark.parametrize("how", ["cut", "emptied", "removed"])
def test_a_list_that_names_a_damaged_checkpoint_is_removed(how: str, tmp_path: Path) -> None:
    damage(checkpoint(tmp_path, "2026-01", 1) / STATE, how)
    (tmp_path / SNAPSHOT).write_text(json.dumps(latest("checkpoint_2026-01")))
    forget_damaged(tmp_path)
    assert not (tmp_path / SNAPSHOT).exists()


def test_where_there_is_no_list_nothing_is_removed(tmp_path: Path) -> None:
    forget_damaged(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_training_tells_what_the_system_refused_and_else_all_that_ray_says() -> None:
    """A full disk is no error in the code, of which the traceback would be wanted."""
    refused = 'Traceback (most recent call last):\n  File "a.py"\nOSError: [Errno 28] No space left on device\n'
    wrong = 'Traceback (most recent call last):\n  File "a.py"\nKeyError: 3\n'

    errors: Any = ray.train  # its types are declared for its version 1

    told = failure(errors.WorkerGroupError("both", {0: RuntimeError(wrong), 1: RuntimeError(refused)}))
    assert told == "OSError: [Errno 28] No space left on device"
    assert wrong in failure(errors.WorkerGroupError(wrong, {0: RuntimeError(wrong)}))
    assert "gone" in failure(errors.ControllerError(RuntimeError("gone")))
