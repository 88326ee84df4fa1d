"""A part is published only where there is none, and by nobody who was given up."""

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from w2vray.errors import RunError
from w2vray.run import drafts as drafting
from w2vray.run.directory import RunDirectory
from w2vray.run.parts import CommittedPart, UnitRecord, part_name
from w2vray.run.sealed import seal
from w2vray.schema import REJECTED_SCHEMA

UNIT = "0123456789abcdef0123"
NAME = part_name(UNIT)
SCHEMA = pa.schema(
    [pa.field("source_file", pa.string()), pa.field("source_row", pa.int64()), pa.field("score", pa.float32())]
)
RECORD = UnitRecord(
    unit=UNIT,
    rows_read=4,
    rows_in=4,
    rows_scored=3,
    rows_rejected=1,
    rows_abstained=0,
    rows_truncated=0,
    run="f" * 64,
    profile={"device": "cpu"},
)

Place = Callable[[], RunDirectory]


class Renaming(RunDirectory):
    """A run on a filesystem that is not local, as far as it knows: it renames, and makes folders by itself."""

    def __init__(self, place: str, drafts: str | None = None) -> None:
        super().__init__(place, drafts)
        self.store = fs.SubTreeFileSystem(str(Path(place).parent), fs.LocalFileSystem())
        self.base = Path(place).name
        self.is_local = False
        if drafts is not None:
            self._drafts = drafting.Drafts(self, drafts)


@pytest.fixture(params=[RunDirectory, Renaming])
def kind(request: pytest.FixtureRequest) -> type[RunDirectory]:
    made: type[RunDirectory] = request.param
    return made


@pytest.fixture
def worker(kind: type[RunDirectory], tmp_path: Path) -> Iterator[Place]:
    """Make workers of one run, all of which may publish."""
    (tmp_path / "run").mkdir()
    with kind(str(tmp_path / "run")).drafting() as drafts:
        yield lambda: kind(str(tmp_path / "run"), drafts)


def scores(score: float = 0.5) -> pa.RecordBatch:
    columns = {"source_file": ["a"] * 3, "source_row": [0, 1, 3], "score": [score] * 3}
    return pa.RecordBatch.from_pydict(columns, schema=SCHEMA)


def rejected(detail: str = "null in text") -> pa.RecordBatch:
    columns = {"source_file": ["a"], "source_row": [2], "reason": ["null_text"], "detail": [detail]}
    return pa.RecordBatch.from_pydict(columns, schema=REJECTED_SCHEMA)


def commit(
    run: RunDirectory, record: UnitRecord = RECORD, *, score: float = 0.5, detail: str = "null"
) -> CommittedPart:
    with run.part(UNIT, SCHEMA) as part:
        part.write(scores(score), rejected(detail))
        return run.commit(part, record)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def published(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in content(folder).items() if not name.startswith("_temporary/")}


def left_behind(folder: Path) -> list[str]:
    return [name for name in content(folder) if name.startswith("_temporary/") and not name.endswith("/open")]


def test_a_part_is_published_with_its_rejected_rows(worker: Place, tmp_path: Path) -> None:
    made = commit(worker())

    assert pq.read_table(tmp_path / "run" / "scores" / NAME).to_batches()[0].equals(scores())
    assert pq.read_table(tmp_path / "run" / "rejected" / NAME)["source_row"].to_pylist() == [2]
    assert worker().committed_part(UNIT) == made
    assert left_behind(tmp_path / "run") == []


def test_who_loses_a_race_finds_the_same_answer_and_leaves_it_alone(worker: Place, tmp_path: Path) -> None:
    first = commit(worker())
    before = published(tmp_path / "run")

    assert commit(worker()) == first
    assert published(tmp_path / "run") == before
    assert left_behind(tmp_path / "run") == []


def test_another_machine_may_differ_in_the_last_bits(worker: Place, tmp_path: Path) -> None:
    first = commit(worker())
    before = published(tmp_path / "run")

    other = commit(worker(), replace(RECORD, profile={"device": "cuda"}), score=0.5000001)

    assert other == first
    assert published(tmp_path / "run") == before


def test_the_same_machine_may_not(worker: Place, tmp_path: Path) -> None:
    commit(worker())
    before = published(tmp_path / "run")

    with pytest.raises(RunError, match=rf"scores/{NAME} was written by another worker.*its rows have the hash") as told:
        commit(worker(), score=0.75)

    assert str(told.value).endswith(f"remove scores/{NAME} and run the same score again")
    assert published(tmp_path / "run") == before


def test_other_counts_are_another_answer_on_any_machine(worker: Place) -> None:
    commit(worker())

    with pytest.raises(RunError, match="rows_in is 4, and 5 here"):
        commit(worker(), replace(RECORD, rows_in=5, profile={"device": "cuda"}))


def test_rejected_rows_of_a_worker_that_died_before_its_part_are_taken_over(worker: Place, tmp_path: Path) -> None:
    commit(worker())
    (tmp_path / "run" / "scores" / NAME).unlink()
    table = pq.read_table(tmp_path / "run" / "rejected" / NAME)
    there, _ = sealed_otherwise(table)
    (tmp_path / "run" / "rejected" / NAME).write_bytes(there)

    made = commit(worker())

    assert made.record.rejected_sha256 is not None
    assert (tmp_path / "run" / "rejected" / NAME).read_bytes() == there, "others may have read it"


def sealed_otherwise(table: pa.Table) -> tuple[bytes, object]:
    """Seal the same rows in other bytes, as another version of Arrow does."""
    data, made = seal(table, {"written": "by another"})
    return bytes(data), made


def test_rejected_rows_that_are_others_are_an_error(worker: Place, tmp_path: Path) -> None:
    commit(worker())
    (tmp_path / "run" / "scores" / NAME).unlink()

    with pytest.raises(RunError, match=f"rejected/{NAME} holds other rows than this unit has; remove it"):
        commit(worker(), detail="another")

    assert not (tmp_path / "run" / "scores").exists() or not list((tmp_path / "run" / "scores").iterdir())


@pytest.mark.parametrize("when", ["before it begins", "while it scores", "before it publishes"])
def test_a_worker_that_was_given_up_publishes_nothing(
    when: str, kind: type[RunDirectory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    driver = kind(str(tmp_path / "run"))
    opened = driver.drafting()
    late = kind(str(tmp_path / "run"), opened.__enter__())

    def give_up() -> None:
        opened.__exit__(None, None, None)

    publish = drafting.Drafts.publish

    def publish_late(drafts: drafting.Drafts, draft: drafting.Draft, *parts: str, replace: bool = False) -> bool:
        monkeypatch.setattr(drafting.Drafts, "publish", publish)
        give_up()
        return publish(drafts, draft, *parts, replace=replace)

    def work() -> None:
        if when == "before it begins":
            give_up()
        with late.part(UNIT, SCHEMA) as part:
            part.write(scores(), rejected())
            if when == "while it scores":
                give_up()
            if when == "before it publishes":
                monkeypatch.setattr(drafting.Drafts, "publish", publish_late)
            late.commit(part, RECORD)

    with pytest.raises(RunError, match="was given up, or another run has taken its place"):
        work()
    assert published(tmp_path / "run") == {}


def test_a_driver_that_comes_back_late_changes_nothing(kind: type[RunDirectory], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    place = str(tmp_path / "run")
    opened = kind(place).drafting()
    first = kind(place, opened.__enter__())
    first.write_json({"by": "first"}, "manifest.json")

    kind(place).clear_temporary()
    with kind(place).drafting() as drafts:
        second = kind(place, drafts)
        second.write_json({"by": "second"}, "manifest.json")
        second.write(b"", "_SUCCESS")
    before = published(tmp_path / "run")

    for late in (
        lambda: first.write_json({"by": "first"}, "manifest.json"),
        lambda: first.write(b"", "_SUCCESS"),
        lambda: first.remove("_SUCCESS"),
        lambda: first.drafting().__enter__(),
    ):
        with pytest.raises(RunError, match="another run has taken its place"):
            late()
    assert published(tmp_path / "run") == before


def test_of_two_drivers_that_found_nobody_only_one_goes_on(kind: type[RunDirectory], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    place = str(tmp_path / "run")
    opened = kind(place).drafting(alone=True)
    first = kind(place, opened.__enter__())
    with kind(place).drafting(alone=True) as drafts:
        second = kind(place, drafts)
        second.write(b"", "_SUCCESS")
        with pytest.raises(RunError, match="another run has taken its place"):
            first.remove("_SUCCESS")
        with pytest.raises(RunError, match="another run has taken its place"):
            first.drafting().__enter__()
    assert list(published(tmp_path / "run")) == ["_SUCCESS"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK])
def test_a_filesystem_without_hard_links(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    place = str(tmp_path / "run")
    with RunDirectory(place).drafting() as drafts:
        first = commit(RunDirectory(place, drafts))
        before = published(tmp_path / "run")
        assert commit(RunDirectory(place, drafts), replace(RECORD, profile={}), score=0.25) == first
        assert published(tmp_path / "run") == before
    assert left_behind(tmp_path / "run") == []


def test_an_answer_that_is_lost_on_the_way_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of files that answers a second time says that the name is there: it is our own."""
    link = os.link

    def twice(*given: Any) -> None:
        link(*given)
        link(*given)

    monkeypatch.setattr(os, "link", twice)
    place = str(tmp_path / "run")
    with RunDirectory(place).drafting() as drafts:
        made = commit(RunDirectory(place, drafts))
        assert RunDirectory(place, drafts).committed_part(UNIT) == made


def test_a_disk_that_fills_up_while_rows_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = str(tmp_path / "run")
    monkeypatch.setattr("w2vray.run.sealed._ROW_GROUP_BYTES", 1)  # each batch is written at once

    def full(draft: drafting.Draft, data: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), draft.path, len(data))

    with RunDirectory(place).drafting() as drafts:
        run = RunDirectory(place, drafts)
        with run.part(UNIT, SCHEMA) as part, monkeypatch.context() as patch:
            patch.setattr(drafting.Draft, "write", full)
            with pytest.raises(RunError, match=rf"{NAME} cannot be written .*No space left on device"):
                part.write(scores(), rejected())
        assert content(tmp_path / "run") == {}


def test_a_part_that_a_store_cannot_copy_is_refused_by_its_size(
    kind: type[RunDirectory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind is RunDirectory:
        pytest.skip("it links, and does not copy")
    monkeypatch.setattr(drafting, "_LARGEST_COPY", 10)
    (tmp_path / "run").mkdir()
    run = kind(str(tmp_path / "run"))
    with run.drafting() as drafts:
        late = kind(str(tmp_path / "run"), drafts)
        late.is_object_store = True
        with pytest.raises(RunError, match=r"object stores copy 10 at once; keep fewer columns"):
            commit(late)
    assert published(tmp_path / "run") == {}


def test_a_refused_run_leaves_no_folder_of_drafts(tmp_path: Path) -> None:
    run = RunDirectory(str(tmp_path / "run"))
    with pytest.raises(RunError, match="no"), run.drafting():
        raise RunError("no")
    assert list((tmp_path / "run").iterdir()) == []


def test_a_run_that_is_planned_just_now_is_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunDirectory(str(tmp_path / "run"))

    def not_yet(*_: str) -> bool:
        run.put(b'{"by": "another"}', "run.json")
        return False

    monkeypatch.setattr(run, "exists", not_yet)
    assert run.identity() == {"by": "another"}
