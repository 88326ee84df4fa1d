"""Texts to ids: tokenise, find each word's row, treat words that have none as ``oov`` says.

Ids: ``id < V`` is a row of the shared table; ``V <= id < V + K`` a row of the model's own overlay, whose first row is
the special one of ``--oov zero`` and ``unknown``, and whose others replace table rows; from ``V + K`` on come
the rows that ``subword`` has made for one block; a word that it can make none for is skipped. Models see ids
and a way to rows, so that neither ``oov`` nor tuned words change them.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2vray.settings.choices import SPECIAL_OOV
from w2vray.text.given import given_texts
from w2vray.text.pieces import Pieces
from w2vray.text.resolution import Resolution, resolve
from w2vray.text.rules import TokenRules
from w2vray.text.tokens import rewriter, tokenizer
from w2vray.text.vocabulary import MISSING, Vocabulary
from w2vray.text.word_ngrams import NgramCounts, WordNgrams, hashes_of

__all__ = ["Ids", "Lookup", "overlaid"]

_ID = np.int32


@dataclass(frozen=True)
class Ids:
    """The ids of N texts, one text after another.

    ``token_counts_N`` counts tokens after resolution, with or without a vector; ``found_counts_N`` those with a row of
    the table (a replaced row is still one). Under ``skip`` a text has as many ids as found tokens, otherwise as many as
    tokens, less those that ``subword`` can make no row for.

    ``made_words`` are the M distinct words of these texts that rows are made for, only under ``subword``: their rows,
    which the vectors' n-grams give, have the ids from ``V + K`` on, in this order.

    ``all_are_evidence`` is set where ids are features of a text that need not be tokens, such as runs of words.

    ``ngrams`` are the runs of words of the texts, where the model's wide part reads such.
    """

    ids_L: npt.NDArray[np.int32]
    offsets_N1: npt.NDArray[np.int64]
    token_counts_N: npt.NDArray[np.int32]
    found_counts_N: npt.NDArray[np.int32]
    made_words: tuple[str, ...] = ()
    all_are_evidence: bool = False
    ngrams: NgramCounts | None = None

    def __len__(self) -> int:
        return len(self.token_counts_N)

    @property
    def lengths_N(self) -> npt.NDArray[np.int64]:
        """Number of ids of each text."""
        return np.diff(self.offsets_N1)

    def text_at(self, position: int) -> int:
        """Return the text that the id at a position belongs to."""
        return int(np.searchsorted(self.offsets_N1, position, side="right")) - 1

    @property
    def vectors_N(self) -> npt.NDArray[np.bool_]:
        """Whether a token of the text has a vector: one of the table, or a made one, but not the special row."""
        return self.lengths_N > 0 if self.made_words or self.all_are_evidence else self.found_counts_N > 0

    @property
    def evidence_N(self) -> npt.NDArray[np.bool_]:
        """Whether there is anything to answer from: a token with a vector, or a run of words that the model knows."""
        return self.vectors_N if self.ngrams is None else self.vectors_N | (self.ngrams.lengths_N > 0)


class _Numbers(dict[str, int]):
    """Numbers of a block's distinct tokens, given in order of first sight."""

    def __missing__(self, token: str) -> int:
        number = self[token] = len(self)
        return number


@dataclass(frozen=True, eq=False)
class Lookup:
    """The look-up that belongs to a model: its token rules, the vocabulary, its ``oov`` and its overlay.

    ``replaced_rows`` are the table rows that the overlay's last rows stand for, ascending. ``covers`` tells which words
    ``subword`` can make a row for: those with n-grams; None where it can for all. ``word_ngrams`` says which runs of
    words are counted, where any are.
    """

    vocabulary: Vocabulary
    rules: TokenRules
    oov: str
    replaced_rows: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    covers: Callable[[str], bool] | None = None
    pieces: Pieces | None = None
    word_ngrams: WordNgrams | None = None

    def __post_init__(self) -> None:
        assert self.rules.pieces == (self.pieces is not None), "such rules and a tokenizer go together"

    @property
    def special_id(self) -> int | None:
        """Id of words without a vector; None where no row stands for all of them."""
        return len(self.vocabulary) if self.oov in SPECIAL_OOV else None

    def __call__(self, texts: pa.LargeStringArray | Iterable[str]) -> Ids:
        """Look up texts.

        Raises:
            UnusableInputError: they are one str, or one of them is not a str of Unicode characters.
        """
        tokenize = self.tokenize
        numbers = _Numbers()
        codes: list[int] = []
        lengths = []
        for text in given_texts(texts).to_pylist():
            tokens = tokenize(text)
            lengths.append(len(tokens))
            codes.extend(map(numbers.__getitem__, tokens))
        found = self.resolve(list(numbers))
        ids = self.assemble(np.array(codes, dtype=np.int64), np.array(lengths, dtype=np.int64), found)[0]
        return ids if self.word_ngrams is None else replace(ids, ngrams=self._ngrams(codes, lengths, found))

    def _ngrams(self, codes: list[int], lengths: list[int], found: Resolution) -> NgramCounts:
        """Count the runs of words: of the entries of tokens, with or without a row."""
        assert self.word_ngrams is not None
        hashes, offsets = hashes_of(found.entries).tolist(), found.offsets_W1.tolist()
        of_codes = iter(codes)
        return self.word_ngrams.counted(
            [value for code in islice(of_codes, length) for value in hashes[offsets[code] : offsets[code + 1]]]
            for length in lengths
        )

    def resolve(self, words: list[str]) -> Resolution:
        """Find the entries of distinct words: the one place that knows how a written word becomes rows."""
        return resolve(self.vocabulary, self.rules, words) if self.pieces is None else self.pieces.resolve(words)

    @property
    def tokenize(self) -> Callable[[str], list[str]]:
        """What splits a text into what ``resolve`` reads: words, or parts that have pieces."""
        if self.pieces is None:
            return tokenizer(self.rules)
        cuts, rewrite = self.pieces.cuts, rewriter(self.rules)
        return cuts if rewrite is None else lambda text: cuts(rewrite(text))

    def entry_ids(self, found: Resolution) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
        """Apply ``oov``: return the id of each entry, ``MISSING`` where it is skipped, and the words to make."""
        ids_E = self._overlaid(found.rows_E)
        made = _Numbers()
        if self.special_id is not None:
            ids_E[found.rows_E == MISSING] = self.special_id
        elif entries := self.made_entries(found):
            first = len(self.vocabulary) + len(self.replaced_rows)
            ids_E[entries] = [first + made[found.entries[entry]] for entry in entries]
        return ids_E, tuple(made)

    def made_entries(self, found: Resolution) -> list[int]:
        """Return the entries that rows are made for: the one place that knows which those are."""
        if self.oov != "subword":
            return []
        missing = np.flatnonzero(found.rows_E == MISSING).tolist()
        return [entry for entry in missing if self.covers is None or self.covers(found.entries[entry])]

    def assemble(
        self, codes: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], found: Resolution
    ) -> tuple[Ids, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Write each token's ids in place of the token, and count.

        Args:
            codes: the number of each token's word, one text after another,
            lengths: how many each text has,
            found: and the words, resolved.

        Returns:
            The ids; and which token, and which of its entries, each of them is of.
        """
        ids_E, made_words = self.entry_ids(found)
        counts = np.diff(found.offsets_W1)[codes]  # entries of each token
        ends = np.cumsum(counts)
        within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
        entries_L = np.repeat(found.offsets_W1[codes], counts) + within
        token_ends = np.concatenate(([0], ends))[np.concatenate(([0], np.cumsum(lengths)))]  # [N + 1]
        token_counts = np.diff(token_ends)
        found_L = (found.rows_E != MISSING)[entries_L]
        found_before = np.concatenate(([0], np.cumsum(found_L)))
        found_counts = np.diff(found_before[token_ends])
        ids_L = ids_E[entries_L]
        kept_L = ids_L != MISSING
        kept_before = np.concatenate(([0], np.cumsum(kept_L)))
        ids = Ids(
            ids_L[kept_L],
            kept_before[token_ends].astype(np.int64),
            token_counts.astype(np.int32),
            found_counts.astype(np.int32),
            made_words,
        )
        return ids, np.repeat(np.arange(len(codes)), counts)[kept_L], within[kept_L]

    def _overlaid(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """Turn table rows into ids: a replaced row becomes its overlay row's id."""
        return overlaid(rows, len(self.vocabulary) + (self.special_id is not None), self.replaced_rows)


def overlaid(
    ids_L: npt.NDArray[np.integer[Any]], first: int, replaced_rows: npt.NDArray[np.int64]
) -> npt.NDArray[np.int32]:
    """Give each replaced row the id of the overlay's row in its place; the first of those has the id ``first``."""
    if not replaced_rows.size:
        return ids_L.astype(_ID)
    place_L = np.minimum(np.searchsorted(replaced_rows, ids_L), len(replaced_rows) - 1)
    return np.where(replaced_rows[place_L] == ids_L, first + place_L, ids_L).astype(_ID)
