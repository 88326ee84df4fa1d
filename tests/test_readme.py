"""What README and docs promise is held by tests that are there, and what they name is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROMISING = {"README.md": "## What it promises", "docs/scoring.md": "## What is promised"}
ROW = re.compile(r"^\| .+ \| `(tests/[\w/.]+)::(\w+)` \|$", re.MULTILINE)


def promises(page: str) -> list[tuple[str, str]]:
    """Return the tests that a page's table of promises names."""
    return ROW.findall(section(page))


def section(page: str) -> str:
    _, _, behind = (ROOT / page).read_text(encoding="utf-8").partition(f"\n{PROMISING[page]}\n")
    return behind.partition("\n## ")[0]


@pytest.mark.parametrize("page", PROMISING)
def test_each_row_of_the_table_names_a_test(page: str) -> None:
    """A row that is written in another way would not be looked at."""
    head, ruler, *rows = [line for line in section(page).splitlines() if line.startswith("|")]
    assert (head, ruler) == ("| promise | held by |", "|---|---|")
    assert rows
    assert len(promises(page)) == len(rows)


@pytest.mark.parametrize(("file", "name"), sorted({promise for page in PROMISING for promise in promises(page)}))
def test_each_promise_names_a_test_that_is_there(file: str, name: str) -> None:
    defined = ast.parse((ROOT / file).read_text()).body
    assert name in {node.name for node in defined if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def test_readme_promises_nothing_that_the_whole_list_does_not() -> None:
    assert set(promises("README.md")) <= set(promises("docs/scoring.md"))


def test_readme_fits_into_ten_kilobytes() -> None:
    assert (ROOT / "README.md").stat().st_size <= 10_000


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_are_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"{page.name} links to {target}"
        if heading:
            assert heading in headings(file), f"{page.name} links to {target}"


def headings(file: Path) -> set[str]:
    """Return the names that links give a page's headings: lower case, words joined by hyphens."""
    titles = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}


def test_each_page_of_the_docs_is_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"- {page.name}\n" not in menu] == []
