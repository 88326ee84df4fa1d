"""Two hosts as namespaces of this machine, where that is allowed: what is done to a link or a host has its effect."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.hosts.network import Host, Network

ECHO = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 7))
while True:
    server.sendto(*server.recvfrom(2000))
"""
ASK = """
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(0.02)
answers = 0
for _ in range(int(sys.argv[1])):
    client.sendto(b"x" * 1000, ("b", 7))
    try:
        client.recv(2000)
        answers += 1
    except TimeoutError:
        pass
print(answers)
"""

Ask = Callable[[int], int]


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    """Two hosts, of which ``b`` answers."""
    with tempfile.TemporaryDirectory(prefix="w2v-", dir="/var/tmp") as folder, ExitStack() as stack:
        try:
            made = stack.enter_context(Network(Path(folder), {"PATH": os.environ["PATH"]}))
            made.add("a", 1)
            made.add("b", 2).start([sys.executable, "-c", ECHO], subprocess.DEVNULL)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"no hosts can be made here: {error}")
        yield made


@pytest.fixture
def a(network: Network) -> Host:
    return network.hosts["a"]


@pytest.fixture
def b(network: Network) -> Host:
    return network.hosts["b"]


@pytest.fixture
def ask(a: Host, b: Host) -> Iterator[Ask]:
    """Ask ``b`` from ``a`` so many times, and return how often it has answered."""

    def asked(times: int) -> int:
        return int(a.run([sys.executable, "-c", ASK, str(times)], seconds=60))

    deadline = time.monotonic() + 20
    while not asked(1):
        assert time.monotonic() < deadline
    yield asked
    b.link.mend()


def test_a_host_has_a_name_a_folder_and_processes_of_its_own(a: Host, b: Host, network: Network) -> None:
    assert a.run(["hostname"], seconds=10) == "a\n"
    (a.here / "mine").write_text("of a", encoding="ascii")
    assert a.run(["cat", str(a.private / "mine")], seconds=10) == "of a"
    assert not (b.here / "mine").exists()
    assert not (network.here / "mine").exists()
    assert [len(host.processes("python")) for host in (a, b)] == [0, 1]


def test_a_link_counts_its_bytes(ask: Ask, a: Host) -> None:
    before = a.link.bytes()
    assert ask(50) == 50
    received, sent = (now - then for now, then in zip(a.link.bytes(), before, strict=True))
    assert 50_000 < received < 60_000
    assert 50_000 < sent < 60_000


def test_a_cut_link_carries_nothing_until_it_is_mended(ask: Ask, b: Host) -> None:
    b.link.cut()
    assert ask(5) == 0
    b.link.mend()
    assert ask(5) > 0


def test_a_lossy_link_loses_that_share_in_each_direction(ask: Ask, b: Host) -> None:
    b.link.lose(0.3)
    assert 49 <= ask(200) <= 147  # half of them are to be expected: 0.7 squared
    b.link.mend()
    assert ask(20) == 20


def test_a_slow_link_lets_no_more_through(ask: Ask, b: Host) -> None:
    b.link.slow("50kbit")  # 6 packets a second, after the first 16
    assert 0 < ask(100) < 80


def test_a_host_that_is_stopped_says_nothing_and_goes_on_where_it_was(ask: Ask, b: Host) -> None:
    assert b.signal(signal.SIGSTOP) == 1
    assert ask(3) == 0
    b.go_on()
    time.sleep(0.2)
    assert ask(10) > 0


def test_a_process_whose_parent_has_died_leaves_nothing_behind(a: Host) -> None:
    a.run(["sh", "-c", "sleep 0.01 & exit 0"], seconds=10)
    deadline = time.monotonic() + 10
    while "sleep" in a.run(["ps", "-A"], seconds=10):
        assert time.monotonic() < deadline


def test_a_host_that_is_cleared_has_no_processes_and_no_files(a: Host) -> None:
    a.start(["sleep", "100"], subprocess.DEVNULL)
    (a.here / "mine").write_text("of a", encoding="ascii")
    while not a.processes("sleep"):
        time.sleep(0.01)
    a.clear()
    assert a.processes() == []
    assert sorted(place.name for place in a.here.iterdir()) == ["home", "ray", "tmp"]
