r"""Do two checkouts of w2vray train the same models and give the same answers, and how fast is each?

::

    git worktree add /tmp/before v0.1.0
    python jobs/compare_revisions.py /tmp/before . --data folder-of-labelled-parquet --vectors VECTORS

Both checkouts train each model on each set, with one worker and the same seed, and score the whole set with it. The
bytes of the weights are compared, and those of every column of the scores. Every third pair runs in the other order, so
that neither checkout always has the warmer machine.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from w2vray.models.kinds import names, settings_class
from w2vray.settings.steps import StepSettings

EPOCHS = 2


@dataclass(frozen=True)
class Outcome:
    """What a checkout made of a set: hashes of the weights and of each column of the scores, and how long it took."""

    weights: str
    columns: dict[str, str]
    train_seconds: float
    score_seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare two checkouts; 0 where all is equal, 1 otherwise."""
    options = _options(arguments)
    rows, different = [], 0
    for number, (file, model) in enumerate(_pairs(options)):
        order = [1, 0] if number % 3 == 2 else [0, 1]
        found: dict[int, Outcome] = {which: _outcome(options.checkouts[which], file, model, options) for which in order}
        differing = _differences(found[0], found[1])
        different += bool(differing)
        rows.append((file.stem, model, ", ".join(differing) or "nothing", found[0], found[1]))
    _show(rows)
    return 1 if different else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkouts", nargs=2, type=Path, help="the earlier one, then the later one")
    parser.add_argument("--data", type=Path, required=True, help="folder of Parquet files with text and label")
    parser.add_argument("--vectors", type=Path, required=True, help="vectors directory")
    parser.add_argument("--models", nargs="+", default=list(names()))
    parser.add_argument("--sets", nargs="+", default=[], help="names of files; all where none is given")
    return parser.parse_args(arguments)


def _pairs(options: argparse.Namespace) -> Iterator[tuple[Path, str]]:
    files = [file for file in sorted(options.data.glob("*.parquet")) if not options.sets or file.stem in options.sets]
    if not files:
        raise SystemExit(f"{options.data} holds no such Parquet file; name a folder of labelled sets with --data")
    yield from ((file, model) for file in files for model in options.models)


def _outcome(checkout: Path, file: Path, model: str, options: argparse.Namespace) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        in_steps = issubclass(settings_class(model), StepSettings)
        limits = ["--epochs", str(EPOCHS)] if in_steps else []
        train = ["train", file, "--vectors", options.vectors, "--output", place / "model", "--model", model, *limits]
        train_seconds = _run(checkout, *train, "--workers", "1")
        score_seconds = _run(checkout, "score", file, "--model", place / "model", "--output", place / "run", "--json")
        weights = hashlib.sha256((place / "model" / "weights.safetensors").read_bytes()).hexdigest()
        parts = [pq.read_table(part) for part in sorted((place / "run" / "scores").glob("*.parquet"))]
        scores = pa.concat_tables(parts).sort_by("source_row").combine_chunks()
        columns = {name: _column_hash(scores[name]) for name in scores.column_names}
        return Outcome(weights, columns, train_seconds, score_seconds)


def _column_hash(column: pa.ChunkedArray) -> str:
    sink = pa.BufferOutputStream()
    table = pa.table({"column": column})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return hashlib.sha256(sink.getvalue()).hexdigest()


def _run(checkout: Path, *words: object) -> float:
    """Run a verb with the code of a checkout, from an empty folder; return the seconds it took."""
    environment = {**os.environ, "PYTHONPATH": str(checkout.resolve())}
    command = [sys.executable, "-m", "w2vray", *(str(_whole(word)) for word in words)]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        done = subprocess.run(  # noqa: S603 - this interpreter, and code of ours
            command, env=environment, cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{checkout}: {' '.join(command[3:])} ended with {done.returncode}: {done.stderr[-2000:]}")
        return time.perf_counter() - started


def _whole(word: object) -> object:
    return word.resolve() if isinstance(word, Path) else word


def _differences(one: Outcome, other: Outcome) -> list[str]:
    names = [] if one.weights == other.weights else ["weights"]
    every = sorted(one.columns.keys() | other.columns.keys())
    return names + [name for name in every if one.columns.get(name) != other.columns.get(name)]


def _show(rows: Sequence[tuple[str, str, str, Outcome, Outcome]]) -> None:
    table = Table(title="two checkouts", title_justify="left")
    for name in ("set", "model", "different", "train, s", "score, s"):
        table.add_column(name)
    for name, model, differing, one, other in rows:
        train = f"{one.train_seconds:.1f} / {other.train_seconds:.1f}"
        table.add_row(name, model, differing, train, f"{one.score_seconds:.1f} / {other.score_seconds:.1f}")
    Console().print(table)
    ratios = {
        verb: median(getattr(other, f"{verb}_seconds") / getattr(one, f"{verb}_seconds") for *_, one, other in rows)
        for verb in ("train", "score")
    }
    print(json.dumps({"seconds, later / earlier": ratios, "different": sum(row[2] != "nothing" for row in rows)}))


if __name__ == "__main__":
    sys.exit(main())
