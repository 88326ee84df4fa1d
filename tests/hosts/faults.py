"""The faults, each with what is done to the hosts and how it is mended."""

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.hosts.cluster import Cluster

__all__ = ["FAULTS", "Fault"]

_LOST = r"w1 \(10\.77\.0\.2\) was lost"
_LOSS = 0.05
_RATE = "2mbit"

Deed = Callable[[Cluster], None]


def _nothing(_: Cluster) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault, which strikes when a third of the units are done."""

    name: str
    sentence: str
    strike: Deed = _nothing
    mend: Deed = _nothing
    lasts: float | None = None
    """Seconds until it is mended; None: when the command has ended."""
    notice: str | None = None
    """What the command says of it, as a pattern; None where there is nothing to be said."""
    ends_job: bool = False
    """Whether the job ends with it, so that the command has to be given again."""
    needs: str | None = None
    """A file without which it cannot be played, as a pattern in ``/usr/lib``; what to install is in the sentence."""
    env: Callable[[Cluster], Mapping[str, str]] = lambda _: {}
    """What Ray has in its environment on w1."""

    def missing(self) -> str | None:
        """Say what is missing to play it; None if nothing is."""
        if self.needs is None or any(Path("/usr/lib").glob(self.needs)):
            return None
        return f"needs /usr/lib/{self.needs}"


def _fill_disk(cluster: Cluster) -> None:
    """Leave not a byte in the folder that holds Ray's files on w1."""
    folder = cluster["w1"].here
    room = os.statvfs(folder)
    with (folder / "filling").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_bsize)


def _free_disk(cluster: Cluster) -> None:
    (cluster["w1"].here / "filling").unlink(missing_ok=True)


_FAKETIME = "*/faketime/libfaketimeMT.so.1"


def _false_clock(_: Cluster) -> Mapping[str, str]:
    """Let all of Ray on w1 have a clock that is an hour ahead; a clock that jumps is more than faketime can do."""
    library = next(Path("/usr/lib").glob(_FAKETIME))
    return {"LD_PRELOAD": str(library), "FAKETIME": "+3600s", "FAKETIME_DONT_RESET": "1"}


FAULTS = {
    fault.name: fault
    for fault in (
        Fault(name="nothing", sentence="Nothing happens: what the other figures are to be held against."),
        Fault(
            name="cut",
            sentence="The link of a worker is cut, and stays so.",
            strike=lambda cluster: cluster["w1"].link.cut(),
            mend=lambda cluster: cluster["w1"].link.mend(),
            notice=_LOST,
        ),
        Fault(
            name="cut-short",
            sentence="The link of a worker is cut for 15 s, before anybody notices.",
            strike=lambda cluster: cluster["w1"].link.cut(),
            mend=lambda cluster: cluster["w1"].link.mend(),
            lasts=15.0,
        ),
        Fault(
            name="cut-laptop",
            sentence="The link of the laptop that follows the job is cut for 45 s.",
            strike=lambda cluster: cluster["laptop"].link.cut(),
            mend=lambda cluster: cluster["laptop"].link.mend(),
            lasts=45.0,
            notice="the cluster does not answer",
        ),
        Fault(
            name="cut-store",
            sentence="The link of the S3 server is cut for 15 s.",
            strike=lambda cluster: cluster["s3"].link.cut(),
            mend=lambda cluster: cluster["s3"].link.mend(),
            lasts=15.0,
        ),
        Fault(
            name="slow",
            sentence="The link of a worker lets 2 Mbit/s through.",
            strike=lambda cluster: cluster["w1"].link.slow(_RATE),
            mend=lambda cluster: cluster["w1"].link.mend(),
        ),
        Fault(
            name="lossy",
            sentence="The link of a worker loses 5 % of its packets, by chance, in each direction.",
            strike=lambda cluster: cluster["w1"].link.lose(_LOSS),
            mend=lambda cluster: cluster["w1"].link.mend(),
        ),
        Fault(
            name="raylet",
            sentence="The raylet of a worker is killed.",
            strike=lambda cluster: _must(cluster["w1"].signal(signal.SIGKILL, "^raylet$")),
            notice=_LOST,
        ),
        Fault(
            name="head",
            sentence="All of Ray on the head is killed; 10 s later a new one starts, and the command is given again.",
            strike=lambda cluster: _must(cluster["head"].signal(signal.SIGKILL)),
            mend=lambda cluster: cluster.restart(),
            lasts=10.0,
            notice="the cluster does not answer|no longer knows job",
            ends_job=True,
        ),
        Fault(
            name="disk",
            sentence="The disk that Ray writes to on a worker is full.",
            strike=_fill_disk,
            mend=_free_disk,
        ),
        Fault(
            name="clock",
            sentence="The clock of a worker is an hour ahead, from the start (Debian's package faketime).",
            needs=_FAKETIME,
            env=_false_clock,
        ),
        Fault(
            name="stop-short",
            sentence="A worker stops for 30 s, and comes back when others have done its units.",
            strike=lambda cluster: _must(cluster["w1"].signal(signal.SIGSTOP)),
            mend=lambda cluster: cluster["w1"].go_on(),
            lasts=30.0,
            notice=_LOST,
        ),
        Fault(
            name="stop",
            sentence="A worker stops for a minute, and comes back when the run may have ended.",
            strike=lambda cluster: _must(cluster["w1"].signal(signal.SIGSTOP)),
            mend=lambda cluster: cluster["w1"].go_on(),
            lasts=60.0,
            notice=_LOST,
        ),
    )
}
"""All of them, by name, in the order in which they are played."""


def _must(signalled: int) -> None:
    """Require that a signal has reached something.

    Raises:
        RuntimeError: it has not, so that there was no fault.
    """
    if not signalled:
        raise RuntimeError("there was no such process to signal")
