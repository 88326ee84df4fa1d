"""What the first bytes of a file tell of the JSON in it: objects a line, an array, or something else."""

import json
import re
from collections.abc import Sequence

from w2vray.errors import FileError
from w2vray.schema import FileReason
from w2vray.store.plain.json_objects import NotAnObjectError, read_object
from w2vray.store.plain.streams import BOM, Head

__all__ = ["FIRST_LINES", "is_array", "is_object", "names_any", "require_lines"]

FIRST_LINES = 100


def is_object(head: Head) -> bool:
    """Tell whether the first line of a file is one JSON object."""
    lines = head.lines(1)
    return _reads(lines[0]) if lines else _begins(head)


def is_array(head: Head) -> bool:
    """Tell whether a file starts as a JSON array."""
    return head.start.removeprefix(BOM).lstrip()[:1] == b"["


def names_any(head: Head, columns: Sequence[str]) -> bool:
    """Tell whether one of these columns is named at the start of a file, as a key of JSON."""
    keys = (re.escape(json.dumps(name, ensure_ascii=False).encode()) for name in columns)
    return any(re.search(key + rb"\s*:", head.start) for key in keys)


def require_lines(head: Head) -> None:
    """Refuse a file that does not hold an object a line.

    Raises:
        FileError: it starts as a JSON array, or none of its first lines is an object.
    """
    lines = head.lines(FIRST_LINES)
    if is_array(head):
        raise FileError(
            "it is one JSON array, and not an object on each line: convert it, as with `jq -c '.[]' FILE > FILE.jsonl`",
            reason=FileReason.UNKNOWN_FORMAT,
        )
    if b"\n" not in head.start.rstrip(b"\n") and len(lines) > 1 and _reads(lines[0]):
        raise FileError(
            "its lines end in carriage returns alone: write it anew, as with `tr '\\r' '\\n' < FILE > OTHER`",
            reason=FileReason.UNSUPPORTED,
        )
    if not any(_reads(line) for line in lines) and (lines or not (head.whole or _begins(head))):
        first = (lines[0] if lines else head.start)[:40].decode(errors="replace")
        raise FileError(
            f"it is not JSON Lines: none of the {len(lines) or 1} lines at its start is a JSON object ({first!r} ...)",
            reason=FileReason.UNKNOWN_FORMAT,
        )


def _begins(head: Head) -> bool:
    """Tell whether a first line that is longer than the look begins as an object."""
    return not head.whole and head.start.removeprefix(BOM).lstrip()[:1] == b"{"


def _reads(line: bytes) -> bool:
    try:
        read_object(line.decode(), ())
    except (NotAnObjectError, UnicodeDecodeError):
        return False
    return True
