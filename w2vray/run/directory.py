"""The directory of a scoring run: how each file of it comes to be. ``run_files.py`` says what they are."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from w2vray.errors import RunError
from w2vray.places.uris import shown
from w2vray.run.attempts import Attempts
from w2vray.run.drafts import Draft, Drafts, close_all_drafts
from w2vray.run.parts import COUNTS, CommittedPart, UnitRecord, part_name, unit_of
from w2vray.run.run_files import MANIFEST, NOTED, PLAN, PROGRESS, REJECTED, SCORES, RunFiles
from w2vray.run.sealed import read_sealed, seal
from w2vray.run.wholefiles import TEMPORARY
from w2vray.run.writing import PartWriter
from w2vray.schema import MANIFEST_SCHEMA
from w2vray.store.corpus import SourceFile
from w2vray.store.failures import Failure
from w2vray.store.units import Unit, plan_table

__all__ = ["RunDirectory"]


class RunDirectory(RunFiles):
    """A run's files, on a local or network filesystem or an object store.

    ``drafts`` names the folder that this process publishes from; see ``drafting``. Without one, nothing but small files
    can be written, and nobody can take that from it.
    """

    def __init__(self, place: str, drafts: str | None = None) -> None:
        super().__init__(place)
        self._drafts = None if drafts is None else Drafts(self, drafts)

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

    @cached_property
    def attempts(self) -> Attempts:
        """The marks of units that are being tried, by those who publish from the same folder."""
        assert self._drafts is not None, "units are tried by who can publish them"
        return Attempts(self, self._drafts.attempts)

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
            raise self.unfit(
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


def _manifest_row(part: CommittedPart) -> dict[str, Any]:
    record = asdict(part.record) | asdict(part.seal)
    return {"state": "done", **{name: record[name] for name in MANIFEST_SCHEMA.names if name in record}}
