"""Each message that the page of troubleshooting explains is one that the program has, word for word."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"


def explained() -> list[str]:
    """Return the messages in the first column of the page's tables."""
    rows = re.findall(r"^\| `(.+?)`.* \|.*\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [row for row in rows if row != "...`"]


@cache
def told() -> list[str]:
    """Return every text that the program has; values that are put into it are ``...``."""
    return [text for file in (ROOT / "w2vray").rglob("*.py") for text in texts(ast.parse(file.read_text("utf-8")))]


def texts(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "..." for part in node.values)


def test_the_page_explains_many_messages() -> None:
    assert len(explained()) >= 40


@pytest.mark.parametrize("message", explained())
def test_a_message_of_the_page_is_one_of_the_program(message: str) -> None:
    """Its pieces, between values, each stand in a text of the program."""
    for piece in re.split(r" ?\.\.\. ?", message):
        wanted = piece.strip(" ;,:")
        assert any(wanted in text for text in told()), wanted
