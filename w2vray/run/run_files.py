"""What is read of a scoring run's directory: what is planned, what is done, and what has failed.

A unit is done when its part is in ``scores``. Each file is there whole or not at all, a unit's rejected rows before its
part, so that whatever dies, a part that is there is complete and nothing else has to be remembered. A part carries
its unit's record; the manifest is made from these.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from pyarrow import fs

from w2vray.errors import RunError, W2vrayError
from w2vray.run.leases import LEASES, LOCK
from w2vray.run.parts import CommittedPart, part_name, read_part, unit_of
from w2vray.run.sealed import read_sealed
from w2vray.run.wholefiles import TEMPORARY, WholeFiles
from w2vray.schema import FileReason
from w2vray.standing import instead
from w2vray.store.corpus import SourceFile
from w2vray.store.failures import Failure
from w2vray.store.units import Unit, plan_from_table

__all__ = ["RunFiles"]

RUN, PLAN, SUCCESS = "run.json", "plan.parquet", "_SUCCESS"
MANIFEST, TOTALS = "manifest.parquet", "manifest.json"
NOTED = "failures.json"
"""What has failed so far, for a run that is killed before its manifest is written; removed when it is."""

PROGRESS = "progress.json"
"""Who writes, since when, and what it has counted: the last that a driver said of itself."""

ASKED = ".w2vray-seen-"
"""How a file begins by which hosts are asked whether they see a folder; it is left where the asking is killed."""

INSTEAD = "restore the file, or give another --output"
"""What to do where a file is unusable that makes a run, and that nothing else tells the content of."""

SCORES, REJECTED = "scores", "rejected"
_OF_NO_ACCOUNT = frozenset({TEMPORARY, LEASES, LOCK, PROGRESS})
_THREADS = 16


@contextmanager
def _told_what_to_do() -> Iterator[None]:
    """Add it to an error."""
    try:
        yield
    except RunError as error:
        raise RunError(f"{error}; {INSTEAD}") from error


class RunFiles(WholeFiles):
    """A run's files, on a local or network filesystem or an object store, as whoever reads them sees them."""

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the run."""
        try:
            value = json.loads(self.read(name))
        except (ValueError, RecursionError) as error:
            raise RunError(f"{self.name}: {name} is damaged ({error})") from error
        if not isinstance(value, dict):
            raise RunError(f"{self.name}: {name} is damaged (it holds no object)")
        return value

    def read_table(self, *parts: str) -> pa.Table:
        """Read a sealed Parquet file of the run."""
        data = self.read(*parts)
        try:
            return read_sealed(data)
        except W2vrayError as error:
            raise RunError(f"{self.name}: {'/'.join(parts)} is damaged ({error})") from error

    def identity(self) -> dict[str, Any] | None:
        """Return run.json, None where there is no run yet.

        Raises:
            RunError: something else is there.
        """
        names = {RUN} if self.exists(RUN) else self._names()
        if RUN in names:  # in the second case, somebody has planned it just now
            with _told_what_to_do():
                return self.read_json(RUN)
        if foreign := names - {PLAN, *_OF_NO_ACCOUNT}:
            raise RunError(
                f"{self.name} is not empty and holds no run: {', '.join(sorted(foreign)[:5])}{instead(self.name)}. "
                "Give another --output"
            )
        return None

    def is_only_planned(self) -> bool:
        """Tell whether no unit has been scored yet, and none has failed."""
        return self._names() <= {RUN, PLAN, *_OF_NO_ACCOUNT}

    def _names(self) -> set[str]:
        return {info.base_name for info in self.list() if not info.base_name.startswith(ASKED)}

    def plan(self) -> tuple[list[Unit], dict[SourceFile, Failure]]:
        """Return the units of the run, and the files that are in none with the reason."""
        with _told_what_to_do():
            table = self.read_table(PLAN)
        try:
            return plan_from_table(table)
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{self.name}: {PLAN} is of another version ({error})") from error

    def finished(self) -> set[str]:
        """Return the ids of the units whose part is there; a listing, nothing is opened."""
        files = (info for info in self.list(SCORES) if info.type == fs.FileType.File)
        units = (unit_of(info.base_name) for info in files)
        return {unit for unit in units if unit is not None}

    def __contains__(self, unit: object) -> bool:
        return isinstance(unit, str) and self.exists(SCORES, part_name(unit))

    def parts(self, folder: str) -> set[str]:
        """Return the file names of a folder of parts."""
        return {info.base_name for info in self.list(folder)}

    def committed(self, units: Iterable[str]) -> list[CommittedPart]:
        """Read the records of finished units, many at a time."""
        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(self.committed_part, units))

    def committed_part(self, unit: str) -> CommittedPart:
        """Read the record of a finished unit from the end of its part.

        Raises:
            RunError: the part is damaged, or another unit's.
        """
        name = part_name(unit)
        try:
            with self.store.open_input_file(self.path(SCORES, name)) as handle:
                part = read_part(handle)
        except (OSError, W2vrayError, TypeError) as error:
            raise self.unfit(name, f"is damaged ({error})") from error
        if part.record.unit != unit:
            raise self.unfit(name, f"is the part of unit {part.record.unit}")
        return part

    def require_rejected(self, parts: Iterable[CommittedPart]) -> None:
        """Look whether the rejected rows that finished units tell of are there; a listing, nothing is opened.

        Raises:
            RunError: some are not.
        """
        names = {part_name(part.record.unit) for part in parts if part.record.rows_rejected}
        for name in sorted(names - self.parts(REJECTED)):
            if not self.exists(REJECTED, name):  # a listing may be late
                raise self.unfit(name, f"tells of rows in {REJECTED}/{name}, which is gone")

    def unfit(self, part: str, what: str) -> RunError:
        """Return the error of a part that cannot be used."""
        return RunError(f"{self.name}: {SCORES}/{part} {what}; remove {SCORES}/{part} and run the same score again")

    def failures(self) -> list[Failure]:
        """Return what the last call could not score, as its manifest says; nothing where that is missing or damaged."""
        try:
            rows = self.read_table(MANIFEST).to_pylist() if self.exists(MANIFEST) else []
        except RunError:
            rows = []  # it is made anew from the parts
        failed = [row for row in rows if row["state"] != "done"]
        return [_failure(row) for row in failed]

    def noted(self) -> list[Failure]:
        """Return what a call that was killed had seen fail."""
        if not self.exists(NOTED):
            return []
        try:
            return [_failure(item) for item in self.read_json(NOTED)["failures"]]
        except (RunError, KeyError, TypeError, ValueError):
            return []  # it only spares a person a new run


def _failure(row: Mapping[str, Any]) -> Failure:
    return Failure(reason=FileReason(row["reason"]), detail=row["detail"], file=row["file"], unit=row["unit"])
