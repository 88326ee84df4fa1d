"""Paths that are another folder on each host, and buckets that a host cannot read, are refused before any work."""

import errno
import pickle
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import ray

from w2vray.cluster import seen_places
from w2vray.cluster.hosts import naming_this_host, on_this_host
from w2vray.cluster.seen_places import Look, looked_at, require_seen
from w2vray.errors import ClusterError, FileError
from w2vray.store.corpus import Corpus, find_corpus

Hosts = Callable[..., None]


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> Hosts:
    """Play hosts beside this one: each sees the folders of this machine, those that are renamed under other names."""

    def play(*others: Mapping[str, str]) -> None:
        monkeypatch.setattr(seen_places, "_APPEAR_SECONDS", 0)
        monkeypatch.setattr(seen_places, "_elsewhere", lambda: [{}, *({} for _ in others)])

        def answers(_: Any, looks: Sequence[Look], __: Any) -> Iterator[tuple[str, list[str | None]]]:
            for number, renamed in enumerate(({}, *others)):
                there = []
                for look in looks:
                    path = look.path
                    for ours, theirs in renamed.items():
                        path = theirs + path.removeprefix(ours) if path.startswith(ours) else path
                    there.append(Look(what="", place="", path=path, size=look.size, token=look.token))
                yield f"w{number} (10.0.0.{number})", looked_at(there)[1]

        monkeypatch.setattr(seen_places, "_answers", answers)

    return play


@pytest.fixture
def store(tmp_path: Path) -> Corpus:
    """Three files of this host."""
    for number in range(3):
        (tmp_path / "store").mkdir(exist_ok=True)
        (tmp_path / "store" / f"{number}.csv").write_text("text\n" + "a\n" * number)
    return find_corpus([str(tmp_path / "store")])


def ask(store: Corpus, output: Path, *, shared: bool = False) -> str:
    """Ask all hosts, and return what is refused; nothing may be left behind."""
    before = sorted(output.parent.rglob("*"))
    try:
        require_seen({"the store": store}, {"--output": str(output)}, shared=shared)
    except ClusterError as error:
        return str(error)
    finally:
        assert sorted(output.parent.rglob("*")) == before
    return ""


def test_folders_that_all_hosts_share_are_taken(hosts: Hosts, store: Corpus, tmp_path: Path) -> None:
    hosts({}, {})
    assert ask(store, tmp_path / "not" / "there" / "yet") == ""
    assert ask(find_corpus([str(tmp_path / "store" / "1.csv")]), tmp_path / "store") == ""


def test_a_store_that_a_host_lacks_is_refused_with_the_host(hosts: Hosts, store: Corpus, tmp_path: Path) -> None:
    hosts({}, {str(tmp_path / "store"): str(tmp_path / "nowhere")})
    assert ask(store, tmp_path / "out") == (
        f"the store {tmp_path / 'store'}, seen from host w2 (10.0.0.2) of 3: it is not there; workers on all hosts "
        "need the same folder: give a URI, or a folder that all of them share; if it is one, add --shared-filesystem"
    )
    assert ask(store, tmp_path / "out", shared=True) == ""


def test_a_store_with_other_files_on_a_host_is_refused(hosts: Hosts, store: Corpus, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    for number in range(3):
        (tmp_path / "other" / f"{number}.csv").write_text("text\nb\n")
    hosts({str(tmp_path / "store"): str(tmp_path / "other")})
    assert "host w1 (10.0.0.1) of 2: 0.csv has 7 bytes there, and 5 on the driver's host;" in ask(
        store, tmp_path / "out"
    )


@pytest.mark.parametrize("there", ["out", "out/deeper", "."], ids=["is there", "is to be made", "above"])
def test_an_output_that_each_host_has_for_itself_is_refused(
    there: str, hosts: Hosts, store: Corpus, tmp_path: Path
) -> None:
    (tmp_path / "mine" / "out").mkdir(parents=True)
    (tmp_path / "theirs" / "out").mkdir(parents=True)
    hosts({str(tmp_path / "mine"): str(tmp_path / "theirs")})
    told = ask(store, tmp_path / "mine" / there)
    assert "--output " in told
    assert "host w1 (10.0.0.1) of 2: another folder has that name there;" in told


def test_many_hosts_are_counted(hosts: Hosts, store: Corpus, tmp_path: Path) -> None:
    hosts(*[{str(tmp_path / "store"): str(tmp_path / "nowhere")}] * 5)
    assert "hosts w1 (10.0.0.1), w2 (10.0.0.2), w3 (10.0.0.3) and 2 more of 6" in ask(store, tmp_path / "o")


def test_a_place_at_a_uri_that_a_host_cannot_look_at_is_refused_even_where_paths_are_shared(
    hosts: Hosts, store: Corpus
) -> None:
    hosts({})
    with pytest.raises(ClusterError) as refused:
        require_seen({"the store": store}, {"--output": "nowhere://bucket/run?token=s3cr3t"}, shared=True)
    assert "--output nowhere://bucket/run, seen from hosts w0 (10.0.0.0), w1 (10.0.0.1) of 2: it cannot be" in str(
        refused.value
    )
    assert "hand variables on with `submit --env NAME`" in str(refused.value)
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.usefixtures("store")
def test_files_of_a_store_at_a_uri_are_looked_for_where_they_are(hosts: Hosts, tmp_path: Path) -> None:
    hosts({})
    at_uri = find_corpus([(tmp_path / "store").as_uri()])
    assert ask(at_uri, tmp_path / "out") == ""
    (tmp_path / "store" / "2.csv").unlink()
    told = ask(at_uri, tmp_path / "out")
    assert told.startswith(f"the store {(tmp_path / 'store').as_uri()}, seen from hosts w0 (10.0.0.0), w1")
    assert f"of 2: {(tmp_path / 'store').as_uri()}/2.csv is not found there" in told


def test_few_files_are_looked_at_and_from_the_whole_store(tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    for number in range(100):
        (tmp_path / "many" / f"{number:03}.csv").write_text("text\n")
    looks = list(seen_places._files_of("the store", find_corpus([str(tmp_path / "many")])))
    assert [Path(look.path).stem for look in looks] == ["000", "013", "026", "039", "052", "065", "078", "091"]


@pytest.mark.parametrize(("hosts_of", "told"), [(["a"], "no"), (["a", "a"], "no"), (["a", "b"], "no (on host ")])
def test_an_error_of_a_worker_names_its_host_where_there_are_several(
    hosts_of: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = [{"NodeManagerHostname": name, "Alive": True} for name in hosts_of]
    monkeypatch.setattr("ray.nodes", lambda: [*nodes, {"NodeManagerHostname": "dead", "Alive": False}])
    error = pickle.loads(pickle.dumps(on_this_host(FileError("no", "a.csv", "unreadable"))))
    assert str(error).startswith(told)
    assert (str(error) == "no") == (told == "no")
    assert (error.file, error.reason) == ("a.csv", "unreadable")


@pytest.mark.parametrize(("hosts_of", "told"), [(["a", "a"], ""), (["a", "b"], f" (on host {socket.gethostname()})")])
def test_what_the_system_refuses_a_training_worker_names_its_host_where_there_are_several(
    hosts_of: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray.nodes", lambda: [{"NodeManagerHostname": name, "Alive": True} for name in hosts_of])
    with pytest.raises(OSError, match="No space") as raised, naming_this_host():
        raise OSError(errno.ENOSPC, "No space left on device", "/scratch/state.pt")
    assert str(raised.value) == f"[Errno 28] No space left on device{told}: '/scratch/state.pt'"


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_on_one_node_nothing_is_asked_and_nothing_written(
    store: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen_places, "_answers", lambda *_: pytest.fail("asked"))
    assert ask(store, tmp_path / "out") == ""


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_a_node_is_asked_by_a_task_of_its_own(store: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen_places, "_elsewhere", ray.nodes)
    assert ask(store, tmp_path / "out") == ""
    (tmp_path / "store" / "2.csv").write_text("text\n")
    assert "of 1: 2.csv has 5 bytes there, and 9 on the driver's host" in ask(store, tmp_path / "out")


@pytest.mark.parametrize("looks_for_a_token", [False, True])
def test_a_folder_that_a_host_may_not_read_is_named_as_that(
    looks_for_a_token: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing may be looked up in the folders above, either."""

    def refused(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    token = {"token": "secret"} if looks_for_a_token else {"size": 3}
    look = Look(what="--output", place=str(tmp_path), path=str(tmp_path / "file"), **token)
    for name in ("read_text", "stat", "is_dir"):
        monkeypatch.setattr(Path, name, refused)
    found = look.problem()
    monkeypatch.undo()
    assert found == "it cannot be read there (Permission denied)"
