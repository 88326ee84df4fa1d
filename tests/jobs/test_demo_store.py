"""What the demo makes of botocore's service models, without running it: texts, store, labelled rows, its folder."""

import gzip
import importlib.util
import json
import random
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
import pytest


def _load_demo() -> ModuleType:
    """Import the script, which is part of no package."""
    path = Path(__file__).parents[2] / "jobs" / "demo.py"
    spec = importlib.util.spec_from_file_location("demo", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


demo = _load_demo()


def _write_model(data: Path, service: str, version: str, model: Any, *, compressed: bool = True) -> None:
    folder = data / service / version
    folder.mkdir(parents=True)
    encoded = json.dumps(model).encode()
    name = "service-2.json.gz" if compressed else "service-2.json"
    (folder / name).write_bytes(gzip.compress(encoded) if compressed else encoded)


def _descriptions(counts: dict[str, int]) -> list[Any]:
    return [
        demo.Description(service, f"shapes.S{number}", f"text {number} of {service}")
        for service, count in counts.items()
        for number in range(count)
    ]


def test_only_the_latest_version_of_a_service_is_read(tmp_path: Path) -> None:
    _write_model(tmp_path, "iron", "2014-01-01", {"documentation": "old"})
    _write_model(tmp_path, "iron", "2020-12-31", {"documentation": "new"})
    _write_model(tmp_path, "copper", "2019-01-01", {"documentation": "plain JSON"}, compressed=False)
    (tmp_path / "copper" / "2021-01-01").mkdir()  # a version that has no model

    found = demo.read_descriptions(tmp_path)

    assert found == [("copper", "", "plain JSON"), ("iron", "", "new")]


def test_every_documentation_string_is_found_with_its_place(tmp_path: Path) -> None:
    model = {
        "documentation": "<p>The service.</p>",
        "operations": {"Melt": {"documentation": "<p>Melts it.</p>", "errors": [{"documentation": "Too cold."}]}},
        "shapes": {
            "Ore": {
                "documentation": "  <p> </p> ",
                "members": {"documentation": {"documentation": "Where it is read."}},
            }
        },
    }
    _write_model(tmp_path, "iron", "2020-01-01", model)

    found = {one.shape: one.text for one in demo.read_descriptions(tmp_path)}

    assert found == {
        "": "The service.",
        "operations.Melt": "Melts it.",
        "operations.Melt.errors.0": "Too cold.",
        "shapes.Ore.members.documentation": "Where it is read.",
    }


@pytest.mark.parametrize(
    ("documentation", "text"),
    [
        ("<p>One.</p><p>Two.</p>", "One. Two."),
        ('The <code>Name</code>, or <a href="x.html">its\n  alias</a>.', "The Name, or its alias."),
        ("<ul><li>a</li><li>b</li></ul>", "a b"),
        ("one<br/>two<!-- three -->", "one two"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("write &lt;p&gt; &amp; &quot;go&quot;&nbsp;on", 'write <p> & "go" on'),
        ("ends in <", "ends in <"),
        ("<p> </p>", ""),
    ],
)
def test_html_is_taken_away(documentation: str, text: str) -> None:
    assert demo.plain_text(documentation) == text


def test_tags_that_never_end_take_no_time() -> None:
    assert demo.plain_text("<a" * 200_000) == "<a" * 200_000


def test_the_store_holds_each_text_once_and_every_service_in_every_file(tmp_path: Path) -> None:
    texts = _descriptions({"iron": 100, "copper": 40, "tin": 9})

    demo.write_store(texts, tmp_path / "store")

    files = sorted((tmp_path / "store").iterdir())
    tables = [pq.read_table(path) for path in files]
    rows = [tuple(row.values()) for table in tables for row in table.to_pylist()]
    assert len(files) == demo.STORE_FILES
    assert sorted(rows) == sorted(texts)
    assert all(set(table["service"].to_pylist()) == {"iron", "copper", "tin"} for table in tables)
    assert {pq.ParquetFile(path).num_row_groups for path in files} == {demo.ROW_GROUPS_PER_FILE}


def test_the_store_is_the_same_whatever_order_the_texts_come_in(tmp_path: Path) -> None:
    texts = _descriptions({"iron": 50, "copper": 20})
    demo.write_store(texts, tmp_path / "a")
    random.Random(0).shuffle(texts)
    demo.write_store(texts, tmp_path / "b")

    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_the_labels_are_the_services_with_the_most_texts() -> None:
    counts = {f"service-{number:02}": 3 for number in range(30)} | {"largest": 5, "small": 1}

    labels = demo.largest_services(_descriptions(counts))

    assert labels == {"largest", *(f"service-{number:02}" for number in range(demo.LABELS - 1))}


def test_no_wording_is_both_trained_on_and_evaluated_on() -> None:
    texts = [
        demo.Description(service, str(number), form.format(number))
        for number in range(2_000)
        for service, form in (("iron", "The Name of {}."), ("copper", "the name of {}"), ("tin", "other {}"))
    ]

    training, evaluation = demo.split(texts, {"iron", "copper"})

    by_wording = Counter(one.shape for one in training)
    assert set(by_wording.values()) == {2}  # both forms of the same words
    assert {one.service for one in training + evaluation} == {"iron", "copper"}
    assert not set(by_wording) & {one.shape for one in evaluation}
    assert 0.08 < len(training) / 4_000 < 0.12
    assert 0.035 < len(evaluation) / 4_000 < 0.065


def test_the_choice_of_rows_is_the_same_in_every_process() -> None:
    assert demo.stable_hash("iron") == 4632528635692616135  # as b2sum -l 64 prints it, in hexadecimal


def test_a_folder_is_made_and_a_former_demo_in_it_is_removed(tmp_path: Path) -> None:
    outside = tmp_path / "mine"
    outside.mkdir()
    (outside / "kept.txt").write_text("kept")
    output = demo.fresh(tmp_path / "a" / "b")
    (output / "store").mkdir()
    (output / "store" / "part.parquet").write_text("")
    (output / "link").symlink_to(outside)

    assert demo.fresh(output) == output

    assert [path.name for path in output.iterdir()] == [demo.MARKER]
    assert (outside / "kept.txt").read_text() == "kept"


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "thesis.txt"
    kept.write_text("years of work")

    assert demo.main(["--output", str(tmp_path)]) == 2

    assert [path.read_text() for path in tmp_path.iterdir()] == ["years of work"]
    assert "thesis.txt" in capsys.readouterr().err


def test_a_file_is_no_folder_for_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "thesis.txt"
    kept.write_text("years of work")

    assert demo.main(["--output", str(kept)]) == 2

    assert kept.read_text() == "years of work"
    assert str(kept) in capsys.readouterr().err


def _result(*, problems: list[str]) -> dict[str, Any]:
    answer = {"text": "x" * 61, "service": "iron", "shape": "", "label": None, "score": None}
    return {
        "rows": 10,
        "evaluate": {"accuracy": 0.5, "macro_f1": 0.25, "rows": 4},
        "score": {"rows_in": 10, "rows_scored": 9, "rows_abstained": 1, "rows_rejected": 1, "seconds": 2.0},
        "verify": {"ok": not problems, "problems": problems},
        "coverage": 0.875,
        "examples": [answer],
        "output": "demo-output",
        "seconds": 3.0,
    }


def test_what_came_of_it_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "demo", lambda _: _result(problems=[]))

    assert demo.main(["--output", str(tmp_path)]) == 0

    shown = capsys.readouterr().out
    assert "2.0 s, 5 rows/s" in shown
    assert "0.5000 on 4 rows" in shown
    assert "87.50%" in shown


def test_a_problem_that_verify_found_ends_the_demo_with_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "demo", lambda _: _result(problems=["a row is missing"]))

    assert demo.main(["--json", "--output", str(tmp_path)]) == 4

    assert json.loads(capsys.readouterr().out)["verify"]["problems"] == ["a row is missing"]
