"""A Delta Lake log that the library does not take, though it is plain: written by hand, or by a small program.

Such a log may lack what the protocol asks for and no reader needs (a ``protocol`` action, a schema). It is read here
only where every action is plain: files that were added and removed, without partition columns, deletion vectors,
column mapping or reader features. Anything else stays with the library's own refusal.

Source: Delta Transaction Log Protocol, "Action Reconciliation".
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from pyarrow import fs

__all__ = ["PlainLog", "read_plain_log"]

_COMMIT = re.compile(r"([0-9]{20})\.json")
_KNOWN = {"add", "remove", "metaData", "protocol", "commitInfo", "txn"}
_HARD = {"columnMapping", "deletionVectors", "readerFeatures"}


@dataclass(frozen=True)
class PlainLog:
    """What a log comes to: the version, its current files with their sizes, and its schema as it is written."""

    version: int
    sizes: Mapping[str, int]
    schema: str


def read_plain_log(store: fs.FileSystem, path: str, version: int | None) -> PlainLog | None:
    """Replay a log from its first commit; None where it is not as plain as that.

    Args:
        store: the filesystem.
        path: of the table in there.
        version: that is wanted, None for the last.
    """
    folder = f"{path.rstrip('/')}/_delta_log"
    try:
        names = [info.base_name for info in store.get_file_info(fs.FileSelector(folder))]
    except OSError:
        return None
    commits = sorted(name for name in names if _COMMIT.fullmatch(name))
    if not commits or [int(name[:20]) for name in commits] != list(range(len(commits))):
        return None
    wanted = commits if version is None else commits[: version + 1]
    sizes: dict[str, int] = {}
    schema = ""
    try:
        for name in wanted:
            with store.open_input_stream(f"{folder}/{name}") as stream:
                actions = [json.loads(line) for line in stream.read().splitlines() if line.strip()]
            removed = {unquote(action["remove"]["path"]) for action in actions if "remove" in action}
            added = {
                unquote(action["add"]["path"]): int(action["add"]["size"]) for action in actions if "add" in action
            }
            if not all(_is_plain(action) for action in actions) or removed & added.keys():
                return None
            sizes = {file: size for file, size in sizes.items() if file not in removed} | added
            schema = next(
                (action["metaData"].get("schemaString", "") for action in actions if "metaData" in action), schema
            )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return PlainLog(len(wanted) - 1, sizes, schema)


def _is_plain(action: Any) -> bool:
    """Tell whether an action says nothing but that a file is there, or is not, or what the table is called."""
    if not action.keys() <= _KNOWN or any(hard in json.dumps(action) for hard in _HARD):
        return False
    said = {name: action.get(name) or {} for name in _KNOWN}
    return not (
        said["add"].get("deletionVector")
        or said["add"].get("partitionValues")
        or said["remove"].get("deletionVector")
        or said["metaData"].get("partitionColumns")
        or (said["metaData"].get("format") or {}).get("provider", "parquet") != "parquet"
        or int(said["protocol"].get("minReaderVersion", 1)) > 1
    )
