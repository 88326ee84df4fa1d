"""The command line: help, exit codes, JSON, and what is said when something cannot be used."""

import errno
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import w2vray
from w2vray import cli
from w2vray.cli.command import Terminated, terminate
from w2vray.cli.console import Output, counted, progress_bar, table
from w2vray.scoring.calibration_error import CalibrationError
from w2vray.scoring.metrics import count_labels, multi_label_metrics

TINY = "3 2\nfilm 1.0 0.5\ngood 0.5 -1\nbad -0.5 1\n"


class Result(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command in this process, in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Result:
        code = cli.run(arguments)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def tiny(run: Run, tmp_path: Path) -> Path:
    """A vectors directory of three words."""
    (tmp_path / "tiny.txt").write_text(TINY)
    assert run("vectors", "import", "tiny.txt", "--output", "vectors").code == 0
    return tmp_path / "vectors"


def test_import_of_the_package_starts_nothing_heavy() -> None:
    code = (
        "import sys, w2vray, w2vray.cli; "
        "print([name for name in ('ray', 'torch', 'gensim', 'pyarrow', 'numpy') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "verb",
    [
        "",
        "vectors",
        "vectors import",
        "vectors train",
        "vectors join",
        "vectors info",
        "train",
        "evaluate",
        "calibrate",
        "plan",
        "score",
        "verify",
        "report",
        "sample",
        "predict",
        "submit",
    ],
)
def test_every_verb_has_help(run: Run, verb: str) -> None:
    result = run(*verb.split(), "--help")
    assert result.code == 0
    assert result.out.startswith("Usage: w2vray")


def test_help_tells_each_option_with_its_default(run: Run) -> None:
    text = " ".join(run("train", "--help").out.split())
    assert "--model [average|cnn|lstm|gru" in text
    assert "Kind of classifier: average, logistic regression on the mean of a text's vectors; cnn," in text
    assert "gru, a recurrent network of fewer weights" in text
    assert "[default: cnn]" in text
    assert "and for average without --tune-vectors, which needs no early stopping" in text
    assert "cnn: filters of each width. Default: 100." in text
    assert "lstm, gru: numbers in the state, of each direction. Default: 128." in text
    assert "0: any length. Default: 0.0 for cnn, " in text
    assert " average with --tune-vectors; 5.0 for lstm, gru." in text


def test_predict_does_not_promise_one_object_for_all_texts(run: Run) -> None:
    assert "Answers are always JSON objects, one per text" in " ".join(run("predict", "--help").out.split())


def test_accuracy_of_a_multi_label_model_is_told_as_what_it_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    true, given = np.array([[True, True]]), np.array([[True, False]])
    found = multi_label_metrics(count_labels(true, given, unknown_N=np.array([0]), rows_no_evidence=0), ("a", "b"))
    summary = SimpleNamespace(
        model="m",
        others=(),
        comparisons=(),
        metrics=found,
        calibration=CalibrationError(error=0.125, by_chance=0.1, rows=1),
        rows_unknown_label=0,
        rows_without_label=0,
        rows_unlabelled={},
        rows_damaged={},
        as_dict=dict,
        tokens=4,
        coverage=0.75,
    )
    monkeypatch.setattr("w2vray.cluster.evaluate.evaluate", lambda *_, **__: summary)
    text = run("evaluate", "a.parquet", "--model", "m").out
    assert "accuracy 0.0000 (exact match), micro-F1 0.6667, macro-F1 0.5000 on 1 row (0 without" in text
    assert (
        "calibration error 0.1250 (15 bins of as many rows each, mean of all labels); a perfectly calibrated model "
        "would have 0.1000 by chance on 1 row" in " ".join(text.split())
    )


@pytest.mark.parametrize(("number", "text"), [(0, "0 rows"), (1, "1 row"), (1234, "1,234 rows")])
def test_one_thing_is_told_in_the_singular(number: int, text: str) -> None:
    assert counted(number, "row") == text


@pytest.mark.parametrize("name", ["[link]", "[/b]", "a [red]b[/red]", "\\[x]", ":smile:"])
def test_tables_show_labels_as_they_are(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = table(f"label {name}", [f"for {name}", "rows"], [[name, 0.5]])
    Output(as_json=False).result({}, shown)
    printed = capsys.readouterr().out
    title, _, head, _, row, _ = printed.splitlines()
    assert title == f"label {name}"
    assert [cell.strip() for cell in head.strip("\u2503").split("\u2503")] == [f"for {name}", "rows"]
    assert [cell.strip() for cell in row.strip("\u2502").split("\u2502")] == [name, "0.5000"]


def test_one_thing_done_is_told_in_the_singular(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("w2vray.cli.console._LINE_SECONDS", 0.0)
    with progress_bar("scoring") as update:
        update(1, 1, "units, 1 row")
        update(1, 2, "units, 1 row")
        update(1, None, "epochs, validation loss 0.5")
    lines = [
        "scoring: 1 of 1 unit, 1 row",
        "scoring: 1 of 2 units, 1 row",
        "scoring: 1 epoch, validation loss 0.5",
    ]
    assert capsys.readouterr().err.splitlines() == lines


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


class Stop(NamedTuple):
    """A verb, the function of the library that it calls, and how things stand once that is stopped."""

    command: str
    library: str
    stands: str


@pytest.mark.parametrize(
    "case",
    [
        Stop("vectors import a.txt --output v", "w2vray.vectors.import_vectors", "; no vectors were written"),
        Stop("verify r", "w2vray.run.verify.verify", "; nothing was proved, and the run is as it was"),
        Stop(
            "score a --model m --output r",
            "w2vray.cluster.score.score",
            "; run the same command again to finish what is missing",
        ),
        Stop("predict --model m text", "w2vray.cli.predicting.predict_lines", ""),
        Stop("submit --address http://127.0.0.1:1 -- verify /r", "w2vray.cluster.submit.submit", ""),
    ],
    ids=lambda case: case.command,
)
@pytest.mark.parametrize(("stop", "how"), [(KeyboardInterrupt, "interrupted"), (Terminated, "terminated")])
def test_whoever_stops_a_verb_is_told_how_things_stand(
    case: Stop, stop: type[BaseException], how: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise stop

    monkeypatch.setattr(case.library, stopped)
    code, says = {"interrupted": 130, "terminated": 143}[how], f"{how}{case.stands}"
    assert run(*case.command.split()) == (code, "", f"w2vray: {says}\n")
    assert json.loads(run(*case.command.split(), "--json").out) == {"error": says, "exit_code": code}


def test_sigterm_is_told_as_such_where_ray_makes_a_plain_interrupt_of_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is interrupted after that is told so again."""
    told = [True, False]

    def stopped(*_: Any, **__: Any) -> None:
        with suppress(Terminated):
            if told.pop(0):
                terminate(signal.SIGTERM, None)
        raise KeyboardInterrupt

    monkeypatch.setattr("w2vray.run.verify.verify", stopped)
    assert [run("verify", "r").code for _ in range(2)] == [143, 130]


def test_an_error_that_nobody_foresaw_is_told_in_full_and_as_json(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("of our own making")

    monkeypatch.setattr("w2vray.run.verify.verify", broken)
    result = run("verify", "r", "--json")
    assert result.code == 1
    assert "Traceback" in result.err
    assert json.loads(result.out) == {"error": "ZeroDivisionError: of our own making", "exit_code": 1}


def test_a_connection_that_breaks_is_not_taken_for_a_reader_who_has_enough(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("w2vray.run.verify.verify", broken)
    result = run("verify", "r")
    assert (result.code, result.out) == (1, "")
    assert "a connection ended too early" in result.err


def test_the_end_comes_after_what_was_registered_for_it_and_leaves_the_interpreter_alone() -> None:
    """Where it is taken down, threads of native libraries that wait for its lock abort the process."""
    program = """if True:
        import atexit, threading, time
        from w2vray import cli
        class Kept:
            def __del__(self):
                print("taken down")
        kept = Kept()
        def run(_):
            atexit.register(print, "tidied up")
            threading.Thread(target=lambda: (time.sleep(0.2), print("thread has ended"))).start()
            return 3
        cli.run = run
        cli.main([])
    """
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (3, "thread has ended\ntidied up\n", "")


def closed(streams: str, *arguments: str) -> tuple[int, str]:
    """Run the program from a shell with redirections; return its exit code, and all that it said."""
    command = f"{sys.executable} -m w2vray {' '.join(arguments)} {streams}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


def test_streams_may_be_closed_full_or_unread(tiny: Path) -> None:
    info = ("vectors", "info", str(tiny))
    assert closed(">&- 2>&- <&-", *info) == (0, "")
    assert closed(">&- 2>&- <&-", "vectors", "info", "nowhere", "--json") == (2, "")
    code, said = closed("> /dev/full", *info)
    assert (code, said) == (1, "w2vray: the result cannot be written to stdout (No space left on device)\n")
    assert closed("| true; exit ${PIPESTATUS[0]}", *info)[1] == ""


def test_a_name_that_is_not_utf8_is_told_all_the_same(tiny: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(bytes(tmp_path) + b"/\xff\xc3\xa9")
    tiny.rename(odd)
    command = [sys.executable, "-m", "w2vray", "vectors", "info", odd, "--json"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert json.loads(result.stdout.decode())["path"] == odd


def test_coverage_can_be_measured_with_other_rules(run: Run, tiny: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a GOOD film's film"]}), tmp_path / "a.parquet")
    asked = ("vectors", "info", str(tiny), "--corpus", "a.parquet", "--family", "googlenews", "--json")
    value = json.loads(run(*asked).out)
    assert (value["family"], value["measured_with"]) == ("plain", "googlenews")
    assert value["found_by"] == {"exact": 1, "case": 1, "possessive": 1}


def test_coverage_counts_tokens_and_names_missing_words(run: Run, tiny: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a good film", "a film", None]}), tmp_path / "a.parquet")
    value = json.loads(run("vectors", "info", str(tiny), "--corpus", "a.parquet", "--json").out)
    assert (value["tokens"], value["found"], value["missing"]) == (5, 3, {"a": 2})
    assert (value["found_by"], value["measured_with"]) == ({"exact": 3}, "plain")
    text = run("vectors", "info", str(tiny), "--corpus", "a.parquet").out
    assert "3 of 5 tokens have a vector (60.00%), read as plain" in text


def test_families_are_compared_on_a_corpus_and_one_is_recommended(run: Run, tmp_path: Path) -> None:
    (tmp_path / "crawl.vec").write_text("5 2\n, 1 2\n. 3 4\ngood 5 6\nFilm 7 8\nfilm 0 0\n")
    pq.write_table(pa.table({"text": ["good, good.", "film."]}), tmp_path / "a.parquet")
    run("vectors", "import", "crawl.vec", "--output", "fitting")
    run("vectors", "import", "crawl.vec", "--family", "fasttext", "--output", "other")
    value = json.loads(run("vectors", "info", "other", "--corpus", "a.parquet", "--json").out)
    assert (value["family"], value["coverage"], value["recommended"]) == ("fasttext", 0.0, "cased")
    shares = {one["family"]: (one["found"], one["tokens"]) for one in value["families"]}
    assert shares["cased"] == (6, 6)
    assert shares["plain"] == (3, 3)
    assert shares["fasttext"] == (0, 3)
    text = run("vectors", "info", "other", "--corpus", "a.parquet").out
    command = "`w2vray vectors import crawl.vec --output NEW --family cased`"
    assert f"recommended: cased; import the vectors anew with {command}" in text
    text = run("vectors", "info", "fitting", "--corpus", "a.parquet").out
    assert "recommended: cased, as the vectors are read now" in text


def test_vectors_are_trained_on_a_store_and_repeatable_with_one_thread(run: Run, tmp_path: Path) -> None:
    texts = [f"the {animal} eats {food} today" for animal in ("cat", "dog", "cow") for food in ("fish", "meat")] * 20
    pq.write_table(pa.table({"text": [*texts, None]}), tmp_path / "a.parquet")
    options = "--dim 8 --epochs 2 --min-count 2 --threads 1 --seed 5"
    first = run("vectors", "train", "a.parquet", "--output", "one", *options.split(), "--json")
    second = run("vectors", "train", "a.parquet", "--output", "two", *options.split(), "--json")
    one, two = json.loads(first.out), json.loads(second.out)
    assert one["words"] == 8
    assert one["fingerprint"] == two["fingerprint"]
    assert "1 row without a readable text left out" in first.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "one", "two"]


def test_fasttext_vectors_keep_their_ngrams(run: Run, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["the cat eats fish"] * 20}), tmp_path / "a.parquet")
    options = "--algorithm fasttext --dim 4 --epochs 1 --buckets 60 --shortest 2 --longest 3 --threads 1"
    value = json.loads(run("vectors", "train", "a.parquet", "--output", "v", *options.split(), "--json").out)
    assert (value["words"], value["ngrams"], value["source"]["algorithm"]) == (4, 60, "fasttext")
    assert "60 buckets of n-grams, 2 to 3 characters long" in run("vectors", "info", "v").out


def test_vectors_are_joined(run: Run, tiny: Path) -> None:
    value = json.loads(run("vectors", "join", str(tiny), str(tiny), "--output", "twice", "--json").out)
    assert (value["words"], value["dim"], value["family"], value["dtype"]) == (3, 4, "plain", "float32")


def test_ngrams_that_a_join_leaves_out_are_told(run: Run, tiny: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["the cat eats fish"] * 20}), tmp_path / "a.parquet")
    options = "--algorithm fasttext --dim 4 --epochs 1 --buckets 60 --threads 1"
    assert run("vectors", "train", "a.parquet", "--output", "v", *options.split()).code == 0
    told = run("vectors", "join", "v", str(tiny), "--output", "some", "--json")
    note = "the n-grams of v were left out: joined vectors have none for --oov subword\n"
    assert told.err.endswith(note.replace(" v ", f" {tmp_path / 'v'} "))
    assert json.loads(told.out)["ngrams"] is None
    assert "n-grams" not in run("vectors", "join", str(tiny), str(tiny), "--output", "none").err
    assert "N-grams are left out" in run("vectors", "join", "--help").out


def test_vectors_of_a_corpus_without_frequent_words_are_refused(run: Run, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["each word once"]}), tmp_path / "a.parquet")
    result = run("vectors", "train", "a.parquet", "--output", "v")
    assert result.code == 2
    assert "no word occurs 5 times in the texts; lower --min-count" in result.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet"]


def test_help_needs_no_terminal_and_the_module_runs_as_a_program(tmp_path: Path) -> None:
    environment = {**os.environ, "TERM": "dumb"}
    command = [sys.executable, "-m", "w2vray", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=True)
    assert result.stdout.strip().endswith(w2vray.__version__)
