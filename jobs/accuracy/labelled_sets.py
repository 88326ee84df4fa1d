"""Labelled sets as the accuracy table uses them: a Parquet file ``SET.parquet`` with ``split``, ``label`` and ``text``.

Shape letters: CONTRIBUTING.md.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from w2vray.errors import CorpusError
from w2vray.training.cross_validation import FEW_ROWS

__all__ = ["TEST_EVERY", "VALIDATION_SHARE", "LabelledSet", "Rows", "read_set", "split_rows"]

TEST_EVERY = 10
"""Where a set has no split, every tenth row is the test."""

VALIDATION_SHARE = 0.1
"""Where a set has no part ``dev``, so many of the rows to learn from are kept to stop by, others with each seed."""

_DRAW = 1
"""Sets the numbers that draw rows apart from those that keep rows to stop by, which have the same seed."""


@dataclass(frozen=True)
class Rows:
    """Texts and their labels, in the order of the set."""

    texts: list[str]
    labels: list[str]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows_N: npt.NDArray[np.int64]) -> "Rows":
        """Return some of the rows, in the order that is asked for."""
        return Rows([self.texts[row] for row in rows_N], [self.labels[row] for row in rows_N])


@dataclass(frozen=True)
class LabelledSet:
    """The parts of a set; ``dev`` is None where it has none. ``fingerprint`` is of the file's bytes."""

    train: Rows
    dev: Rows | None
    test: Rows
    fingerprint: str

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that can be learnt, in order."""
        return tuple(sorted(set(self.train.labels)))

    @property
    def few(self) -> bool:
        """Whether rows are too few to keep some apart; ``w2vray train`` then finds the number of epochs by folds."""
        return self.dev is None and 1 < len(self.train) < FEW_ROWS

    def drawn(self, rows_a_label: int, seed: int) -> "LabelledSet":
        """Return the set with so many rows of each label to learn from, or all of a label that has fewer.

        The seed draws them, and more rows hold the fewer ones. There is no part ``dev``: whoever has few rows has no
        others to stop by.
        """
        taken: Counter[str] = Counter()
        chosen = []
        for row in np.random.default_rng([seed, _DRAW]).permutation(len(self.train)):
            label = self.train.labels[row]
            if taken[label] < rows_a_label:
                taken[label] += 1
                chosen.append(row)
        return replace(self, train=self.train.take(np.sort(np.array(chosen))), dev=None)

    def learnt_and_kept(self, seed: int) -> tuple[Rows, Rows | None]:
        """Return the rows to learn from and those to stop by: ``dev``, or a share of the others drawn by the seed.

        Where rows are few, none are kept.
        """
        if self.dev is not None:
            return self.train, self.dev
        if self.few:
            return self.train, None
        kept_N = np.random.default_rng(seed).random(len(self.train)) < VALIDATION_SHARE
        return self.train.take(np.flatnonzero(~kept_N)), self.train.take(np.flatnonzero(kept_N))


def split_rows(splits: Sequence[str]) -> dict[str, npt.NDArray[np.int64]]:
    """Return the rows of each part, ascending: as the column ``split`` says, or every tenth one where it says "all".

    Raises:
        CorpusError: the column names other parts, or one of train and test is empty.
    """
    named = np.asarray(splits, dtype=object)
    if set(splits) == {"all"}:
        named = np.where(np.arange(len(splits)) % TEST_EVERY == 0, "test", "train").astype(object)
    parts = {name: np.flatnonzero(named == name) for name in sorted({str(name) for name in named})}
    if not {"train", "test"} <= set(parts) <= {"train", "dev", "test"}:
        raise CorpusError(
            f"the column 'split' holds {', '.join(parts)}; expected train, test and maybe dev, or only all"
        )
    return parts


def read_set(path: Path) -> LabelledSet:
    """Read a set and cut it into its parts.

    Raises:
        CorpusError: the file cannot be read, a row has no text or label, or its parts cannot be told.
    """
    try:
        rows = pq.read_table(path, columns=["split", "label", "text"])
        fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, pa.ArrowException) as error:
        raise CorpusError(f"{path} cannot be read: {error}") from error
    if empty := [name for name in rows.column_names if rows[name].null_count]:
        raise CorpusError(f"{path}: the column {empty[0]!r} has rows without a value; leave them out")
    every = Rows(rows["text"].to_pylist(), [str(label) for label in rows["label"].to_pylist()])
    parts = {name: every.take(chosen) for name, chosen in split_rows(rows["split"].to_pylist()).items()}
    return LabelledSet(parts["train"], parts.get("dev"), parts["test"], fingerprint)
