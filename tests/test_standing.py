"""What is told of a path that is not what was wanted."""

from pathlib import Path

import pytest

from w2vray import cli
from w2vray.standing import instead, made_by_us, near_name


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, sign in (("vec", "vectors.json"), ("model", "weights.safetensors"), ("run", "run.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / sign).write_text("{}")
    (tmp_path / "reviews.parquet").write_text("PAR1")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("vec", "; it is a vectors directory"),
        ("model", "; it is a model directory"),
        ("run", "; it is a scoring run"),
        ("empty", ""),
        ("reviews.parquet", "; it is a file"),
        ("reviews.pqrquet", "; it does not exist; did you mean reviews.parquet?"),
        ("entirely-else", "; it does not exist"),
        ("no/such/folder", "; it does not exist"),
        ("a\0b", "; it does not exist"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_path_is_told_by_what_it_is(path: str, told: str) -> None:
    assert instead(path) == told


def test_a_folder_of_files_is_none_of_ours(folder: Path) -> None:
    assert (made_by_us(folder), made_by_us("s3://bucket/vec"), near_name("s3://bucket/vec")) == ("", "", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("vectors", "info", "model"),
            "model is not a vectors directory: it has no readable vectors.json; it is a",
        ),
        (("vectors", "info", "vek"), "vek is not a vectors directory; it does not exist; did you mean vec?"),
        (("predict", "--model", "vec", "text"), "vec is not a model directory: it has no config.json; it is a vectors"),
        (("predict", "--model", "run", "text"), "it is a scoring run"),
        (("verify", "model"), "it is a model directory"),
        (
            ("vectors", "train", "run", "--output", "new"),
            "run is a scoring run, not a store; its answers are in its",
        ),
        (("vectors", "train", "vec", "--output", "new"), "vec is a vectors directory, not a store"),
        (("vectors", "train", "review.parquet", "--output", "new"), "is not there; did you mean"),
        (("vectors", "train", "reviews.parket", "--output", "new"), "reviews.parquet?"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_verb_that_is_given_something_else_names_it(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    assert cli.run(arguments) == 2
    assert words in capsys.readouterr().err
