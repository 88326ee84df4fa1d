"""What stands at a path: told where something else was expected, or where nothing is and a name nearby is like it."""

import difflib
import os
from pathlib import Path

__all__ = ["RUN_KIND", "SIGNS", "instead", "made_by_us", "near_name"]

RUN_KIND = "a scoring run"

SIGNS = {
    "vectors.json": "a vectors directory",
    "weights.safetensors": "a model directory",
    "run.json": RUN_KIND,
}
"""A file of each kind of directory that w2vray makes, and that no other kind has."""


def made_by_us(path: str | Path) -> str:
    """Return which kind of directory of w2vray's a path is; empty for anything else."""
    for sign, kind in SIGNS.items():
        if os.path.isfile(os.path.join(path, sign)):  # noqa: PTH113, PTH118 - a path may be a URI's, or hold a NUL
            return kind
    return ""


def instead(path: str | Path) -> str:
    """Return a half-sentence on what a path is, where it is not what was wanted.

    For example "; it is a scoring run", or "; it does not exist; did you mean reviews.parquet?".
    """
    here = Path(path)
    try:
        if here.is_dir():
            kind = made_by_us(here)
            return f"; it is {kind}" if kind else ""
        return "; it is a file" if here.exists() else f"; it does not exist{near_name(here)}"
    except (OSError, ValueError):
        return ""


def near_name(path: str | Path) -> str:
    """Return a question after the name in the same folder that is most like one that does not exist there."""
    here = Path(path)
    try:
        near = difflib.get_close_matches(here.name, [found.name for found in here.parent.iterdir()], n=1)
    except (OSError, ValueError):
        return ""
    return f"; did you mean {here.parent / near[0]}?" if near else ""
