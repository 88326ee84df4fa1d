"""Runs with evidence: each row has that of its text in one process; which rows have some follows from their place."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fixtures.stores import read_run
from w2vray.cluster.score import ScoreSummary, score
from w2vray.errors import ConfigError, RunError
from w2vray.models.directory import Bundle
from w2vray.run.explaining import place_keys, slow_evidence
from w2vray.run.request import Request
from w2vray.run.verify import verify
from w2vray.scoring.evidence import evidence_of
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.checks import VerifySettings
from w2vray.store import units
from w2vray.store.reading import FILE_COLUMN, ROW_COLUMN

MakeModel = Callable[..., Path]
MakeStore = Callable[..., Path]

pytestmark = pytest.mark.usefixtures("in_process")

TEXTS = ["bab dab, fab", None, "B\u00e1b b\u00e1b", "Bab\u00ad bab \U0001f600 dab", "unheard", "", "dab " * 40]


def run_score(store: Path, model: Path, run: Path, **options: Any) -> ScoreSummary:
    return score(ScoreSettings(corpus=(str(store),), model=str(model), output=str(run), **options))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Rows of two columns; one is null, and one is longer than is allowed below."""
    folder = tmp_path / "store"
    folder.mkdir()
    pq.write_table(pa.table({"title": ["Bab"] * len(TEXTS), "text": TEXTS}), folder / "a.parquet")
    return folder


@pytest.mark.parametrize("kind", ["average", "cnn"])
def test_each_row_has_the_evidence_of_its_text(kind: str, store: Path, make_model: MakeModel, tmp_path: Path) -> None:
    """Of rows around those that are rejected; a text of two columns is the two with a newline between them."""
    model = make_model(kind)
    options = {"text_column": ("title", "text"), "max_bytes": 100, "evidence": 2}
    summary = run_score(store, model, tmp_path / "run", **options)

    assert (summary.rows_scored, summary.rows_rejected) == (6, 1)
    assert verify(VerifySettings(run=str(tmp_path / "run"), deep=True)).ok
    rows = read_run(tmp_path / "run").to_pylist()
    read = ["\n".join(part for part in ("Bab", text) if part is not None) for text in TEXTS[:-1]]
    expected = evidence_of(TextScorer.load(model), pa.array(read, pa.large_string()), most=2).to_pylist()
    for row, pieces in zip(rows, expected, strict=True):
        alike = [{**piece, "weight": pytest.approx(piece["weight"], abs=1e-5)} for piece in pieces]
        assert row["evidence"] == alike
    assert all(row["evidence"] for row in rows)
    for text, row in zip(read, rows, strict=True):
        assert all(text[piece["start"] : piece["end"]] == piece["text"] for piece in row["evidence"])


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"evidence": 2}, None),
        ({"evidence": 2, "explain_method": "occlusion"}, "--explain-method occlusion"),
        ({"evidence": 2, "explain_method": "occlusion", "evidence_sample": 5}, None),
        ({}, None),
    ],
)
def test_a_run_that_explains_all_rows_slowly_says_so(
    options: dict[str, Any], why: str | None, store: Path, make_model: MakeModel, tmp_path: Path
) -> None:
    model = make_model("average")
    settings = ScoreSettings(corpus=(str(store),), model=str(model), output=str(tmp_path / "run"), **options)
    told = slow_evidence(Request.of(settings, Bundle.load(model)))
    if why is None:
        assert told is None
    else:
        assert told == (
            f"with {why}, no compiled code explains the rows, which makes this run many times slower; "
            "--evidence-sample ROWS explains a sample of them"
        )


class TestASample:
    """``--evidence-sample``: rows that are chosen by their place."""

    def explained(self, run: Path) -> set[tuple[str, int]]:
        rows = read_run(run).to_pylist()
        return {(row["source_file"], row["source_row"]) for row in rows if row["evidence"] is not None}

    def test_it_is_about_as_large_as_asked_for_and_the_same_however_units_are_cut(
        self, make_store: MakeStore, make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store, model = make_store(), make_model()
        run_score(store, model, tmp_path / "one", evidence=1, evidence_sample=90)
        monkeypatch.setattr(units, "LARGEST_UNIT_ROWS", 100)
        run_score(store, model, tmp_path / "other", evidence=1, evidence_sample=90)

        assert 60 <= len(self.explained(tmp_path / "one")) <= 120  # of 900
        assert self.explained(tmp_path / "one") == self.explained(tmp_path / "other")
        assert len({file for file, _ in self.explained(tmp_path / "one")}) == 3

    def test_all_rows_are_explained_where_there_are_no_more(
        self, make_store: MakeStore, make_model: MakeModel, tmp_path: Path
    ) -> None:
        run_score(make_store(files=1, rows=20), make_model(), tmp_path / "run", evidence=1, evidence_sample=1000)

        assert len(self.explained(tmp_path / "run")) == 20

    def test_files_that_come_later_change_no_choice(
        self, make_store: MakeStore, make_model: MakeModel, tmp_path: Path
    ) -> None:
        """The share stays as it was planned, and rows of new files are chosen by it too."""
        store, model = make_store(files=1), make_model()
        (file,) = store.iterdir()
        run_score(store, model, tmp_path / "run", evidence=1, evidence_sample=150)
        before = self.explained(tmp_path / "run")
        pq.write_table(pq.read_table(file), store / "later.parquet")
        run_score(store, model, tmp_path / "run", evidence=1, evidence_sample=150, new_files=True)

        after = self.explained(tmp_path / "run")
        assert {place for place in after if place[0] == file.name} == before
        assert 100 <= len(after - before) <= 200  # half of 300 again

    def test_keys_follow_from_name_and_row_alone(self) -> None:
        keys = place_keys(_places(["b", "a", "b", "b"], [7, 7, 8, 7]))

        assert keys[0] == keys[3]
        assert len(set(keys.tolist())) == 3
        assert place_keys(_places(["a"], [7])).tolist() == [keys[1]]
        assert len(place_keys(_places([], []))) == 0
        many = place_keys(_places(["f"] * 4000, list(range(4000))))
        assert abs(float((many < np.uint64(1 << 63)).mean()) - 0.5) < 0.05


class TestTheRun:
    """What was asked for is part of what a run is."""

    def test_a_run_with_other_evidence_is_refused(self, store: Path, make_model: MakeModel, tmp_path: Path) -> None:
        model = make_model()
        run_score(store, model, tmp_path / "run", evidence=2)

        for other in (
            {},
            {"evidence": 3},
            {"evidence": 2, "evidence_sample": 5},
            {"evidence": 2, "explain_method": "occlusion"},
        ):
            with pytest.raises(RunError, match=r"was made with other options: --(evidence|explain)"):
                run_score(store, model, tmp_path / "run", **other)

    def test_options_that_ask_for_nothing_leave_the_identity_as_it_was(self, make_model: MakeModel) -> None:
        """So that a run which an earlier version has begun can be finished."""
        bundle = Bundle.load(make_model())
        request = Request.of(ScoreSettings(corpus=("c",), model="m", output="o"), bundle)

        assert set(request.identity["options"]) == {
            *("threshold", "probabilities", "top_k", "text_column", "keep", "where", "limit", "table_version"),
            *("max_bytes", "truncate", "null_as_empty", "precision"),
        }
        asked = Request.of(ScoreSettings(corpus=("c",), model="m", output="o", evidence=3), bundle)
        assert {**request.identity["options"], "evidence": 3} == asked.identity["options"]
        assert request.fingerprint != asked.fingerprint

    def test_a_model_that_does_not_tell_is_refused_before_anything_is_written(
        self, store: Path, make_model: MakeModel, tmp_path: Path
    ) -> None:
        with pytest.raises(ConfigError, match="the model lstm does not tell which words decided"):
            run_score(store, make_model("lstm"), tmp_path / "run", evidence=2)
        assert not (tmp_path / "run").exists()

        run_score(store, make_model("lstm"), tmp_path / "run", evidence=2, explain_method="occlusion")
        rows = read_run(tmp_path / "run").to_pylist()
        assert [len(row["evidence"] or ()) for row in rows] == [2, 0, 2, 0, 0, 2]

    def test_a_damaged_share_is_refused(self, store: Path, make_model: MakeModel, tmp_path: Path) -> None:
        model = make_model()
        run_score(store, model, tmp_path / "run", evidence=1, evidence_sample=3)
        file = tmp_path / "run" / "run.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "explained_up_to": -1}))

        with pytest.raises(RunError, match=r"run\.json is damaged \(explained_up_to is -1\)"):
            run_score(store, model, tmp_path / "run", evidence=1, evidence_sample=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"evidence": 0}, "--evidence is 0; allowed: a whole number above 0"),
        ({"evidence_sample": 5}, "--evidence-sample is used only with --evidence"),
        ({"evidence": 1, "evidence_sample": 0}, "--evidence-sample is 0"),
        ({"explain_method": "occlusion"}, "--explain-method is used only with --evidence"),
        ({"evidence": 1, "explain_method": "magic"}, "--explain-method is 'magic'; allowed: model, occlusion"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ScoreSettings(corpus=("c",), model="m", output="o", **options)


def _places(files: list[str], rows: list[int]) -> pa.RecordBatch:
    columns = {FILE_COLUMN: pa.array(files, pa.string()), ROW_COLUMN: pa.array(rows, pa.int64())}
    return pa.record_batch(columns)
