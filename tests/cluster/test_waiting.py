"""While others hold every CPU, ``score`` and ``evaluate`` wait, say for what, and then do all of their work."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.data import DataContext

from w2vray.cluster.evaluate import evaluate
from w2vray.cluster.score import score
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.labelled import EvaluateSettings

HOUR = 3600


class Others:
    """What somebody else runs on the cluster."""

    def hold(self) -> None:
        """Return when it has its CPUs."""


@pytest.mark.ray
@pytest.mark.long
@pytest.mark.usefixtures("local_ray")
def test_scoring_and_evaluating_wait_for_the_cpus_of_others_and_say_so(
    make_store: Callable[..., Path],
    make_model: Callable[..., Path],
    wait_for_every_cpu: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """They go on as soon as the CPUs are free; no clock of Ray Data's would end them before."""
    monkeypatch.setattr("w2vray.cluster.waiting.PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr("w2vray.cluster.watching.LOOK_SECONDS", 0.25)
    store, model = str(make_store(files=1, rows=60)), str(make_model())
    others: list[Any] = []
    told: list[str] = []
    limits: list[float] = []

    def hold_every_cpu() -> None:
        wait_for_every_cpu()
        kind: Any = ray.remote(num_cpus=2)(Others)
        others.append(kind.remote())
        ray.get(others[-1].hold.remote())

    def note(text: str) -> None:
        if text.startswith("waiting"):
            told.append(text)
            limits.append(DataContext.get_current().execution_no_progress_timeout_s)
            ray.kill(others[-1])

    hold_every_cpu()
    scored = score(ScoreSettings(corpus=(store,), model=model, output=str(tmp_path / "run"), workers=1), note=note)
    hold_every_cpu()
    evaluated = evaluate(EvaluateSettings(labelled=(store,), model=(model,), workers=1), note=note)

    assert (scored.exit_code, scored.rows_scored, evaluated.metrics.rows) == (0, 60, 60)
    assert told == ["waiting for 1 worker of 1 CPU each; 0 of 2 CPU free now"] * 2
    assert all(limit < 0 or limit > HOUR for limit in limits)  # below 0: none
