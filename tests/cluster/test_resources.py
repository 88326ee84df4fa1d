"""How many workers a cluster has room for, whether it may grow, and what is refused because it can never be."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from w2vray.cluster import ray_internals
from w2vray.cluster.pools import _Pool
from w2vray.cluster.ray_internals import find, has_autoscaler
from w2vray.cluster.resources import GpuShare, can_grow, pool_share
from w2vray.errors import ClusterError

STATUS = "ray.experimental.internal_kv._internal_kv_get"
Make = Callable[..., None]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make a cluster of nodes with so many CPUs (or CPUs and GPUs) each, with an autoscaler or without."""

    def make(*nodes: float | tuple[float, float], autoscaler: bool | None = False) -> None:
        both = [one if isinstance(one, tuple) else (one, 0.0) for one in nodes]
        listed = [
            {"Alive": True, "Resources": {name: of for name, of in zip(("CPU", "GPU"), one, strict=True) if of}}
            for one in both
        ]
        total = {"CPU": sum(cpus for cpus, _ in both), "GPU": sum(gpus for _, gpus in both)}
        monkeypatch.setattr("ray.nodes", lambda: listed)
        monkeypatch.setattr("ray.cluster_resources", lambda: total)
        monkeypatch.setattr("w2vray.cluster.resources.has_autoscaler", lambda: autoscaler)

    return make


def test_without_workers_a_pool_takes_all_room_and_that_of_machines_that_join(cluster: Make) -> None:
    """As far as there are units."""
    cluster(4, 2)
    pool = _Pool.of(100, None, None)
    assert (pool.here, pool.least, pool.most) == (6, 6, 100)
    assert _Pool.of(3, None, None).most == 3
    assert _Pool.of(3, None, None).least == 3


@pytest.mark.parametrize(
    ("units", "workers", "deaths"), [(100_000, None, 66), (10, None, 30), (100_000, 4, 12), (2, 4, 6), (1, None, 3)]
)
def test_workers_that_cannot_load_end_the_run_however_many_units_there_are(
    units: int, workers: int | None, deaths: int, cluster: Make
) -> None:
    cluster(4, 2)
    assert _Pool.of(units, workers, None).deaths == deaths


@pytest.mark.parametrize("cpus", [1, 2, 8, 64, 126])
def test_a_machine_holds_one_worker_a_cpu_and_no_more(cpus: int, cluster: Make) -> None:
    cluster(cpus)
    share = pool_share(cpus)
    assert cpus * share < cpus < (cpus + 1) * share


def test_on_a_cluster_that_may_grow_more_workers_are_waited_for(cluster: Make) -> None:
    """Its head may have CPUs."""
    cluster(2, 4, autoscaler=True)
    pool = _Pool.of(100, 10, None)
    assert (pool.here, pool.least, pool.most) == (6, 6, 10)
    cluster(0, autoscaler=True)
    pool = _Pool.of(100, None, None)
    assert (pool.here, pool.least, pool.most) == (0, 1, 100)
    pool = _Pool.of(100, 3, GpuShare(4))
    assert (pool.here, pool.least, pool.most) == (0, 1, 3)


@pytest.mark.parametrize(
    ("nodes", "workers", "gpu", "words"),
    [
        (
            (2, 4),
            10,
            None,
            "--workers is 10, and this Ray has 6 CPUs; allowed: 1 to 6",
        ),
        ((2.5, 4.5), 7, None, "this Ray has 7 CPUs; allowed: 1 to 6"),
        (((4, 0),), None, 4, "--gpu: this Ray has no GPU; leave out --gpu"),
        (((4, 1),), 2, 4, "--gpu with --workers 2 needs as many GPUs; this Ray has 1"),
        (((2, 1), (2, 1)), 1, 4, r"--cpus-per-gpu is 4, for 1 workers .* has room for 0 of them \(4 CPUs in all\)"),
        (((8, 0), (2, 2)), 2, 2, "has room for 1 of them"),
    ],
)
def test_what_can_never_fit_is_refused_at_once(
    nodes: Any, workers: int | None, gpu: int | None, words: str, cluster: Make
) -> None:
    """A worker is on one machine: that two have its CPUs together is of no use."""
    cluster(*nodes)
    with pytest.raises(ClusterError, match=words):
        _Pool.of(100, workers, None if gpu is None else GpuShare(gpu))


@pytest.mark.parametrize(
    ("nodes", "autoscaler", "grows"),
    [
        ((2, 4), True, True),
        ((2, 4), False, False),
        ((2, 4), None, False),
        ((0, 4), False, True),  # a head that is made for others to join
        ((0, 4), None, True),
    ],
)
def test_a_cluster_may_grow_by_an_autoscaler_or_where_its_head_does_no_work(
    nodes: Any, autoscaler: bool | None, grows: bool, cluster: Make
) -> None:
    cluster(*nodes, autoscaler=autoscaler)
    assert can_grow() == grows


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Let Ray store this as what its autoscaler knows."""

    def store(value: Any) -> None:
        monkeypatch.setattr(ray_internals, "find", lambda name: (lambda _: value) if name == STATUS else find(name))

    return store


@pytest.mark.parametrize(
    ("kinds", "there"),
    [
        ({"ray.head.default": 1, "ray.worker.default": 2}, True),
        ({"head-group": 1}, True),
        ({f"node_{'a1' * 28}": 1, f"node_{'b2' * 28}": 1}, False),  # put together by hand
        ({}, False),
    ],
)
def test_an_autoscaler_is_known_by_the_kinds_of_its_nodes(
    kinds: dict[str, int], there: bool, stored: Callable[[Any], None]
) -> None:
    stored(json.dumps({"autoscaler_report": {"active_nodes": kinds}}).encode())
    assert has_autoscaler() is there


@pytest.mark.parametrize("value", [b"no JSON", b"{}", b"[]", 3])
def test_what_is_stored_in_another_way_says_nothing(value: Any, stored: Callable[[Any], None]) -> None:
    stored(value)
    assert has_autoscaler() is None


@pytest.mark.parametrize(
    ("version", "kind", "there"),
    [("7", "cpu-group", True), ("7", "", False), ("0", "cpu-group", False), ("7", f"node_{'c' * 56}", False)],
)
def test_the_second_autoscaler_is_asked(
    version: str, kind: str, there: bool, stored: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(None)
    node = SimpleNamespace(ray_node_type_name=kind)
    status = SimpleNamespace(active_nodes=[], idle_nodes=[node], stats=SimpleNamespace(autoscaler_version=version))
    monkeypatch.setattr("ray.get_runtime_context", lambda: SimpleNamespace(gcs_address="10.0.0.1:6379"))
    monkeypatch.setattr("ray.autoscaler.v2.sdk.get_cluster_status", lambda _: status)
    assert has_autoscaler() is there
