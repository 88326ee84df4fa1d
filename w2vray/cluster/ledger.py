"""The directory of a scoring run: what is planned, what is done, and how each file of it comes to be.

A unit is done when its part is in ``scores``. A part is written under another name and renamed (on an object store: put
as one whole object), its rejected rows first, so that whatever dies, a part that is there is complete and nothing else
has to be remembered. A part's footer carries the unit's record; the manifest is made from these.
"""

import fcntl
import hashlib
import json
import os
import struct
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from w2vray.cluster.corpus import SourceFile
from w2vray.cluster.parts import (
    PartFooter,
    UnitRecord,
    part_name,
    read_footer,
    serialise_part,
    serialise_table,
    unit_of,
)
from w2vray.cluster.stores import open_store, without_secrets
from w2vray.cluster.units import Unit, plan_from_table, plan_table
from w2vray.errors import RunError
from w2vray.schema import MANIFEST_SCHEMA

__all__ = ["RunDirectory"]

RUN, PLAN, SUCCESS = "run.json", "plan.parquet", "_SUCCESS"
MANIFEST, TOTALS = "manifest.parquet", "manifest.json"
SCORES, REJECTED, TEMPORARY = "scores", "rejected", "_temporary"
_THREADS = 16


class RunDirectory:
    """A run's files, on a local or network filesystem or an object store."""

    def __init__(self, place: str) -> None:
        self.name = without_secrets(place)
        self.store, self.base = open_store(place)
        self.is_local = isinstance(self.store, fs.LocalFileSystem)

    def path(self, *parts: str) -> str:
        """Return a path inside the run."""
        return "/".join([self.base.rstrip("/"), *parts])

    # Reading

    def exists(self, *parts: str) -> bool:
        """Tell whether a file is there."""
        return bool(self.store.get_file_info(self.path(*parts)).type == fs.FileType.File)

    def read(self, *parts: str) -> bytes:
        """Read a whole small file."""
        try:
            with self.store.open_input_file(self.path(*parts)) as handle:
                return bytes(handle.read())
        except OSError as error:
            raise RunError(f"{self.name}: {'/'.join(parts)} cannot be read ({error})") from error

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the run."""
        try:
            value = json.loads(self.read(name))
        except ValueError as error:
            raise RunError(f"{self.name}: {name} is damaged ({error})") from error
        if not isinstance(value, dict):
            raise RunError(f"{self.name}: {name} is damaged (it holds no object)")
        return value

    def identity(self) -> dict[str, Any] | None:
        """Return run.json, None where there is no run yet.

        Raises:
            RunError: something else is there.
        """
        if self.exists(RUN):
            return self.read_json(RUN)
        found = {info.base_name for info in self._list()}
        if foreign := found - {PLAN, TEMPORARY, ".lock"}:
            raise RunError(
                f"{self.name} is not empty and holds no run: {', '.join(sorted(foreign)[:5])}. Name another --output"
            )
        return None

    def plan(self) -> tuple[list[Unit], dict[SourceFile, str]]:
        """Return the units of the run, and the files that are in none with the reason."""
        try:
            return plan_from_table(pq.read_table(pa.BufferReader(self.read(PLAN))))
        except (pa.ArrowException, KeyError, TypeError) as error:
            raise RunError(f"{self.name}: {PLAN} is damaged ({error})") from error

    def finished(self) -> set[str]:
        """Return the ids of the units whose part is there; a listing, nothing is opened."""
        files = (info for info in self._list(SCORES) if info.type == fs.FileType.File)
        units = (unit_of(info.base_name) for info in files)
        return {unit for unit in units if unit is not None}

    def __contains__(self, unit: str) -> bool:
        return self.exists(SCORES, part_name(unit))

    def parts(self, folder: str) -> set[str]:
        """Return the file names of a folder of parts."""
        return {info.base_name for info in self._list(folder)}

    def footers(self, units: Sequence[str]) -> list[PartFooter]:
        """Read the records of finished units, many at a time."""
        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(self.footer, units))

    def footer(self, unit: str) -> PartFooter:
        """Read the record of a finished unit from the end of its part.

        Raises:
            RunError: the part is damaged.
        """
        name = part_name(unit)
        try:
            with self.store.open_input_file(self.path(SCORES, name)) as handle:
                return read_footer(handle)
        except (OSError, pa.ArrowException, struct.error, KeyError, TypeError, ValueError) as error:
            raise RunError(f"{self.name}: {SCORES}/{name} is damaged ({error})") from error

    def _list(self, *parts: str) -> list[fs.FileInfo]:
        try:
            return list(self.store.get_file_info(fs.FileSelector(self.path(*parts), allow_not_found=True)))
        except OSError as error:
            raise RunError(f"{'/'.join([self.name, *parts])} cannot be listed ({error})") from error

    # Writing

    @contextmanager
    def only_writer(self) -> Iterator[None]:
        """Keep a second run out while this one writes; the lock of a killed run is free at once. Local paths only.

        Raises:
            RunError: another run is writing here, or nothing can be written here.
        """
        if not self.is_local:
            yield
            return
        try:
            self.store.create_dir(self.base)
            handle = os.open(self.path(".lock"), os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise RunError(f"{self.name} cannot be written ({error.strerror or error})") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise RunError(f"{self.name}: another run is writing here; wait for it to end") from error
        finally:
            os.close(handle)

    def clear_temporary(self) -> None:
        """Remove what killed runs left half-written; only under ``only_writer``."""
        if self.is_local and self._list(TEMPORARY):
            self.store.delete_dir_contents(self.path(TEMPORARY))

    def write(self, data: bytes | memoryview, *parts: str) -> None:
        """Write a file whole or not at all.

        Raises:
            RunError: it cannot be written.
        """
        target = self.path(*parts)
        try:
            if not self.is_local:
                with self.store.open_output_stream(target) as stream:
                    stream.write(data)
                return
            temporary = self.path(TEMPORARY, f"{parts[-1]}.{uuid.uuid4().hex}")
            for path in (temporary, target):
                self.store.create_dir(path.rpartition("/")[0])
            with open(temporary, "wb") as handle:  # noqa: PTH123 - Arrow's streams cannot be flushed to the disk
                handle.write(data)
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(temporary, target)  # noqa: PTH105 - plain strings, as Arrow's filesystems take
        except OSError as error:
            raise RunError(f"{self.name}: {'/'.join(parts)} cannot be written ({error})") from error

    def remove(self, name: str) -> None:
        """Remove a file of the run, where it is there."""
        if self.exists(name):
            self.store.delete_file(self.path(name))

    def write_json(self, value: Mapping[str, Any], name: str) -> None:
        """Write a JSON file of the run."""
        self.write((json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode(), name)

    def write_plan(self, units: Sequence[Unit], left_out: Mapping[SourceFile, str]) -> None:
        """Write what ``plan`` returns."""
        self.write(serialise_table(plan_table(units, left_out)), PLAN)

    def commit(self, record: UnitRecord, scores: pa.Table, rejected: pa.Table) -> UnitRecord:
        """Write a unit's rejected rows, where it has any, then its scores, which commits it."""
        name = part_name(record.unit)
        if len(rejected):
            data = serialise_table(rejected)
            record = replace(record, rejected_sha256=hashlib.sha256(data).hexdigest())
            self.write(data, REJECTED, name)
        data, record = serialise_part(record, scores)
        self.write(data, SCORES, name)
        return record

    def write_manifest(self, footers: Sequence[PartFooter], failed: Mapping[str, str]) -> None:
        """Write a row for each unit: the finished ones from their records, the failed ones with the reason."""
        rows = [_manifest_row(footer) for footer in footers]
        rows += [{"unit": unit, "state": "failed", "error": error, **_NO_ROWS} for unit, error in failed.items()]
        ordered = sorted(rows, key=lambda row: str(row["unit"]))
        self.write(serialise_table(pa.Table.from_pylist(ordered, schema=MANIFEST_SCHEMA)), MANIFEST)


_NO_ROWS = {"rows_in": 0, "rows_scored": 0, "rows_rejected": 0, "rows_abstained": 0}


def _manifest_row(footer: PartFooter) -> dict[str, Any]:
    record = asdict(footer.record)
    return {
        "state": "done",
        "footer_sha256": footer.footer_sha256,
        **{name: record[name] for name in MANIFEST_SCHEMA.names if name in record},
    }
