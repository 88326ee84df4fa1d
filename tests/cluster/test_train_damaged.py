"""What is left of a training and was damaged: its last whole checkpoint counts, and what stops Ray is removed."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from ray.train import Checkpoint

from w2vray.cluster.train_worker import STATE, last_state
from w2vray.cluster.trainer import forget_damaged

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
@pytest.mark.parametrize("known", [True, False])
def test_a_worker_goes_on_from_the_last_whole_checkpoint(
    how: str, known: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whether or not Ray knows of the damaged one; from none where all are damaged."""
    first, second = checkpoint(tmp_path, "2026-01", 1), checkpoint(tmp_path, "2026-02", 2)
    found = Checkpoint.from_directory(second) if known else None
    monkeypatch.setattr("ray.train.get_checkpoint", lambda: found)
    assert last_state(tmp_path) == {"epoch": 2}
    damage(second / STATE, how)
    assert last_state(tmp_path) == {"epoch": 1}
    damage(first / STATE, how)
    assert last_state(tmp_path) is None


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


def test_where_there_is_no_list_nothing_is_removed(tmp_path: Path) -> None:
    forget_damaged(tmp_path)
    assert list(tmp_path.iterdir()) == []
