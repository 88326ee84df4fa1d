"""What a person sees of word vectors: what was understood of a file, and whatever looks odd, at 80 columns."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len

from w2vray.cli.console import counted

__all__ = ["oddities", "vectors_lines"]

_COLUMNS = 80
_LONGEST = 30
_INDENT = "  "


def vectors_lines(opened: Any) -> list[str]:
    """Return the lines that ``vectors import`` ends with, and ``vectors info`` shows."""
    from w2vray.vectors.overview import overview

    found, source = overview(opened), opened.source
    words = counted(len(opened.vocabulary), "word")
    lines = [f"{opened.place}: {words} x {opened.dim}, {opened.table_VD.dtype}, family {opened.rules.name}"]
    if source.get("format") and source.get("path"):
        lines += _wrapped("read as", [f"{source['format']}, from {source['path']}"])
    if source.get("family_why"):
        lines += _wrapped(f"family {opened.rules.name}, because", source["family_why"].split(" "), between=" ")
    lines += _wrapped("first words:", [_word(word) for word in found.first_words], between="  ")
    lines += _wrapped("odd words:", [f'{kind} "{_word(word)}"' for kind, word in found.odd_words.items()])
    if found.largest is not None:
        lines.append(f'largest number: {found.largest["number"]:.6g}, of "{_word(found.largest["word"])}"')
    if opened.features is not None:
        lines.append(f"{counted(len(opened) - len(opened.vocabulary), 'row')} of n-grams")
    if opened.ngrams is not None:
        lengths = f"{opened.ngrams.shortest} to {opened.ngrams.longest}"
        lines.append(f"{len(opened.ngrams.table_GD):,} buckets of n-grams, {lengths} characters long")
    return [*lines, *oddities(source), f"fingerprint {opened.fingerprint[:16]}"]


def oddities(source: Mapping[str, Any]) -> Iterator[str]:
    """Say how many rows of a file were left out for each reason, which were the first, and what else is odd in it."""
    left_out = source.get("left_out", {})
    for reason, rows in left_out.items():
        more = [f"and {rows['rows'] - len(rows['first']):,} more"] if rows["rows"] > len(rows["first"]) else []
        yield from _wrapped(f"left out, {reason}: {rows['rows']:,}:", [*rows["first"], *more])
    if not left_out and source.get("duplicates"):
        yield f"{counted(source['duplicates'], 'duplicate word')} left out"
    for note in source.get("notes", ()):
        yield from _wrapped("note:", note.split(" "), between=" ")


def _word(word: str) -> str:
    """Quote a word so that it stays on its line, whatever is in it."""
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in word)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def _wrapped(title: str, items: Sequence[str], between: str = ", ") -> Iterator[str]:
    """Break a list between its items, counting wide characters twice."""
    line, started = title, False
    for index, item in enumerate(items):
        piece = f"{between}{item}" if started else f" {item}"
        ahead = "" if index == len(items) - 1 else between.rstrip()
        if started and cell_len(line + piece + ahead) > _COLUMNS:
            yield (line + between).rstrip()
            line, piece = _INDENT, item
        line, started = line + piece, True
    yield line
