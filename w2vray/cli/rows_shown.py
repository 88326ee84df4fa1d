"""What verbs that read labelled rows or a store tell of these rows: those that are left out, and known words."""

from collections.abc import Mapping

from w2vray.cli.console import Output, counted

__all__ = ["said", "tell_damaged", "words_found"]

_FILES_TOLD = 5


def said(unlabelled: Mapping[str, int]) -> str:
    """Say how many rows a value of --unlabelled has left out."""
    return "".join(f", {count:,} of {value!r}" for value, count in unlabelled.items())


def tell_damaged(output: Output, rows: Mapping[str, int]) -> None:
    """Say which files have damaged lines; ``score`` is what names each of them."""
    for file, count in list(rows.items())[:_FILES_TOLD]:
        output.note(f"left out: {counted(count, 'damaged line')} of {file}; `w2vray score` lists them under rejected")
    if len(rows) > _FILES_TOLD:
        output.note(f"and damaged lines of {counted(len(rows) - _FILES_TOLD, 'more file')}")


def words_found(tokens: int, coverage: float | None) -> str:
    """Say how many of the tokens have a vector."""
    return "no token was read" if coverage is None else f"{coverage:.1%} of {counted(tokens, 'token')} have a vector"
