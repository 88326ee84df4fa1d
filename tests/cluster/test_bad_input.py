"""Bad rows, files and units: each is named with a reason of a closed list, and all else is finished."""

import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.cluster.score import ScoreSummary, score
from w2vray.errors import CorpusError, FileError, RunError
from w2vray.run import one_unit as scoring
from w2vray.run.attempts import MOST_ATTEMPTS, Attempts
from w2vray.run.verify import VerifySummary, verify
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.checks import VerifySettings
from w2vray.store import describing
from w2vray.store.corpus import find_corpus
from w2vray.store.describing import describe_files
from w2vray.store.units import Unit

pytestmark = pytest.mark.usefixtures("in_process")

MakeStore = Callable[..., Path]
MakeModel = Callable[..., Path]
Scored = Callable[..., tuple[ScoreSummary, list[dict[str, Any]]]]
ReadParts = Callable[..., pa.Table]


def run_score(store: Path, model: Path, run: Path, **options: Any) -> ScoreSummary:
    """Score a store."""
    return score(ScoreSettings(corpus=(str(store),), model=str(model), output=str(run), **options))


def check(run: Path, **options: Any) -> VerifySummary:
    """Verify a run."""
    return verify(VerifySettings(run=str(run), **options))


def damage_page(file: Path, row_group: int) -> None:
    """Flip a bit in the middle of the text of a row group, and leave size and time as they are."""
    before = file.stat()
    column = pq.read_metadata(file).row_group(row_group).column(2)
    assert column.path_in_schema == "text"
    data = bytearray(file.read_bytes())
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    file.write_bytes(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture
def store(make_store: MakeStore) -> Path:
    """Three files of three row groups, whose pages carry checksums: one unit."""
    folder = make_store(files=3, rows=300)
    for file in folder.iterdir():
        pq.write_table(pq.read_table(file), file, row_group_size=100, write_page_checksum=True, use_dictionary=False)
    return folder


# Rows


def test_texts_that_are_too_long_are_rejected_or_cut_and_counted(
    make_model: MakeModel, read_parts: ReadParts, tmp_path: Path
) -> None:
    texts = ["bab dab", "bab " * 100, None, "bé" * 10]
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
    model = make_model()
    rejecting = run_score(tmp_path / "a.parquet", model, tmp_path / "one", max_bytes=20)
    assert (rejecting.rows_scored, rejecting.rows_rejected, rejecting.rows_truncated) == (1, 3, 0)
    rejected = read_parts(tmp_path / "one", "rejected").to_pylist()
    reasons = [(row["source_row"], row["reason"]) for row in rejected]
    assert reasons == [(1, "too_long"), (2, "null_text"), (3, "too_long")]
    assert rejected[0]["detail"] == "400 bytes; --max-bytes allows 20"
    cutting = run_score(
        tmp_path / "a.parquet", model, tmp_path / "two", max_bytes=20, truncate=True, null_as_empty=True
    )
    assert (cutting.rows_scored, cutting.rows_rejected, cutting.rows_truncated) == (4, 0, 2)
    rows = read_parts(tmp_path / "two").to_pylist()
    assert [row["token_count"] for row in rows] == [2, 5, 0, 1]
    assert rows[2]["status"] == "no_evidence"
    assert check(tmp_path / "one").ok
    assert check(tmp_path / "two").ok


def test_a_text_of_fifty_megabytes_is_scored(make_model: MakeModel, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["bab dab", "zzzz " * 10_000_000 + "bab"]}), tmp_path / "a.parquet")
    summary = run_score(tmp_path / "a.parquet", make_model(), tmp_path / "run")
    assert (summary.rows_scored, summary.rows_rejected, summary.rows_abstained) == (2, 0, 0)


def test_what_becomes_of_long_and_missing_texts_is_part_of_the_run(
    store: Path, make_model: MakeModel, tmp_path: Path
) -> None:
    model = make_model()
    run_score(store, model, tmp_path / "run")
    for change in ({"max_bytes": 7}, {"truncate": True}, {"null_as_empty": True}):
        with pytest.raises(RunError, match="was made with other options: --" + next(iter(change)).replace("_", "-")):
            run_score(store, model, tmp_path / "run", **change)


# Files


def test_a_damaged_row_group_is_left_out_alone_and_the_rest_is_finished(
    store: Path, make_model: MakeModel, read_parts: ReadParts, tmp_path: Path
) -> None:
    damage_page(store / "part-1.parquet", 1)
    summary = run_score(store, make_model(), tmp_path / "run")
    assert (summary.rows_scored, summary.units_failed, summary.exit_code) == (800, 1, 3)
    assert list(summary.left_out) == ["part-1.parquet"]
    assert summary.left_out["part-1.parquet"].startswith("damaged_data: part-1.parquet cannot be read")
    found = read_parts(tmp_path / "run").filter(pa.compute.field("source_file") == "part-1.parquet")
    assert found["source_row"].to_pylist() == [*range(100), *range(200, 300)]
    manifest = pq.read_table(tmp_path / "run" / "manifest.parquet").to_pylist()
    assert [(row["file"], row["reason"]) for row in manifest if row["state"] == "failed"] == [
        ("part-1.parquet", "damaged_data")
    ]
    problems = check(tmp_path / "run").problems
    assert any("100 rows are in no part" in problem for problem in problems)
    assert any("not there: _SUCCESS" in problem for problem in problems)


@pytest.mark.usefixtures("in_process")
def test_a_unit_that_a_worker_has_no_memory_for_is_done_in_smaller_ones(
    store: Path, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    score_unit = scoring.score_unit

    def short(unit: Unit, *others: Any) -> Any:
        if unit.rows > 100:
            raise MemoryError("no")
        return score_unit(unit, *others)

    monkeypatch.setattr("w2vray.cluster.score_worker.score_unit", short)
    summary = run_score(store, make_model(), tmp_path / "run")
    assert (summary.rows_scored, summary.units, summary.exit_code) == (900, 9, 0)


@pytest.mark.usefixtures("in_process")
def test_a_gap_that_memory_made_is_tried_again_though_gaps_are_accepted(
    store: Path, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = make_model()

    def short(*_: Any) -> Any:
        raise MemoryError("no")

    with monkeypatch.context() as patch:
        patch.setattr("w2vray.cluster.score_worker.score_unit", short)
        first = run_score(store, model, tmp_path / "run", on_bad="skip")
        assert (first.rows_scored, first.gaps_accepted) == (0, True)
        assert next(iter(first.left_out.values())).startswith("out_of_memory: part-0.parquet: 100 rows do not fit into")
    assert run_score(store, model, tmp_path / "run", on_bad="skip").rows_scored == 900
    assert check(tmp_path / "run").ok


@pytest.mark.usefixtures("in_process")
def test_a_mistake_of_ours_is_not_taken_for_a_damaged_file(
    store: Path, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It would be accepted with ``--on-bad skip``, unit by unit."""

    def wrong(*_: Any) -> Any:
        raise pa.ArrowInvalid("Schema at index 0 was different")

    monkeypatch.setattr("w2vray.run.one_unit.scored_rows", wrong)
    with pytest.raises(pa.ArrowInvalid, match="Schema at index 0 was different"):
        run_score(store, make_model(), tmp_path / "run", on_bad="skip")


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    ("again", "reason"),
    [(FileError("b has changed", file="b", reason="changed"), "changed"), (MemoryError("no"), "out_of_memory")],
    ids=str,
)
def test_a_file_that_goes_while_it_is_looked_for_damage_is_left_out(
    *,
    again: Exception,
    reason: str,
    store: Path,
    make_model: MakeModel,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def fail(error: Exception) -> Any:
        def call(*_: Any) -> Any:
            raise error

        return call

    monkeypatch.setattr("w2vray.cluster.score_worker.score_unit", fail(pa.ArrowInvalid("no")))
    monkeypatch.setattr("w2vray.cluster.score_worker.damaged", fail(again))
    summary = run_score(store, make_model(), tmp_path / "run")
    assert (summary.rows_scored, summary.exit_code) == (0, 3)
    assert all(why.startswith(reason) for why in summary.left_out.values())


def test_a_file_that_was_mended_or_removed_is_taken_as_it_is_now(
    store: Path, make_model: MakeModel, tmp_path: Path
) -> None:
    model, broken = make_model(), store / "part-1.parquet"
    whole = broken.read_bytes()
    for group in range(3):
        damage_page(broken, group)
    assert run_score(store, model, tmp_path / "run").rows_scored == 600
    broken.write_bytes(whole)
    mended = run_score(store, model, tmp_path / "run")
    assert (mended.rows_scored, mended.rows_now, mended.exit_code) == (900, 300, 0)
    assert check(tmp_path / "run", deep=True).ok


def test_a_file_may_be_mended_after_a_run_that_was_killed_too(
    store: Path, make_model: MakeModel, tmp_path: Path
) -> None:
    model, broken = make_model(), store / "part-1.parquet"
    whole = broken.read_bytes()
    for group in range(3):
        damage_page(broken, group)
    settings = ScoreSettings(corpus=(str(store),), model=str(model), output=str(tmp_path / "run"))

    def killed(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(settings, progress=killed)
    broken.write_bytes(whole)
    mended = score(settings)
    assert (mended.rows_scored, mended.exit_code) == (900, 0)
    assert not (tmp_path / "run" / "failures.json").exists()
    assert check(tmp_path / "run", deep=True).ok


def test_a_file_of_which_rows_are_scored_must_not_change(store: Path, make_model: MakeModel, tmp_path: Path) -> None:
    model, broken = make_model(), store / "part-1.parquet"
    whole = broken.read_bytes()
    damage_page(broken, 1)
    run_score(store, model, tmp_path / "run")
    broken.write_bytes(whole)
    with pytest.raises(RunError, match=r"part-1\.parquet has changed"):
        run_score(store, model, tmp_path / "run")


def test_a_file_that_vanishes_during_the_run_is_named(
    store: Path, make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Attempts.begin

    def vanish(marks: Attempts, unit: str, *host: Any) -> str | None:
        (store / "part-2.parquet").unlink(missing_ok=True)
        return begin(marks, unit, *host)

    monkeypatch.setattr(Attempts, "begin", vanish)
    summary = run_score(store, make_model(), tmp_path / "run")
    assert (summary.rows_scored, summary.exit_code) == (600, 3)
    assert summary.left_out["part-2.parquet"].startswith("vanished: ")
    again = run_score(store, make_model(), tmp_path / "run")  # it is gone for good
    assert (again.rows_scored, again.exit_code) == (600, 0)


def test_accepted_gaps_are_listed_and_not_tried_again(store: Path, make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model()
    damage_page(store / "part-1.parquet", 1)
    (store / "nothing.parquet").touch()
    first = run_score(store, model, tmp_path / "run", on_bad="skip")
    assert (first.exit_code, first.gaps_accepted, sorted(first.left_out)) == (
        0,
        True,
        ["nothing.parquet", "part-1.parquet"],
    )
    assert (tmp_path / "run" / "_SUCCESS").exists()
    found = check(tmp_path / "run")
    assert (found.ok, len(found.gaps)) == (True, 2)
    again = run_score(store, model, tmp_path / "run", on_bad="skip")
    assert (again.exit_code, again.rows_now, again.left_out) == (0, 0, first.left_out)
    recorded = run_score(store, model, tmp_path / "run")
    assert (recorded.exit_code, (tmp_path / "run" / "_SUCCESS").exists()) == (3, False)
    assert not check(tmp_path / "run").ok


def test_fail_stops_at_the_plan_and_writes_nothing(store: Path, make_model: MakeModel, tmp_path: Path) -> None:
    (store / "nothing.parquet").touch()
    with pytest.raises(CorpusError, match=r"^nothing\.parquet: it has zero bytes; repair or remove it"):
        run_score(store, make_model(), tmp_path / "run", on_bad="fail")
    assert not (tmp_path / "run" / "run.json").exists()


def test_fail_stops_at_the_first_damaged_unit(store: Path, make_model: MakeModel, tmp_path: Path) -> None:
    damage_page(store / "part-1.parquet", 1)
    with pytest.raises(CorpusError, match=r"part-1\.parquet cannot be read"):
        run_score(store, make_model(), tmp_path / "run", on_bad="fail")


def test_a_unit_that_has_ended_three_workers_is_set_aside_and_named(
    store: Path, make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Attempts.begin

    def after_three_deaths(marks: Attempts, unit: str, *host: Any) -> str | None:
        for _ in range(MOST_ATTEMPTS):
            begin(marks, unit, *host)
        return begin(marks, unit, *host)

    with monkeypatch.context() as patch:
        patch.setattr(Attempts, "begin", after_three_deaths)
        summary = run_score(store, make_model(), tmp_path / "run")
    assert (summary.rows_scored, summary.units_failed, summary.exit_code) == (0, 1, 3)
    ((name, why),) = summary.left_out.items()
    assert name.startswith("unit ")
    assert why.startswith("killed_workers: 3 workers died while scoring this unit of 900 rows of part-0.parquet, ")
    again = run_score(store, make_model(), tmp_path / "run")
    assert (again.rows_scored, again.exit_code) == (900, 0)


@pytest.mark.parametrize("several", [False, True])
def test_a_footer_that_ends_the_process_that_reads_it_is_a_bad_file(
    several: bool, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killer = "import os; from w2vray.store import describing as f; read = f.describe_file\n"
    killer += "def die(store, base, file, *more, **options):\n"
    killer += "    return os.abort() if file.name == 'part-1.parquet' else read(store, base, file, *more, **options)\n"
    killer += "f.describe_file = die; f.serve()"
    readers = type(describing._READERS)()
    monkeypatch.setattr(describing, "PROGRAM", killer)
    monkeypatch.setattr(describing, "_READERS", readers)
    if several:
        monkeypatch.setattr(describing, "_FILES_A_READER", 1)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
        monkeypatch.setattr(describing, "_AT_ONCE", 1)
    corpus = find_corpus([str(store)])

    files, bad = describe_files(corpus, corpus.files, ["text"])

    assert [described.file.name for described in files] == ["part-0.parquet", "part-2.parquet"]
    (failure,) = bad.values()
    assert (failure.file, failure.reason) == ("part-1.parquet", "damaged_footer")
    assert failure.detail == "parsing its footer crashes the process"
    assert len(readers.all) == (2 if several else 1)
    for reader in readers.all:
        reader.close()


def test_whoever_interrupts_the_description_of_many_files_waits_for_none(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = "import time; from w2vray.store import describing as f\n"
    slow += "f.describe_file = lambda *more, **options: time.sleep(600)\nf.serve()"
    readers = type(describing._READERS)()
    monkeypatch.setattr(describing, "PROGRAM", slow)
    monkeypatch.setattr(describing, "_READERS", readers)
    monkeypatch.setattr(describing, "_FILES_A_READER", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    corpus = find_corpus([str(store)])
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        describe_files(corpus, corpus.files, ["text"])
    assert [reader.is_running for reader in readers.all] == [False, False]


# The store as it is now


def test_new_files_are_added_on_request_and_nothing_else_is_read(
    store: Path, make_model: MakeModel, tmp_path: Path
) -> None:
    model = make_model()
    first = run_score(store, model, tmp_path / "run")
    parts = {part.name: part.stat().st_mtime_ns for part in (tmp_path / "run" / "scores").iterdir()}
    pq.write_table(pa.table({"text": ["bab", None]}), store / "later.parquet")
    assert list(run_score(store, model, tmp_path / "run").new_files) == ["later.parquet"]
    deep = check(tmp_path / "run", deep=True)
    assert (deep.ok, deep.new_files) == (True, ["later.parquet"])
    added = run_score(store, model, tmp_path / "run", new_files=True)
    assert (added.units_skipped, added.rows_now, added.rows_in, added.rows_rejected) == (first.units, 2, 902, 1)
    now = {part.name: part.stat().st_mtime_ns for part in (tmp_path / "run" / "scores").iterdir()}
    assert parts.items() <= now.items()
    assert len(now) == len(parts) + 1
    assert check(tmp_path / "run", deep=True).new_files == []


def test_an_empty_file_that_has_got_rows_is_not_passed_over(make_model: MakeModel, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    for name in ("a", "b"):
        pq.write_table(
            pa.table({"text": pa.array(["bab"] if name == "a" else [], pa.string())}), store / f"{name}.parquet"
        )
    run_score(store, make_model(), tmp_path / "run")
    pq.write_table(pa.table({"text": ["dab"]}), store / "b.parquet")
    with pytest.raises(RunError, match=r"b\.parquet has changed"):
        run_score(store, make_model(), tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (Path.unlink, "part-1.parquet is gone from the store"),
        (lambda file: os.utime(file, ns=(5, 5)), "its modification time in ns was"),
        (lambda file: pq.write_table(pa.table({"text": ["x"]}), file), "part-1.parquet has 1 rows; the plan has 300"),
        (lambda file: file.write_bytes(b""), "part-1.parquet: it has zero bytes"),
    ],
    ids=["gone", "touched", "another", "emptied"],
)
def test_a_deep_look_finds_what_has_become_of_the_store(
    change: Callable[[Path], object], problem: str, store: Path, make_model: MakeModel, tmp_path: Path
) -> None:
    run_score(store, make_model(), tmp_path / "run")
    assert check(tmp_path / "run", deep=True).ok
    change(store / "part-1.parquet")
    assert check(tmp_path / "run").ok, "the run itself is as it was"
    assert any(problem in found for found in check(tmp_path / "run", deep=True).problems)


def test_rejected_rows_are_counted_by_their_reason_over_all_units(scored: Scored, tmp_path: Path) -> None:
    """In the summary and in the totals of the run; a run that goes on adds up what earlier calls found."""
    store = tmp_path / "store"
    store.mkdir()
    for file, texts in enumerate([["bab", None, b"\xff"], ["x" * 200, None, "dab"]]):
        pq.write_table(pa.table({"text": pa.array(texts, pa.binary())}), store / f"{file}.parquet")
    summary, _ = scored(store, max_bytes=100)
    assert summary.rejected == {"null_text": 2, "invalid_utf8": 1, "too_long": 1}
    assert sum(summary.rejected.values()) == summary.rows_rejected
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["rejected"] == summary.rejected
    again, _ = scored(store, max_bytes=100)
    assert (again.units_skipped, again.rejected) == (again.units, summary.rejected)
