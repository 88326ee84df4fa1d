"""How many files and units one driver can serve: planning a store of small files, and handing out units of no work.

Each size is measured in a process of its own, whose peak memory (RSS) is told. The files are copies of one Parquet file
of 20 short rows; a unit of no work is handed to one of two workers of Ray, which gives it back.

Example::

    python jobs/benchmark/run.py --only size --files 1000 10000 100000 --units 1000 10000 100000
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from stopwatch import Row

from w2vray.cluster.connecting import connected
from w2vray.cluster.pools import run_units
from w2vray.store.corpus import find_corpus
from w2vray.store.describing import describe_files
from w2vray.store.preflight import Columns, fit_files
from w2vray.store.units import Piece, Unit, plan_from_table, plan_table, plan_units

FILES_A_FOLDER = 1_000
COLUMNS = Columns(("text",), ("id",))


def measure_size(files: Sequence[int], units: Sequence[int]) -> Iterator[Row]:
    """Plan stores of so many files, and hand out so many units."""
    for number in files:
        with tempfile.TemporaryDirectory(prefix="w2vray-", dir=Path.cwd()) as folder:
            write_small_files(Path(folder), number)
            found = _of_a_process("plan", folder)
        seconds = {name: found[name] for name in ("list", "describe", "plan", "write")}
        note = ", ".join(f"{name} {each:,.1f} s" for name, each in seconds.items())
        note += f"; {found['units']:,} units, {found['megabytes']:,.0f} MB at most (began with {found['began']:,.0f})"
        yield Row("size", f"{number:,} files", sum(seconds.values()), "s", {}, note)
    for number in units:
        found = _of_a_process("hand-out", str(number))
        note = f"first after {found['first']:,.1f} s, all after {found['all']:,.1f} s, "
        note += f"{found['cpu'] / number * 1e3:.2f} ms of the driver's CPU a unit, {found['megabytes']:,.0f} MB at most"
        yield Row("size", f"{number:,} units of no work", found["rate"], "units/s", {}, note)


def write_small_files(folder: Path, number: int) -> None:
    """Write so many copies of a small Parquet file, in folders of a thousand."""
    sink = pa.BufferOutputStream()
    texts = ["some words of a text that nobody reads"] * 20
    pq.write_table(pa.table({"id": range(20), "text": texts}), sink, compression="zstd")
    data = sink.getvalue().to_pybytes()
    for index in range(number):
        part = folder / f"part={index // FILES_A_FOLDER:06d}"
        if index % FILES_A_FOLDER == 0:
            part.mkdir()
        (part / f"{index:09d}.parquet").write_bytes(data)


def _of_a_process(what: str, argument: str) -> dict[str, Any]:
    command = [sys.executable, __file__, what, argument]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - this file
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def plan_store(folder: str) -> dict[str, Any]:
    """Plan a store as ``score`` does, and write the plan and read it again, as the next call does."""
    began = _peak()
    corpus, listing = _timed(lambda: find_corpus([folder]))
    (files, bad), describing = _timed(lambda: describe_files(corpus, corpus.files, COLUMNS.all))
    units, planning = _timed(lambda: plan_units(fit_files(files, COLUMNS, corpus, unreadable=bad).files))
    (again, _), writing = _timed(lambda: plan_from_table(plan_table(units, {})))
    assert again == units
    assert not bad
    seconds = {"list": listing, "describe": describing, "plan": planning, "write": writing}
    return {**seconds, "units": len(units), "megabytes": _peak(), "began": began}


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    return work(), time.perf_counter() - started


def _peak() -> float:
    """Return the largest memory of this process in MB; ``getrusage`` would tell that of the one that started it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM:"))


class Nothing:
    """A worker that does nothing."""

    def __call__(self, unit: Unit) -> dict[str, Any]:
        """Give a unit's name back."""
        return {"unit": unit.id}


def hand_out(number: int) -> dict[str, Any]:
    """Hand units of no work to two workers of a Ray on this machine."""
    units = [Unit((_piece(index),)) for index in range(number)]
    with connected("local"):
        started, cpu = time.perf_counter(), time.process_time()
        first, done = 0.0, set()
        for row in run_units(units, Nothing, {}, workers=2):
            first = first or time.perf_counter() - started
            done.add(row["unit"])
        seconds = time.perf_counter() - started
        assert done == {unit.id for unit in units}
        cpu = time.process_time() - cpu
    rate = (number - 1) / (seconds - first)
    return {"first": first, "all": seconds, "rate": rate, "cpu": cpu, "megabytes": _peak()}


def _piece(index: int) -> Piece:
    return Piece(0, f"part={index // FILES_A_FOLDER:06d}/{index:09d}.parquet", 0, 1, 0, 100_000, 96 << 20, 30 << 20, 1)


if __name__ == "__main__":
    what, argument = sys.argv[1:]
    print(json.dumps(plan_store(argument) if what == "plan" else hand_out(int(argument))))
