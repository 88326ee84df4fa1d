"""A host's link, and what is done to it: cut, slow, lossy, mended; and the bytes that went over it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Inside", "Link"]

_WAIT_SECONDS = 20.0


class Inside:
    """Runs programs in the network of a process."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def __call__(self, *words: str) -> None:
        command = ["nsenter", f"--target={self._pid}", "--net", "--", *words]
        subprocess.run(command, check=True, capture_output=True, timeout=_WAIT_SECONDS)


class Link:
    """A cable with two ends: ``p-NAME`` in the switch, ``eth0`` in the host.

    Args:
        name: of the host.
        address: of the host, with the length of the net's prefix.
        host: the number of a process of the host.
        switch: runs programs in the network of the switch.
    """

    def __init__(self, name: str, address: str, *, host: int, switch: Inside) -> None:
        self._name, self._host, self._switch, self._inside = f"p-{name}", host, switch, Inside(host)
        switch("ip", "link", "add", self._name, "type", "veth", "peer", "name", "eth0", "netns", str(host))
        switch("ip", "link", "set", self._name, "master", "br0", "up")
        self._inside("ip", "address", "add", address, "dev", "eth0")
        self._inside("ip", "link", "set", "eth0", "up")

    def bytes(self) -> tuple[int, int]:
        """Return how many bytes the host has received and sent over it."""
        text = Path(f"/proc/{self._host}/net/dev").read_text(encoding="ascii")
        (line,) = (line for line in text.splitlines() if line.strip().startswith("eth0:"))
        numbers = line.partition(":")[2].split()
        return int(numbers[0]), int(numbers[8])

    def cut(self) -> None:
        """Cut it."""
        self._switch("ip", "link", "set", self._name, "down")

    def slow(self, rate: str) -> None:
        """Let no more than this through, in each direction: ``2mbit``."""
        for on, end in self._ends():
            on("tc", "qdisc", "replace", "dev", end, "root", "tbf", "rate", rate, "burst", "16kb", "latency", "1s")

    def lose(self, share: float) -> None:
        """Lose this share of the packets, in each direction, by chance.

        A filter of four instructions draws a number for each packet. Those below the share go to a class whose queue
        holds one byte, and no packet.
        """
        code = f"4,32 0 0 4294963256,37 1 0 {int(share * 0xFFFFFFFF)},6 0 0 4294967295,6 0 0 0,"
        for on, end in self._ends():
            on("tc", "qdisc", "replace", "dev", end, "root", "handle", "1:", "htb")
            on("tc", "class", "add", "dev", end, "parent", "1:", "classid", "1:9", "htb", "rate", "8bit")
            on("tc", "qdisc", "add", "dev", end, "parent", "1:9", "bfifo", "limit", "1")
            chosen = ("bpf", "bytecode", code, "flowid", "1:9")
            on("tc", "filter", "add", "dev", end, "parent", "1:", "protocol", "all", *chosen)

    def mend(self) -> None:
        """Make it whole again."""
        self._switch("ip", "link", "set", self._name, "up")
        for on, end in self._ends():
            on("sh", "-c", f"tc qdisc del dev {end} root 2>/dev/null || true")

    def _ends(self) -> Iterator[tuple[Inside, str]]:
        yield self._switch, self._name
        yield self._inside, "eth0"
