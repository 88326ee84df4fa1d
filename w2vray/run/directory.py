"""The directory of a scoring run: what is planned, what is done, and how each file of it comes to be.

A unit is done when its part is in ``scores``. Each file is there whole or not at all, a unit's rejected rows before its
part, so that whatever dies, a part that is there is complete and nothing else has to be remembered. A part carries
its unit's record; the manifest is made from these.
"""

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from w2vray.errors import RunError, W2vrayError
from w2vray.places.uris import shown
from w2vray.run.drafts import Draft, Drafts, close_all_drafts
from w2vray.run.leases import LEASES, LOCK
from w2vray.run.parts import COUNTS, CommittedPart, UnitRecord, part_name, read_part, unit_of
from w2vray.run.sealed import read_sealed, seal
from w2vray.run.wholefiles import TEMPORARY, WholeFiles
from w2vray.run.writing import PartWriter
from w2vray.schema import MANIFEST_SCHEMA, FileReason
from w2vray.standing import instead
from w2vray.store.corpus import SourceFile
from w2vray.store.failures import Failure
from w2vray.store.units import Unit, plan_from_table, plan_table

__all__ = ["RunDirectory"]

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
MOST_ATTEMPTS = 3
MOST_IN_ALL = 4 * MOST_ATTEMPTS
"""The most attempts at a unit, those that ended with their machine included: it may be what brings machines down."""

_OF_NO_ACCOUNT = frozenset({TEMPORARY, LEASES, LOCK, PROGRESS})
_THREADS = 16


@contextmanager
def _told_what_to_do() -> Iterator[None]:
    """Add it to an error."""
    try:
        yield
    except RunError as error:
        raise RunError(f"{error}; {INSTEAD}") from error


class RunDirectory(WholeFiles):
    """A run's files, on a local or network filesystem or an object store.

    ``drafts`` names the folder that this process publishes from; see ``drafting``. Without one, nothing but small files
    can be written, and nobody can take that from it.
    """

    def __init__(self, place: str, drafts: str | None = None) -> None:
        super().__init__(place)
        self._drafts = None if drafts is None else Drafts(self, drafts)

    # Reading

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
            raise self._unfit(name, f"is damaged ({error})") from error
        if part.record.unit != unit:
            raise self._unfit(name, f"is the part of unit {part.record.unit}")
        return part

    def require_rejected(self, parts: Iterable[CommittedPart]) -> None:
        """Look whether the rejected rows that finished units tell of are there; a listing, nothing is opened.

        Raises:
            RunError: some are not.
        """
        names = {part_name(part.record.unit) for part in parts if part.record.rows_rejected}
        for name in sorted(names - self.parts(REJECTED)):
            if not self.exists(REJECTED, name):  # a listing may be late
                raise self._unfit(name, f"tells of rows in {REJECTED}/{name}, which is gone")

    def _unfit(self, part: str, what: str) -> RunError:
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

    # Writing

    def note(self, failures: Sequence[Failure]) -> None:
        """Note what has failed so far."""
        self.write_json({"failures": [asdict(failure) for failure in failures]}, NOTED)

    def tell(self, progress: Mapping[str, Any]) -> None:
        """Say who writes here and how far it is; a run goes on without it."""
        with suppress(OSError, RunError):
            self.write_json(progress, PROGRESS)

    def clear_temporary(self) -> None:
        """Close the drafts of killed runs and remove what they left behind; only as the only writer.

        After this, none of their workers can publish anything.
        """
        close_all_drafts(self)
        self.clear(TEMPORARY)

    @contextmanager
    def drafting(self, *, alone: bool = False) -> Iterator[str]:
        """Open a folder of drafts, and close it: who publishes from it is given up then, and can no more.

        Args:
            alone: close all other folders as soon as this one is open. Of two writers that come at the same time, each
                may have found no folder to close before it opened its own. One of them goes on, or none.

        Yields:
            The folder's name, for ``RunDirectory`` in another process.

        Raises:
            RunError: it cannot be opened or closed.
        """
        drafts = Drafts.open(self)
        try:
            self.require_place()  # after it is there: whoever takes the place closes all that is there
            if alone:
                close_all_drafts(self, but=drafts.name)
                drafts.require_open()
            yield drafts.name
        except BaseException:
            with suppress(OSError, RunError):  # the next run closes it
                drafts.close()
            raise
        else:
            drafts.close()
        finally:
            if self.is_local:
                with suppress(OSError):  # another one is open
                    Path(self.path(TEMPORARY)).rmdir()

    def write(self, data: bytes | memoryview, *parts: str) -> None:
        """Write a file whole or not at all; one that is there is replaced.

        Raises:
            RunError: it cannot be written, or another run has taken this one's place.
        """
        if self._drafts is None:
            self.put(data, *parts)
            return
        try:
            draft = self._drafts.new(parts[-1])
            try:
                draft.write(data)
                draft.close()
                self._drafts.publish(draft, *parts, replace=True)
            finally:
                draft.discard()
        except OSError as error:
            raise RunError(f"{self.name}: {'/'.join(parts)} cannot be written ({error})") from error

    def remove(self, *parts: str) -> None:
        """Remove a file, where it is there.

        Raises:
            RunError: it cannot be, or another run has taken this one's place.
        """
        if self.exists(*parts):
            self.require_place()
            self.delete(*parts)

    def require_place(self) -> None:
        """Raise a RunError where another run has taken this one's place."""
        if self._drafts is not None:
            self._drafts.require_open()

    def write_json(self, value: Mapping[str, Any], name: str) -> None:
        """Write a JSON file of the run."""
        self.write((json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode(), name)

    def write_plan(self, units: Sequence[Unit], left_out: Mapping[SourceFile, Failure]) -> None:
        """Write what ``plan`` returns."""
        self.write(seal(plan_table(units, left_out))[0], PLAN)

    def begin(self, unit: str, host: str = "", is_lost: Callable[[str], bool] = lambda _: False) -> str | None:
        """Mark that a unit is being tried: the mark stays where the process dies.

        Args:
            unit: its id.
            host: the machine of this process, which the mark names.
            is_lost: tells of a machine whether it is gone. What dies with its machine has not died of the unit.

        Returns:
            The mark, for ``end``; None if ``MOST_ATTEMPTS`` workers have died of the unit in this run, or
            ``MOST_IN_ALL`` with those that died with their machines.
        """
        folder = self._attempts(unit)
        marks = [info.base_name for info in self.list(folder)]
        if len(marks) >= MOST_IN_ALL:
            return None
        if len(marks) >= MOST_ATTEMPTS:
            hosts = [_host_of(mark) for mark in marks]
            if sum(not (host and is_lost(host)) for host in hosts) >= MOST_ATTEMPTS:
                return None
        mark = f"{uuid.uuid4().hex}-{host}"
        self.put(b"", folder, mark)
        return mark

    def begun_on(self, host: str) -> set[str]:
        """Return the units that processes of a machine have begun and not ended; a listing."""
        assert self._drafts is not None, "units are tried by who can publish them"
        folder = self.path(self._drafts.attempts)
        try:
            marks = self.store.get_file_info(fs.FileSelector(folder, recursive=True, allow_not_found=True))
        except OSError as error:
            raise RunError(f"{self.name}: {self._drafts.attempts} cannot be listed ({error})") from error
        files = (info for info in marks if info.type == fs.FileType.File)
        begun = {info.path.split("/")[-2] for info in files if _host_of(info.base_name) == host}
        return {unit for unit in begun if unit not in self}

    def end(self, unit: str, mark: str) -> None:
        """Take a mark away: the process lives."""
        with suppress(OSError, RunError):  # one that stays counts as an attempt, no more
            super().remove(self._attempts(unit), mark)

    def _attempts(self, unit: str) -> str:
        assert self._drafts is not None, "units are tried by who can publish them"
        return f"{self._drafts.attempts}/{unit}"

    def part(self, unit: str, schema: pa.Schema) -> PartWriter:
        """Begin a unit's part.

        Raises:
            RunError: it cannot be written, or this worker was given up.
        """
        assert self._drafts is not None, "parts are published from a folder of drafts"
        return PartWriter(self._drafts, self.name, unit, schema)

    def commit(self, part: PartWriter, record: UnitRecord) -> CommittedPart:
        """Publish a unit's rejected rows, where it has any, then its scores, which commits it.

        Returns:
            The part that is there: another worker's, with the same answer, where that was quicker.

        Raises:
            RunError: it cannot be published, this worker was given up, or another's part has another answer.
        """
        if (rejected := part.finish_rejected()) is not None:
            draft, digest = rejected
            if not self._publish(draft, REJECTED, part.name):
                digest = self._same_rejected(draft, digest, part.name)
            record = replace(record, rejected_sha256=digest)
        draft, made = part.finish_scores(record)
        if self._publish(draft, SCORES, part.name):
            return made
        winner = self.committed_part(record.unit)
        if (difference := made.difference(winner)) is not None:
            raise self._unfit(
                part.name, f"was written by another worker, and differs from this worker's answer: {difference}"
            )
        return winner

    def publishing_by_a_look(self) -> str | None:
        """Tell, of S3, what has its interface, and GCS, that parts are looked for and then copied, and why.

        None where a part is copied on the condition that there is none, and of all other filesystems and stores.
        """
        why = self.no_condition_because() if self.may_have_condition else None
        return why and (
            f"{shown(self.name)}: `score` looks whether a part is there, then publishes it, and cannot do both in one "
            f"step: {why}. If two workers finish a unit at the same moment, the later part stays; it is whole, too"
        )

    def _publish(self, draft: Draft, folder: str, name: str) -> bool:
        assert self._drafts is not None
        try:
            return self._drafts.publish(draft, folder, name)
        except OSError as error:
            raise RunError(f"{self.name}: {folder}/{name} cannot be written ({error})") from error

    def _same_rejected(self, draft: Draft, digest: str, name: str) -> str:
        """Return the hash of rejected rows that are there already, which have to be those of a draft."""
        there = self.read(REJECTED, name)
        found = sha256(there).hexdigest()
        if found != digest:
            with self.store.open_input_file(draft.path) as handle:
                ours = bytes(handle.read())
            if not read_sealed(ours).equals(self.read_table(REJECTED, name)):
                raise RunError(
                    f"{self.name}: {REJECTED}/{name} holds other rows than this unit has; remove it, and run the same "
                    "score again"
                )
        return found

    def keep_rejected(self, parts: Iterable[CommittedPart]) -> None:
        """Remove the rejected rows of units that ended before their part was written: others may have them now."""
        kept = {part_name(part.record.unit) for part in parts if part.record.rows_rejected}
        for name in self.parts(REJECTED) - kept:
            unit = unit_of(name)
            if unit is not None and unit not in self:
                self.remove(REJECTED, name)

    def write_manifest(self, parts: Iterable[CommittedPart], failures: Iterable[Failure], *, accepted: bool) -> None:
        """Write a row for each unit, and each file that is in none: the finished ones from their records."""
        rows = [_manifest_row(part) for part in parts]
        state = "accepted" if accepted else "failed"
        rows += [{"state": state, **asdict(failure), **dict.fromkeys(COUNTS, 0)} for failure in failures]
        ordered = sorted(rows, key=lambda row: (str(row["unit"]), str(row.get("file"))))
        self.write(seal(pa.Table.from_pylist(ordered, schema=MANIFEST_SCHEMA))[0], MANIFEST)


def _host_of(mark: str) -> str:
    """Return the machine that a mark of an attempt names."""
    return mark.partition("-")[2]


def _manifest_row(part: CommittedPart) -> dict[str, Any]:
    record = asdict(part.record) | asdict(part.seal)
    return {"state": "done", **{name: record[name] for name in MANIFEST_SCHEMA.names if name in record}}


def _failure(row: Mapping[str, Any]) -> Failure:
    return Failure(reason=FileReason(row["reason"]), detail=row["detail"], file=row["file"], unit=row["unit"])
