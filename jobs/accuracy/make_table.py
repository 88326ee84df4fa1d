"""Make the accuracy table: labelled sets, models, word vectors frozen and tuned, seeds, and what people use instead.

``--data`` holds SET.parquet files with the columns ``split``, ``label`` and ``text``, and is not part of this project.
Every figure is computed here, by training and testing; none is copied. What is done is kept under ``--output``: the
same command goes on where it was stopped, and others add to the table. ``--rows-a-label`` tells what few labelled rows
come to: each seed then draws others, from the part to learn from, and a part to stop by is not used.

Example::

    python jobs/accuracy/make_table.py --data DIR --sets trec6 sst2 --models average cnn sklearn --seeds 3
"""

import argparse
import multiprocessing
import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from w2vray.cli.console import Output, table
from w2vray.cli.extras import extra
from w2vray.errors import ConfigError, W2vrayError
from w2vray.models import kinds

with extra("peers"):
    from cells import COUNTERPARTS, WORDS, Cell, Places, Row, Wanted, append, cells_of, compute, read_done, rows_of
    from word_vectors import VECTORS

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from provenance import measured

SETS = ("trec6", "sst2", "subj", "mr", "r8", "movie_reviews_v2")


@dataclass(frozen=True)
class Figure:
    """A row of the table over its seeds; accuracies are shares of the test rows."""

    row: Row
    accuracies: tuple[float, ...]
    seconds: tuple[float, ...]
    rows_a_label: int | None = None

    @property
    def mean(self) -> float:
        """Mean over the seeds, in percent."""
        return 100 * sum(self.accuracies) / len(self.accuracies)

    @property
    def spread(self) -> float:
        """Best minus worst seed, in percentage points."""
        return 100 * (max(self.accuracies) - min(self.accuracies))

    def cells(self) -> list[str]:
        """Return the figure as it is printed; what has one seed has no spread."""
        spread = f"{self.spread:.1f}" if len(self.accuracies) > 1 else ""
        return [self.row.set, self.row.model, self.row.vectors, self.row.words, f"{self.mean:.1f}", spread]

    def as_dict(self) -> dict[str, Any]:
        """Return the figure as JSON can hold it."""
        return {**asdict(self), "mean_percent": self.mean, "spread_percent": self.spread}


def figures(rows: Sequence[Row], cells: Iterable[Cell], done: dict[str, dict[str, Any]]) -> list[Figure]:
    """Return the rows of which every seed is done, in order."""
    of_row: dict[Row, list[Cell]] = {}
    for cell in cells:
        of_row.setdefault(cell.row, []).append(cell)
    found = []
    for row in rows:
        lines = [done[cell.key] for cell in of_row[row] if cell.key in done]
        if len(lines) == len(of_row[row]):
            accuracies = tuple(float(line["accuracy"]) for line in lines)
            seconds = tuple(float(line["seconds"]) for line in lines)
            found.append(Figure(row, accuracies, seconds, of_row[row][0].rows_a_label))
    return found


def fill(cells: Sequence[Cell], places: Places, processes: int, out: Output) -> None:
    """Compute cells in processes side by side and keep each as it is done.

    Raises:
        W2vrayError: a cell cannot be computed, or a process was ended; the others that were done are kept.
    """
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = "1"  # before a process loads the libraries that ask for it
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _end_with_parent) as pool:
        futures = {pool.submit(compute, cell, places): cell for cell in cells}
        try:
            for number, future in enumerate(as_completed(futures), start=1):
                line = future.result()
                append(places.done, line)
                told = " ".join(str(line[name]) for name in ("set", "vectors", "model", "words", "seed"))
                out.note(
                    f"{number} of {len(futures)}: {told}: {100 * line['accuracy']:.1f} % in {line['seconds']:.0f} s"
                )
        except BrokenProcessPool as error:
            raise W2vrayError("a process was ended from outside; the same command goes on from here") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """End this process when the one that started it has been killed; it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _options(arguments)
    out = Output(options.json)
    few = options.rows_a_label
    wanted = Wanted(options.sets, options.vectors, options.models, options.words, options.seeds, few)
    places = Places(options.data.absolute(), options.output.absolute(), options.googlenews)
    try:
        for name, value in (("seeds", options.seeds), ("processes", options.processes), ("rows-a-label", few)):
            if value is not None and value < 1:
                raise ConfigError(f"--{name} is {value}; allowed: a whole number above 0")
        try:
            places.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"--output is {str(options.output)!r}; allowed: a folder ({error})") from error
        cells = cells_of(wanted, places)
        done = read_done(places.done)
        missing = [cell for cell in cells if cell.key not in done]
        if missing and not options.only_print:
            fill(missing, places, options.processes, out)
            done = read_done(places.done)
    except W2vrayError as error:
        sys.stderr.write(f"make_table: {error}\n")
        return error.exit_code
    found = figures(rows_of(wanted), cells, done)
    of_few = "" if few is None else f", learnt from {few} rows of each label"
    title = f"Test accuracy in %: mean, and best less worst, of {options.seeds} seeds{of_few}"
    out.result(
        {"measured": measured(), "seeds": options.seeds, "figures": [figure.as_dict() for figure in found]},
        table(title, ["set", "model", "vectors", "words", "mean", "spread"], [figure.cells() for figure in found]),
    )
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    models = (*kinds.names(), kinds.AUTO, *COUNTERPARTS)
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of SET.parquet files")
    parser.add_argument("--output", type=Path, default=Path("accuracy-output"), metavar="DIR", help="what is done")
    parser.add_argument("--sets", nargs="+", default=SETS, metavar="SET", help=f"default: {' '.join(SETS)}")
    parser.add_argument("--models", nargs="+", default=models, choices=models, help="default: all of them")
    parser.add_argument("--words", nargs="+", default=WORDS[:1], choices=WORDS, help="default: frozen")
    parser.add_argument("--vectors", nargs="+", default=VECTORS[:1], choices=VECTORS, help="default: glove50")
    parser.add_argument(
        "--googlenews", type=Path, metavar="FILE", help="word2vec binary file, for googlenews8k, joined"
    )
    parser.add_argument(
        "--rows-a-label", type=int, metavar="N", help="learn from N rows of each label, others with each seed"
    )
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings of each model (default: 3)")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="cells side by side (default: 1)")
    parser.add_argument("--only-print", action="store_true", help="compute no cell; print what is done")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout in place of the table")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
