"""A training is named by all that it depends on, and by nothing else."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from w2vray.cluster import trained_model
from w2vray.cluster.trained_model import fingerprint_of
from w2vray.training.settings import TrainSettings

STORES: Any = [SimpleNamespace(corpus=SimpleNamespace(fingerprint="rows"))]
VECTORS: Any = SimpleNamespace(fingerprint="words")
SETTINGS = TrainSettings(labelled=("rows.parquet",), vectors="vectors", output="model")


@pytest.mark.parametrize("where", [{"shared_filesystem": True}, {"workers": 2}, {"output": "another"}])
def test_where_a_training_runs_does_not_name_it(where: dict[str, Any]) -> None:
    assert fingerprint_of(replace(SETTINGS, **where), STORES, VECTORS) == fingerprint_of(SETTINGS, STORES, VECTORS)


def test_what_was_begun_in_another_way_is_not_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as with other steps, where nobody has said which: half of them would be of each kind."""
    now = fingerprint_of(SETTINGS, STORES, VECTORS)
    monkeypatch.setattr(trained_model, "_LEARNING", 1)
    assert fingerprint_of(SETTINGS, STORES, VECTORS) != now
    monkeypatch.undo()
    assert fingerprint_of(replace(SETTINGS, seed=1), STORES, VECTORS) != now
