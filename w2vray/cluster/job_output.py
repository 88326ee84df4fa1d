"""What a job prints: results go to stdout; if they are JSON, everything else goes to stderr."""

import json
import re
import sys
from collections.abc import Iterator, Sequence

__all__ = ["print_output"]

_OF_RAY = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\s+[A-Z]+ \S+\.py:\d+ -- ")
"""How a line of Ray's own log begins: it is no result."""


def print_output(pieces: Iterator[str], verb: Sequence[str]) -> None:
    """Print a log that comes in pieces.

    Args:
        pieces: of the log, cut anywhere.
        verb: the verb and its arguments; empty if the job runs another program: then all lines are for people.
    """
    streamed = list(verb[:1]) == ["predict"]
    objects_alone = streamed or "--json" in verb
    result = ""
    for line in _lines(pieces):
        if (objects_alone and not _is_object(line)) or _OF_RAY.match(line):
            sys.stderr.write(line)
        elif objects_alone and not streamed:
            result = line  # the last one
        else:
            sys.stdout.write(line)
            sys.stdout.flush()
    sys.stdout.write(result)


def _lines(pieces: Iterator[str]) -> Iterator[str]:
    """Yield whole lines."""
    rest = ""
    for piece in pieces:
        *lines, rest = (rest + piece).split("\n")
        yield from (line + "\n" for line in lines)
    if rest:
        yield rest + "\n"


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
