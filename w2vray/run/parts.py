"""A unit's part: its name, and the record in its footer that proves what the unit did."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from w2vray.run.sealed import Seal, read_seal

__all__ = ["COUNTED_SINCE", "COUNTS", "CommittedPart", "UnitRecord", "part_name", "read_part", "unit_of"]


COUNTED_SINCE = ("rows_deleted", "tokens", "tokens_found", "rows_below_threshold")
"""What earlier versions did not count: 0 in their parts, and not in their totals."""

COUNTS = ("rows_in", "rows_scored", "rows_rejected", "rows_abstained", "rows_truncated", *COUNTED_SINCE)
"""What is counted of a unit, and added up over a run."""

_SAME_IN_ALL = ("unit", "run", "rows_read", "rows_in", "rows_scored", "rows_rejected", "rows_truncated", "rows_deleted")
"""What any two workers find in one unit."""


@dataclass(frozen=True, kw_only=True)
class UnitRecord:
    """What a unit's part says of itself."""

    unit: str
    rows_read: int
    rows_in: int  # rows_read less those that --where left out, and those that a table has deleted
    rows_scored: int
    rows_rejected: int
    rows_abstained: int  # of the scored ones
    rows_truncated: int  # of the scored ones
    run: str  # fingerprint of the run's identity: model, vectors, options that change answers
    profile: Mapping[str, Any]
    rows_below_threshold: int = 0  # of the scored ones: they have a known word, and no label reaches its threshold
    tokens: int = 0  # of the scored rows; 0 in parts of versions that did not count them
    tokens_found: int = 0  # those that have a vector
    rows_deleted: int = 0  # of those read: in the files, and deleted by the table that they belong to
    rejected: Mapping[str, int] | None = None  # Reason -> rows; None in parts of versions that did not count them
    refused: Mapping[str, tuple[int, str]] | None = None  # file of which no row could be scored -> rows, why of one
    rejected_sha256: str | None = None  # of the whole rejected part, None where there is none


@dataclass(frozen=True)
class CommittedPart:
    """What a part says of itself: its unit's record, and the hashes that prove the part."""

    record: UnitRecord
    seal: Seal

    def difference(self, other: "CommittedPart") -> str | None:
        """Say where two parts of one unit are not the same answer, None where they are.

        Parts of one numeric profile are equal byte for byte; those of two may differ in the last bits of a number.
        """
        for name in _SAME_IN_ALL:
            ours, theirs = getattr(self.record, name), getattr(other.record, name)
            if ours != theirs:
                return f"{name} is {theirs}, and {ours} here"
        if self.record.profile == other.record.profile and self.seal.data_sha256 != other.seal.data_sha256:
            return f"its rows have the hash {other.seal.data_sha256[:16]}, and {self.seal.data_sha256[:16]} here"
        return None


def part_name(unit: str) -> str:
    """Return the file name of a unit's part."""
    return f"part-{unit}.parquet"


def unit_of(name: str) -> str | None:
    """Return the unit of a part by its file name, None where it is no part's name."""
    unit = name.removeprefix("part-").removesuffix(".parquet")
    return unit if name == part_name(unit) else None


def read_part(handle: Any) -> CommittedPart:
    """Read the record at the end of an opened part; its rows are not read.

    Raises:
        W2vrayError: the part is damaged.
        TypeError: it is sealed, and no part.
    """
    footer = read_seal(handle)
    return CommittedPart(UnitRecord(**footer.record), footer.seal)
