"""What the README promises is held by tests that are there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_, _, _BEHIND = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## What is promised of a run\n")
SECTION, _, _ = _BEHIND.partition("\n## ")
PROMISES = re.findall(r"^\| .+ \| `(tests/[\w/.]+)::(\w+)` \|$", SECTION, re.MULTILINE)


def test_each_row_of_the_table_names_a_test() -> None:
    """One that is written in another way would not be looked at."""
    head, ruler, *rows = [line for line in SECTION.splitlines() if line.startswith("|")]
    assert (head, ruler) == ("| promise | held by |", "|---|---|")
    assert rows
    assert len(PROMISES) == len(rows)


@pytest.mark.parametrize(("file", "name"), PROMISES)
def test_each_promise_names_a_test_that_is_there(file: str, name: str) -> None:
    defined = ast.parse((ROOT / file).read_text()).body
    assert name in {node.name for node in defined if isinstance(node, ast.FunctionDef | ast.ClassDef)}
