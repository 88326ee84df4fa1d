"""``train --model auto``: several kinds are tried on the same rows, and the best is kept."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.cluster import choosing, learning, one_trainer, training_seconds
from w2vray.cluster.repeating import repeated
from w2vray.cluster.train import TrainSummary, train
from w2vray.errors import ConfigError, DivergedError
from w2vray.models.average.settings import AverageSettings
from w2vray.models.directory import Bundle
from w2vray.models.ladder import LADDER, Candidate
from w2vray.models.recurrent.settings import GruSettings
from w2vray.scoring.scorer import TextScorer
from w2vray.training.settings import TrainSettings
from w2vray.vectors import Vectors

pytestmark = pytest.mark.usefixtures("training_in_process")

QUICK = {"epochs": 2, "filters": 4}
SMALL = (Candidate("average"), Candidate("cnn", options=QUICK), Candidate("gru", options={"epochs": 1, "hidden": 3}))


def text_of(row: int) -> str:
    """A text whose class shows in the order of two words, neither of which has a vector."""
    first, second = ("blick", "dorf") if row % 2 else ("dorf", "blick")
    return f"film the {first} {second} good"


@pytest.fixture
def trained(
    word_vectors: Vectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[TrainSummary, list[str]]]:
    monkeypatch.setattr(choosing, "LADDER", SMALL)

    def run(rows: int, name: str = "model", **given: Any) -> tuple[TrainSummary, list[str]]:
        store, told = tmp_path / f"{rows}.parquet", list[str]()
        labels = ["odd" if row % 2 else "even" for row in range(rows)]
        if not store.exists():  # a file that is written again is another one, and its training a new one
            pq.write_table(pa.table({"text": list(map(text_of, range(rows))), "label": labels}), store)
        where: dict[str, Any] = {"vectors": str(word_vectors.path), "output": str(tmp_path / name)}
        settings = TrainSettings(labelled=(str(store),), model="auto", **where, **given)
        return train(settings, note=told.append), told

    return run


def test_all_are_tried_and_the_one_of_the_least_loss_is_the_model(
    trained: Callable[..., tuple[TrainSummary, list[str]]],
) -> None:
    summary, told = trained(240)
    assert [trial["model"] for trial in summary.tried] == ["average", "cnn", "gru"]
    losses = {trial["model"]: trial["loss"] for trial in summary.tried}
    assert summary.model_kind == min(losses, key=losses.__getitem__)
    assert summary.ngrams is not None
    assert summary.ngrams.longest == 2
    assert (summary.rows, summary.rows_validation) == (240, 0)
    assert [line.split(":")[0] for line in told if "did not learn from" in line] == ["average", "cnn", "gru"]
    stored = json.loads(Path(summary.model, "config.json").read_text())
    assert stored["model"] == summary.model_kind
    assert stored["training"]["tried"] == list(summary.tried)
    assert stored["training"]["settings"]["model"] == "auto"
    assert "**Chosen among**: " in Path(summary.model, "README.md").read_text()
    assert TextScorer.load(summary.model).score([text_of(4), text_of(5)]).columns()["label"].to_pylist() == [
        "even",
        "odd",
    ]


def test_with_rows_for_validation_all_are_measured_on_these_and_the_best_then_learns_from_all(
    trained: Callable[..., tuple[TrainSummary, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "LADDER", SMALL[:1])
    summary, _ = trained(240, validation_fraction=0.25)
    assert summary.model_kind == "average"
    assert (summary.rows, summary.rows_validation) == (240, 0)
    monkeypatch.setattr(choosing, "LADDER", SMALL[1:2])
    summary, _ = trained(240, "steps", validation_fraction=0.25)
    assert summary.model_kind == "cnn"
    assert summary.rows < 240
    assert summary.rows + summary.rows_validation == 240
    assert summary.refit is not None
    best = min(summary.curve, key=lambda line: float(line["validation_loss"]))
    assert [line["validation_loss"] for line in summary.refit] == [None] * best["epoch"]
    assert [line["examples"] for line in summary.refit] == [240] * best["epoch"]


def test_no_further_kind_begins_when_the_time_is_over(
    trained: Callable[..., tuple[TrainSummary, list[str]]],
) -> None:
    summary, told = trained(240, time_limit=1e-6)
    assert [trial["model"] for trial in summary.tried] == ["average"]
    assert "the time limit of 1e-06 minutes is over; not tried: cnn, gru" in told


def test_a_kind_that_cannot_be_trained_is_told_and_left_out(
    trained: Callable[..., tuple[TrainSummary, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    wild = Candidate("cnn", options=QUICK | {"learning_rate": 1e30})
    monkeypatch.setattr(choosing, "LADDER", (wild, SMALL[0]))
    summary, told = trained(240)
    assert [trial["model"] for trial in summary.tried] == ["average"]
    assert any(line.startswith("cnn cannot be trained and is left out: ") for line in told)
    monkeypatch.setattr(choosing, "LADDER", (wild,))
    with pytest.raises(DivergedError, match="none of the models could be trained"):
        trained(240, "none")


def test_a_call_that_goes_on_tells_the_seconds_of_what_was_trained_before(
    trained: Callable[..., tuple[TrainSummary, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    train_here = one_trainer.OneTrainer._train

    def interrupted(self: Any, config: Any) -> None:
        if isinstance(config.task.model, GruSettings):
            raise KeyboardInterrupt
        train_here(self, config)

    monkeypatch.setattr(one_trainer.OneTrainer, "_train", interrupted)
    monkeypatch.setattr(training_seconds, "time", clock_of_steps(100.0))
    with pytest.raises(KeyboardInterrupt):
        trained(240)
    monkeypatch.setattr(one_trainer.OneTrainer, "_train", train_here)
    monkeypatch.setattr(training_seconds, "time", clock_of_steps(7.0))
    summary, told = trained(240)
    assert [trial["seconds"] for trial in summary.tried] == [100.0, 100.0, 7.0]
    assert [line.split(", ")[-1].split(";")[0] for line in told if "; scoring takes" in line] == ["100 s"] * 2 + ["7 s"]


def clock_of_steps(seconds: float) -> Any:
    """A clock that goes on by so much at each look."""
    return SimpleNamespace(monotonic=count(0.0, seconds).__next__)


def test_the_seconds_of_all_calls_are_added_up_until_a_training_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_seconds, "time", clock_of_steps(10.0))
    with pytest.raises(KeyboardInterrupt), training_seconds.taken(tmp_path):
        raise KeyboardInterrupt
    for expected in (20.0, 20.0):  # the second call finds that nothing is left to do
        with training_seconds.taken(tmp_path) as this:
            pass
        assert this.seconds == expected
    (tmp_path / training_seconds.SECONDS).write_text("{")
    with training_seconds.taken(tmp_path) as this:
        pass
    assert this.seconds == 10.0


def test_the_same_training_again_chooses_the_same_model(
    trained: Callable[..., tuple[TrainSummary, list[str]]], tmp_path: Path
) -> None:
    first, _ = trained(240, "first", ngrams=1)
    settings, origin = repeated(Path(first.model) / "config.json", {"output": str(tmp_path / "again")})
    again = train(settings, origin=origin)
    assert Bundle.load(first.model).fingerprint == Bundle.load(again.model).fingerprint
    assert again.ngrams is not None
    assert again.ngrams.longest == 1


def test_the_last_training_goes_on_from_none_of_another_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A call that goes on with more time may choose another kind than the one that was ended."""
    folders = list[str]()

    def fitted(_: Any, folder: str, *__: Any, **___: Any) -> tuple[Any, dict[str, Any]]:
        folders.append(folder)
        return AverageSettings(), {}

    asked = TrainSettings(labelled=("rows",), vectors="v", output="m", model="auto")
    trainings: Any = SimpleNamespace(
        settings=asked, read=SimpleNamespace(few=False), multi_label=False, note=None, cost=None, fitted=fitted
    )
    for name in ("average", "average with tuned words"):
        best = choosing.Chosen(name, replace(asked, model="average"), AverageSettings(), {}, [])
        monkeypatch.setattr(learning, "chosen", lambda *_, best=best, **__: best)
        learning.learn(trainings, "0123")
    assert folders == ["0123-average-all", "0123-average-with-tuned-words-all"]


def with_losses(candidate: Candidate, losses: list[float], scoring: float) -> Any:
    losses_N = np.array(losses)
    trial = choosing.Trial(
        model=candidate.model,
        tune_vectors=candidate.tune_vectors,
        loss=float(losses_N.mean()),
        accuracy=1.0,
        epochs=1,
        seconds=1.0,
        scoring=scoring,
    )
    return choosing._Tried(candidate, None, None, {}, trial, losses_N)  # type: ignore[arg-type]  # not looked at


AVERAGE, TUNED, GRU = Candidate("average"), Candidate("average", tune_vectors=True), Candidate("gru")


@pytest.mark.parametrize(
    ("cheap", "kept"),
    [
        ([0.105, 0.195, 0.31, 0.4], "average"),  # above by 0.0025, and the standard error is 0.0028
        ([0.102, 0.203, 0.302, 0.403], "gru"),  # above by 0.0025 in each row alike: that is no chance
        ([0.2, 0.1, 0.4, 0.36], "gru"),  # by 0.015: within the standard error, and too much
    ],
)
@pytest.mark.parametrize("scoring", [50.0, 150.0, 250.0])  # what is measured decides nothing
def test_a_cheaper_kind_is_kept_where_the_loss_is_the_same_as_far_as_rows_tell(
    cheap: list[float], kept: str, scoring: float
) -> None:
    told: list[str] = []
    tried = [with_losses(AVERAGE, cheap, scoring), with_losses(GRU, [0.1, 0.2, 0.3, 0.4], 200.0)]
    assert choosing._preferred(tried, told.append).candidate.name == kept
    if kept == "average":
        (line,) = told
        assert line == (
            "average is kept, although gru has the least loss: its loss is only 0.0025 higher (one standard error: "
            f"0.0028), and average is cheaper to score with (here {scoring:.0f} ns a word, not 200)"
        )
    else:
        assert told == []


@pytest.mark.parametrize(
    ("losses", "kept"),
    [
        (([0.3, 0.2, 0.4, 0.4], [0.2, 0.1, 0.4, 0.36], [0.1, 0.2, 0.3, 0.4]), AVERAGE),  # by 1.8 standard errors
        (([0.3, 0.3, 0.4, 0.5], [0.2, 0.1, 0.3, 0.46], [0.1, 0.2, 0.3, 0.4]), TUNED),  # the first one is worse by 5.8
        (([0.3, 0.3, 0.4, 0.5], [0.2, 0.3, 0.4, 0.5], [0.1, 0.2, 0.3, 0.4]), GRU),
        (([0.3, 0.3, 0.4, 0.5], [0.7, 0.1, 0.3, 0.41], [0.1, 0.2, 0.3, 0.4]), GRU),  # by 0.9, but above the first one
    ],
)
def test_where_rows_are_few_the_simplest_is_kept_that_is_as_good_as_they_can_tell(
    losses: tuple[list[float], ...], kept: Candidate
) -> None:
    told: list[str] = []
    tried = [with_losses(each, own, 50.0) for each, own in zip((AVERAGE, TUNED, GRU), losses, strict=True)]
    assert choosing._first_as_good(tried, told.append).candidate is kept
    assert [line.split(":")[0] for line in told] == (
        [] if kept is GRU else [f"{kept.name} is kept, although gru has the least loss"]
    )


def test_of_one_kind_the_least_loss_is_kept() -> None:
    told: list[str] = []
    hardly_worse, best = [0.105, 0.195, 0.31, 0.4], [0.1, 0.2, 0.3, 0.4]
    tried = [with_losses(AVERAGE, hardly_worse, 50.0), with_losses(TUNED, best, 50.0)]
    assert choosing._preferred(tried, told.append).candidate is TUNED
    assert told == []
    of_gru = with_losses(GRU, best, 200.0)
    hardly_better = with_losses(TUNED, [0.104, 0.196, 0.308, 0.4], 50.0)
    assert choosing._preferred([tried[0], hardly_better, of_gru], told.append).candidate is TUNED


def test_what_scoring_takes_is_told_of_each_kind(trained: Callable[..., tuple[TrainSummary, list[str]]]) -> None:
    summary, told = trained(240)
    assert all(trial["scoring"] > 0 for trial in summary.tried)
    assert sum("; scoring takes " in line for line in told) == 3
    assert " ns a word to score)" in Path(summary.model, "README.md").read_text()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"tune_vectors": True}, "leave out --tune-vectors"),
        ({"model_settings": {"filters": 4}}, "leave out --filters, or name a --model"),
        ({"time_limit": 0.0}, "--time-limit is 0.0; allowed: a number of minutes above 0"),
    ],
)
def test_what_auto_decides_by_itself_is_refused(
    given: dict[str, Any], told: str, trained: Callable[..., tuple[TrainSummary, list[str]]]
) -> None:
    with pytest.raises(ConfigError, match=told):
        trained(20, **given)


def test_a_time_limit_without_auto_is_refused() -> None:
    with pytest.raises(ConfigError, match="of use with --model auto only"):
        TrainSettings(labelled=("l",), vectors="v", output="o", time_limit=3)


def test_the_ladder_begins_with_the_cheapest_and_has_the_default() -> None:
    assert LADDER[0] == Candidate("average")
    assert Candidate("cnn") in LADDER
