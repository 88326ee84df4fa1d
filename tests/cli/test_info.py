"""``info``: what a path is, whatever it is."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray import cli
from w2vray.models.card import model_card
from w2vray.models.directory import Bundle


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Any:
    def show(*arguments: str) -> tuple[str, dict[str, Any]]:
        assert cli.run(["info", *arguments]) == 0
        text = capsys.readouterr().out
        assert cli.run(["info", *arguments, "--json"]) == 0
        return text, json.loads(capsys.readouterr().out)

    return show


def test_a_model_is_told_by_its_card(shown: Any, make_model: Any) -> None:
    path = str(make_model())
    text, value = shown(path)
    config = Bundle.load(path).config
    assert text == model_card(config)
    assert (value["kind"], value["labels"]) == ("model", list(config.labels))
    for label in config.labels:
        assert f"`{label}`" in text


def test_a_store_is_told_by_its_files_and_columns(shown: Any, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / "README.md").write_text("a card")
    (store / "_SUCCESS").write_text("")
    pq.write_table(pa.table({"text": ["a", "b"], "year": [1, 2]}), store / "b.parquet")
    text, value = shown(str(store))
    assert value["columns"] == {"text": "string", "year": "int64"}
    assert value["ignored"] == {"hidden, a name in the path begins with . or _": 1}
    assert "columns of b.parquet (parquet, 2 rows)" in text


def test_vectors_are_told(shown: Any, word_vectors: Any) -> None:
    text, value = shown(str(word_vectors.path))
    assert value["words"] == len(word_vectors)
    assert f"{len(word_vectors):,} words x {word_vectors.dim}" in text


def test_a_run_is_told_by_how_far_it_is(shown: Any, scored: Any, make_store: Any) -> None:
    summary, _ = scored(make_store())
    text, value = shown(summary.run)
    assert (value["kind"], value["state"]) == ("run", "finished")
    assert value["units"] == value["units_done"] == summary.units
    (Path(summary.run) / "_SUCCESS").unlink()
    assert shown(summary.run)[1]["state"] == "finished, with gaps"
    (Path(summary.run) / "manifest.parquet").unlink()
    assert shown(summary.run)[1]["state"].startswith("not finished")
    assert "a scoring run, finished" in text


def test_a_model_directory_holds_its_card(make_model: Any) -> None:
    path = Path(make_model())
    assert (path / "README.md").read_text() == model_card(Bundle.load(path).config)


def test_a_run_at_a_uri_is_told_as_one(shown: Any, scored: Any, make_store: Any) -> None:
    summary, _ = scored(make_store())
    assert shown(Path(summary.run).as_uri())[1]["kind"] == "run"
