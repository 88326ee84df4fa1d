"""What a command and the S3 server have said, and what a run holds, in figures."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq

__all__ = ["Line", "Rows", "compared", "longest_silence", "seconds_to_notice", "units_done", "units_done_again"]

_PROGRESS = re.compile(r"^scoring: [\d,]+ of [\d,]+ units?\b")


@dataclass(frozen=True)
class Line:
    """A line of a command's output, and when it came."""

    seconds: float
    text: str


def longest_silence(lines: Sequence[Line]) -> float | None:
    """Return the longest time from one progress line to the next; None where there are not two."""
    times = [line.seconds for line in lines if _PROGRESS.match(line.text)]
    return max((later - earlier for earlier, later in pairwise(times)), default=None)


def seconds_to_notice(lines: Iterable[Line], struck: float, words: str) -> float | None:
    """Return how long after ``struck`` the first line came that has the words; None if none did."""
    found = (line.seconds - struck for line in lines if line.seconds >= struck and re.search(words, line.text))
    return next(found, None)


def units_done(requests: str, run: str) -> int:
    """Return how many units of a run are done, by the requests that the S3 server has had."""
    published = re.findall(rf'"PUT /bucket/{run}/scores/part-(\w+)\.parquet HTTP/[\d.]+" 200', requests)
    return len(set(published))


def units_done_again(requests: str, run: str) -> int:
    """Return how many times a unit of a run was begun again: each begin writes a mark of its own."""
    place = rf'"PUT /bucket/{run}/_temporary/attempts-\w+/(\w+)/([\w-]+)(?:\?\S*)? HTTP/[\d.]+" 200'
    begun = Counter(unit for unit, _ in set(re.findall(place, requests)))
    return sum(times - 1 for times in begun.values())


@dataclass(frozen=True)
class Rows:
    """How a run's rows compare with those that it has to have."""

    lost: int
    twice: int
    other: int
    """Rows that are there, once, with another answer."""

    @property
    def are_right(self) -> bool:
        """Tell whether they are all there, once, and equal."""
        return not (self.lost or self.twice or self.other)


def compared(found: Path, expected: Path) -> Rows:
    """Compare the parts in two folders row by row.

    Args:
        found: of the run that was disturbed.
        expected: of a run by one process.
    """
    ours, theirs = _rows(found), _rows(expected)
    there = Counter({place: len(answers) for place, answers in ours.items()})
    return Rows(
        lost=sum(place not in there for place in theirs),
        twice=sum(times - 1 for times in there.values()),
        other=sum(answers[0] != theirs.get(place, [""])[0] for place, answers in ours.items()),
    )


def _rows(folder: Path) -> Mapping[tuple[str, int], list[str]]:
    """Return the answers of each row, by its place."""
    rows: dict[tuple[str, int], list[str]] = {}
    for part in sorted(folder.glob("part-*.parquet")):
        for row in pq.read_table(part, partitioning=None).to_pylist():
            place = row.pop("source_file"), row.pop("source_row")
            rows.setdefault(place, []).append(repr(sorted(row.items())))
    return rows
