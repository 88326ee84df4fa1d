"""A shape letter means one thing in the whole code: names use the letters of one table, and no module has its own."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("w2vray", "tests", "jobs", "examples")
SHAPED = re.compile(r"_*[a-z]\w*_(\d*[A-Z][A-Z\d]*)")  # ids_BT, counts_3C; not a constant, whose first letter is large
AXES = re.compile(r"\d?([A-Z]1?)+")
NAMING = {
    ast.Name: "id",
    ast.arg: "arg",
    ast.keyword: "arg",
    ast.Attribute: "attr",
    ast.FunctionDef: "name",
}


def sources() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def letters() -> list[str]:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("\n## Shape letters\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| ([A-Z]) \| \S.* \|$", section, re.MULTILINE)


def shapes(source: str) -> Iterator[tuple[str, str]]:
    """Yield each name that ends with a shape, and the shape."""
    for node in ast.walk(ast.parse(source)):
        name = getattr(node, NAMING.get(type(node), ""), None)
        if name and (match := SHAPED.fullmatch(name)):
            yield name, match[1]


def unknown(source: str, known: str) -> list[str]:
    """Return the names whose shape has a letter that is none of these, or digits that mean nothing."""
    return sorted(
        {
            name
            for name, shape in shapes(source)
            if not AXES.fullmatch(shape) or set(re.findall("[A-Z]", shape)) - {*known}
        }
    )


def test_each_letter_of_the_table_has_one_row_and_they_are_in_order() -> None:
    assert letters() == sorted(set(letters()))
    assert {"B", "N", "D", "Z"} <= set(letters())


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("ids_BT = lengths_B1 = counts_3C = 1", []),
        ("ids_BX = 1", ["ids_BX"]),
        ("def f(rows_X, *, own_T): return rows_X.left_XT", ["left_XT", "rows_X"]),
        ("f(rows_X=1)", ["rows_X"]),
        ("def given_X(self): pass", ["given_X"]),
        ("best_B2 = last_12C = 1", ["best_B2", "last_12C"]),
        ("TILE_X = _C1 = Ids_X = window_of_1 = rows_x = 1", []),
    ],
)
def test_a_name_with_an_unlisted_letter_is_found(source: str, found: list[str]) -> None:
    assert unknown(source, "BCT") == found


@pytest.mark.parametrize("folder", FOLDERS)
def test_names_use_the_letters_of_the_table_only(folder: str) -> None:
    known = "".join(letters())
    found = {
        str(path.relative_to(ROOT)): names
        for path in sources()
        if path.is_relative_to(ROOT / folder) and (names := unknown(path.read_text(encoding="utf-8"), known))
    }
    assert found == {}


def test_each_letter_of_the_table_is_used_by_the_package() -> None:
    files = [path for path in sources() if path.is_relative_to(ROOT / "w2vray")]
    used = {letter for path in files for _, shape in shapes(path.read_text(encoding="utf-8")) for letter in shape}
    assert [letter for letter in letters() if letter not in used] == []


def test_no_module_has_a_legend_of_its_own() -> None:
    own = [path for path in sources() if "legend:" in (ast.get_docstring(ast.parse(path.read_text())) or "").lower()]
    assert own == []
