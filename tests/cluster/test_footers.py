"""Tests that a cluster describes the files of a large store as one machine does."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray

from tests.fixtures.stores import MakeModel
from w2vray.cluster import footers
from w2vray.cluster.footers import read_on_cluster, spread_over_cluster
from w2vray.cluster.score import score
from w2vray.errors import ClusterError
from w2vray.run.verify import verify
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.checks import VerifySettings
from w2vray.store import describing
from w2vray.store.corpus import find_corpus
from w2vray.store.describing import describe_files


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Seven files of five rows, one that is damaged, one that is empty."""
    folder = tmp_path / "store"
    folder.mkdir()
    for number in range(7):
        pq.write_table(pa.table({"text": ["aa bb"] * 5}), folder / f"part-{number}.parquet")
    (folder / "part-7.parquet").write_bytes(b"PAR1 of which nothing is left PAR1")
    (folder / "part-8.parquet").write_bytes(b"")
    return folder


def asked_of_ray(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the cluster be asked for two files already; return how many it is asked for, as it is."""
    asked: list[int] = []

    def read(roots: tuple[str, ...], files: list[object], more: dict[str, object]) -> describing.Answers:
        asked.append(len(files))
        return read_on_cluster(roots, files, more)  # type: ignore[arg-type]

    monkeypatch.setattr(footers, "MANY_FILES", 2)
    monkeypatch.setattr(footers, "FILES_A_TASK", 2)
    monkeypatch.setattr(footers, "cluster_cpus", lambda: 1000.0)
    monkeypatch.setattr(footers, "read_on_cluster", read)
    return asked


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_a_cluster_describes_files_as_one_machine_does(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = find_corpus([str(store)])
    expected = describe_files(corpus, corpus.files, ["text"])
    assert (len(expected[0]), [bad.reason for bad in expected[1].values()]) == (7, ["damaged_footer", "zero_bytes"])
    asked = asked_of_ray(monkeypatch)
    with spread_over_cluster(corpus, None):
        assert describe_files(corpus, corpus.files, ["text"]) == expected
    assert asked == [9]

    class Dying:
        """Ray, whose tasks end their worker."""

        wait, get, exceptions = ray.wait, ray.get, ray.exceptions

        @staticmethod
        def remote(**_: object) -> object:
            return lambda _: ray.remote(num_cpus=1, max_retries=0)(_die)

    monkeypatch.setattr(footers, "ray", Dying)
    assert read_on_cluster(corpus.roots, corpus.files, {"columns": ["text"], "read_as": {}, "named": []}) == {
        index: (expected[0][index] if index < 7 else list(expected[1].values())[index - 7]) for index in range(9)
    }


def _die(*_: object) -> None:
    import os  # noqa: PLC0415 - in the worker

    os._exit(1)


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_a_run_that_a_cluster_planned_is_whole(
    store: Path, make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asked_of_ray(monkeypatch)
    run = tmp_path / "run"
    summary = score(
        ScoreSettings(corpus=(str(store),), model=str(make_model()), output=str(run), workers=1, on_bad="skip")
    )
    assert (asked, summary.rows_in, len(summary.left_out)) == ([9], 35, 2)
    assert verify(VerifySettings(run=str(run))).ok


@pytest.mark.parametrize(("files", "address"), [(4_999, "ray:6379"), (9_000, None), (9_000, "local")])
def test_few_files_or_one_machine_are_no_matter_for_a_cluster(
    files: int, address: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(footers, "connected", None)  # nobody connects
    with spread_over_cluster(SimpleNamespace(files=range(files)), address):  # type: ignore[arg-type]
        assert describing._READ.get() is describing.read_here


@pytest.mark.parametrize("shared", [False, True])
def test_a_store_that_a_host_does_not_see_is_refused_before_any_file_is_taken_for_gone(
    store: Path, shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def refuse(stores: dict[str, object], folders: dict[str, str], **given: object) -> None:
        asked.append((stores, folders, given["shared"]))
        raise ClusterError("host b does not see it")

    monkeypatch.setattr(footers, "MANY_FILES", 2)
    monkeypatch.setattr(footers, "connected", lambda _: nullcontext())
    monkeypatch.setattr(footers, "cluster_cpus", lambda: 1000.0)
    monkeypatch.setattr(footers, "require_seen", refuse)
    corpus = find_corpus([str(store)])
    with pytest.raises(ClusterError, match="host b"), spread_over_cluster(corpus, "ray:6379", shared=shared):
        pytest.fail("files are described")
    assert asked == [({"the store": corpus}, {}, shared)]
