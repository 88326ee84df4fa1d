"""Tables whose own log says which of their files are current: to read the folder as it is would count rows twice.

A table keeps files that it has replaced, and rows that were deleted from a file may stay in it: only the log knows. A
folder that belongs to such a table is therefore refused by the table's name.
"""

import re
from collections.abc import Iterable, Sequence

from pyarrow import fs

from w2vray.errors import CorpusError

__all__ = ["refuse_table_above", "refuse_tables"]

_LOGS = {"_delta_log": "Delta Lake", ".hoodie": "Hudi"}
_OF_A_LOG = re.compile(r"[0-9]{20}\.|_last_checkpoint$|hoodie\.properties$")
_ICEBERG = ".metadata.json"
_MOST_ABOVE = 6
"""Folders above a named one that are looked into: a partition of a table is named more often than one thinks."""


def refuse_tables(place: str, paths: Iterable[Sequence[str]]) -> None:
    """Refuse a folder in which there is a table.

    Args:
        place: of the folder, for people.
        paths: of all files below it, each as its names.

    Raises:
        CorpusError: one of them belongs to a table's log.
    """
    for names in paths:
        for depth, name in enumerate(names):
            if name in _LOGS and _OF_A_LOG.match("/".join(names[depth + 1 :])):
                raise _refused("/".join([place, *names[:depth]]), _LOGS[name])
        if len(names) > 1 and names[-2] == "metadata" and names[-1].endswith(_ICEBERG):
            raise _refused("/".join([place, *names[:-2]]), "Iceberg")


def refuse_table_above(store: fs.FileSystem, path: str) -> None:
    """Refuse a file or folder that lies in a table.

    Raises:
        CorpusError: a folder above it has a table's log.
    """
    parts = path.rstrip("/").split("/")
    above = ["/".join(parts[:depth]) for depth in range(len(parts) - 1, 0, -1)][:_MOST_ABOVE]
    places = {f"{folder}/{log}": (folder, log) for folder in above if folder for log in _LOGS}
    try:
        found = store.get_file_info(list(places))
    except OSError:
        return  # a store that may be read below, and not above
    for info in found:
        if info.type == fs.FileType.Directory:
            folder, log = places[info.path]
            raise _refused(folder, _LOGS[log])


def _refused(place: str, kind: str) -> CorpusError:
    return CorpusError(
        f"{place} is a {kind} table: its log says which files and rows are current, and the folder alone does not. "
        "Write the rows of the version you want as Parquet into another folder, and name that"
    )
