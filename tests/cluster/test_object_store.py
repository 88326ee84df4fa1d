"""The promises of a run where stores and runs are in an object store: an S3 server on the loopback."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from pyiceberg.catalog.sql import SqlCatalog

from tests.fixtures.buckets import SECRET, Bucket
from w2vray.cluster.score import ScoreSummary, score, write_report
from w2vray.errors import CorpusError, RunError
from w2vray.run import leases
from w2vray.run.attempts import Attempts
from w2vray.run.directory import RunDirectory
from w2vray.run.leases import only_writer
from w2vray.run.parts import UnitRecord
from w2vray.run.sampling import sample_run
from w2vray.run.status import status
from w2vray.run.verify import VerifySummary, verify
from w2vray.schema import REJECTED_SCHEMA
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.checks import SampleSettings, StatusSettings, VerifySettings

pytestmark = pytest.mark.usefixtures("in_process")

MakeStore = Callable[..., Path]
MakeModel = Callable[..., Path]


@pytest.fixture
def store(make_store: MakeStore) -> Path:
    """A local store of four units."""
    return make_store(files=4, rows=2000, words=100)


def run_score(store: str, model: Path, run: str, **options: Any) -> ScoreSummary:
    """Score a store."""
    return score(ScoreSettings(corpus=(store,), model=str(model), output=run, **options))


def check(run: str, **options: Any) -> VerifySummary:
    """Verify a run."""
    return verify(VerifySettings(run=run, **options))


def parts_of(content: dict[str, bytes]) -> dict[str, bytes]:
    """The parts among a run's objects."""
    return {name: data for name, data in content.items() if name.startswith(("scores/", "rejected/"))}


def test_a_run_in_a_bucket_is_the_run_on_a_disk_byte_for_byte(
    bucket: Bucket, store: Path, make_model: MakeModel, tmp_path: Path
) -> None:
    model = make_model()
    bucket.upload(store, "store")
    local = run_score(str(store), model, str(tmp_path / "run"))
    remote = run_score(bucket.place("store"), model, bucket.place("run"))
    assert remote.rows_scored == local.rows_scored == 8000
    on_disk = {f"scores/{part.name}": part.read_bytes() for part in (tmp_path / "run" / "scores").iterdir()}
    assert len(on_disk) > 1
    assert parts_of(bucket.content("run")) == on_disk
    assert not [name for name in bucket.content("run") if name.startswith(("_temporary/", "_leases/"))]
    found = check(bucket.place("run"), deep=True)
    assert (found.ok, found.rows_scored) == (True, 8000)
    told = status(StatusSettings(run=bucket.place("run")))
    assert (told.state, told.rows_done, told.units_done) == ("complete", 8000, local.units)
    with pytest.raises(RunError, match=r"holds no run: there is no run.json; nothing is there"):
        status(StatusSettings(run=bucket.place("runs")))
    again = run_score(bucket.place("store"), model, bucket.place("run"))
    assert (again.rows_now, again.units_skipped) == (0, local.units)


def as_csv(file: Path) -> tuple[str, bytes]:
    """Return what a file of Parquet is called and holds as CSV."""
    sink = pa.BufferOutputStream()
    pyarrow.csv.write_csv(pq.read_table(file), sink)
    return f"{file.stem}.csv", bytes(sink.getvalue())


def as_packed_lines(file: Path) -> tuple[str, bytes]:
    """Return what a file of Parquet is called and holds as packed JSON Lines."""
    lines = "".join(json.dumps(row) + "\n" for row in pq.read_table(file).to_pylist())
    return f"{file.stem}.jsonl.zst", bytes(pa.compress(lines.encode(), "zstd", asbytes=True))


@pytest.mark.parametrize("form", [lambda file: (file.name, file.read_bytes()), as_csv, as_packed_lines])
def test_a_run_that_died_goes_on_and_equals_an_undisturbed_one(
    form: Callable[[Path], tuple[str, bytes]],
    bucket: Bucket,
    make_store: Callable[..., Path],
    make_model: MakeModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = make_model()
    monkeypatch.setattr("w2vray.store.units.SMALLEST_UNIT", 4 << 10)  # so that few rows make several units
    for file in make_store(files=4, rows=100).iterdir():
        name, data = form(file)
        bucket.write(f"store/{name}", data)
    run_score(bucket.place("store"), model, bucket.place("undisturbed"))
    commit, committed = RunDirectory.commit, list[Any]()

    def die_at_the_third(run: RunDirectory, *arguments: Any) -> Any:
        if len(committed) == 2:
            raise KeyboardInterrupt
        committed.append(commit(run, *arguments))
        return committed[-1]

    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "commit", die_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            run_score(bucket.place("store"), model, bucket.place("run"))
    assert len(parts_of(bucket.content("run"))) == 2
    assert not check(bucket.place("run")).ok
    resumed = run_score(bucket.place("store"), model, bucket.place("run"))
    assert (resumed.units_skipped, resumed.rows_scored) == (2, 400)
    assert parts_of(bucket.content("run")) == parts_of(bucket.content("undisturbed"))
    assert check(bucket.place("run")).ok


def test_a_put_that_does_not_arrive_whole_is_an_error(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunDirectory(bucket.place("run"))

    class Torn:
        """A store that publishes what it has got so far."""

        def __getattr__(self, name: str) -> Any:
            return getattr(bucket.files, name)

        def open_output_stream(self, path: str) -> Any:
            stream = bucket.files.open_output_stream(path)

            class Half:
                def write(self, data: bytes) -> None:
                    stream.write(data[: len(data) // 2])

                def close(self) -> None:
                    stream.close()

            return Half()

    monkeypatch.setattr(run, "store", Torn())
    with pytest.raises(RunError, match=r"scores/x cannot be written \(5 bytes have arrived, of 10\)"):
        run.write(b"0123456789", "scores", "x")


def test_a_worker_that_was_given_up_publishes_nothing(bucket: Bucket) -> None:
    schema = pa.schema([("source_row", pa.int64())])
    record = UnitRecord(
        unit="u",
        rows_read=1,
        rows_in=1,
        rows_scored=1,
        rows_rejected=0,
        rows_abstained=0,
        rows_truncated=0,
        run="f",
        profile={},
    )
    rows = pa.record_batch({"source_row": pa.array([0], pa.int64())})
    none = REJECTED_SCHEMA.empty_table().to_batches() or [pa.RecordBatch.from_pylist([], schema=REJECTED_SCHEMA)]
    with RunDirectory(bucket.place("run")).drafting() as drafts:
        first, second = RunDirectory(bucket.place("run"), drafts), RunDirectory(bucket.place("run"), drafts)
        with first.part("u", schema) as mine, second.part("u", schema) as other:
            for part in (mine, other):
                part.write(rows, none[0])
            made = first.commit(mine, record)
            assert second.commit(other, record) == made
    before = parts_of(bucket.content("run"))
    assert set(before) == {"scores/part-u.parquet"}
    with RunDirectory(bucket.place("run")).drafting() as drafts:
        late = RunDirectory(bucket.place("run"), drafts)
        part = late.part("v", schema)
        part.write(rows, none[0])
        other = late.part("w", schema)
        other.write(rows, none[0])
        draft, _ = other.finish_scores(record)
    with pytest.raises(OSError, match=r"NO_SUCH_KEY|does not exist"), other:  # as where it had asked just before
        bucket.files.copy_file(draft.path, f"{bucket.name}/run/scores/part-w.parquet")
    with pytest.raises(RunError, match="was given up"), part:
        late.commit(part, record)
    assert parts_of(bucket.content("run")) == before


def test_a_file_replaced_within_its_times_resolution_is_known_by_its_etag(
    bucket: Bucket, store: Path, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.upload(store, "store")
    data = bucket.content("store")["part-1.parquet"]
    place = data.index(b"bab")
    replaced = data[:place] + b"dad" + data[place + 3 :]  # the same size, and the same footer
    begin = Attempts.begin

    def replace_file(marks: Attempts, unit: str, *host: Any) -> str | None:
        bucket.write("store/part-1.parquet", replaced)
        return begin(marks, unit, *host)

    monkeypatch.setattr(Attempts, "begin", replace_file)
    summary = run_score(bucket.place("store"), make_model(), bucket.place("run"))
    assert summary.exit_code == 3
    assert "changed: part-1.parquet has the etag" in summary.left_out["part-1.parquet"]


def test_a_secret_in_a_uri_is_in_no_file_of_the_run_and_in_no_message(
    bucket: Bucket, store: Path, make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("w2vray.cluster.score.write_report", write_report)
    monkeypatch.setattr("w2vray.pages.run_page.plot", lambda *_, **__: "<svg/>")  # drawing takes a second
    bucket.upload(store, "store")
    summary = run_score(
        bucket.place("store", secret=True), make_model(), bucket.place("run", secret=True), text_column=("text",)
    )
    assert SECRET not in json.dumps(summary.as_dict())
    for name, data in bucket.content("run").items():
        assert SECRET.encode() not in data, name
    assert {"report.html", "report.json"} <= bucket.content("run").keys()
    places: dict[str, Any] = {"run": bucket.place("run", secret=True), "corpus": (bucket.place("store", secret=True),)}
    drawn = sample_run(SampleSettings(**places, rows=5, output=str(tmp_path / "check.csv")))
    assert (drawn.rows, SECRET in json.dumps(drawn.as_dict())) == (5, False)
    assert check(bucket.place("run"), deep=True, corpus=(bucket.place("store", secret=True),)).ok
    with pytest.raises(CorpusError) as refused:
        run_score(bucket.place("nowhere", secret=True), make_model(), bucket.place("run", secret=True))
    assert SECRET not in str(refused.value)


def ask_for_a_while(still_ours: Callable[[], None]) -> None:
    """Ask again and again: the next heartbeat is the one that notices."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        still_ours()
        time.sleep(0.02)


class TestLease:
    """A second writer is refused while the first one lives, and waits for nobody who is dead."""

    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 0.3)
        monkeypatch.setattr(leases, "LEASE_SECONDS", 6.0)

    def test_a_second_run_is_refused_while_the_first_one_lives(self, bucket: Bucket) -> None:
        run = RunDirectory(bucket.place("run"))
        with only_writer(run) as still_ours:
            with pytest.raises(RunError, match="another run is writing here"), only_writer(run):
                pass
            still_ours()
        with only_writer(run):
            pass
        assert bucket.content("run/_leases") == {}

    def test_the_lease_of_a_dead_process_of_this_machine_is_free_at_once(self, bucket: Bucket) -> None:
        program = (
            "import os, sys; from w2vray.run.leases import only_writer\n"
            "from w2vray.run.directory import RunDirectory\n"
            "with only_writer(RunDirectory(sys.argv[1])): os._exit(9)"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        died = subprocess.run([sys.executable, "-c", program, bucket.place("run")], env=environment, check=False)
        assert died.returncode == 9
        assert len(bucket.content("run/_leases")) == 1
        started = time.monotonic()
        with only_writer(RunDirectory(bucket.place("run"))):
            assert len(bucket.content("run/_leases")) == 1
        assert time.monotonic() - started < leases.LEASE_SECONDS

    def test_the_lease_of_a_dead_process_elsewhere_ends_after_its_time(
        self, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leases, "LEASE_SECONDS", 1.0)
        bucket.write("run/_leases/other.json", b'{"machine": "elsewhere", "pid": 1}')
        with only_writer(RunDirectory(bucket.place("run"))):
            assert "other.json" not in bucket.content("run/_leases")

    def test_a_run_whose_lease_was_taken_stops(self, bucket: Bucket) -> None:
        run = RunDirectory(bucket.place("run"))
        with only_writer(run) as still_ours:
            for name in bucket.content("run/_leases"):
                run.remove("_leases", name)
            with pytest.raises(RunError, match="another has taken its place"):
                ask_for_a_while(still_ours)


def test_row_groups_and_rejected_rows_in_a_bucket(bucket: Bucket, make_model: MakeModel, tmp_path: Path) -> None:
    texts = ["bab", None, "dab gag", "", None]
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet", row_group_size=2)
    bucket.write("store/a.parquet", (tmp_path / "a.parquet").read_bytes())
    summary = run_score(bucket.place("store"), make_model(), bucket.place("run"))
    assert (summary.rows_in, summary.rows_scored, summary.rows_rejected) == (5, 3, 2)
    assert {name.split("/")[0] for name in parts_of(bucket.content("run"))} == {"scores", "rejected"}
    assert check(bucket.place("run")).ok


TEXTS = pa.table({"id": range(10), "text": [f"bab dab {row}" for row in range(10)], "part": ["p 1%", "p 2%"] * 5})


def test_a_delta_lake_table_in_a_bucket_is_read_by_its_log(
    bucket: Bucket, make_model: MakeModel, tmp_path: Path
) -> None:
    write_deltalake(tmp_path / "t", TEXTS, partition_by=["part"])
    write_deltalake(tmp_path / "t", TEXTS, mode="append")
    DeltaTable(tmp_path / "t").delete("id = 3")
    bucket.upload(tmp_path / "t", "lake/t")
    model, options = make_model(), {"keep": ("id", "part"), "where": "part == 'p 2%'"}

    summary = run_score(bucket.place("lake/t", secret=True), model, bucket.place("run"), **options)

    assert (summary.rows_in, summary.exit_code) == (8, 0)
    place = f"s3://{bucket.name}/lake/t"
    assert summary.tables == [{"kind": "Delta Lake", "place": place, "version": 2}]
    assert run_score(bucket.place("lake/t"), model, bucket.place("first"), table_version=0).rows_in == 10
    with pytest.raises(CorpusError, match=f"^{place} has no version 7; its log has 0 to 2$"):
        run_score(bucket.place("lake/t"), model, bucket.place("none"), table_version=7)
    assert SECRET not in json.dumps(summary.as_dict())


def test_an_iceberg_table_in_a_bucket_is_read_by_its_metadata(
    bucket: Bucket, make_model: MakeModel, tmp_path: Path
) -> None:
    own = {"s3.endpoint": f"http://127.0.0.1:{bucket.port}", "s3.region": "us-east-1"}
    catalog = SqlCatalog("test", uri=f"sqlite:///{tmp_path}/c.db", warehouse=f"s3://{bucket.name}/lake", **own)
    catalog.create_namespace("n")
    made = catalog.create_table("n.t", TEXTS.schema)
    made.append(TEXTS)
    made.delete("id = 3")

    summary = run_score(bucket.place("lake/n/t"), make_model(), bucket.place("run"), keep=("id",))

    assert (summary.rows_in, summary.exit_code) == (9, 0)
    assert summary.tables[0]["place"] == f"s3://{bucket.name}/lake/n/t"
    assert check(bucket.place("run")).ok
