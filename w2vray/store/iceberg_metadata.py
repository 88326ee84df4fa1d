"""Iceberg's files of metadata: which of them is a table's newest, and what it says.

A catalog knows which file counts, and no catalog is asked here. The names tell it where all of them are numbered in one
way: by who writes without a catalog (``v3.metadata.json``), or by a catalog (``00003-4f1c....metadata.json``).
"""

import gzip
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pyarrow import fs

if TYPE_CHECKING:
    from pyiceberg.table.metadata import TableMetadata

__all__ = ["METADATA", "newest_metadata", "read_metadata"]

METADATA = re.compile(r".*\.metadata\.json(\.gz)?")
"""What a file of metadata is called; ``.json.gz`` is how older programs name a packed one."""

_NUMBERED = (
    re.compile(r"v([0-9]+)(\.gz)?\.metadata\.json(\.gz)?"),
    re.compile(r"([0-9]+)(-.*)?\.metadata\.json(\.gz)?"),
)
"""Names without a catalog, and with one."""

_HINT = "version-hint.text"
_PACKED = b"\x1f\x8b"


def read_metadata(store: fs.FileSystem, path: str) -> "TableMetadata":
    """Read a file of metadata, packed or not, whatever it is called.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is no such file.
    """
    from pyiceberg.table.metadata import TableMetadataUtil

    with store.open_input_file(path) as handle:
        data = handle.read()
    return TableMetadataUtil.parse_raw((gzip.decompress(data) if data.startswith(_PACKED) else data).decode())


def newest_metadata(named: str, store: fs.FileSystem, folder: str) -> str:
    """Return the name of the newest of a table's files of metadata: by the hint that lies there, or by number.

    Args:
        named: the table, for people.
        store: the filesystem of it.
        folder: of the table in there.

    Raises:
        ValueError: the names do not tell it.
    """
    infos = store.get_file_info(fs.FileSelector(f"{folder}/metadata"))
    there = {info.base_name for info in infos if info.type == fs.FileType.File}
    names = sorted(filter(METADATA.fullmatch, there))
    numbers = _numbers(named, names)
    if _HINT in there:
        with store.open_input_file(f"{folder}/metadata/{_HINT}") as handle:
            return _hinted(named, handle.read().decode().strip(), names, numbers)
    newest, *others = [str(name) for name in names if numbers[name] == max(numbers.values())]
    if others:
        raise _unknown(named, newest, f"{newest} and {others[0]} are both the newest of its metadata")
    return newest


def _numbers(named: str, names: list[str]) -> dict[str, int]:
    """Return the number of each file.

    Raises:
        ValueError: they are not numbered in one way.
    """
    if len(names) == 1:
        return {names[0]: 0}
    ways = [{name: int(match[1]) for name in names if (match := way.fullmatch(name))} for way in _NUMBERED]
    numbers: dict[str, int] = max(ways, key=len)
    if odd := [name for name in names if name not in numbers]:
        others = f"{odd[0]} and {next(iter(numbers), odd[-1])} are not numbered in one way"
        raise _unknown(named, odd[0], f"its metadata {others}")
    return numbers


def _hinted(named: str, hint: str, names: Iterable[str], numbers: dict[str, int]) -> str:
    """Return what a hint says; it is written after the metadata, and may be late.

    Raises:
        ValueError: there are no such metadata, or later ones that nobody without a catalog writes.
    """
    called = (hint, *(f"{start}{end}" for start in (f"v{hint}", hint) for end in _ENDINGS))
    found = [name for name in called if name in names]
    if not found:
        raise ValueError(f"its {_HINT} says {hint!r}, and there are no such metadata")
    newest = found[0]
    if not hint.isdecimal():
        if later := [name for name in names if numbers[name] > numbers[newest]]:
            raise _unknown(named, later[-1], f"its {_HINT} says {hint!r}, and {later[-1]} is newer by its number")
        return newest
    follow = {number: name for name, number in reversed(numbers.items())}
    while (number := numbers[newest] + 1) in follow:
        newest = follow[number]
    return newest


_ENDINGS = (".metadata.json", ".gz.metadata.json", ".metadata.json.gz")


def _unknown(named: str, name: str, why: str) -> ValueError:
    return ValueError(f"{why}, and only its catalog knows which counts: name the file, as {named}/metadata/{name}")
