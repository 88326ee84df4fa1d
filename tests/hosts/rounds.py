"""A round: score the store on the cluster, let a fault strike, and hold the run against that of one process."""

import json
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.hosts.cluster import BUCKET, Cluster
from tests.hosts.faults import Fault
from tests.hosts.measuring import (
    Line,
    Rows,
    compared,
    longest_silence,
    seconds_to_notice,
    units_done,
    units_done_again,
)
from tests.hosts.network import Host

__all__ = ["Followed", "Round", "play"]

_LONGEST_SECONDS = 420.0
"""Of a command; what takes longer is ended, and reported as failed."""

_LOOK_SECONDS, _LAST_LINES_SECONDS = 0.25, 5.0
_LATE_SECONDS = 5.0
"""How long who comes back after the command has ended may do what it still wants to do."""


@dataclass
class Round:
    """What came of a fault."""

    fault: str
    sentence: str
    problems: list[str] = field(default_factory=list)
    commands: int = 0
    seconds: float | None = None
    seconds_to_notice: float | None = None
    units_done_again: int | None = None
    longest_silence: float | None = None
    rows_lost: int | None = None
    rows_twice: int | None = None

    @property
    def is_good(self) -> bool:
        """Tell whether the run is complete, verified and equal."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {name: round(value, 1) if isinstance(value, float) else value for name, value in asdict(self).items()}


class Followed:
    """A command on a host, whose lines are kept with their times and written to a log."""

    def __init__(self, host: Host, words: Sequence[str], log: Path) -> None:
        self.lines: list[Line] = []
        self.began = self.ended = time.monotonic()
        self._process = host.start(words, subprocess.PIPE)
        self._log = log
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._log.open("a", encoding="utf-8") as log:
            for data in self._process.stdout:
                line = Line(time.monotonic(), data.decode("utf-8", errors="replace").rstrip())
                self.lines.append(line)
                log.write(f"{line.seconds - self.began:7.1f}  {line.text}\n")
                log.flush()
        self.ended = time.monotonic()

    def has_ended(self) -> bool:
        """Tell whether it has."""
        return self._process.poll() is not None

    def end(self, until: float) -> int:
        """Wait for its end, and return its exit code.

        Raises:
            subprocess.TimeoutExpired: it does not end until then.
        """
        code = self._process.wait(max(0.0, until - time.monotonic()))
        self._reader.join(_LAST_LINES_SECONDS)
        return code


def score_words(run: str) -> list[str]:
    """Return the verb that scores the store."""
    return ["score", f"{BUCKET}/store", "--model", f"{BUCKET}/model", "--output", f"{BUCKET}/{run}"]


def play(fault: Fault, cluster: Cluster, expected: Path, units: int) -> Round:
    """Play a round; whatever fails is one of its problems.

    Args:
        fault: that strikes.
        cluster: with store and model in its bucket.
        expected: the parts of a run by one process.
        units: how many it has.
    """
    found = Round(fault.name, fault.sentence)
    try:
        cluster["laptop"].clear()  # of a command that did not end
        cluster.restart(fault.env)
        _disturbed(fault, cluster, found, units)
        _prove(fault.name, cluster, expected, found)
    except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
        found.problems.append(_said(error))
    finally:
        for host in cluster.hosts.values():
            host.link.mend()
            host.go_on()
    return found


def _disturbed(fault: Fault, cluster: Cluster, found: Round, units: int) -> None:
    """Give the command, let the fault strike, and see it to its end."""
    log = cluster.logs / f"{fault.name}.log"
    command = cluster.w2vray(score_words(fault.name))
    job = Followed(cluster["laptop"], command, log)
    until, found.commands = job.began + _LONGEST_SECONDS, 1
    while units_done(cluster.requests(), fault.name) < units // 3:
        if job.has_ended():
            raise RuntimeError(f"the command had ended before the fault: exit code {job.end(until)}")
        if time.monotonic() > until:
            raise TimeoutError("a third of the units were not done in time")
        time.sleep(_LOOK_SECONDS)
    struck = time.monotonic()
    fault.strike(cluster)
    if fault.lasts is not None:
        time.sleep(fault.lasts)
        fault.mend(cluster)
        if job.has_ended():
            time.sleep(_LATE_SECONDS)
    code, lines, seconds = job.end(until), list(job.lines), job.ended - job.began
    if fault.ends_job:
        if code == 0:
            found.problems.append("the job's end was told as success")
        again = Followed(cluster["laptop"], command, log)
        found.commands, code = 2, again.end(again.began + _LONGEST_SECONDS)
        lines, seconds = lines + again.lines, again.ended - job.began
    found.seconds = seconds
    if fault.lasts is None:
        fault.mend(cluster)
    if code != 0:
        found.problems.append(f"the command ended with exit code {code}")
    if fault.notice is not None:
        found.seconds_to_notice = seconds_to_notice(lines, struck, fault.notice)
    if fault.notice is not None and found.seconds_to_notice is None:
        found.problems.append("nothing was said of the fault")
    found.longest_silence = longest_silence(lines)
    found.units_done_again = units_done_again(cluster.requests(), fault.name)


def _prove(run: str, cluster: Cluster, expected: Path, found: Round) -> None:
    """Verify the run, and compare its rows."""
    place = f"{BUCKET}/{run}"
    verified = json.loads(cluster["laptop"].run(["w2vray", "verify", place, "--deep", "--json"], seconds=120.0))
    if not verified["ok"]:
        found.problems.append(f"verify: {verified}")
    parts = cluster.logs.parent / "runs" / run
    parts.mkdir(parents=True)
    cluster.bucket("get", f"{run}/scores", str(parts))
    rows: Rows = compared(parts, expected)
    found.rows_lost, found.rows_twice = rows.lost, rows.twice
    if not rows.are_right:
        found.problems.append(f"{rows.lost:,} rows lost, {rows.twice:,} twice, {rows.other:,} with other answers")


def _said(error: Exception) -> str:
    said = [getattr(error, name, None) or "" for name in ("stdout", "stderr")]
    return " ".join(f"{type(error).__name__}: {error} {' '.join(map(str, said))}".split())[-600:]
