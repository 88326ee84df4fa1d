"""What the README promises is held by tests that are there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROMISES = re.findall(r"^\| .+ \| `(tests/[\w/.]+)::(\w+)` \|$", (ROOT / "README.md").read_text(), re.MULTILINE)


def test_the_promises_are_read_from_their_table() -> None:
    assert len(PROMISES) >= 15


@pytest.mark.parametrize(("file", "name"), PROMISES)
def test_each_promise_names_a_test_that_is_there(file: str, name: str) -> None:
    defined = ast.parse((ROOT / file).read_text()).body
    assert name in {node.name for node in defined if isinstance(node, ast.FunctionDef | ast.ClassDef)}
