"""The cells of the accuracy table: which there are, how one is computed, and the file that keeps those that are done.

The file has a JSON object a line, appended as each cell is done. A cell is known by all that its figure depends on:
when a set, vectors or settings are others, it is another cell and computed anew.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from classifiers import Outcome, measure_auto, measure_model, table_settings
from counterparts import FASTTEXT, SKLEARN, TFIDF, measure_fasttext, measure_sklearn, measure_tfidf
from labelled_sets import LabelledSet, read_set
from plain_networks import PLAIN_NETWORKS, measure_plain_network
from word_vectors import make_vectors

from w2vray.errors import CorpusError
from w2vray.models import kinds
from w2vray.models.ladder import LADDER
from w2vray.training.wide import WideTask

__all__ = ["COUNTERPARTS", "Cell", "Places", "Row", "Wanted", "append", "cells_of", "compute", "read_done", "rows_of"]

COUNTERPARTS = ("sklearn", *PLAIN_NETWORKS, "tfidf", "fasttext")
PAIRS = ", 2-grams"
WORDS = ("frozen", "tuned", f"frozen{PAIRS}", f"tuned{PAIRS}")
WIDE_TASK = WideTask(longest=2, bits=20)
WORDS_OF_AUTO = "2-grams"
"""Of auto, which tries words frozen and tuned."""
NONE = "-"
"""Of a classifier without vectors."""


@dataclass(frozen=True, order=True)
class Row:
    """A row of the table: what a mean over seeds is told of."""

    set: str
    vectors: str
    model: str
    words: str


@dataclass(frozen=True)
class Places:
    """Where things are."""

    data: Path
    output: Path
    googlenews: Path | None

    @property
    def done(self) -> Path:
        """The file of the cells that are done."""
        return self.output / "cells.jsonl"


@dataclass(frozen=True)
class Wanted:
    """What the table is to have."""

    sets: Sequence[str]
    vectors: Sequence[str]
    models: Sequence[str]
    words: Sequence[str]
    seeds: int
    rows_a_label: int | None = None  # to learn from; None: all that there are


@dataclass(frozen=True)
class Cell:
    """One training and its test. ``depends`` is what else the figure depends on: fingerprints and settings.

    ``rows_a_label`` is as in ``Wanted``.
    """

    row: Row
    seed: int
    depends: str
    rows_a_label: int | None = None

    @property
    def key(self) -> str:
        """The cell as its line in the file names it."""
        few = {} if self.rows_a_label is None else {"rows_a_label": self.rows_a_label}
        depends = json.loads(self.depends) | few
        return json.dumps({**asdict(self.row), "seed": self.seed, "depends": depends}, sort_keys=True)


def rows_of(wanted: Wanted) -> list[Row]:
    """Return the rows of the table, in order; what has no vectors, or does not tune them, is there once."""
    rows = []
    for name in wanted.sets:
        for model in wanted.models:
            without = model in {"tfidf", "fasttext"}
            for vectors in [NONE] if without else wanted.vectors:
                rows += [Row(name, vectors, model, kind) for kind in _words_of(model, wanted)]
    return rows


def _words_of(model: str, wanted: Wanted) -> Sequence[str]:
    if model in {"tfidf", "fasttext"}:
        return [NONE]
    if model == kinds.AUTO:
        return [WORDS_OF_AUTO]
    return wanted.words if model in kinds.names() else ["frozen"]


def cells_of(wanted: Wanted, places: Places) -> list[Cell]:
    """Return the cells of the table, making the vectors that are not there yet.

    Where nothing is random, one seed is enough. Rows that are drawn are random.
    """
    cells = []
    for name in wanted.sets:
        labelled = read_set(places.data / f"{name}.parquet")
        for row in rows_of(wanted):
            if row.set == name:
                few = wanted.rows_a_label
                seeds = 1 if few is None and _exact(row) else wanted.seeds
                cells += [Cell(row, seed, _depends(row, labelled, places), few) for seed in range(seeds)]
    return cells


def _exact(row: Row) -> bool:
    return row.model in {"sklearn", "tfidf"} or (row.model == "average" and row.words.startswith("frozen"))


def _depends(row: Row, labelled: LabelledSet, places: Places) -> str:
    if row.model in kinds.names():
        settings: dict[str, Any] = asdict(table_settings(row.model, tuned=row.words.startswith("tuned")))
        if row.words.endswith(PAIRS):
            settings["ngrams"] = asdict(WIDE_TASK)
    else:
        of_auto = {"ladder": [asdict(candidate) for candidate in LADDER], "ngrams": asdict(WIDE_TASK)}
        settings = {kinds.AUTO: of_auto, "sklearn": SKLEARN, "tfidf": TFIDF, "fasttext": FASTTEXT, **PLAIN_NETWORKS}[
            row.model
        ]
    vectors = None
    if row.vectors != NONE:
        made = make_vectors(row.vectors, labelled, places.output / "vectors", places.googlenews)
        vectors = {"fingerprint": made.fingerprint[:16], "rules": made.rules.as_dict()}
    return json.dumps({"data": labelled.fingerprint[:16], "vectors": vectors, "settings": settings})


def compute(cell: Cell, places: Places) -> dict[str, Any]:
    """Compute a cell and return its line. Runs in a process of its own, with one thread."""
    torch.set_num_threads(1)
    started = time.monotonic()
    measured = _measure(cell, places)
    seconds = round(time.monotonic() - started, 1)
    return {**json.loads(cell.key), **asdict(measured), "seconds": seconds}


def _measure(cell: Cell, places: Places) -> Outcome:
    row = cell.row
    every = read_set(places.data / f"{row.set}.parquet")
    labelled = every if cell.rows_a_label is None else every.drawn(cell.rows_a_label, cell.seed)
    match row.model:
        case "tfidf":
            return measure_tfidf(labelled)
        case "fasttext":
            return measure_fasttext(labelled, cell.seed)
    vectors = make_vectors(row.vectors, every, places.output / "vectors", places.googlenews)
    if row.model == kinds.AUTO:
        return measure_auto(labelled, vectors, seed=cell.seed, wide=WIDE_TASK)
    if row.model == "sklearn":
        return measure_sklearn(labelled, vectors)
    if row.model in PLAIN_NETWORKS:
        return measure_plain_network(labelled, vectors, row.model, cell.seed)
    tuned, wide = row.words.startswith("tuned"), WIDE_TASK if row.words.endswith(PAIRS) else None
    settings = table_settings(row.model, tuned=tuned)
    return measure_model(labelled, vectors, row.model, settings, tuned=tuned, seed=cell.seed, wide=wide)


def append(path: Path, line: dict[str, Any]) -> None:
    """Add a line to the file, in one write."""
    with path.open("ab", buffering=0) as file:
        file.write(json.dumps(line).encode() + b"\n")


def read_done(path: Path) -> dict[str, dict[str, Any]]:
    """Return the lines of the file by their cells' keys. The end of a line that was cut short is taken off.

    Raises:
        CorpusError: a line is no cell.
    """
    if not path.exists():
        return {}
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)
    return dict(_keyed(path, content[:whole]))


def _keyed(path: Path, content: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    names = ("set", "vectors", "model", "words", "seed", "depends")
    for number, text in enumerate(content.splitlines(), start=1):
        try:
            line = json.loads(text)
            key = json.dumps({name: line[name] for name in names}, sort_keys=True)
            float(line["accuracy"])
        except (ValueError, KeyError, TypeError) as error:
            raise CorpusError(f"{path}, line {number} is no cell of the table; take the line out") from error
        yield key, line
