"""The commit protocol, ended at every step it takes: what is there is whole, and the same command finishes the rest."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import fs

from w2vray.cluster.score import score
from w2vray.errors import RunError
from w2vray.run.directory import RunDirectory
from w2vray.run.drafts import Draft, Drafts
from w2vray.run.parts import part_name
from w2vray.run.run_files import ASKED
from w2vray.run.sealed import seal
from w2vray.run.verify import verify
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.checks import VerifySettings
from w2vray.store import units

pytestmark = pytest.mark.usefixtures("in_process")

MakeModel = Callable[..., Path]

TEXTS = st.one_of(
    st.none(),
    st.sampled_from([b"", b"bab dab", b"zzz", b"\xff", b"caf\xc3\xa9 bab", b"bab " * 9, b"\xc3"]),
    st.binary(max_size=12),
    st.text(max_size=8).map(str.encode),
)
SHAPES = st.lists(st.lists(st.lists(TEXTS, max_size=4), max_size=3), min_size=1, max_size=3)
"""Texts of row groups of files."""


class Killed(BaseException):
    """The end of a process: nothing catches it."""


@contextmanager
def ended_at(step: int) -> Iterator[list[str]]:
    """End at the given step of all that writing takes: before it is done. The steps that were taken are told."""
    taken: list[str] = []

    def counting(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            if len(taken) == step:
                raise Killed
            taken.append(name)
            return call(*arguments, **options)

        return counted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", counting("fsync", os.fsync))
        patch.setattr("os.replace", counting("replace", os.replace))
        patch.setattr("os.link", counting("link", os.link))
        patch.setattr(RunDirectory, "write", counting("write", RunDirectory.write))
        patch.setattr(RunDirectory, "remove", counting("remove", RunDirectory.remove))
        yield taken


def write_store(folder: Path, shape: list[list[list[bytes | None]]]) -> int:
    """Write files of row groups, and return how many rows they have."""
    folder.mkdir(parents=True)
    schema = pa.schema([("text", pa.binary())])
    for number, groups in enumerate(shape):
        with pq.ParquetWriter(folder / f"{number}.parquet", schema) as writer:
            for texts in groups:
                writer.write_table(pa.table({"text": pa.array(texts, pa.binary())}, schema=schema))
    return sum(len(texts) for groups in shape for texts in groups)


def run_score(store: Path, model: Path, run: Path, **options: Any) -> Any:
    return score(ScoreSettings(corpus=(str(store),), model=str(model), output=str(run), max_bytes=20, **options))


def parts_of(run: Path) -> dict[str, bytes]:
    return {f"{part.parent.name}/{part.name}": part.read_bytes() for part in run.glob("*/part-*.parquet")}


@pytest.fixture(scope="module")
def model(make_model: MakeModel) -> Path:
    return make_model()


@pytest.fixture
def _small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "SMALLEST_UNIT", 40)
    monkeypatch.setattr(units, "LARGEST_UNIT", 40)


@pytest.mark.usefixtures("_small_units")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shape=SHAPES)
def test_each_row_ends_in_one_place_whatever_it_holds(
    shape: list[list[list[bytes | None]]], model: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here = tmp_path_factory.mktemp("rows")
    rows = write_store(here / "store", shape)
    summary = run_score(here / "store", model, here / "run")
    assert (summary.rows_in, summary.exit_code) == (rows, 0)
    assert summary.rows_scored + summary.rows_rejected == rows
    expected = {
        (f"{number}.parquet", row): reason
        for number, groups in enumerate(shape)
        for row, text in enumerate(text for texts in groups for text in texts)
        if (reason := reason_of(text))
    }
    found = [row for part in (here / "run").glob("rejected/*") for row in pq.read_table(part).to_pylist()]
    assert {(row["source_file"], row["source_row"]): row["reason"] for row in found} == expected
    assert verify(VerifySettings(run=str(here / "run"), deep=True)).problems == []


def reason_of(text: bytes | None) -> str | None:
    """Say why a text is rejected, None where it is not: the rule, written another way."""
    if text is None:
        return "null_text"
    if len(text) > 20:
        return "too_long"
    try:
        text.decode()
    except UnicodeDecodeError:
        return "invalid_utf8"
    return None


@pytest.mark.usefixtures("_small_units")
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deaths=st.lists(st.integers(0, 40), min_size=1, max_size=3))
def test_a_run_ended_at_any_step_of_writing_is_finished_by_the_same_command(
    deaths: list[int], model: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here = tmp_path_factory.mktemp("steps")
    shape: list[list[list[bytes | None]]] = [[[b"bab dab", None, b"gag"], [b"\xff", b"bab"]], [[b"dab " * 4] * 3]]
    rows = write_store(here / "store", shape)
    run_score(here / "store", model, here / "undisturbed")
    expected = parts_of(here / "undisturbed")
    assert len(expected) >= 3
    for step in deaths:
        with ended_at(step), suppress(Killed):
            run_score(here / "store", model, here / "run")
        found = parts_of(here / "run")
        assert found.items() <= expected.items(), "what is there is whole"
        if (here / "run" / "_SUCCESS").exists():
            assert found == expected
    summary = run_score(here / "store", model, here / "run")
    assert (summary.rows_in, summary.exit_code) == (rows, 0)
    assert parts_of(here / "run") == expected
    assert verify(VerifySettings(run=str(here / "run"))).problems == []
    assert not list((here / "run" / "_temporary").glob("*"))


def test_rejected_rows_are_there_before_the_part_that_commits_them(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_store(tmp_path / "store", [[[b"bab", None]]])
    written: list[str] = []
    publish = Drafts.publish

    def noting(drafts: Drafts, draft: Draft, *parts: str, replace: bool = False) -> bool:
        written.append(parts[0])
        return publish(drafts, draft, *parts, replace=replace)

    monkeypatch.setattr(Drafts, "publish", noting)
    run_score(tmp_path / "store", model, tmp_path / "run")
    assert [name for name in written if name in {"rejected", "scores"}] == ["rejected", "scores"]
    assert written[-1] == "_SUCCESS"
    assert written.index("plan.parquet") < written.index("run.json")


def test_rejected_rows_of_a_unit_that_never_was_are_not_there_twice(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A unit dies between its rejected rows and its part, and then smaller ones take its place."""
    store, run = tmp_path / "store", tmp_path / "run"
    write_store(store, [[[b"bab", None]], [[b"dab", None, None]]])
    publish = Drafts.publish

    def dying(drafts: Drafts, draft: Draft, *parts: str, replace: bool = False) -> bool:
        if parts[0] == "scores":
            raise Killed
        return publish(drafts, draft, *parts, replace=replace)

    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(Drafts, "publish", dying)
        run_score(store, model, run)
    assert len(list(run.glob("rejected/*"))) == 1
    whole, before = (store / "1.parquet").read_bytes(), (store / "1.parquet").stat()
    (store / "1.parquet").write_bytes(whole[:4] + bytes(40) + whole[44:])
    os.utime(store / "1.parquet", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert run_score(store, model, run).exit_code == 3
    (store / "1.parquet").write_bytes(whole)
    os.utime(store / "1.parquet", ns=(before.st_atime_ns, before.st_mtime_ns))

    summary = run_score(store, model, run)

    assert (summary.exit_code, summary.rows_in, summary.rows_rejected) == (0, 5, 3)
    rejected = [row for part in run.glob("rejected/*") for row in pq.read_table(part).to_pylist()]
    assert len(rejected) == 3
    assert verify(VerifySettings(run=str(run))).problems == []


def test_a_full_disk_ends_the_run_with_a_word_and_leaves_nothing_half_written(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_store(tmp_path / "store", [[[b"bab", b"dab"]]])
    fsync, left = os.fsync, [7]

    def full(handle: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(RunError, match=r"cannot be written .*No space left on device"):
            run_score(tmp_path / "store", model, tmp_path / "run")
    assert [
        path for path in (tmp_path / "run" / "_temporary").rglob("*") if path.is_file() and path.stat().st_size
    ] == []
    assert run_score(tmp_path / "store", model, tmp_path / "run").rows_scored == 2


def test_a_disk_without_room_for_the_scores_is_told_before_any_work(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_store(tmp_path / "store", [[[b"bab", b"dab"]]])
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=3))
        with pytest.raises(RunError, match="the scores of 2 rows take at least 4 bytes, and 3 are free there"):
            run_score(tmp_path / "store", model, tmp_path / "run")
        with pytest.raises(RunError, match="the scores of 2 rows take at least 10 bytes"):
            run_score(tmp_path / "store", model, tmp_path / "other", evidence=3)
    assert parts_of(tmp_path / "run") == {}
    assert run_score(tmp_path / "store", model, tmp_path / "run").rows_scored == 2


def test_a_filesystem_that_is_neither_local_nor_an_object_store_is_written_by_renaming(tmp_path: Path) -> None:
    run = RunDirectory(str(tmp_path / "run"))
    run.store, run.base = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()), "run"
    run.is_local = False
    run.put(b"whole", "scores", "x")
    run.put(b"again", "scores", "x")
    assert (tmp_path / "run" / "scores" / "x").read_bytes() == b"again"
    assert list((tmp_path / "run" / "_temporary").iterdir()) == []


def test_what_a_dying_worker_removes_while_the_next_run_clears_up_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDirectory(str(tmp_path / "run"))
    for name in ("a", "b", "c"):
        run.put(b"half", "_temporary", name)
    listed = run.list("_temporary")
    (tmp_path / "run" / "_temporary" / "b").unlink()
    monkeypatch.setattr(run, "list", lambda _: listed)
    run.clear_temporary()
    assert list((tmp_path / "run" / "_temporary").iterdir()) == []


def test_a_hundred_thousand_units_are_listed_without_opening_any(tmp_path: Path) -> None:
    run = RunDirectory(str(tmp_path / "run"))
    (tmp_path / "run" / "scores").mkdir(parents=True)
    names = [f"{number:020x}" for number in range(100_000)]
    for name in names:
        os.mknod(tmp_path / "run" / "scores" / part_name(name))
    (tmp_path / "run" / "scores" / "notes.txt").touch()
    assert run.finished() == set(names)


def test_a_part_is_not_read_as_another_table(tmp_path: Path) -> None:
    run = RunDirectory(str(tmp_path / "run"))
    run.write(seal(pa.table({"x": [1]}))[0], "plan.parquet")
    with pytest.raises(RunError, match=r"plan\.parquet is of another version"):
        run.plan()


def test_a_token_that_was_left_in_the_folder_is_no_part_of_a_run(tmp_path: Path) -> None:
    """Hosts were asked whether they see it, and who asked was killed."""
    run = RunDirectory(str(tmp_path / "run"))
    run.write(b"", f"{ASKED}0a1b2c3d")
    assert run.identity() is None
    run.write(b"{}\n", "run.json")
    assert run.is_only_planned()
    run.write(b"", "notes.txt")
    assert not run.is_only_planned()
