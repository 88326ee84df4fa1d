"""Where ids were written, in compiled code: of the few that are asked for, once it is noted where tokens start.

The compiled twin of ``text/spans.py``. Texts that Python prepared, and words that were split, are left to it.

Shape letters: CONTRIBUTING.md.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import inlined, kernel, read_only
from w2vray.text.fast.alphabet import BLANK_KIND, PACKED, WORD_KIND
from w2vray.text.fast.assembling import Entries, OovIds
from w2vray.text.fast.index import Index
from w2vray.text.fast.misses import Misses
from w2vray.text.fast.parting import PartReader
from w2vray.text.fast.words import WordReader
from w2vray.text.fast.writing import AS_IT_IS, BY_PYTHON, BY_TABLE, FlatTexts, decode
from w2vray.text.lookup import Lookup
from w2vray.text.spans import Span, entry_spans, read_placed
from w2vray.text.tracing import Traced

__all__ = ["Places", "Scanned", "Spans"]

_ASCII = 0x80
_NO_KINDS = read_only(np.empty(0, dtype=np.uint8))
_NO_CHARACTERS = read_only(np.empty(0, dtype=np.uint32))

Numbers = npt.NDArray[np.int64]


class Scanned(NamedTuple):
    """A block of texts after its tokens were found."""

    source: FlatTexts  # as they were given
    flat: FlatTexts  # as they were scanned
    ways_N: npt.NDArray[np.uint8]  # how each was written anew
    codes_L: npt.NDArray[np.int32]
    starts_L: npt.NDArray[np.int64]  # bytes of flat
    ends_N: npt.NDArray[np.int64]  # tokens before the end of each text
    tokens_L: npt.NDArray[np.int32]  # which token each id is of
    offsets_N1: npt.NDArray[np.int64]  # ids before each text


class Spans(NamedTuple):
    """Where pieces of texts start and end, in characters of each text, and in bytes of the block."""

    starts_O: Numbers
    ends_O: Numbers
    first_byte_O: Numbers
    end_byte_O: Numbers


@kernel
def _tokens_of(
    codes_L: npt.NDArray[np.int32],
    tokens_L: npt.NDArray[np.int32],
    entries: Entries,
    oov: OovIds,
    id_O: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the token of each id of the block, and which of the token's entries it is of."""
    rows_E, made_E, offsets_W1 = entries.rows_E, entries.made_E, entries.offsets_W1
    token_O, entry_O = np.empty(len(id_O), dtype=np.int64), np.zeros(len(id_O), dtype=np.int64)
    for piece in range(len(id_O)):
        id_ = id_O[piece]
        token = tokens_L[id_]
        token_O[piece] = token
        code = codes_L[token]
        if code >= 0:
            continue
        before = 0  # ids of the token, before this one
        while id_ > before and tokens_L[id_ - before - 1] == token:
            before += 1
        for entry in range(offsets_W1[-1 - code], offsets_W1[-code]):
            if rows_E[entry] >= 0 or oov.special >= 0 or made_E[entry] >= 0:
                if before == 0:
                    entry_O[piece] = entry - offsets_W1[-1 - code]
                    break
                before -= 1
    return token_O, entry_O


@inlined
def _written_bytes(becomes: np.uint32, kinds: npt.NDArray[np.uint8], punctuation: bool) -> int:
    """Return how many bytes ``writing.write`` makes of a character that becomes this, as its table says."""
    point = np.int64(becomes)
    if point >= PACKED:
        return (point >> 16 & 0xFF != 0) + (point >> 8 & 0xFF != 0) + (point & 0xFF != 0)
    if point < _ASCII:
        return 1
    marked = 0
    if kinds[point] != WORD_KIND:
        if not punctuation or kinds[point] == BLANK_KIND:
            return 1
        marked = 1
    return marked + (2 if point < 0x800 else 3 if point < 0x10000 else 4)


@kernel
def _in_source(
    source: FlatTexts,
    flat: FlatTexts,
    ways_N: npt.NDArray[np.uint8],
    written: npt.NDArray[np.uint32],
    kinds: npt.NDArray[np.uint8],
    punctuation: bool,
    text_O: npt.NDArray[np.int64],
    first_O: npt.NDArray[np.int64],
    end_O: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Turn bytes of the texts as they were scanned into characters, and bytes, of the texts as they were given."""
    data = source.data
    starts_O, ends_O = np.zeros(len(text_O), dtype=np.int64), np.zeros(len(text_O), dtype=np.int64)
    first_byte_O, end_byte_O = np.zeros(len(text_O), dtype=np.int64), np.zeros(len(text_O), dtype=np.int64)
    character_I, byte_I = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)  # of each byte as it was scanned
    done = np.int64(-1)
    for piece in range(len(text_O)):
        text = text_O[piece]
        begin, at, stop = flat.offsets[text], source.offsets[text], source.offsets[text + 1]
        first, last = first_O[piece] - begin, end_O[piece] - 1 - begin
        if ways_N[text] == BY_PYTHON:
            continue
        if ways_N[text] == AS_IT_IS:
            starts_O[piece], ends_O[piece] = first, last + 1
            first_byte_O[piece], end_byte_O[piece] = at + first, at + last + 1
            continue
        if text != done:
            done = text
            if len(character_I) < 2 * (stop - at) + 4:
                character_I = np.empty(4 * (stop - at) + 4, dtype=np.int64)
                byte_I = np.empty(4 * (stop - at) + 4, dtype=np.int64)
            wrote = character = 0
            while at < stop:
                size = more = 1
                if data[at] >= _ASCII:
                    point, size = decode(data, at)
                    more = size
                    if ways_N[text] == BY_TABLE:
                        more = _written_bytes(written[point], kinds, punctuation)
                for byte in range(wrote, wrote + more):
                    character_I[byte], byte_I[byte] = character, at
                wrote += more
                at += size
                character += 1
        starts_O[piece], ends_O[piece] = character_I[first], character_I[last] + 1
        first_byte_O[piece] = byte_I[first]
        end_byte_O[piece] = byte_I[last] + decode(data, byte_I[last])[1]
    return starts_O, ends_O, first_byte_O, end_byte_O


@dataclass(frozen=True, eq=False)
class Places:
    """The places of a block's ids."""

    lookup: Lookup
    reader: WordReader | PartReader
    scanned: Scanned
    entries: Entries
    oov_ids: OovIds
    misses: Misses
    written: list[str]  # what each entry was looked for as

    def spans(self, text_O: Numbers, first_O: Numbers, last_O: Numbers) -> Spans:
        """Return where pieces were written.

        Args:
            text_O: the text that each piece is of, ascending.
            first_O: number of its first id in the text,
            last_O: and of its last.
        """
        scanned = self.scanned
        noted = scanned.codes_L, scanned.tokens_L, self.entries, self.oov_ids
        begin_O = scanned.offsets_N1[text_O]
        first = _tokens_of(*noted, begin_O + first_O)
        last = first if last_O is first_O else _tokens_of(*noted, begin_O + last_O)
        first_byte_O, end_byte_O = self._bytes(*first)
        if last is not first:
            end_byte_O = self._bytes(*last)[1]
        characters = getattr(self.reader, "characters", None)
        spans = Spans(
            *_in_source(
                scanned.source,
                FlatTexts(read_only(scanned.flat.data), read_only(scanned.flat.offsets)),
                scanned.ways_N,
                _NO_CHARACTERS if characters is None else characters.written,
                _NO_KINDS if characters is None else characters.kinds,
                characters is not None and characters.punctuation,
                text_O,
                first_byte_O,
                end_byte_O,
            )
        )
        self._by_python(spans, text_O, first, last)
        return spans

    def _bytes(self, token_O: Numbers, entry_O: Numbers) -> tuple[Numbers, Numbers]:
        """Return which bytes of ``flat`` the entries of tokens are."""
        scanned = self.scanned
        code_O = scanned.codes_L[token_O].astype(np.int64)
        first_O = scanned.starts_L[token_O]
        end_O = first_O + self._sizes(code_O)
        for piece in np.flatnonzero(code_O < 0).tolist():
            miss = -1 - int(code_O[piece])
            if (inside := self._inside(miss)) is not None:
                word, (start, end) = self._word(miss), inside[entry_O[piece]]
                end_O[piece] = first_O[piece] + len(word[:end].encode())
                first_O[piece] += len(word[:start].encode())
        return first_O, end_O

    def _sizes(self, code_O: Numbers) -> Numbers:
        offsets, ends = Index.of(self.lookup.vocabulary).offsets, self.misses.ends
        row_O, miss_O = np.maximum(code_O, 0), np.maximum(-1 - code_O, 0)
        known_O = offsets[row_O + 1] - offsets[row_O]
        return np.where(code_O < 0, ends[miss_O + 1] - ends[miss_O], known_O)

    def _inside(self, miss: int) -> list[Span] | None:
        """Return where in a word its entries are; None where the word is one."""
        word, written = self._word(miss), self._written_of(miss)
        if written == [word] and self.lookup.pieces is None:
            return None
        return entry_spans(self.lookup, word, written)

    def _word(self, miss: int) -> str:
        ends = self.misses.ends
        return str(self.misses.blob[ends[miss] : ends[miss + 1]].tobytes().decode())

    def _written_of(self, miss: int) -> list[str]:
        return self.written[self.entries.offsets_W1[miss] : self.entries.offsets_W1[miss + 1]]

    def _by_python(
        self, spans: Spans, text_O: Numbers, first: tuple[Numbers, Numbers], last: tuple[Numbers, Numbers]
    ) -> None:
        """Write the places in texts that Python prepared."""
        scanned = self.scanned
        done, source = -1, ""
        traced, tokens = Traced.of(""), [(0, 0)]
        for piece in np.flatnonzero(scanned.ways_N[text_O] == BY_PYTHON).tolist():
            text = int(text_O[piece])
            begin = int(scanned.source.offsets[text])
            if text != done:
                done = text
                source = scanned.source.data[begin : scanned.source.offsets[text + 1]].tobytes().decode()
                traced, tokens = read_placed(self.lookup, source)
            before = int(scanned.ends_N[text - 1]) if text else 0
            places = [
                self._in_traced(tokens[int(token_O[piece]) - before], int(token_O[piece]), int(entry_O[piece]))
                for token_O, entry_O in (first, last)
            ]
            start, end = traced.starts[places[0][0]], traced.ends[places[1][1] - 1]
            spans.starts_O[piece], spans.ends_O[piece] = start, end
            spans.first_byte_O[piece] = begin + len(source[:start].encode())
            spans.end_byte_O[piece] = begin + len(source[:end].encode())

    def _in_traced(self, span: Span, token: int, entry: int) -> Span:
        """Return where an entry of a token is in a traced text."""
        start, end = span
        code = int(self.scanned.codes_L[token])
        inside = self._inside(-1 - code) if code < 0 else None
        return (start, end) if inside is None else (start + inside[entry][0], start + inside[entry][1])
