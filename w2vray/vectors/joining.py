"""``vectors join``: vectors of several kinds side by side, so that a model sees what each of them knows of a word.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.errors import VectorsError
from w2vray.places.sending import written_at
from w2vray.settings.vectors import JoinVectorsSettings
from w2vray.text.rules import TokenRules, family
from w2vray.text.vocabulary import MISSING
from w2vray.vectors.directory import JOINED, META, Vectors
from w2vray.vectors.readers.block import MAX_DIM, Block, rows_per_block
from w2vray.vectors.writer import VectorsWriter

__all__ = ["join_vectors"]


def join_vectors(
    settings: JoinVectorsSettings, progress: Callable[[int, int | None], None] = lambda _, __: None
) -> Vectors:
    """Write the union of the words, first those of the first part; zeros stand where a part does not have a word.

    N-grams are left out: no two parts have the same. Blocks of rows are read through memory maps, so that memory grows
    with the number of words and not with the tables.

    Args:
        settings: what to join and where to write.
        progress: called with words gone through and words in all.

    Raises:
        VectorsError: a part cannot be read, the parts have different token rules and none was named, they are too wide
            together, or the output cannot be written.
    """
    parts = [Vectors.open(path) for path in settings.vectors]
    for part in parts:
        part.require_words()
        if part.pieces is not None:
            raise VectorsError(
                f"the rows of {part.place} are pieces of a tokenizer, and only words can be joined; leave it out"
            )
    stripped = any(part.rules.strip_html for part in parts)
    rules = family(settings.family, strip_html=stripped) if settings.family else _common_rules(settings.vectors, parts)
    dim = sum(part.dim for part in parts)
    if dim > MAX_DIM:
        raise VectorsError(
            f"{' + '.join(str(part.dim) for part in parts)} numbers a word; expected at most {MAX_DIM:,}"
        )
    dtype = settings.dtype or str(np.result_type(*(part.table_VD.dtype for part in parts)))
    with written_at(settings.output, META, VectorsError) as output, VectorsWriter(output, dtype=dtype) as writer:
        done, total = 0, sum(len(part) for part in parts)
        for index, part in enumerate(parts):
            for words in _blocks(part, rows_per_block(dim)):
                fresh = _without(words, parts[:index])
                if fresh:
                    writer.append(Block(fresh, _side_by_side(fresh, parts)), origin=part.place)
                done += len(words)
                progress(done, total)
        made = writer.finish(rules, {"format": JOINED, "parts": [_stated(part) for part in parts]})
    return made.sent_to(settings.output)


def _stated(part: Vectors) -> dict[str, Any]:
    return {
        "path": part.place,
        "fingerprint": part.fingerprint,
        "dim": part.dim,
        "ngrams": None if part.ngrams is None else len(part.ngrams.table_GD),
        "source": dict(part.source),
    }


def _common_rules(paths: Sequence[str], parts: Sequence[Vectors]) -> TokenRules:
    if any(part.rules != parts[0].rules for part in parts):
        named = ", ".join(f"{path} ({part.rules.name})" for path, part in zip(paths, parts, strict=True))
        raise VectorsError(
            f"the parts have different token rules: {named}. A text is split in one way only: choose it with "
            "--family, or import the parts again with one --family"
        )
    return parts[0].rules


def _blocks(part: Vectors, rows: int) -> Iterator[list[str]]:
    for start in range(0, len(part), rows):
        yield [part.vocabulary.word(row) for row in range(start, min(start + rows, len(part)))]


def _without(words: list[str], earlier: Sequence[Vectors]) -> list[str]:
    """Leave out the words that an earlier part has."""
    new_W = np.ones(len(words), dtype=bool)
    for part in earlier:
        new_W &= part.vocabulary.rows(words) == MISSING
    return [word for word, new in zip(words, new_W, strict=True) if new]


def _side_by_side(words: list[str], parts: Sequence[Vectors]) -> npt.NDArray[np.float32]:
    joined_WD = np.zeros((len(words), sum(part.dim for part in parts)), dtype=np.float32)
    start = 0
    for part in parts:
        rows_W = part.vocabulary.rows(words)
        there = np.flatnonzero(rows_W != MISSING)
        joined_WD[there, start : start + part.dim] = part.table_VD[rows_W[there]]
        start += part.dim
    return joined_WD
