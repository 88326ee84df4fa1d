"""What people and GitHub are told of the project names things that are there."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))  # but config.yml
PAGES = ["CONTRIBUTING.md", "CHANGELOG.md"]


def read(*place: str) -> Any:
    return yaml.safe_load(ROOT.joinpath(*place).read_text(encoding="utf-8"))


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_the_workflow_runs_what_a_person_runs_on_every_python_of_the_classifiers() -> None:
    workflow = read(".github", "workflows", "check.yml")
    (job,) = workflow["jobs"].values()
    commands = [step["run"].split()[:2] for step in job["steps"] if "run" in step]
    assert commands == [["make", "check"], ["make", "docs"], ["make", "test"]]
    assert {target for _, target in commands} <= make_targets()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert job["strategy"]["matrix"]["python"] == named  # as strings: 3.10 is not 3.1


@pytest.mark.parametrize("form", FORMS, ids=[form.stem for form in FORMS])
def test_an_issue_form_asks_for_something_and_each_question_has_a_name_of_its_own(form: Path) -> None:
    made = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert made["name"]
    assert made["description"]
    names = [question["id"] for question in made["body"]]
    assert len(set(names)) == len(names)
    assert all(question["attributes"]["label"] for question in made["body"])
    assert any(question.get("validations", {}).get("required") for question in made["body"])


def test_the_bug_form_asks_for_what_a_run_says_of_itself() -> None:
    labels = [question["attributes"]["label"] for question in read(".github", "ISSUE_TEMPLATE", "bug.yml")["body"]]
    for file in ("run.json", "manifest.json", "failures.json", "config.json"):
        assert any(file in label for label in labels), file


def test_ruff_runs_before_a_commit_as_make_check_runs_it() -> None:
    (repo,) = read(".pre-commit-config.yaml")["repos"]
    assert repo["repo"] == "local"
    assert [hook["entry"].split()[:2] for hook in repo["hooks"]] == [
        [".venv/bin/ruff", "format"],
        [".venv/bin/ruff", "check"],
    ]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_files_and_make_targets_that_are_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    places = [place for place in re.findall(r"`((?:w2vray|tests|examples|jobs)/[\w./]*)`", text) if "NAME" not in place]
    assert places
    assert [place for place in places if not (ROOT / place).exists()] == []
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) <= make_targets()
