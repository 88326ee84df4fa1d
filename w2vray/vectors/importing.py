"""``vectors import``: a file of word vectors becomes a vectors directory."""

from collections.abc import Callable

from w2vray.settings.vectors import ImportSettings
from w2vray.text import tokens
from w2vray.vectors.directory import Vectors
from w2vray.vectors.families import FIRST_WORDS, FamilyGuess, guess_family
from w2vray.vectors.readers import open_source
from w2vray.vectors.writer import VectorsWriter

__all__ = ["import_vectors"]


def import_vectors(settings: ImportSettings, progress: Callable[[int, int | None], None] | None = None) -> Vectors:
    """Read a file of word vectors block by block and write the directory.

    Args:
        settings: what to read and where to write.
        progress: called with rows read and, where known, rows to read.

    Raises:
        VectorsError: the file is bad (its name, the row and what was expected are in the message), or the output
            cannot be written.
    """
    with (
        VectorsWriter(settings.output, dtype=settings.dtype) as writer,
        open_source(
            settings.source, settings.format, trust_pickle=settings.trust_pickle, limit=settings.limit
        ) as source,
    ):
        total = source.rows if settings.limit is None else min(settings.limit, source.rows or settings.limit)
        read = 0
        first_words: list[str] = []
        for block in source.blocks:
            writer.append(block, origin=source.path)
            first_words += block.words[: FIRST_WORDS - len(first_words)]
            read += len(block.words)
            if progress is not None:
                progress(read, total)
        guess = guess_family(first_words, otherwise=source.family)
        if settings.family:
            guess = FamilyGuess(settings.family, "--family says so")
        origin = {
            "path": str(source.path),
            "format": source.format,
            "rows": read,
            "header_rows": source.rows,
            "family_why": guess.why,
        }
        return writer.finish(tokens.family(guess.family), origin, source.ngrams)
