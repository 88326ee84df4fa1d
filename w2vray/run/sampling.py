"""``sample``: rows of a run for a person to check, with what is needed to estimate the run's precision from them.

The run's labels are parted into strata, and the same number of rows is drawn from each. Within a stratum all rows have
the same chance: each row has a number that follows from its place and the seed, and the rows with the smallest numbers
are drawn. The file is in the order of these numbers, so whoever stops early has checked a random part of it.

Shape letters: CONTRIBUTING.md.
"""

import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from w2vray.errors import ConfigError, RunError
from w2vray.notebooks import as_html
from w2vray.run.answers import FinishedRun, Given
from w2vray.schema import BELOW_NOT_DRAWN, CHECKED_COLUMNS, SOURCE_FILE, SOURCE_ROW, Status
from w2vray.settings.checks import SampleSettings
from w2vray.text.keys import mixed, name_key

__all__ = ["BELOW", "SampleSummary", "allocate", "sample_run"]

BELOW = "below the threshold"
"""The stratum of rows that are marked so: the run does not stand for their label."""

_SHARES = (0.05, 0.2, 0.5, 1.0)
"""``uncertain`` draws as many rows from the least certain 5 % as from the next 15 %, 30 % and 50 %."""

_BINS = 4096  # of scores


@dataclass(frozen=True, kw_only=True)
class SampleSummary:
    """What was drawn."""

    run: str
    file: str
    rows: int
    strata: dict[str, dict[str, int]]  # name -> rows drawn, and rows of the run

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON can hold it."""
        return asdict(self)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        rows = [(name, counts["drawn"], counts["rows"]) for name, counts in self.strata.items()]
        return as_html(
            f"Sample of {self.run}",
            {"file": self.file, "rows": self.rows},
            ("strata", ["stratum", "drawn", "rows"], rows),
        )


def sample_run(settings: SampleSettings) -> SampleSummary:
    """Draw rows of a finished run, and write them with their texts.

    Raises:
        RunError: the run is not finished, or has too few rows.
        ConfigError: the file is there already, or cannot be written.
        CorpusError: the store cannot be read.
    """
    output = _new_file(settings.output)
    run = FinishedRun.open(settings.run)
    strata = _strata(run, settings.by)
    quotas = allocate(strata.sizes, settings.rows)
    if not quotas:
        raise RunError(f"{run.name}: no row has a label, so there is nothing to check")
    if min(quotas) < 1:
        least = f"at least {len(quotas):,} rows, one of each"
        raise ConfigError(
            f"--rows is {settings.rows:,}, and --by {settings.by} draws {least} of {len(quotas):,} strata; raise --rows"
        )
    drawn = _draw(run, strata, quotas, settings.seed)
    texts = run.texts([(row.file, row.row) for row in drawn], run.store(settings.corpus))
    lines = [
        {
            "text": texts[row.file, row.row],
            "label": row.label,
            "score": f"{row.score:.6f}",
            SOURCE_FILE: row.file,
            SOURCE_ROW: row.row,
            "stratum": strata.names[row.stratum],
            "stratum_rows": strata.sizes[row.stratum],
            "run": run.fingerprint[:16],
            BELOW_NOT_DRAWN: 0 if BELOW in strata.names else int(run.totals.get("rows_below_threshold", 0)),
        }
        for row in drawn
    ]
    _write(output, lines)
    counts = Counter(row.stratum for row in drawn)
    of_each = {
        name: {"drawn": counts[place], "rows": size}
        for place, (name, size) in enumerate(zip(strata.names, strata.sizes, strict=True))
    }
    return SampleSummary(run=run.name, file=str(output), rows=len(lines), strata=of_each)


def allocate(sizes: Sequence[int], rows: int) -> list[int]:
    """Give each stratum the same number of rows, and what a small one does not have to the others.

    Example:
        >>> allocate([3, 100, 100], 20)
        [3, 8, 9]
    """
    quotas = [0] * len(sizes)
    order = sorted(range(len(sizes)), key=lambda place: sizes[place])
    left = rows
    for index, place in enumerate(order):
        quotas[place] = min(sizes[place], left // (len(order) - index))
        left -= quotas[place]
    for place in range(len(sizes)):  # what does not divide evenly, and what rounding left
        if left and quotas[place] < sizes[place]:
            quotas[place] += 1
            left -= 1
    return quotas


# The strata


class _Strata(Protocol):
    """Parts of a run's labels."""

    names: list[str]
    sizes: list[int]

    def places(self, given: Given) -> npt.NDArray[np.int64]:
        """Return the stratum of each label, -1 for one that is in none."""
        ...


class _All:
    """One stratum: the labels that the run stands for."""

    def __init__(self, run: FinishedRun) -> None:
        self.names = ["all rows"]
        self.sizes = [sum(int(_scored(given).sum()) for given in _given(run))]
        if not self.sizes[0]:
            self.names, self.sizes = [], []

    def places(self, given: Given) -> npt.NDArray[np.int64]:
        return np.where(_scored(given), 0, -1)


class _ByLabel:
    """A stratum for each label."""

    def __init__(self, run: FinishedRun) -> None:
        counts: Counter[str] = Counter()
        for given in _given(run):
            counted = given.labels.filter(pa.array(_scored(given))).value_counts()
            counts.update({item["values"]: item["counts"] for item in counted.to_pylist()})
        self.names = [label for label in run.labels if counts[label]]
        self.sizes = [counts[label] for label in self.names]

    def places(self, given: Given) -> npt.NDArray[np.int64]:
        coded = given.labels.dictionary_encode()
        known = {label: place for place, label in enumerate(self.names)}
        codes = np.array([known.get(label, -1) for label in coded.dictionary.to_pylist()] or [-1])
        places_Y = codes[coded.indices.to_numpy()] if len(given.labels) else np.empty(0, dtype=np.int64)
        return np.where(_scored(given), places_Y, -1).astype(np.int64)


class _ByScore:
    """Strata of scores, the least certain first; and the rows below the threshold, where there are some."""

    def __init__(self, run: FinishedRun) -> None:
        counts = np.zeros(_BINS, dtype=np.int64)
        below = 0
        for given in _given(run):
            scored_Y = _scored(given)
            counts += np.bincount(_bins(given)[scored_Y], minlength=_BINS)
            below += int(len(scored_Y) - scored_Y.sum())
        upto = np.cumsum(counts)
        ends = [int(np.searchsorted(upto, share * upto[-1])) for share in _SHARES] if upto[-1] else []
        self.ends = np.unique(ends).astype(np.int64)
        sizes = np.diff(upto[self.ends], prepend=0)
        self.ends, sizes = self.ends[sizes > 0], sizes[sizes > 0]
        starts = [0, *(self.ends + 1)][: len(self.ends)]
        self.names = [
            f"score {start / _BINS:.3f} to {(end + 1) / _BINS:.3f}"
            for start, end in zip(starts, self.ends.tolist(), strict=True)
        ]
        self.sizes = sizes.tolist()
        self.below = below > 0
        if below:
            self.names, self.sizes = [*self.names, BELOW], [*self.sizes, below]

    def places(self, given: Given) -> npt.NDArray[np.int64]:
        places_Y = np.searchsorted(self.ends, _bins(given))
        return np.where(_scored(given), places_Y, len(self.names) - 1).astype(np.int64)


_KINDS: dict[str, Callable[[FinishedRun], _Strata]] = {"random": _All, "label": _ByLabel, "uncertain": _ByScore}


def _strata(run: FinishedRun, by: str) -> _Strata:
    return _KINDS[by](run)


def _given(run: FinishedRun) -> Any:
    return map(Given.of, run.batches(run.answer_columns))


def _scored(given: Given) -> npt.NDArray[np.bool_]:
    """Tell which labels the run stands for."""
    scored_N = pc.equal(given.batch.column("status"), Status.SCORED.value).to_numpy(zero_copy_only=False)
    return np.asarray(scored_N[given.rows_Y], dtype=np.bool_)


def _bins(given: Given) -> npt.NDArray[np.int64]:
    return np.clip((given.scores_Y * _BINS).astype(np.int64), 0, _BINS - 1)


# The draw


@dataclass(frozen=True)
class _Drawn:
    stratum: int
    key: int
    file: str
    row: int
    label: str
    score: float


def _draw(run: FinishedRun, strata: _Strata, quotas: Sequence[int], seed: int) -> list[_Drawn]:
    """Take the labels with the smallest numbers of each stratum; at most twice as many are in memory."""
    bounds = np.full(len(quotas), 2**64 - 1, dtype=np.uint64)
    kept: list[_Drawn] = []
    for batch in run.batches([SOURCE_FILE, SOURCE_ROW, *run.answer_columns]):
        given = Given.of(batch)
        places_Y, keys_Y = strata.places(given), _keys(given, seed)
        wanted = np.flatnonzero((places_Y >= 0) & (keys_Y <= bounds[places_Y]))
        wanted = wanted[np.lexsort((keys_Y[wanted], places_Y[wanted]))]
        ordered = places_Y[wanted]
        ranks = np.arange(len(wanted)) - np.searchsorted(ordered, ordered)
        wanted = wanted[ranks < np.asarray(quotas)[ordered]]
        files, rows = (given.column(name).take(pa.array(wanted)).to_pylist() for name in (SOURCE_FILE, SOURCE_ROW))
        labels = given.labels.take(pa.array(wanted)).to_pylist()
        kept += map(
            _Drawn,
            places_Y[wanted].tolist(),
            keys_Y[wanted].tolist(),
            files,
            rows,
            labels,
            given.scores_Y[wanted].tolist(),
        )
        if len(kept) > 2 * sum(quotas):
            kept = _smallest(kept, quotas, bounds)
    return sorted(_smallest(kept, quotas, bounds), key=lambda row: (row.key, row.file, row.row, row.label))


def _smallest(kept: list[_Drawn], quotas: Sequence[int], bounds: npt.NDArray[np.uint64]) -> list[_Drawn]:
    taken: list[_Drawn] = []
    counts = [0] * len(quotas)
    for row in sorted(kept, key=lambda row: (row.key, row.file, row.row, row.label)):
        if counts[row.stratum] < quotas[row.stratum]:
            taken.append(row)
            counts[row.stratum] += 1
            if counts[row.stratum] == quotas[row.stratum]:
                bounds[row.stratum] = row.key
    return taken


def _keys(given: Given, seed: int) -> npt.NDArray[np.uint64]:
    """Return a number for each label, which follows from its row's place, its name and the seed alone."""
    start = mixed(np.array([seed + 1], dtype=np.uint64))
    keys_Y = _name_keys(given.column(SOURCE_FILE)) ^ start
    keys_Y = mixed(keys_Y + given.column(SOURCE_ROW).to_numpy().astype(np.uint64))
    if "labels" in given.batch.schema.names:
        keys_Y = mixed(keys_Y ^ _name_keys(given.labels))
    return keys_Y


def _name_keys(names: pa.Array) -> npt.NDArray[np.uint64]:
    coded = names.dictionary_encode()
    keys = np.array([name_key(name) for name in coded.dictionary.to_pylist()] or [0], dtype=np.uint64)
    places_Y = coded.indices.to_numpy()
    return np.asarray(keys[places_Y] if len(places_Y) else keys[:0], dtype=np.uint64)


# The file


def _new_file(output: str) -> Path:
    """Look before the work whether the file can be written.

    Raises:
        ConfigError: it cannot, or it is there: somebody may have filled it in.
    """
    file = Path(output).absolute()
    if os.path.lexists(file):
        raise ConfigError(f"--output {output!r} exists already; somebody may have filled it in. Name another file")
    if not file.parent.is_dir() or not os.access(file.parent, os.W_OK):
        raise ConfigError(f"--output is {output!r}; {file.parent} is not a folder that can be written")
    return file


def _write(file: Path, lines: Sequence[dict[str, Any]]) -> None:
    """Write the file, with the mark by which spreadsheets know UTF-8.

    Raises:
        ConfigError: it cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, CHECKED_COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(lines)
    try:
        with file.open("x", encoding="utf-8-sig", newline="") as handle:
            handle.write(text.getvalue())
    except OSError as error:
        raise ConfigError(f"--output {str(file)!r} cannot be written ({error.strerror})") from error
