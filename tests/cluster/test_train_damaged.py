"""What is left of a training and was damaged: its last whole checkpoint counts, and what stops Ray is removed."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

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
