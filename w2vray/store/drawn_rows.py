"""Files of ``w2vray sample`` among labelled rows: what they say of the run that they were drawn from.

A sample of a run that has a threshold may hold no row below it. Then it tells nothing of these, nor of all rows
together. Where it has several strata, rows of some are more often in it than in the run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import pyarrow as pa

from w2vray.errors import CorpusError
from w2vray.schema import BELOW_NOT_DRAWN
from w2vray.store.labelled import Labelled
from w2vray.store.reading import FILE_COLUMN, read_unit
from w2vray.store.units import Unit

__all__ = ["DrawnRows", "drawn_rows"]

_READ = pa.schema([("stratum", pa.string()), (BELOW_NOT_DRAWN, pa.string())])


@dataclass(frozen=True, kw_only=True)
class DrawnRows:
    """What the samples among labelled rows say."""

    files: Sequence[str]
    below_not_drawn: int  # rows of the run below its threshold, where none of them could be drawn
    strata: int  # the most that one of the files has

    @property
    def named(self) -> str:
        """The files, as a person is told of them."""
        some = ", ".join(PurePosixPath(name).name for name in self.files[:3])
        return some if len(self.files) <= 3 else f"{some} and {len(self.files) - 3:,} more"


def drawn_rows(labelled: Labelled) -> DrawnRows | None:
    """Read what the samples say; None where no file is one. People fill them in, so they are small.

    Raises:
        CorpusError: somebody has changed the number of rows that were not drawn.
    """
    pieces = [piece for unit in labelled.units for piece in unit.pieces if piece.source in labelled.samples]
    if not pieces:
        return None
    below, strata = 0, dict[str, set[str]]()
    for batch in read_unit(Unit(tuple(pieces)), labelled.corpus.roots, _READ.names, schema=_READ):
        files, names, numbers = (batch.column(name).to_pylist() for name in (FILE_COLUMN, *_READ.names))
        for file, name in zip(files, names, strict=True):
            strata.setdefault(file, set()).add(name)
        below = max(below, *(_number(value, file) for file, value in zip(files, numbers, strict=True)))
    return DrawnRows(
        files=sorted(strata), below_not_drawn=below, strata=max((len(names) for names in strata.values()), default=0)
    )


def _number(value: str | None, file: str) -> int:
    """Return a number of rows; a sample of an earlier version has none."""
    try:
        return int(float(value or 0))
    except ValueError as error:
        raise CorpusError(
            f"{file}: {BELOW_NOT_DRAWN} is {value!r}, expected a number; only true_label may be changed, so restore it"
        ) from error
