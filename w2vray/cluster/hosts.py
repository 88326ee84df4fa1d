"""The machines of the cluster while work goes on: told in a line each where one is lost, and where one joins.

What Ray itself says of a lost machine is left out where such a line says it; all else that it says is passed on.
"""

import math
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from w2vray.cluster.lazy_ray import is_running, ray
from w2vray.cluster.waiting import Note
from w2vray.errors import W2vrayError

__all__ = ["Host", "Hosts", "InHand", "is_lost", "naming_this_host", "on_this_host", "this_host"]

HOLD_SECONDS = 75.0
"""How long to hold back a line of Ray's that a lost machine may explain: Ray notices a cut link after about 64 s."""

AGAIN_SECONDS = 60.0

InHand = Callable[[str], int | None]

_MEANT_TO_GO: dict[int | str | None, str] = {1: "was shut down", "EXPECTED_TERMINATION": "was shut down"}
_MEANT_TO_GO |= {4: "was shut down", "AUTOSCALER_DRAIN_IDLE": "was shut down"}
_MEANT_TO_GO |= {3: "was preempted", "AUTOSCALER_DRAIN_PREEMPTED": "was preempted"}
"""Ray's reasons why a machine is gone, by number and by name; all others are a loss."""


@dataclass(frozen=True)
class Host:
    """A machine of the cluster; ``id`` is Ray's, and new when it comes back."""

    id: str
    name: str
    address: str
    cpus: float

    @classmethod
    def of(cls, node: Any) -> "Host":
        """Take one out of what Ray lists."""
        cpus = float(node.get("Resources", {}).get("CPU", 0))
        return cls(node["NodeID"], node.get("NodeManagerHostname", ""), node.get("NodeManagerAddress", ""), cpus)

    def __str__(self) -> str:
        return f"{self.name} ({self.address})" if self.name not in {"", self.address} else self.address


def this_host() -> str:
    """Return Ray's id of the machine that this process is on; empty outside of a cluster."""
    return str(ray.get_runtime_context().get_node_id()) if is_running() else ""


def is_lost(host: str) -> bool:
    """Tell whether a machine, by its id, has left the cluster."""
    return host not in {node["NodeID"] for node in ray.nodes() if node["Alive"]}


def on_this_host(error: W2vrayError) -> W2vrayError:
    """Return an error with the name of this host in its message, where the cluster has several."""
    if _has_several_hosts():
        error.args = (f"{error} (on host {socket.gethostname()})", *error.args[1:])
    return error


@contextmanager
def naming_this_host() -> Iterator[None]:
    """Let what the system refuses inside name this host, where the cluster has several: a full disk is that of one."""
    try:
        yield
    except OSError as error:
        if error.strerror and _has_several_hosts():
            error.strerror = f"{error.strerror} (on host {socket.gethostname()})"
        raise


def _has_several_hosts() -> bool:
    return len({node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]}) > 1


class Hosts:
    """A look at the machines of a cluster.

    Args:
        note: told of each that is lost, and of each that joins.
        in_hand: how many units the workers of a machine, by its id, have begun and not ended; None if unknown.
    """

    def __init__(self, note: Note, in_hand: InHand = lambda _: None) -> None:
        self._note, self._in_hand = note, in_hand
        self._known: dict[str, Host] | None = None
        self._lost_at: list[float] = []
        self._repeated = _Repeated(note)
        self._heard: list[tuple[float, str]] = []
        self._lock = threading.Lock()

    def __call__(self) -> None:
        """Look."""
        nodes = ray.nodes()
        alive = {node["NodeID"]: Host.of(node) for node in nodes if node["Alive"]}
        before, self._known = self._known, alive
        if before is not None:
            for gone in before.keys() - alive.keys():
                why = next((node.get("DeathReason") for node in nodes if node["NodeID"] == gone), None)
                self._lost_at.append(time.monotonic())
                self._tell_lost(before[gone], why)
            for new in alive.keys() - before.keys():
                if alive[new].cpus:
                    self._note(
                        f"{alive[new]} joined, with {alive[new].cpus:g} CPU{'' if alive[new].cpus == 1 else 's'}"
                    )
        self._pass_on(time.monotonic() - HOLD_SECONDS)

    def _tell_lost(self, host: Host, why: int | str | None) -> None:
        redone = "others redo what it had begun"
        if (units := self._in_hand(host.id)) is not None:
            these = f"the {units:,} unit{'' if units == 1 else 's'} that it had begun"
            redone = f"others redo {these}" if units else "it had begun no unit"
        self._note(f"{host} {_MEANT_TO_GO.get(why, 'was lost')}: {redone}; no row is lost")

    def hear(self, text: str) -> None:
        """Take what Ray says; called in a thread of Ray's."""
        with self._lock:
            self._heard.append((time.monotonic(), " ".join(text.split())))

    def end(self) -> None:
        """Look once more, and hold nothing back, where no look is possible either."""
        try:
            self()
        finally:
            self._pass_on(math.inf)

    def _pass_on(self, until: float) -> None:
        """Pass on lines that no lost machine explains; of those that one may still explain, lines until ``until``."""
        with self._lock:
            heard, self._heard = self._heard, []
        for when, text in heard:
            if not _MAY_BE_OF_LOST.search(text):
                self._repeated.tell(text)
            elif any(abs(when - lost) <= HOLD_SECONDS for lost in self._lost_at):
                continue
            elif when <= until:
                self._repeated.tell(text)
            else:
                with self._lock:
                    self._heard.append((when, text))
        self._repeated.tell_counts(force=until == math.inf)


_MAY_BE_OF_LOST = re.compile(
    r"Raylet is terminated|has been marked dead|will be retried|temporarily unavailable|\b[0-9a-f]{56}\b"
)
"""Lines of Ray's that a lost machine explains: Ray reports each attempt that failed."""


class _Repeated:
    """Passes on lines of Ray's; of lines that are alike, one a minute, with their count."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._told: dict[str, float] = {}
        self._more: Counter[str] = Counter()

    def tell(self, text: str) -> None:
        """Tell a line, or count it."""
        kind = re.sub(r"[0-9a-fx]*\d[0-9a-fx]*", "#", text)
        if kind in self._told:
            self._more[kind] += 1
            return
        self._told[kind] = time.monotonic()
        self._note(f"Ray: {text}")

    def tell_counts(self, *, force: bool) -> None:
        """Tell how many were like one that was told, from time to time."""
        for kind, count in list(self._more.items()):
            if force or time.monotonic() - self._told[kind] >= AGAIN_SECONDS:
                self._note(f"Ray: {count:,} more like this: {kind}")
                self._told[kind] = time.monotonic()
                del self._more[kind]
