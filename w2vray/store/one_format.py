"""A store holds files of one format: of two, one may be a copy of the other, and its rows would be read twice."""

from collections.abc import Iterable, Sequence

from w2vray.errors import CorpusError
from w2vray.store.corpus import Corpus, SourceFile
from w2vray.store.description import Description

__all__ = ["header_hint", "how_read", "require_one_format"]


def require_one_format(corpus: Corpus, files: Iterable[tuple[SourceFile, str]]) -> None:
    """Refuse a store of several formats.

    Args:
        corpus: the store.
        files: of it, each with its format.

    Raises:
        CorpusError: two of them have not the same; the message names both.
    """
    of_format: dict[str, SourceFile] = {}
    for file, found in files:
        of_format.setdefault(found, file)
    if len(of_format) > 1:
        named = " and ".join(f"{corpus.place(file)} is {found}" for found, file in list(of_format.items())[:2])
        choices = " or ".join(f"--format {found}" for found in of_format)
        raise CorpusError(
            f"the store holds files of several formats: {named}. Choose with {choices}, or name fewer files"
        )


def header_hint(described: Sequence[Description]) -> str:
    """Say where the names of columns come from, where a file may have none: CSV without a header."""
    first = next((item for item in described if item.format == "csv"), None)
    if first is None:
        return ""
    return (
        f". They are the first line of {first.file.name}: if that is a row, write a header above it; if another "
        "character is between its cells, give it with --delimiter"
    )


def how_read(files: Sequence[Description]) -> list[str]:
    """Say to a person how files are read, where it may be otherwise than expected."""
    told: dict[str, list[str]] = {}
    for item in files:
        for note in item.notes:
            told.setdefault(note, []).append(item.file.name)
    return [
        f"{names[0]}{f' and {len(names) - 1:,} more' if len(names) > 1 else ''}: {note}" for note, names in told.items()
    ]
