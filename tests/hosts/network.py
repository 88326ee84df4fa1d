"""Hosts on one machine: each has a network, a hostname, processes and a temporary folder of its own.

A host is a set of Linux namespaces. All hosts hang on one bridge, which is in a namespace of its own. Nothing of the
machine's own network is touched, and nothing outside can be reached from a host::

    switch    br0 ----+-------+-------+
                   p-head   p-w1    p-w2 ...    the ends of the cables
                      |       |       |
    hosts           eth0    eth0    eth0 ...    10.77.0.1, 10.77.0.2, 10.77.0.3, ...

The first process of a host reads from a pipe that this process holds. However this process ends, the pipe ends, that
process ends, and with it the kernel ends all others of the host, its network and its mounts.
"""

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from tests.hosts.link import Inside, Link

__all__ = ["Host", "Network"]

_SUBNET = "10.77.0"
_PRIVATE_BYTES, _SHARED_MEMORY_BYTES = "1g", "2g"
_WAIT_SECONDS = 20.0

_SWITCH = "ip link add br0 type bridge && ip link set br0 up && echo $$ && exec cat"
_HOST = """
read -r pid rest < /proc/self/stat
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o size={private} here {here}
mount -t tmpfs -o size={memory} memory /dev/shm
mount --bind {names} /etc/hosts
mkdir {here}/home {here}/tmp {here}/ray
hostname {name}
ip link set lo up
echo $pid
exec env --ignore-signal=CHLD cat
"""
"""Because the first process ignores SIGCHLD, the kernel itself buries those whose parent has died."""


class Host:
    """A host: ``run`` and ``start`` put programs on it."""

    def __init__(self, name: str, address: str, network: "Network", switch: Inside) -> None:
        self.name, self.address = name, address
        self._network = network
        script = _HOST.format(
            private=_PRIVATE_BYTES, memory=_SHARED_MEMORY_BYTES, here=network.here, names=network.names, name=name
        )
        kinds = ("--net", "--mount", "--uts", "--pid", "--fork")
        self._first, self.pid = _held(["unshare", *kinds, "sh", "-e", "-c", script])
        self.link = Link(name, f"{address}/24", host=self.pid, switch=switch)
        self._started: list[subprocess.Popen[bytes]] = []

    @property
    def here(self) -> Path:
        """The folder that each host has of its own, as this process sees that of this host."""
        return Path(f"/proc/{self.pid}/root{self._network.here}")

    @property
    def private(self) -> Path:
        """The same folder, as programs on the host see it."""
        return self._network.here

    def command(self, words: Sequence[str]) -> list[str]:
        """Return what runs these words on this host."""
        return ["nsenter", f"--target={self.pid}", "--net", "--mount", "--uts", "--pid", "--", *words]

    def run(self, words: Sequence[str], *, seconds: float, env: Mapping[str, str] | None = None) -> str:
        """Run a program to its end, and return what it says.

        Raises:
            subprocess.SubprocessError: it takes too long, or fails.
        """
        environment = {**self._network.environment, **(env or {})}
        done = subprocess.run(
            self.command(words), env=environment, timeout=seconds, check=True, capture_output=True, text=True, stdin=-3
        )
        return done.stdout

    def start(
        self, words: Sequence[str], log: IO[bytes] | int, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program whose stdout and stderr go to a file, or to a pipe."""
        environment = {**self._network.environment, **(env or {})}
        process = subprocess.Popen(self.command(words), env=environment, stdin=-3, stdout=log, stderr=-2)
        self._started.append(process)
        return process

    def processes(self, name: str = "") -> list[int]:
        """Return the numbers of its processes whose name matches, but for the first one."""
        own = Path(f"/proc/{self.pid}/ns/pid").readlink()
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                inside = (place / "ns" / "pid").readlink() == own
                called = (place / "comm").read_text(encoding="utf-8", errors="replace").strip()
            except OSError:  # it has ended meanwhile
                continue
            if inside and int(place.name) != self.pid and re.search(name, called):
                found.append(int(place.name))
        return found

    def signal(self, number: signal.Signals, name: str = "") -> int:
        """Send a signal to those processes, new ones too, until none is new; return how many."""
        sent: set[int] = set()
        while new := set(self.processes(name)) - sent:
            for process in new:
                _send(process, number)
            sent |= new
        return len(sent)

    def go_on(self) -> None:
        """Let what was stopped go on; what carries a signal to a host was stopped with it."""
        self.signal(signal.SIGCONT)
        for process in self._started:
            if process.poll() is None:
                _send(process.pid, signal.SIGCONT)

    def clear(self) -> None:
        """End all that runs on it, and empty its folder."""
        self.go_on()
        self.signal(signal.SIGKILL)
        for process in self._started:
            process.wait(_WAIT_SECONDS)
        self._started.clear()
        inside = f"rm -rf {self._network.here}/* /dev/shm/*; mkdir {self._network.here}/home {self._network.here}/tmp"
        self.run(["sh", "-c", f"{inside} {self._network.here}/ray"], seconds=_WAIT_SECONDS)

    def end(self) -> None:
        """End the host."""
        _send(self.pid, signal.SIGKILL)
        self._first.kill()
        self._first.wait(_WAIT_SECONDS)
        for process in self._started:
            process.kill()
            process.wait(_WAIT_SECONDS)


class Network:
    """A bridge, and hosts on it; all of it ends with the block.

    Args:
        folder: seen by all hosts, with the same path; ``here`` in it is another folder on each.
        environment: what programs on the hosts have in theirs.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.here, self.names = folder / "here", folder / "names"
        self.environment = dict(environment)
        self.hosts: dict[str, Host] = {}

    def __enter__(self) -> Self:
        self.here.mkdir()
        self.names.write_text("127.0.0.1 localhost\n", encoding="ascii")
        self._switch, pid = _held(["unshare", "--net", "sh", "-c", _SWITCH])
        self._in_switch = Inside(pid)
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.hosts.values():
            host.end()
        self._switch.kill()
        self._switch.wait(_WAIT_SECONDS)

    def add(self, name: str, number: int) -> Host:
        """Add a host, whose address ends in this number."""
        address = f"{_SUBNET}.{number}"
        with self.names.open("a", encoding="ascii") as file:
            file.write(f"{address} {name}\n")
        host = self.hosts[name] = Host(name, address, self, self._in_switch)
        return host


def _held(command: Sequence[str]) -> tuple[subprocess.Popen[bytes], int]:
    """Start a process that lives as long as its pipe from here, and return it and the number that it says it has."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    said = process.stdout.readline()
    if not said.strip():
        raise OSError(f"a host could not be made: {process.stderr.read().decode(errors='replace').strip()}")
    return process, int(said)


def _send(process: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)
