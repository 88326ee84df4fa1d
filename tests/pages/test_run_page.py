"""The page of a run: what it counts, that it is the same however the run was made, and that no run fails by it."""

import html
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import w2vray
from w2vray import cli
from w2vray.cluster.score import write_report
from w2vray.errors import BundleError, ConfigError, RunError
from w2vray.models.card import model_card
from w2vray.models.directory import Bundle, save_bundle
from w2vray.models.thresholds import Thresholds
from w2vray.models.wide.settings import WideSettings
from w2vray.pages.model_page import model_page
from w2vray.run.reporting import drift, mix_distance
from w2vray.run.writing_reports import make_report
from w2vray.settings.checks import ReportSettings
from w2vray.store.sampling import sample_texts

MakeStore = Callable[..., Path]
MakeModel = Callable[..., Path]
TIMED = ("timing", "run")


@pytest.fixture(autouse=True)
def _quick_plots(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing, but where a test is of what is drawn: it takes a second a page."""
    if "drawn" not in request.node.name:
        for page in ("evaluation_plots", "run_page"):
            monkeypatch.setattr(f"w2vray.pages.{page}.plot", lambda title, *_, **__: f"<svg aria-label='{title}'/>")


@pytest.fixture
def _with_pages(in_process: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``score`` in this process write its page, which other tests do without."""
    del in_process
    monkeypatch.setattr("w2vray.cluster.score.write_report", write_report)


pytestmark = pytest.mark.usefixtures("_with_pages")


@pytest.fixture
def store(make_store: MakeStore, tmp_path: Path) -> Path:
    """Two files, with rows that are rejected and a file that cannot be read."""
    folder = tmp_path / "store"
    folder.mkdir()
    for file in make_store(files=2).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    pq.write_table(
        pa.table({"id": ["x"] * 4, "text": [None, "<b>bad</b>", "unheard", "x" * 99]}), folder / "odd.parquet"
    )
    (folder / "zz.parquet").write_bytes(b"PAR1")
    return folder


def trained(model: Path, output: Path, **training: Any) -> Path:
    """A model that remembers a training."""
    bundle = Bundle.load(model)
    save_bundle(output, replace(bundle.config, training=training), bundle.weights)
    return output


def words_of(page: Path) -> dict[str, int]:
    """The words that a page names as those without a vector."""
    table = re.search(r"Commonest words without a vector.*?</table>", page.read_text(encoding="utf-8"), re.DOTALL)
    rows = re.findall(r"<td[^>]*>([^<]*)</td>\s*<td[^>]*>([\d,]+)</td>", table[0]) if table else []
    return {word.strip(): int(times) for word, times in rows}


def data_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "report.json").read_text(encoding="utf-8"))
    return found


def test_what_is_counted_of_a_run(store: Path, make_model: MakeModel, tmp_path: Path) -> None:
    summary = w2vray.score(store, model=make_model(), output=tmp_path / "run", threshold=0.6)
    data = data_of(tmp_path / "run")
    table = pa.concat_tables(pq.read_table(part) for part in (tmp_path / "run" / "scores").iterdir())
    assert summary.report == f"{tmp_path / 'run'}/report.html"
    assert data["totals"]["rows_in"] == summary.rows_in == 604
    assert data["rejected"] == {"null_text": 1}
    assert list(data["left_out"]) == ["zz.parquet"]
    assert not data["complete"]
    assert data["labels"] == Counter(label for label in table["label"].to_pylist() if label)
    assert data["statuses"] == Counter(table["status"].to_pylist())
    assert sum(data["scores"]) == 604 - 1 - data["statuses"]["no_evidence"]
    assert data["scores"][19] == sum(score is not None and score >= 0.95 for score in table["score"].to_pylist())
    assert sum(data["coverages"]) == sum(data["lengths"]) == len(table) == data["rows_looked_at"]
    assert data["lengths"][4] == sum(8 < count <= 16 for count in table["token_count"].to_pylist())
    assert data["timing"]["rows"] == 604
    assert data["timing"]["slowest"][0]["seconds"] >= 0
    assert {item["label"] for item in data["examples"]} == {"high", "low", "mid"}
    texts = {row["text"] for file in sorted(store.iterdir())[:3] for row in pq.read_table(file).to_pylist()}
    assert all(item["text"] in texts for item in data["examples"])
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "604 rows: 603 scored, 1 rejected; not complete: see what is left out." in page
    assert "zz.parquet" in page


def test_a_call_that_scores_nothing_leaves_what_the_page_says_of_the_time(
    make_store: MakeStore, make_model: MakeModel, tmp_path: Path
) -> None:
    store, model = make_store(), make_model()
    w2vray.score(store, model=model, output=tmp_path / "run")
    first = data_of(tmp_path / "run")["timing"]
    assert first["rows"] == 900
    again = w2vray.score(store, model=model, output=tmp_path / "run")
    assert again.rows_now == 0
    assert data_of(tmp_path / "run")["timing"] == first
    assert "<dt>rows of that call</dt><dd>900</dd>" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    (tmp_path / "run" / "report.json").unlink()
    w2vray.score(store, model=model, output=tmp_path / "run")
    assert data_of(tmp_path / "run")["timing"] is None


def test_a_run_that_was_resumed_has_the_same_report(
    make_store: MakeStore, make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("w2vray.store.units.SMALLEST_UNIT", 1000)  # a row group is one
    store, model = make_store(files=2), make_model()
    w2vray.score(store, model=model, output=tmp_path / "one")

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        w2vray.score(store, model=model, output=tmp_path / "two", progress=interrupt)
    assert not (tmp_path / "two" / "report.json").exists()
    w2vray.score(store, model=model, output=tmp_path / "two")
    one, two = ({**data_of(tmp_path / name), **dict.fromkeys(TIMED)} for name in ("one", "two"))
    assert one == two
    assert w2vray.verify(tmp_path / "two").ok
    assert not (tmp_path / "two" / "_temporary").exists()


def test_a_page_that_cannot_be_made_fails_no_run(
    make_store: MakeStore, make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("no ink")

    monkeypatch.setattr("w2vray.pages.run_page.run_page", fail)
    told: list[str] = []
    summary = w2vray.score(make_store(files=1), model=make_model(), output=tmp_path / "run", note=told.append)
    assert (summary.exit_code, summary.report) == (0, None)
    assert told == ["the run's page could not be made (ValueError: no ink); `w2vray report` makes it again"]
    assert (tmp_path / "run" / "_SUCCESS").exists()
    assert w2vray.verify(tmp_path / "run").ok


def test_a_store_that_has_drifted_is_warned_of_with_distance_and_bound(
    make_store: MakeStore, make_model: MakeModel, tmp_path: Path
) -> None:
    alike = {"rows": {"train": 100}, "tokens": 1200, "coverage": 0.9}
    store = make_store(files=1)
    w2vray.score(store, model=make_model(), output=tmp_path / "plain")
    labels = data_of(tmp_path / "plain")["labels"]
    assert data_of(tmp_path / "plain")["drift"] == []
    assert "The model does not say" in (tmp_path / "plain" / "report.html").read_text()

    model = trained(make_model(), tmp_path / "alike", labels=labels, **alike)
    w2vray.score(store, model=model, output=tmp_path / "same")
    assert [item["drifted"] for item in data_of(tmp_path / "same")["drift"]] == [False] * 3
    assert "is not like the training set" not in (tmp_path / "same" / "report.html").read_text()

    other = {"labels": {"high": 1000, "low": 10, "mid": 10}, "rows": {"train": 100}, "tokens": 300, "coverage": 0.5}
    w2vray.score(store, model=trained(make_model(), tmp_path / "other", **other), output=tmp_path / "far")
    found = {item["what"]: item for item in data_of(tmp_path / "far")["drift"]}
    assert all(item["drifted"] for item in found.values())
    assert found["tokens of a text"]["distance"] == pytest.approx(4)
    assert found["tokens with a vector"]["distance"] == pytest.approx(0.4, abs=0.05)
    page = (tmp_path / "far" / "report.html").read_text()
    assert "the store is not like the training set in labels: total variation distance 0." in page


def test_the_distance_of_mixes_and_what_chance_gives() -> None:
    assert mix_distance({"a": 50, "b": 50}, {"a": 500, "b": 500})[0] == 0
    assert mix_distance({"a": 50}, {"b": 10})[0] == 1
    assert mix_distance({"a": 60, "b": 40}, {"a": 50, "b": 50})[0] == pytest.approx(0.1)
    assert mix_distance({}, {"a": 1}) == (0.0, 0.0)
    # two samples of a fair coin, of 100 and 400: the standard error of the difference is 0.0559
    assert mix_distance({"a": 50, "b": 50}, {"a": 200, "b": 200})[1] == pytest.approx(0.0559 * 0.7979, abs=1e-4)
    nothing = {"training": None, "labels": {}, "coverage": None, "tokens": 0, "totals": {"rows_scored": 0}}
    assert drift(nothing) == []


# Again


def test_the_page_is_made_again_and_is_the_same(
    store: Path, make_model: MakeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    model = trained(make_model(), tmp_path / "m", labels={"high": 500, "low": 500}, coverage=0.9)
    w2vray.score(store, model=model, output=run)
    made = {name: (run / name).read_bytes() for name in ("report.html", "report.json")}
    (run / "report.html").unlink()
    assert cli.run(["report", str(run)]) == 0
    assert "report.html" in capsys.readouterr().out
    assert {name: (run / name).read_bytes() for name in made} == made

    (run / "report.json").unlink()
    assert w2vray.report(run).drifted == []
    assert (data_of(run)["training"], data_of(run)["timing"]) == (None, None)
    assert w2vray.report(run, model=model).drifted == ["labels"]
    assert data_of(run)["training"]["labels"] == {"high": 500, "low": 500}
    (run / "report.json").write_text("{")
    assert w2vray.report(run).drifted == []
    assert w2vray.verify(run).problems == w2vray.verify(run).problems


def test_without_the_store_the_page_has_no_examples(store: Path, make_model: MakeModel, tmp_path: Path) -> None:
    w2vray.score(store, model=make_model(), output=tmp_path / "run")
    examples = data_of(tmp_path / "run")["examples"]
    store.rename(tmp_path / "moved")
    w2vray.report(tmp_path / "run")
    assert data_of(tmp_path / "run")["examples"] == []
    w2vray.report(tmp_path / "run", corpus=tmp_path / "moved")
    assert data_of(tmp_path / "run")["examples"] == examples


def test_what_has_no_page_is_refused(make_store: MakeStore, make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model()
    with pytest.raises(RunError, match="holds no run"):
        make_report(ReportSettings(path=str(tmp_path)))
    with pytest.raises(ConfigError, match="is a vectors directory; name a run or a model"):
        make_report(ReportSettings(path=Bundle.load(model).config.vectors_path))
    with pytest.raises(ConfigError, match="--model and --corpus are for the page of a run"):
        make_report(ReportSettings(path=str(model), corpus=("a",)))
    w2vray.score(make_store(files=1), model=model, output=tmp_path / "run")
    other = make_model(labels=("a", "b"))
    with pytest.raises(ConfigError, match="is not the model of"):
        make_report(ReportSettings(path=str(tmp_path / "run"), model=str(other)))


def test_the_page_of_a_model_is_made_from_what_it_remembers(make_model: MakeModel, tmp_path: Path) -> None:
    curve = [
        {"epoch": epoch, "train_loss": 1.0, "validation_loss": 1.5, "validation_accuracy": 0.5} for epoch in (1, 2)
    ]
    model = trained(make_model(), tmp_path / "m", labels={"high": 3, "low": 1}, rows={"train": 4}, curve=curve)
    before = Bundle.load(model).fingerprint
    w2vray.report(model)
    page = (model / "report.html").read_text(encoding="utf-8")
    assert "The training kept no rows apart for a test (--test-fraction), so nothing here says how good it is" in page
    assert "took only the rows" not in page
    assert "Loss after each epoch" in page
    assert "75.0%" in page
    assert Bundle.load(model).fingerprint == before
    for text in ("{", "{}", "[]"):
        (model / "report.json").write_text(text)
        with pytest.raises(BundleError, match=r"report\.json"):
            w2vray.report(model)


@pytest.mark.parametrize(
    ("history", "told"),
    [
        (
            {"settings": {"where": "split == 'train'"}},
            "The training took only the rows for which split == 'train' holds, and saw no others.",
        ),
        (
            {"settings": {"test_fraction": 0.2}, "test": {"accuracy": 0.75, "rows": 40}},
            "Its training reached an accuracy of 75.0% on 40 labelled rows that it learnt nothing from.",
        ),
        ({"imported": {"from": "a.bin"}}, "It was imported, so nothing is known here of how good it is"),
    ],
)
def test_the_page_of_a_model_without_a_test_says_why_there_is_none(
    history: dict[str, Any], told: str, make_model: MakeModel, tmp_path: Path
) -> None:
    model = trained(make_model(), tmp_path / "m", **history)
    w2vray.report(model)
    assert told in html.unescape((model / "report.html").read_text(encoding="utf-8"))


def test_a_model_with_n_grams_says_that_its_epochs_are_of_the_other_part_alone(make_model: MakeModel) -> None:
    config = Bundle.load(make_model()).config
    curve = [
        {"epoch": epoch, "train_loss": 1.0, "validation_loss": 2.0 / epoch, "validation_accuracy": 0.5}
        for epoch in (1, 2)
    ]
    alone = replace(config, training={"curve": curve})
    both = replace(alone, wide=WideSettings(longest=2, bits=4, main=0.5, wide=1.0))
    told = f"The learning curve is that of {config.model} alone: the n-grams were added to it in the end."
    assert told in model_page(both, None, name="m").render()
    assert told not in model_page(alone, None, name="m").render()
    assert f"0.5000, after epoch 2 of 2, of {config.model} without its n-grams. The training stopped" in model_card(
        both
    )
    assert "0.5000, after epoch 2 of 2. The training stopped" in model_card(alone)


def test_of_a_large_run_some_units_are_looked_at(
    make_store: MakeStore, make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("w2vray.store.units.SMALLEST_UNIT", 1000)  # a row group is one
    monkeypatch.setattr("w2vray.run.reporting.MOST_ROWS", 250)
    w2vray.score(make_store(files=2), model=make_model(), output=tmp_path / "run")
    data = data_of(tmp_path / "run")
    assert (data["units"], data["units_looked_at"], data["rows_looked_at"]) == (6, 3, 300)
    assert data["totals"]["rows_in"] == 600
    assert "units that labels and scores were counted of" in (tmp_path / "run" / "report.html").read_text()


def with_thresholds(model: Path, output: Path, values: tuple[float | None, ...], kept: float = 0.8) -> Path:
    """A model with thresholds of its own, which promise almost certainty."""
    bundle = Bundle.load(model)
    own = Thresholds(values=values, precision=0.9999999, confidence=0.95, kept=kept, rows=100)
    save_bundle(output, replace(bundle.config, thresholds=own), bundle.weights)
    return output


def test_a_run_shows_what_thresholds_promise_and_expect_beside_what_was_kept(
    make_store: MakeStore, make_model: MakeModel, tmp_path: Path
) -> None:
    """With --threshold they are not in force, and nothing is said of them."""
    store, model = make_store(files=1), with_thresholds(make_model(), tmp_path / "model", (0.6,))
    summary = w2vray.score(store, model=model, output=tmp_path / "run")
    assert summary.kept is not None
    assert data_of(tmp_path / "run")["promise"] == {
        "precision": 0.9999999,
        "confidence": 0.95,
        "expected": 0.8,
        "kept": pytest.approx(summary.kept, abs=1e-6),
        "unlike": False,
    }
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "<dd>at least 0.9999999, with 0.95 confidence</dd>" in page
    assert f"<dd>{summary.kept:.1%}</dd>" in page
    assert "<dd>80.0%</dd>" in page
    assert "of the rows with a known word kept a label, and" not in page
    for name, options in (("own", {"threshold": 0.7}), ("none", {"no_threshold": True})):
        w2vray.score(store, model=model, output=tmp_path / name, **options)
        assert data_of(tmp_path / name)["promise"] is None


def test_a_run_that_keeps_another_share_than_expected_says_that_the_promise_may_not_hold(
    make_store: MakeStore, make_model: MakeModel, tmp_path: Path
) -> None:
    store, model = make_store(files=1), with_thresholds(make_model(), tmp_path / "model", (0.6,), kept=0.2)
    summary = w2vray.score(store, model=model, output=tmp_path / "run")
    told = f"{summary.kept:.1%} of the rows with a known word kept a label, and 20.0% were expected to"
    assert told in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert [line for line in summary.warnings if line.startswith(told)]


def test_a_models_page_shows_its_thresholds(make_model: MakeModel, tmp_path: Path) -> None:
    model = with_thresholds(make_model(), tmp_path / "model", (0.61234, None, 0.5))
    w2vray.report(model)
    page = (model / "report.html").read_text(encoding="utf-8")
    assert "at least 0.9999999 of each label that is kept are right, with 0.95 confidence" in page
    assert "80.0% of those kept a label; never kept, because the rows did not suffice" in page
    assert ">0.6123<" in page
    assert ">never kept<" in page


def test_a_page_says_rows_a_second_as_the_summary_does(
    make_store: MakeStore, make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All workers together, from the end of the first unit on; of a unit it is its worker's."""
    monkeypatch.setattr("w2vray.store.units.SMALLEST_UNIT", 1000)  # a row group is one
    monkeypatch.setattr("w2vray.run.pace._LEAST_SECONDS", 1e-9)
    summary = w2vray.score(make_store(files=2), model=make_model(), output=tmp_path / "run")
    assert summary.rows_per_second is not None
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    fact = f"<dt>rows a second, from the end of the first unit on</dt><dd>{summary.rows_per_second:,.0f}</dd>"
    assert fact in page
    assert "rows a second of its worker" in page
    overall = f"{summary.rows_now / summary.seconds:,.0f}"
    assert f"<dt>rows a second of that call, start included</dt><dd>{overall}</dd>" in page


class TestWordsWithoutAVector:
    """Those that came most often, counted in texts from all over the store."""

    def store_of(self, folder: Path, files: list[list[str]]) -> Path:
        folder.mkdir()
        for place, texts in enumerate(files):
            pq.write_table(pa.table({"text": texts, "lang": ["en"] * len(texts)}), folder / f"{place}.parquet")
        return folder

    def test_all_of_a_small_run_are_counted(self, make_model: MakeModel, tmp_path: Path) -> None:
        store = self.store_of(tmp_path / "store", [["bab qqq qqq", "qqq zyx"], ["zyx dab", "<qqq>"]])
        summary = w2vray.score(store, model=make_model(), output=tmp_path / "run")
        assert data_of(tmp_path / "run")["missing_words"] == {
            "words": {"qqq": 4, "zyx": 2},
            "tokens": summary.tokens,
            "whole": True,
        }
        assert words_of(tmp_path / "run" / "report.html") == {"qqq": 4, "zyx": 2}
        assert "Counted in all texts." in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")

    def test_of_a_large_one_a_sample_and_the_page_says_so(
        self, make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two units, of which no more than the first 300 bytes are read."""
        monkeypatch.setattr("w2vray.store.units.SMALLEST_UNIT", 1)
        monkeypatch.setattr("w2vray.store.units.LARGEST_UNIT_ROWS", 200)
        store = self.store_of(tmp_path / "store", [["bab qqq dab"] * 200, ["bab zyx zyx"] * 200])
        sampled = partial(sample_texts, most_bytes=600)
        monkeypatch.setattr("w2vray.cluster.score.sample_texts", sampled)
        w2vray.score(store, model=make_model(), output=tmp_path / "run")
        found = data_of(tmp_path / "run")["missing_words"]
        assert not found["whole"]
        assert found["tokens"] < 400
        assert found["words"]["zyx"] == pytest.approx(2 * found["words"]["qqq"], abs=4)
        assert "An estimate: counted in" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")

    def test_rows_that_are_not_scored_do_not_count_and_a_page_made_again_keeps_them(
        self, make_model: MakeModel, tmp_path: Path
    ) -> None:
        store = self.store_of(tmp_path / "store", [["bab qqq", "zyx"]])
        (store / "1.parquet").unlink(missing_ok=True)
        pq.write_table(pa.table({"text": ["other other"], "lang": ["de"]}), store / "1.parquet")
        w2vray.score(store, model=make_model(), output=tmp_path / "run", where="lang == 'en'")
        before = data_of(tmp_path / "run")["missing_words"]
        assert before["words"] == {"qqq": 1, "zyx": 1}
        make_report(ReportSettings(path=str(tmp_path / "run")))
        assert data_of(tmp_path / "run")["missing_words"] == before
        assert words_of(tmp_path / "run" / "report.html") == before["words"]
