"""Parts of a run in S3 and GCS: published where there is none yet, in one step, if store and machine can do that."""

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from moto.s3.exceptions import PreconditionFailed
from moto.s3.responses import S3Response

from tests.fixtures.buckets import Bucket
from tests.fixtures.gcs import GcsBucket
from w2vray.cluster.score import ScoreSummary, score
from w2vray.errors import RunError
from w2vray.run.directory import RunDirectory
from w2vray.run.parts import UnitRecord
from w2vray.run.verify import verify
from w2vray.run.writing import PartWriter
from w2vray.schema import REJECTED_SCHEMA
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.checks import VerifySettings
from w2vray.store.conditional import no_condition_because

pytestmark = pytest.mark.usefixtures("in_process")

SCHEMA = pa.schema([("source_row", pa.int64())])
NO_REJECTED = pa.RecordBatch.from_pylist([], schema=REJECTED_SCHEMA)
PART = "scores/part-u.parquet"

copy_object = S3Response.copy_object


def heeding(asked: S3Response) -> Any:
    """Copy as Amazon S3 does: where the target is there, only without the condition that there is none."""
    there = asked.backend.get_object(asked.bucket_name, asked.parse_key_name()) is not None
    if asked.headers.get("If-None-Match") == "*" and there:
        raise PreconditionFailed("If-None-Match")
    return copy_object(asked)


def refusing(asked: S3Response) -> Any:
    """Refuse copies on a condition."""
    if "If-None-Match" in asked.headers:
        return 501, {}, "<Error><Code>NotImplemented</Code><Message>no such header</Message></Error>"
    return copy_object(asked)


ANSWERS = {"heeded": heeding, "ignored": copy_object, "refused": refusing}


@pytest.fixture(autouse=True)
def _asked_anew() -> None:
    no_condition_because.cache_clear()


@pytest.fixture(params=["s3", "gcs"])
def bucket(request: pytest.FixtureRequest, bucket: Bucket, gcs_bucket: GcsBucket) -> Bucket:
    """A bucket of either store."""
    return bucket if request.param == "s3" else gcs_bucket


@pytest.fixture
def let(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the server heed, ignore or refuse the condition."""

    def answer(how: str) -> None:
        if isinstance(bucket, GcsBucket):
            bucket.set(answer=how)
        else:
            monkeypatch.setattr(S3Response, "copy_object", ANSWERS[how])

    return answer


@pytest.fixture
def heeds(let: Callable[[str], None]) -> None:
    """Let the server heed the condition."""
    let("heeded")


@pytest.fixture
def ignores(let: Callable[[str], None]) -> None:
    """Let the server copy whatever the condition is."""
    let("ignored")


LIBRARIES = {"s3": ("botocore", "botocore", "s3"), "gs": ("google.cloud", "google-cloud-storage", "gcs")}
"""What is imported, the package, and the extra."""


@pytest.fixture
def not_installed(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Take the library of the store away, and return what is told of it."""
    module, package, extra = LIBRARIES[bucket.scheme]

    def take() -> str:
        monkeypatch.setitem(sys.modules, module, None)
        return f"the package {package} is not installed (pip install 'w2vray[{extra}]')"

    return take


def record_of(unit: str, machine: str) -> UnitRecord:
    counts: dict[str, Any] = {"rows_read": 1, "rows_in": 1, "rows_scored": 1, "rows_rejected": 0, "rows_abstained": 0}
    return UnitRecord(unit=unit, **counts, rows_truncated=0, run="f", profile={"machine": machine})


def begun(run: RunDirectory, unit: str) -> PartWriter:
    """Begin a part, and write its one row."""
    part = run.part(unit, SCHEMA)
    part.write(pa.record_batch({"source_row": pa.array([0], pa.int64())}), NO_REJECTED)
    return part


def blind(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker look for parts just before another publishes one: it sees none."""
    exists = run.exists
    monkeypatch.setattr(run, "exists", lambda *parts: parts[0] == "_temporary" and exists(*parts))


def two_at_once(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, bytes]:
    """Let two workers finish one unit at the same moment, and return the part after the first and after the second."""
    with RunDirectory(bucket.place("run")).drafting() as drafts:
        first, second = RunDirectory(bucket.place("run"), drafts), RunDirectory(bucket.place("run"), drafts)
        blind(second, monkeypatch)
        with begun(first, "u") as mine, begun(second, "u") as other:
            made = first.commit(mine, record_of("u", "one"))
            before = bucket.content("run")[PART]
            found = second.commit(other, record_of("u", "other"))
        after = bucket.content("run")[PART]
        if before == after:
            assert found == made
    return before, after


@pytest.mark.usefixtures("heeds")
def test_the_second_of_two_workers_changes_nothing(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = two_at_once(bucket, monkeypatch)
    assert before == after
    assert list(bucket.content("run")) == [PART]  # no draft is left, and nothing that the store was tried by


@pytest.mark.usefixtures("ignores")
def test_without_the_condition_a_moment_stays_in_which_the_later_part_does(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = two_at_once(bucket, monkeypatch)
    assert b'"machine": "one"' in before
    assert b'"machine": "other"' in after


@pytest.mark.usefixtures("heeds")
def test_another_answer_for_the_same_rows_is_named(bucket: Bucket) -> None:
    with RunDirectory(bucket.place("run")).drafting() as drafts:
        run = RunDirectory(bucket.place("run"), drafts)
        with begun(run, "u") as mine, begun(run, "u") as other:
            run.commit(mine, record_of("u", "one"))
            other.write(pa.record_batch({"source_row": pa.array([1], pa.int64())}), NO_REJECTED)
            with pytest.raises(RunError, match="written by another worker, and differs"):
                run.commit(other, record_of("u", "one"))


@pytest.mark.usefixtures("heeds")
@pytest.mark.parametrize("unit", ["u", "cut into smaller ones"])
def test_a_late_worker_changes_nothing_after_the_manifest(unit: str, bucket: Bucket) -> None:
    with RunDirectory(bucket.place("run")).drafting() as drafts:
        late, worker = RunDirectory(bucket.place("run"), drafts), RunDirectory(bucket.place("run"), drafts)
        part = begun(late, unit)
        with begun(worker, "u") as done:
            made = worker.commit(done, record_of("u", "one"))
        worker.write_manifest([made], [], accepted=False)
        draft, _ = part.finish_scores(record_of(unit, "other"))
        assert late._drafts is not None
        assert late._drafts._conditional
    before = bucket.content("run")
    assert set(before) == {PART, "manifest.parquet"}
    with suppress(FileNotFoundError):  # as where it had asked just before whether the folder is open
        assert not late.conditional_copies.copy(draft.path, late.path("scores", f"part-{unit}.parquet"))
    with pytest.raises(RunError, match="was given up"):
        late._drafts.publish(draft, "scores", f"part-{unit}.parquet")
    assert bucket.content("run") == before


def scored(store: str, model: Path, run: str) -> tuple[ScoreSummary, list[str]]:
    """Score a store, and return what was told of publishing too."""
    told: list[str] = []
    summary = score(ScoreSettings(corpus=(store,), model=str(model), output=run), note=told.append)
    return summary, [line for line in told if "looks whether a part is there" in line]


@pytest.fixture
def answers(request: pytest.FixtureRequest, let: Callable[[str], None]) -> None:
    """Let the server answer in the way of a test's parameter."""
    let(request.param)


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ("heeded", None),
        ("ignored", "the store copies, and does not heed the condition"),
        ("refused", "no such "),
    ],
    ids=["heeded", "ignored", "refused"],
    indirect=["answers"],
)
@pytest.mark.usefixtures("answers")
def test_a_run_tells_once_where_the_store_has_no_condition(
    told: str | None,
    bucket: Bucket,
    make_store: Callable[..., Path],
    make_model: Callable[..., Path],
) -> None:
    store, place = make_store(files=2, rows=20), bucket.place("run", secret=True)
    summary, lines = scored(str(store), make_model(), place)
    assert (summary.exit_code, summary.rows_scored) == (0, 40)
    assert verify(VerifySettings(run=place)).ok
    assert not [name for name in bucket.content("run") if name.startswith("_temporary/")]
    if told is None:
        assert lines == []
    else:
        (line,) = lines
        assert line.startswith(f"{bucket.scheme}://{bucket.name}/run: `score` looks whether a part is there")
        assert told in line


def test_without_its_library_a_run_is_done_and_told(
    bucket: Bucket,
    make_store: Callable[..., Path],
    make_model: Callable[..., Path],
    not_installed: Callable[[], str],
) -> None:
    place, told = bucket.place("run"), not_installed()
    summary, lines = scored(str(make_store(files=2, rows=20)), make_model(), place)
    assert (summary.exit_code, summary.rows_scored) == (0, 40)
    (line,) = lines
    assert told in line


@pytest.mark.usefixtures("heeds")
def test_a_worker_without_the_library_is_named_where_the_driver_has_it(
    bucket: Bucket, not_installed: Callable[[], str]
) -> None:
    with RunDirectory(bucket.place("run")).drafting() as drafts:
        run = RunDirectory(bucket.place("run"), drafts)
        told = not_installed()
        with begun(run, "u") as part, pytest.raises(RunError, match=r"here, .* on all machines") as raised:
            run.commit(part, record_of("u", "one"))
        assert told in str(raised.value)
    assert bucket.content("run") == {}
