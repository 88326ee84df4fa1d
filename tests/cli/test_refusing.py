"""What a command that cannot be carried out says, to people and as JSON."""

import json
import os
import pickle
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fixtures.commands import Run
from w2vray.kernels.compiling import CACHE_VARIABLE, cache_folder


class Refused(NamedTuple):
    """A command that cannot be carried out, and what it says."""

    command: str
    says: str


@pytest.mark.parametrize(
    "case",
    [
        Refused("vectors import nothing.txt --output v", "nothing.txt: cannot be opened"),
        Refused("vectors import tiny.txt --output v --limit 0", "--limit is 0; allowed: a whole number above 0"),
        Refused("vectors import tiny.txt --output v --dtype float64", "'float64' is not one of"),
        Refused("vectors import tiny.txt", "Missing option '--output'"),
        Refused("vectors import tiny.pkl --output v", "tiny.pkl is a Python pickle"),
        Refused("vectors join vectors --output v", "VECTORS: join needs at least two, got 1"),
        Refused("vectors join vectors nowhere --output v", "nowhere is not a vectors directory"),
        Refused("vectors info nowhere", "nowhere is not a vectors directory"),
        Refused("vectors info vectors --family glove", "--family measures a corpus; name one with --corpus"),
        Refused("vectors train nowhere --output v", "nowhere is not there"),
        Refused("train nowhere --vectors vectors --output m", "nowhere is not there"),
        Refused("train --vectors vectors --output m", "Missing argument 'LABELLED...'"),
        Refused("train a.parquet --output m", "Missing option '--vectors'"),
        Refused("train --from nowhere/config.json --output m", "nowhere/config.json cannot be read"),
        Refused("train --from vectors/vectors.json --output m", "is not the config.json of a model"),
        Refused("train a.parquet --vectors nowhere --output m", "nowhere is not a vectors directory"),
        Refused(
            "train a.parquet --vectors vectors --output m --filters 3 --model average", "--filters is not an option"
        ),
        Refused("train a.parquet --vectors vectors --output m --dropout 1", "--dropout is 1.0; allowed: 0 or more"),
        Refused(
            "train a.parquet --vectors vectors --output m --model svm",
            "'svm' is not one of 'average', 'cnn', 'lstm', 'gru'",
        ),
        Refused("train a.parquet --vectors vectors --output m --workers 2:1", "--workers is '2:1'; allowed: a whole"),
        Refused("train a.parquet --vectors vectors --output m --label-column text", "is also a --text-column"),
        Refused("score a.parquet --model nowhere --output r", "nowhere is not a model directory"),
        Refused("score a.parquet --model m --output r --top-k 2 --probabilities", "exclude each other"),
        Refused("predict --model m --threshold 2 text", "--threshold is 2.0; allowed: 0 to 1"),
        Refused("score a.parquet --model m --output r --threshold 2", "--threshold is 2.0; allowed: 0 to 1"),
        Refused("evaluate a.parquet --model nowhere", "nowhere is not a model directory"),
        Refused("evaluate a.parquet --model nowhere --output tiny.txt", "--output is 'tiny.txt'; allowed: a folder"),
        Refused("evaluate a.parquet --model nowhere --output tiny.txt/x", "tiny.txt cannot)"),
        Refused("verify nowhere", "holds no run"),
        Refused("verify s3://", "s3:// names no place there; give a bucket or a folder"),
        Refused("predict --model m -good", 'put -- before a text that begins with -: w2vray predict ... -- "-good"'),
        Refused("predict --model nowhere text", "nowhere is not a model directory"),
        Refused("submit --address localhost:8265 -- verify /r", "'localhost:8265'; write http://HOST:8265"),
        Refused("submit --address ray://localhost:10001 -- verify /r", "write http://HOST:8265"),
        Refused("submit --address http://127.0.0.1:1 -- dance", "'dance' is not a verb that can be submitted"),
        Refused("submit --address http://127.0.0.1:1 -- verify run", "'run' is a relative path"),
        Refused("submit --address http://127.0.0.1:1 -- score /c --model /m", "Missing option '--output'"),
        Refused("dance", "No such command 'dance'"),
    ],
    ids=lambda case: case.command,
)
def test_unusable_arguments_end_with_2_and_say_what_to_change(
    case: Refused, run: Run, tiny: Path, tmp_path: Path
) -> None:
    assert tiny.exists()
    (tmp_path / "tiny.pkl").write_bytes(pickle.dumps({}))
    pq.write_table(pa.table({"text": ["a film"], "label": ["x"]}), tmp_path / "a.parquet")
    before = sorted(path.name for path in tmp_path.iterdir())
    result = run(*case.command.split())
    assert result.code == 2, result.err
    assert case.says in " ".join(result.err.split())
    assert not result.out
    assert sorted(path.name for path in tmp_path.iterdir()) == before, "nothing is left behind"


def test_json_is_one_object_and_alone_on_stdout(run: Run, tiny: Path) -> None:
    result = run("vectors", "info", str(tiny), "--json")
    value = json.loads(result.out)
    assert (value["words"], value["dim"], value["family"]) == (3, 2, "plain")
    assert value["source"]["format"] == "word2vec-text"


def test_json_of_an_error_is_an_object_too(run: Run) -> None:
    result = run("vectors", "info", "nowhere", "--json")
    assert result.code == 2
    assert json.loads(result.out)["exit_code"] == 2
    assert "nowhere is not a vectors directory" in result.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["score", "a.parquet", "--model", "m", "--output", ""],
        ["score", "a.parquet", "", "--model", "m", "--output", "r"],
        ["train", "a.parquet", "--vectors", "", "--output", "m"],
        ["verify", ""],
        ["predict", "--model", "", "text"],
    ],
    ids=" ".join,
)
def test_an_empty_path_is_not_the_folder_one_is_in(arguments: list[str], run: Run, tmp_path: Path) -> None:
    result = run(*arguments)
    assert result.code == 2
    assert "is empty; give a path or a URI" in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", [["verify"], ["vectors", "train", "--output", "v"]], ids=" ".join)
def test_a_store_whose_name_is_not_utf8_is_refused(verb: list[str], run: Run, tmp_path: Path) -> None:
    Path(os.fsdecode(bytes(tmp_path) + b"/\xff")).mkdir()
    result = run(*verb, "\udcff")
    assert result.code == 2
    assert "is not UTF-8, as Arrow needs the names of files; rename it" in result.err


def test_a_file_whose_name_is_not_utf8_is_refused_unless_it_is_hidden(run: Run, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    pq.write_table(pa.table({"text": ["a film"]}), tmp_path / "store" / "a.parquet")
    hidden, odd = (os.fsdecode(bytes(tmp_path) + name) for name in (b"/store/_\xff", b"/store/b\xff.parquet"))
    Path(hidden).touch()
    assert run("vectors", "info", str(tiny), "--corpus", "store").code == 0
    Path(odd).touch()
    result = run("vectors", "info", str(tiny), "--corpus", "store")
    assert result.code == 2
    assert "b\\udcff.parquet' is not UTF-8" in result.err


def test_a_folder_that_is_gone_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    os.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    result = run("verify", "r")
    os.chdir(tmp_path)
    assert result.code == 2
    assert "r starts from the folder one is in, and that is gone; give a whole path" in result.err


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("dance --json", "No such command 'dance'"),
        ("verify --json", "Missing argument 'RUN'"),
        ("score a --model m --output r --top-k many --json", "'many' is not a valid integer"),
        ("submit --address http://127.0.0.1:1 -- verify run --json", "'run' is a relative path"),
    ],
)
def test_json_of_wrong_usage_is_an_object_too(command: str, says: str, run: Run) -> None:
    result = run(*command.split())
    value = json.loads(result.out)
    assert (result.code, value["exit_code"]) == (2, 2)
    assert says in value["error"]
    assert says in result.err


def test_a_folder_for_machine_code_that_cannot_be_used_is_told(
    run: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, "/proc/nope")
    cache_folder.cache_clear()
    result = run("vectors", "info", str(tiny))
    cache_folder.cache_clear()
    assert result.code == 0
    assert "W2VRAY_KERNEL_CACHE=/proc/nope cannot be used: it must be a folder that" in result.err
