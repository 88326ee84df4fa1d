"""``vectors import``: a file of word vectors becomes a vectors directory."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from w2vray.errors import VectorsError
from w2vray.places.fetching import fetched_file
from w2vray.places.sending import written_at
from w2vray.places.uris import is_uri, without_secrets
from w2vray.settings.fields import flag
from w2vray.settings.vectors import ImportSettings
from w2vray.text import rules as token_rules
from w2vray.vectors.directory import META, Vectors
from w2vray.vectors.families import FIRST_WORDS, FamilyGuess, guess_family
from w2vray.vectors.plausible import TELLING, misread_letters, require_bare_words, unseen_letters
from w2vray.vectors.readers import BadRows, Source, open_source
from w2vray.vectors.readers.bad_rows import shown
from w2vray.vectors.writer import VectorsWriter

__all__ = ["import_vectors"]

_FAR = 1e4


def import_vectors(settings: ImportSettings, progress: Callable[[int, int | None], None] | None = None) -> Vectors:
    """Read a file of word vectors block by block and write the directory.

    Args:
        settings: what to read and where to write.
        progress: called with rows read and, where known, rows to read.

    Raises:
        VectorsError: the file is bad (its name, the row and what was expected are in the message), or the output
            cannot be written.
    """
    with written_at(settings.output, META, VectorsError) as output:
        source = settings.source
        if is_uri(source):
            source = str(fetched_file(source, VectorsError))
        made = _import(replace(settings, source=source, output=str(output)), without_secrets(settings.source), progress)
    return made.sent_to(settings.output)


def _import(settings: ImportSettings, named: str, progress: Callable[[int, int | None], None] | None) -> Vectors:
    """Read a file of this machine, which somebody may have named by its URI."""
    bad = BadRows(Path(settings.source), skip=settings.on_bad == "skip")
    with (
        VectorsWriter(settings.output, dtype=settings.dtype) as writer,
        open_source(
            settings.source,
            settings.format,
            trust_pickle=settings.trust_pickle,
            limit=settings.limit,
            member=settings.member,
            bad=bad,
        ) as source,
    ):
        if source.pieces is not None:
            _require_whole(settings)
        total = source.rows if settings.limit is None else min(settings.limit, source.rows or settings.limit)
        read = 0
        first_words: list[str] = []
        for block in source.blocks:
            writer.append(block, origin=source.path, bad=bad)
            if len(first_words) < FIRST_WORDS:
                first_words += block.words[: FIRST_WORDS - len(first_words)]
                if settings.format == "auto" and source.pieces is None:
                    require_bare_words(source.path, first_words)
            read += len(block.words) if block.read is None else block.read
            if progress is not None:
                progress(read, total)
        if not len(writer) and bad.counts:
            raise VectorsError(f"{source.path}: none of {read:,} rows can be used ({', '.join(bad.counts)})")
        if len(writer) >= TELLING and writer.largest[0] == 0:
            raise VectorsError(f"{source.path}: every number is 0; a model could learn nothing from such vectors")
        if len(writer) >= TELLING and not writer.varied:
            raise VectorsError(f"{source.path}: all rows have the same numbers; a model could learn nothing from them")
        guess = _family(settings.family, source, first_words)
        origin = {
            "path": named if is_uri(named) else str(source.path),
            "format": source.format,
            "rows": read,
            "header_rows": source.rows,
            "family_why": guess.why,
            **({"left_out": bad.as_dict()} if bad.counts else {}),
            **(
                {"notes": notes}
                if (notes := [*source.notes, *_of_words(source, first_words), *_far_off(writer)])
                else {}
            ),
        }
        rules = token_rules.PIECES if source.pieces is not None else token_rules.family(guess.family)
        return writer.finish(rules, origin, source.ngrams, source.pieces)


def _family(asked: str | None, source: Source, first_words: Sequence[str]) -> FamilyGuess:
    """What was asked for, or what came with the vectors, or else what the words tell; and why."""
    if source.pieces is not None:
        return FamilyGuess(token_rules.PIECES.family, "a tokenizer came with the vectors")
    if asked:
        return FamilyGuess(asked, "--family says so")
    return guess_family(first_words, otherwise=source.family)


def _require_whole(settings: ImportSettings) -> None:
    """Refuse what pieces of a tokenizer cannot be imported with."""
    skip = settings.on_bad if settings.on_bad != "fail" else None
    for name, value in (("limit", settings.limit), ("family", settings.family), ("on_bad", skip)):
        if value is not None:
            raise VectorsError(
                f"{flag(name)} {value}: the rows of {settings.source} are pieces of its own tokenizer, which needs "
                "all of them and splits texts in its own way; leave the option out"
            )


def _of_words(source: Source, first_words: Sequence[str]) -> list[str]:
    """Tell of words that no text will find; pieces of a tokenizer are no words."""
    return [] if source.pieces is not None else [*misread_letters(first_words), *unseen_letters(first_words)]


def _far_off(writer: VectorsWriter) -> list[str]:
    """Tell a number that is far beyond the others: nobody learns such vectors, and sums of them are all alike."""
    size, word = writer.largest
    if size <= _FAR * writer.usual:
        return []
    return [f"the largest number, {size:.3g} of {shown(word)}, is far beyond those of other words"]
