"""What may be wrong with what a person, or somebody who means harm, hands to a command: one line a case.

Each case starts from a good store, model and run, spoils something, gives a command, and says which exit code and which
words have to come. No case may run code that was planted, end in a traceback, or wait.
"""

import gzip
import json
import os
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray import cli
from w2vray.models.directory import Bundle
from w2vray.vectors import Vectors

pytestmark = pytest.mark.usefixtures("training_in_process")

SCORE = "score store --model model --output new --json"
AGAIN = "score store --model model --output run --json --max-bytes 99"
VERIFY = "verify run --json"

Spoil = Callable[[Path], object]


class Case(NamedTuple):
    """A line of the table."""

    name: str
    spoil: Spoil
    command: str
    code: int
    words: str  # a regular expression, found in stdout or stderr


class Planted:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, ("owned",)


# Ways to spoil


def nothing(_: Path) -> None:
    """Leave all as it is."""


def content(name: str, data: bytes | str) -> Spoil:
    """Give a file another content."""
    return lambda here: (here / name).write_bytes(data.encode() if isinstance(data, str) else data)


def table(name: str, **columns: object) -> Spoil:
    """Write a Parquet file."""
    return lambda here: pq.write_table(pa.table(columns), here / name)


def flipped(name: str, where: float) -> Spoil:
    """Flip a bit of a file; ``where`` is 0 for its first and 1 for its last byte. The name may be a pattern."""

    def flip(here: Path) -> None:
        file = min(here.glob(name))
        data = bytearray(file.read_bytes())
        data[int(where * (len(data) - 1))] ^= 4
        file.write_bytes(data)

    return flip


def damaged(name: str, text: bytes) -> Spoil:
    """Flip a bit of a file where it holds a text."""

    def flip(here: Path) -> None:
        data = bytearray((here / name).read_bytes())
        data[data.index(text)] ^= 4
        (here / name).write_bytes(data)

    return flip


def filled(name: str, byte: bytes) -> Spoil:
    """Fill a file of its size with one byte."""
    return lambda here: (here / name).write_bytes(byte * (here / name).stat().st_size)


def cut(name: str, share: float = 0.5) -> Spoil:
    """Keep the first part of a file."""

    def shorten(here: Path) -> None:
        file = min(here.glob(name))
        os.truncate(file, int(file.stat().st_size * share))

    return shorten


def gone(name: str) -> Spoil:
    """Remove a file."""
    return lambda here: min(here.glob(name)).unlink()


def pipe(name: str) -> Spoil:
    """Put a pipe, from which nobody ever reads anything, where a file is expected."""

    def put(here: Path) -> None:
        (here / name).unlink(missing_ok=True)
        os.mkfifo(here / name)

    return put


def link(name: str, target: str) -> Spoil:
    """Move a file or folder elsewhere and leave a link to it."""

    def put(here: Path) -> None:
        (here / name).rename(here / target)
        (here / name).symlink_to(here / target)

    return put


def config(**changes: object) -> Spoil:
    """Change the description of the model."""

    def change(here: Path) -> None:
        file = here / "model" / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))

    return change


def vectors_json(**changes: object) -> Spoil:
    """Change the description of the vectors."""

    def change(here: Path) -> None:
        file = here / "model" / "vectors" / "vectors.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))

    return change


def sparse(name: str, size: int) -> Spoil:
    """Make a file look as large as one likes; it takes no room."""
    return lambda here: os.truncate(here / name, size)


def texts(*values: object, kind: pa.DataType) -> Spoil:
    """Make the store one file of these texts."""

    def write(here: Path) -> None:
        for file in (here / "store").iterdir():
            file.unlink()
        pq.write_table(pa.table({"text": pa.array(values, kind)}), here / "store" / "a.parquet")

    return write


def broken_text(kind: pa.DataType) -> Spoil:
    """Make the store one file with a string that is not UTF-8: Arrow lets that pass."""

    def write(here: Path) -> None:
        values = pa.array([b"good", b"\xff\xfe", b"bad"], pa.binary() if kind == pa.string() else pa.large_binary())
        texts_ = pa.Array.from_buffers(kind, 3, values.buffers())
        for file in (here / "store").iterdir():
            file.unlink()
        pq.write_table(pa.table({"text": texts_}), here / "store" / "a.parquet")

    return write


def counts(scored: int, rejected: int, abstained: int = 0) -> str:
    """What the summary says of rows."""
    return f'"rows_scored": {scored}, "rows_rejected": {rejected}, .*"rows_abstained": {abstained}'


# One line a case:
# fmt: off
CASES = [
    # Files of a store: the others are scored, the exit code is 3.
    Case("an empty file", content("store/x.parquet", ""), SCORE, 3, "x.parquet: zero_bytes: it has zero bytes"),
    Case("text", content("store/x.parquet", "id,text\n1,good\n"), SCORE, 3, "x.parquet: unknown_format: .*convert it to Parquet first"),
    Case("only text", content("a.txt", "all the good films"), SCORE.replace("store", "a.txt"), 2, "give --format if you know it"),
    Case("text to learn from", content("a.parquet", "label,text\n1,good\n"), "train a.parquet --vectors model/vectors --output m", 2, "a.parquet: .*convert it to Parquet first"),
    Case("CSV beside Parquet", content("store/x.csv", "text\ngood\n"), SCORE, 2, "files of several formats: .*store/a.parquet is parquet and .*store/x.csv is csv"),
    Case("CSV without a header", content("a.csv", "good film,pos\nbad film,neg\n"), SCORE.replace("store", "a.csv"), 2, "no column 'text' in the store; its columns are good film, pos. They are the first line of a.csv: if that is a row, write a header above it"),
    Case("CSV with a name twice", content("a.csv", "text,text\na,b\n"), SCORE.replace("store", "a.csv"), 2, "column 'text' is there more than once"),
    Case("a JSON array", content("a.json", '[{"text": "good"}]'), SCORE.replace("store", "a.json"), 2, "it is one JSON array, and not an object on each line"),
    Case("UTF-16", content("a.csv", "text\ngood\n".encode("utf-16")), SCORE.replace("store", "a.csv"), 2, "it is UTF-16, and only UTF-8 is read"),
    Case("half a gzip file", content("a.jsonl.gz", gzip.compress(b'{"text": "good"}\n' * 99)[:-9]), SCORE.replace("store", "a.jsonl.gz"), 2, "it is cut short, or something follows its end"),
    Case("a quote that is not closed", content("a.csv", 'text\ngood\n"bad\nfilm\n'), SCORE.replace("store", "a.csv"), 2, "the record of line 3 opens a quote and never closes"),
    Case("two characters between cells", content("a.csv", "text\n"), SCORE.replace("store", "a.csv") + " --delimiter ::", 2, "--delimiter is '::'; allowed: one ASCII character"),
    Case("half a file", cut("store/b.parquet"), SCORE, 3, "b.parquet: truncated"),
    Case("a file without its last byte", cut("store/b.parquet", 0.999), SCORE, 3, "b.parquet: truncated"),
    Case("four bytes", content("store/x.parquet", "PAR1"), SCORE, 3, "x.parquet: truncated"),
    Case("an encrypted file", content("store/x.parquet", b"PARE" * 9), SCORE, 3, "x.parquet: encrypted: it is encrypted: decrypt it first"),
    Case("a footer larger than its file", content("store/x.parquet", b"PAR1" + b"\xff" * 7 + b"\x7fPAR1"), SCORE, 3, "x.parquet: damaged_footer: its footer would have"),
    Case("a footer of noise", content("store/x.parquet", b"PAR1" + b"\x99" * 40 + b"\x28\0\0\0PAR1"), SCORE, 3, "damaged_f"),
    Case("a page of noise", damaged("store/b.parquet", b"film good"), SCORE, 3, "b.parquet: damaged_data"),
    Case("another column", table("store/x.parquet", body=["good"]), SCORE, 3, "x.parquet: no_column: it has no column 'text'"),
    Case("another type", table("store/x.parquet", text=[1.5]), SCORE, 3, "x.parquet: wrong_type: column 'text' is double"),
    Case("a list of texts", table("store/x.parquet", text=[["good"]]), SCORE, 3, "x.parquet: wrong_type"),
    Case("a kept column of another type", table("store/x.parquet", text=["good"], n=["one"]), f"{SCORE} --keep n", 3, "x.parquet: wrong_type: column 'n' is string; the other files have int64, and no type holds both"),
    Case("a link to nothing", lambda here: (here / "store/x.parquet").symlink_to("no"), SCORE, 3, "x.parquet: (zero|vanish)"),
    Case("a pickle", content("store/x.parquet", pickle.dumps(Planted())), SCORE, 3, "x.parquet: unknown_format"),
    Case("skipped bad files", content("store/x.parquet", ""), f"{SCORE} --on-bad skip", 0, '"gaps_accepted": true'),
    Case("fail at bad files", content("store/x.parquet", ""), f"{SCORE} --on-bad fail", 2, "x.parquet: it has zero bytes; repair"),
    Case("fail at bad pages", damaged("store/b.parquet", b"film good"), f"{SCORE} --on-bad fail", 2, "b.parquet cannot be read"),
    Case("no rows", table("store/x.parquet", text=pa.array([], pa.string())), SCORE, 0, '"left_out": {}'),
    Case("a pipe", pipe("store/x.parquet"), SCORE, 0, '"left_out": {}'),
    Case("a folder named as a file", lambda here: (here / "store/x.parquet").mkdir(), SCORE, 0, '"left_out": {}'),
    Case("a link that goes round", lambda here: (here / "store/x").symlink_to("."), SCORE, 0, counts(5, 0, 1)),
    # Stores of which nothing can be scored.
    Case("no store", nothing, SCORE.replace("store", "nowhere"), 2, "nowhere is not there"),
    Case("an empty folder", lambda here: (here / "empty").mkdir(), SCORE.replace("store", "empty"), 2, "holds no file"),
    Case("a pattern of nothing", nothing, SCORE.replace("store", "store/*.txt"), 2, "holds no file"),
    Case("hidden files only", table("store/_x.parquet", text=["a"]), SCORE.replace("store", "store/_*"), 2, "holds no file"),
    Case("a scheme of nobody", nothing, SCORE.replace("store", "s4://bucket/x"), 2, "s4://bucket/x cannot be opened"),
    Case("a secret in a URI", nothing, SCORE.replace("store", "s4://me:s3cr3t@bucket/x?token=s3cr3t"), 2, "s4://bucket/x cannot"),
    Case("the same file twice", nothing, SCORE.replace("store", "store store/a.parquet"), 2, "a.parquet is in both store and store/a.parquet"),
    Case("bad files only", content("x.parquet", "?"), SCORE.replace("store", "x.parquet"), 2, "no file can be read"),
    # Rows.
    Case("nulls", texts("good", None, kind=pa.string()), SCORE, 0, counts(1, 1)),
    Case("nulls taken as empty", texts("good", None, kind=pa.string()), f"{SCORE} --null-as-empty", 0, counts(2, 0, 1)),
    Case("no text and no known word", texts("", "zzz", " ", kind=pa.string()), SCORE, 0, counts(3, 0, 3)),
    Case("broken strings", broken_text(pa.string()), SCORE, 0, counts(2, 1)),
    Case("broken large strings", broken_text(pa.large_string()), SCORE, 0, counts(2, 1)),
    Case("broken bytes", texts(b"good", b"\xc3", b"bad \xed\xa0\x80", kind=pa.binary()), SCORE, 0, counts(1, 2)),
    Case("broken bytes of one size", texts(b"good", b"\xff\xff\xff\xff", kind=pa.binary(4)), SCORE, 0, counts(1, 1)),
    Case("a broken dictionary", texts(b"good", b"\xff", b"\xff", kind=pa.dictionary(pa.int8(), pa.binary())), SCORE, 0, counts(1, 2)),
    Case("zero bytes in a text", texts("good\0bad", "\0", kind=pa.string()), SCORE, 0, '"rows_scored": 2, "rows_rejected": 0'),
    Case("a word of a megabyte", texts("x" * (1 << 20), kind=pa.string()), SCORE, 0, counts(1, 0, 1)),
    Case("a text that is too long", texts("good " * 99, "bad", kind=pa.string()), f"{SCORE} --max-bytes 9", 0, counts(1, 1)),
    Case("a text that is cut", texts("good " * 99, kind=pa.string()), f"{SCORE} --max-bytes 9 --truncate", 0, '"rows_truncated": 1'),
    Case("too many bad rows", texts(None, None, kind=pa.string()), f"{SCORE} --max-rejected 1", 3, "--max-rejected allows 1"),
    # Arguments.
    Case("a top of none", nothing, f"{SCORE} --top-k 0", 2, "--top-k is 0; allowed: a whole number above 0"),
    Case("a threshold above one", nothing, f"{SCORE} --threshold 1.5", 2, "--threshold is 1.5; allowed: 0 to 1"),
    Case("a threshold that is no number", nothing, f"{SCORE} --threshold nan", 2, "--threshold is nan"),
    Case("no rows at all", nothing, f"{SCORE} --limit 0", 2, "--limit is 0"),
    Case("no bytes at all", nothing, f"{SCORE} --max-bytes 0", 2, "--max-bytes is 0"),
    Case("no workers", nothing, f"{SCORE} --workers 0", 2, "--workers is 0"),
    Case("a negative bound", nothing, f"{SCORE} --max-rejected -1", 2, "--max-rejected is -1; allowed: 0 or more"),
    Case("another word", nothing, f"{SCORE} --on-bad ignore", 2, "'ignore' is not one of 'record', 'skip', 'fail'"),
    Case("two that exclude each other", nothing, f"{SCORE} --probabilities --top-k 2", 2, "exclude each other"),
    Case("a text column that is not there", nothing, f"{SCORE} --text-column body", 2, "no column 'body' in the store"),
    Case("a text column twice", nothing, f"{SCORE} --text-column text --text-column text", 2, "each column once"),
    Case("a text column of numbers", nothing, f"{SCORE} --text-column n", 2, "column 'n' is int64"),
    Case("a kept column that is not there", nothing, f"{SCORE} --keep body", 2, "--keep: no column 'body' in the store"),
    Case("a kept column named as ours", nothing, f"{SCORE} --keep n=score", 2, "'score' is a column of the scores"),
    Case("a condition that is code", nothing, f"{SCORE} --where __import__('os').mkdir('owned')", 2, "is not allowed"),
    Case("a condition that is none", nothing, f"{SCORE} --where n==", 2, "is not a condition"),
    Case("a condition of another type", nothing, f"{SCORE} --where n=='x'", 2, "column 'n' is int64, and 'x' is a text"),
    Case("a condition without end", nothing, f"{SCORE} --where {'(' * 5000}n{')' * 5000}==1", 2, "is not a condition"),
    Case("an option of nobody", nothing, f"{SCORE} --fast", 2, "No such option"),
    Case("an output that is a file", content("new", "x"), SCORE, 2, "Not a directory"),
    Case("an output that holds something", content("store/keep.txt", "x"), SCORE.replace("new", "store"), 2, "holds no run"),
    Case("an output where nothing can be", nothing, SCORE.replace("new", "/proc/none/run"), 2, "cannot be written"),
    Case("a store to compare without a look", nothing, f"{VERIFY} --corpus store", 2, "used only with --deep"),
    Case("fewer stores than there were", nothing, f"{VERIFY} --deep --corpus store --corpus store", 2, "names 2 places"),
    Case("a job that tells a secret", nothing, "submit --address http://127.0.0.1:1 -- verify s3://me:s3cr3t@bucket/run", 2, "which everybody who may list"),
    # Models and vectors that somebody else made.
    Case("no model", nothing, SCORE.replace("model model", "model nowhere"), 2, "is not a model directory"),
    Case("a model that is a file", content("m", "x"), SCORE.replace("model model", "model m"), 2, "is not a model directory"),
    Case("a description of noise", content("model/config.json", b"\xff\0"), SCORE, 2, "config.json is not JSON"),
    Case("a description without end", content("model/config.json", "[" * 100_000), SCORE, 2, "config.json is not JSON"),
    Case("a description of a gigabyte", sparse("model/config.json", 1 << 30), SCORE, 2, "at most 16,777,216 are read"),
    Case("a description that is a pipe", pipe("model/config.json"), SCORE, 2, "is not a plain file"),
    Case("a description elsewhere", link("model/config.json", "elsewhere"), SCORE, 2, "leads out of its directory"),
    Case("another format", config(format_version=99), SCORE, 2, "format version 99"),
    Case("labels that are none", config(labels=7), SCORE, 2, "labels are 7"),
    Case("a model of nobody", config(model="oracle"), SCORE, 2, "model 'oracle'"),
    Case("settings of nobody", config(settings={"layers": 9}), SCORE, 2, "config.json cannot be used"),
    Case("a model of any size", config(model="cnn", settings={"widths": [3], "filters": 10**9}), SCORE, 2, "cannot be used|do not fit the model"),
    Case("a width of any size", config(vectors={"fingerprint": "x", "path": "x", "dim": 10**12}), SCORE, 2, "vectors.dim is"),
    Case("planted weights", content("model/weights.safetensors", pickle.dumps(Planted())), SCORE, 2, "weights.safetensors cannot"),
    Case("half the weights", cut("model/weights.safetensors"), SCORE, 2, "weights.safetensors cannot be used"),
    Case("weights of a terabyte", sparse("model/weights.safetensors", 1 << 40), SCORE, 2, "at most .* are read"),
    Case("weights that are a pipe", pipe("model/weights.safetensors"), SCORE, 2, "is not a plain file"),
    Case("weights elsewhere", link("model/weights.safetensors", "elsewhere"), SCORE, 2, "leads out of its directory"),
    Case("vectors elsewhere", link("model/vectors", "elsewhere"), SCORE, 2, "is outside of the model directory"),
    Case("other vectors", vectors_json(fingerprint="0" * 64), SCORE, 2, "holds other vectors than the model was trained with"),
    Case("half a table", cut("model/vectors/table.bin"), SCORE, 2, "table.bin has .* bytes; expected"),
    Case("a table of any size", vectors_json(rows=10**15), SCORE, 2, "expected"),
    Case("a table of no size", vectors_json(rows=-1), SCORE, 2, "expected whole numbers above 0"),
    Case("words beyond their file", flipped("model/vectors/word_offsets.bin", 0.99), SCORE, 2, "word_offsets.bin does not cut"),
    Case("an index that leads astray", filled("model/vectors/slot_rows.bin", b"\x7f"), SCORE, 2, "names rows beyond"),
    Case("an index without end", filled("model/vectors/slot_rows.bin", b"\0"), SCORE, 2, "a search in it may not end"),
    Case("planted vectors", content("v.bin", pickle.dumps(Planted())), "vectors import v.bin --output v", 2, "v.bin"),
    Case("nothing to measure", table("x.parquet", text=pa.array([], pa.string()), label=pa.array([], pa.string())), "evaluate x.parquet --model model", 2, "no row of 'label' has a label that the model knows"),
    # Runs.
    Case("no run", nothing, "verify store", 2, "holds no run"),
    Case("a finished run again", nothing, AGAIN, 0, '"rows_now": 0'),
    Case("a run of another option", nothing, f"{AGAIN} --threshold 0.5", 2, "made with other options: --threshold was not given before, and is 0.5 now"),
    Case("a run of a changed file", table("store/a.parquet", text=["good"], n=[1]), AGAIN, 2, "a.parquet has changed"),
    Case("a run of a lost file", gone("store/a.parquet"), AGAIN, 2, "a.parquet is gone"),
    Case("a run without its head", content("run/run.json", "{"), AGAIN, 2, "run.json is damaged"),
    Case("a plan with a flipped bit", flipped("run/plan.parquet", 0.9), AGAIN, 2, "plan.parquet is damaged"),
    Case("a part with a flipped bit, again", flipped("run/scores/*", 0.99), AGAIN, 2, "is damaged .*; remove scores/\\S+ and run the same score again"),
    Case("a part with a flipped bit", flipped("run/scores/*", 0.05), VERIFY, 4, "its bytes are not those that were written"),
    Case("a part with a flipped footer", flipped("run/scores/*", 0.9), VERIFY, 4, "scores/part-.* is damaged"),
    Case("half a part", cut("run/scores/*"), VERIFY, 4, "scores/part-.* is damaged"),
    Case("a lost part", gone("run/scores/*"), VERIFY, 4, "rows are in no part"),
    Case("a lost rejected part", gone("run/rejected/*"), VERIFY, 4, "rejected/part-.* cannot be read"),
    Case("a rejected part with a flipped bit", flipped("run/rejected/*", 0.5), VERIFY, 4, "rejected/part-.*checksum"),
    Case("a part of nobody", content("run/scores/part-0.parquet", "x"), VERIFY, 4, "belongs to no unit"),
    Case("a manifest with a flipped bit", flipped("run/manifest.parquet", 0.5), VERIFY, 4, "manifest.parquet is damaged"),
    Case("another total", lambda here: change_totals(here, rows_scored=9), VERIFY, 4, "rows_scored is 9, the parts have 4"),
    Case("no mark of the end", gone("run/_SUCCESS"), VERIFY, 4, "not there: _SUCCESS"),
    Case("a store that has changed", table("store/a.parquet", text=["x"]), f"{VERIFY} --deep", 4, "a.parquet has changed"),
    Case("a lost store", lambda here: shutil.rmtree(here / "store"), f"{VERIFY} --deep", 2, "store is not there"),
]
# fmt: on


def change_totals(here: Path, **changes: int) -> None:
    """Tell other totals than the parts."""
    file = here / "run" / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, vectors: Vectors, make_bundle: Callable[..., Bundle]) -> Path:
    """A good store of two files and a model with its vectors."""
    folder = tmp_path_factory.mktemp("template")
    make_bundle(folder / "model", vectors, with_vectors=True)
    (folder / "store").mkdir()
    options = {"write_page_checksum": True, "use_dictionary": False, "compression": None}
    pq.write_table(pa.table({"text": ["good film", "dull"], "n": [1, 2]}), folder / "store" / "a.parquet", **options)
    pq.write_table(
        pa.table({"text": ["bad" * 99, "film good", "great"], "n": [3, 4, 5]}),
        folder / "store" / "b.parquet",
        **options,
    )
    return folder


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_it_ends_with_the_exit_code_and_the_words_of_the_table(
    case: Case,
    template: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    here = tmp_path / "here"
    shutil.copytree(template, here)
    monkeypatch.chdir(here)
    if " run" in case.command:
        finish_a_run(here)
        capfd.readouterr()
    case.spoil(here)
    before = parts_of(here)
    code = cli.run(case.command.split(" "))
    said = "".join(capfd.readouterr())
    assert code == case.code, said
    assert re.search(case.words, said), said
    assert "Traceback" not in said
    assert "s3cr3t" not in said
    assert not (here / "owned").exists()
    if case.code == 2:
        assert parts_of(here) == before, "a refusal harms nothing"


def parts_of(here: Path) -> dict[str, bytes]:
    """The parts of the run."""
    return {part.name: part.read_bytes() for part in (here / "run").glob("*/*.parquet")}


def finish_a_run(here: Path) -> None:
    """Score the store, of which one text is too long."""
    assert cli.run(AGAIN.split()) == 0
    assert list((here / "run" / "rejected").iterdir())


def test_the_table_is_long_and_names_each_case_once() -> None:
    assert len(CASES) > 100
    assert len({case.name for case in CASES}) == len(CASES)
