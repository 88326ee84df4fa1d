"""A machine that is lost, or joins, is told in a line; what Ray says of it is not, and all else that it says is."""

from typing import Any

import pytest
from ray.exceptions import RaySystemError

from w2vray.cluster import hosts
from w2vray.cluster.hosts import Host, Hosts, is_lost

ONE, TWO, THREE = "1" * 56, "2" * 56, "3" * 56


def node(number: str, *, alive: bool = True, cpus: float = 2, reason: int | str = 2) -> dict[str, Any]:
    """A node as Ray lists it."""
    return {
        "NodeID": number,
        "Alive": alive,
        "NodeManagerHostname": f"worker-{number[0]}",
        "NodeManagerAddress": f"10.0.0.{number[0]}",
        "Resources": {"CPU": cpus} if alive else {},
        "DeathReason": None if alive else reason,
    }


class Cluster:
    """What Ray lists, one list a look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.nodes = [node(ONE), node(TWO)]
        monkeypatch.setattr("ray.nodes", lambda: self.nodes)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(monkeypatch)


@pytest.mark.parametrize(
    ("units", "reason", "line"),
    [
        (3, 2, "was lost: others redo the 3 units that it had begun"),
        (1, "AUTOSCALER_DRAIN_PREEMPTED", "was preempted: others redo the 1 unit that it had begun"),
        (2, 3, "was preempted: others redo the 2 units that it had begun"),
        (0, "AUTOSCALER_DRAIN_IDLE", "was shut down: it had begun no unit"),
        (0, 4, "was shut down: it had begun no unit"),
        (0, "UNEXPECTED_TERMINATION", "was lost: it had begun no unit"),
        (None, "EXPECTED_TERMINATION", "was shut down: others redo what it had begun"),
    ],
)
def test_a_lost_machine_is_told_once(cluster: Cluster, units: int | None, reason: int | str, line: str) -> None:
    told: list[str] = []
    asked: list[str] = []

    def in_hand(host: str) -> int | None:
        asked.append(host)
        return units

    look = Hosts(told.append, in_hand)
    look()
    assert told == []
    cluster.nodes = [node(ONE), node(TWO, alive=False, reason=reason)]
    look()
    look()
    assert told == [f"worker-2 (10.0.0.2) {line}; no row is lost"]
    assert asked == [TWO]


def test_a_machine_that_joins_is_told_and_one_that_comes_back_is_another(cluster: Cluster) -> None:
    told: list[str] = []
    look = Hosts(told.append)
    look()
    cluster.nodes = [node(ONE), node(TWO, alive=False)]
    look()
    cluster.nodes = [*cluster.nodes, node(THREE, cpus=4), node("4" * 56, cpus=0)]
    look()
    assert told[1:] == ["worker-3 (10.0.0.3) joined, with 4 CPUs"]
    assert (is_lost(ONE), is_lost(TWO), is_lost(THREE)) == (False, True, False)


RETRIED = "Task MapWorker.submit failed. There are infinite retries remaining, so the task will be retried. Error: {}"
DEAD = f"The node with node id: {TWO} and address: 10.0.0.2 has been marked dead\nbecause of its silence"
TERMINATED = "Raylet is terminated. Termination is unexpected. Last 20 lines of the Raylet logs:\n    [state-dump] 1"


def test_what_ray_says_of_a_lost_machine_is_left_out_whenever_it_says_it(cluster: Cluster) -> None:
    told: list[str] = []
    look = Hosts(told.append)
    look()
    for text in (TERMINATED, *[RETRIED.format(f"Connection refused by 10.0.0.2:{port}") for port in range(9)]):
        look.hear(text)
    look()
    assert told == [], "they are held back until it is known whether a machine is lost"
    cluster.nodes = [node(ONE), node(TWO, alive=False)]
    look()
    look.hear(DEAD)
    look.end()
    assert [line.split(":")[0] for line in told] == ["worker-2 (10.0.0.2) was lost"]


def test_what_no_lost_machine_explains_is_passed_on(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, or when it is known that none does; of many lines that are alike the first, and their count."""
    told: list[str] = []
    look = Hosts(told.append)
    look()
    look.hear("no space left on the disk\n  of 10.0.0.2")
    look.hear(RETRIED.format("worker 17 has died"))
    look()
    assert told == ["Ray: no space left on the disk of 10.0.0.2"]
    monkeypatch.setattr(hosts, "HOLD_SECONDS", -1.0)
    for worker in (18, 19):
        look.hear(RETRIED.format(f"worker {worker} has died"))
    look()
    assert told[1:] == [f"Ray: {RETRIED.format('worker 17 has died')}"]
    look.end()
    assert told[2:] == [f"Ray: 2 more like this: {RETRIED.format('worker # has died')}"]
    assert cluster.nodes


def test_at_the_end_nothing_is_held_back(cluster: Cluster) -> None:
    told: list[str] = []
    look = Hosts(told.append)
    look()
    look.hear(TERMINATED)
    look()
    assert told == []
    look.end()
    assert told == [f"Ray: {' '.join(TERMINATED.split())}"]
    assert cluster.nodes


def test_at_the_end_nothing_is_held_back_where_the_cluster_is_gone_too(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise RaySystemError("the head does not answer")

    told: list[str] = []
    look = Hosts(told.append)
    look()
    look.hear(TERMINATED)
    monkeypatch.setattr("ray.nodes", away)
    with pytest.raises(RaySystemError):
        look.end()
    assert told == [f"Ray: {' '.join(TERMINATED.split())}"]
    assert cluster.nodes


@pytest.mark.parametrize(
    ("name", "address", "shown"), [("a", "10.0.0.1", "a (10.0.0.1)"), ("", "::1", "::1"), ("b", "b", "b")]
)
def test_a_machine_is_called_by_name_and_address(name: str, address: str, shown: str) -> None:
    assert str(Host("1", name, address, 1.0)) == shown
