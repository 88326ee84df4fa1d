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

__all__ = ["Places", "Scanned", "Spans", "gathered"]

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


class Known(NamedTuple):
    """How long words are."""

    offsets: npt.NDArray[np.int64]  # of the words of the vocabulary
    inside_2E: npt.NDArray[np.int32]  # first byte and end of each entry in its word; below zero as long as nobody asked


class Spans(NamedTuple):
    """Where pieces of texts start and end, in characters of each text, and in bytes of the block."""

    starts_O: npt.NDArray[np.int32]
    ends_O: npt.NDArray[np.int32]
    first_byte_O: Numbers
    end_byte_O: Numbers


@inlined
def _entry_of(
    codes_L: npt.NDArray[np.int32], tokens_L: npt.NDArray[np.int32], entries: Entries, oov: OovIds, id_: int
) -> int:
    """Return which of its token's entries an id of the block is of; the token is a miss."""
    rows_E, made_E, offsets_W1 = entries.rows_E, entries.made_E, entries.offsets_W1
    token = tokens_L[id_]
    code = codes_L[token]
    before = 0  # ids of the token, before this one
    while id_ > before and tokens_L[id_ - before - 1] == token:
        before += 1
    for entry in range(offsets_W1[-1 - code], offsets_W1[-code]):
        if rows_E[entry] >= 0 or oov.special >= 0 or made_E[entry] >= 0:
            if before == 0:
                return entry - offsets_W1[-1 - code]
            before -= 1
    return 0


@kernel
def _tokens_of(
    codes_L: npt.NDArray[np.int32],
    tokens_L: npt.NDArray[np.int32],
    entries: Entries,
    oov: OovIds,
    id_O: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the token of each id of the block, and which of the token's entries it is of."""
    token_O, entry_O = np.empty(len(id_O), dtype=np.int64), np.zeros(len(id_O), dtype=np.int64)
    for piece in range(len(id_O)):
        token_O[piece] = tokens_L[id_O[piece]]
        if codes_L[token_O[piece]] < 0:
            entry_O[piece] = _entry_of(codes_L, tokens_L, entries, oov, id_O[piece])
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


@inlined
def _characters_of(
    source: FlatTexts,
    text: np.int64,
    by_table: bool,
    written: npt.NDArray[np.uint32],
    kinds: npt.NDArray[np.uint8],
    punctuation: bool,
    character_I: npt.NDArray[np.int64],
    byte_I: npt.NDArray[np.int64],
) -> None:
    """Write which character and which byte of a text each byte is of, that it has as it was scanned."""
    data, at, stop = source.data, source.offsets[text], source.offsets[text + 1]
    wrote = character = 0
    while at < stop:
        size = more = 1
        if data[at] >= _ASCII:
            point, size = decode(data, at)
            more = size
            if by_table:
                more = _written_bytes(written[point], kinds, punctuation)
        for byte in range(wrote, wrote + more):
            character_I[byte], byte_I[byte] = character, at
        wrote += more
        at += size
        character += 1


@inlined
def _part(
    codes_L: npt.NDArray[np.int32],
    tokens_L: npt.NDArray[np.int32],
    entries: Entries,
    oov: OovIds,
    known: Known,
    id_: int,
) -> tuple[int, int]:
    """Return which bytes of its word an id is, of a miss; below zero where nobody has noted the parts of the word."""
    entry = entries.offsets_W1[-1 - codes_L[tokens_L[id_]]] + _entry_of(codes_L, tokens_L, entries, oov, id_)
    return np.int64(known.inside_2E[0, entry]), np.int64(known.inside_2E[1, entry])


@kernel
def _place(
    scanned: Scanned,
    entries: Entries,
    oov: OovIds,
    known: Known,
    written: npt.NDArray[np.uint32],
    kinds: npt.NDArray[np.uint8],
    punctuation: bool,
    text_O: npt.NDArray[np.int64],
    first_O: npt.NDArray[np.int64],
    last_O: npt.NDArray[np.int64],
    at: int,
    spans: Spans,
) -> int:
    """Write where pieces are, from one of them on, but for those of texts that Python prepared.

    Returns:
        The first piece of a word that nobody has said the parts of; how many pieces there are, if there is none.
    """
    source, flat = scanned.source, scanned.flat
    ways_N, offsets_N1, word_offsets = scanned.ways_N, scanned.offsets_N1, known.offsets
    codes_L, tokens_L, starts_L = scanned.codes_L, scanned.tokens_L, scanned.starts_L
    character_I, byte_I = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)  # of each byte as it was scanned
    done = np.int64(-1)
    for piece in range(at, len(text_O)):
        text = np.uint64(text_O[piece])
        way = ways_N[text]
        if way == BY_PYTHON:
            continue
        begin, given = flat.offsets[text], source.offsets[text]
        id_ = offsets_N1[text] + first_O[piece]
        token = np.uint64(tokens_L[np.uint64(id_)])
        code, first = codes_L[token], starts_L[token]
        if code >= 0:
            end = first + word_offsets[np.uint64(code) + np.uint64(1)] - word_offsets[np.uint64(code)]
        else:
            start, stop = _part(codes_L, tokens_L, entries, oov, known, id_)
            if start < 0:
                return piece
            first, end = first + start, first + stop
        if last_O[piece] != first_O[piece]:
            id_ += last_O[piece] - first_O[piece]
            token = np.uint64(tokens_L[np.uint64(id_)])
            code, end = codes_L[token], starts_L[token]
            if code >= 0:
                end += word_offsets[np.uint64(code) + np.uint64(1)] - word_offsets[np.uint64(code)]
            else:
                start, stop = _part(codes_L, tokens_L, entries, oov, known, id_)
                if start < 0:
                    return piece
                end += stop
        first, last = first - begin, end - 1 - begin
        if way == AS_IT_IS:
            spans.starts_O[piece], spans.ends_O[piece] = first, last + 1
            spans.first_byte_O[piece], spans.end_byte_O[piece] = given + first, given + last + 1
            continue
        if np.int64(text) != done:
            done = np.int64(text)
            room = 2 * (source.offsets[text + 1] - given) + 4
            if len(character_I) < room:
                character_I, byte_I = np.empty(2 * room, dtype=np.int64), np.empty(2 * room, dtype=np.int64)
            _characters_of(source, done, way == BY_TABLE, written, kinds, punctuation, character_I, byte_I)
        spans.starts_O[piece], spans.ends_O[piece] = character_I[first], character_I[last] + 1
        spans.first_byte_O[piece] = byte_I[first]
        spans.end_byte_O[piece] = byte_I[last] + decode(source.data, byte_I[last])[1]
    return len(text_O)


@kernel
def gathered(
    data: npt.NDArray[np.uint8], first_byte_O: npt.NDArray[np.int64], end_byte_O: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """Return pieces of a block, one behind another: where each begins, and the bytes."""
    offsets_O1 = np.zeros(len(first_byte_O) + 1, dtype=np.int32)
    for piece in range(len(first_byte_O)):
        offsets_O1[piece + 1] = offsets_O1[piece] + end_byte_O[piece] - first_byte_O[piece]
    bytes_ = np.empty(offsets_O1[-1], dtype=np.uint8)
    for piece in range(len(first_byte_O)):
        at, from_ = np.int64(offsets_O1[piece]), first_byte_O[piece]
        for byte in range(end_byte_O[piece] - from_):
            bytes_[at + byte] = data[from_ + byte]
    return offsets_O1, bytes_


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
    inside_2E: npt.NDArray[np.int32]  # which bytes of its word each entry is, as far as it is known

    def spans(self, text_O: Numbers, first_O: Numbers, last_O: Numbers) -> Spans:
        """Return where pieces were written.

        Args:
            text_O: the text that each piece is of, ascending.
            first_O: number of its first id in the text,
            last_O: and of its last.
        """
        pieces = len(text_O)
        starts_O, ends_O = np.zeros((2, pieces), dtype=np.int32)
        first_byte_O, end_byte_O = np.zeros((2, pieces), dtype=np.int64)
        spans = Spans(starts_O, ends_O, first_byte_O, end_byte_O)
        characters = getattr(self.reader, "characters", None)
        written = _NO_CHARACTERS if characters is None else characters.written
        kinds = _NO_KINDS if characters is None else characters.kinds
        flat = FlatTexts(read_only(self.scanned.flat.data), read_only(self.scanned.flat.offsets))
        scanned = self.scanned._replace(flat=flat)
        known = Known(Index.of(self.lookup.vocabulary).offsets, self.inside_2E)
        marked = characters is not None and characters.punctuation
        at = 0
        while True:
            noted = scanned, self.entries, self.oov_ids, known, written, kinds, marked
            at = _place(*noted, text_O, first_O, last_O, at, spans)
            if at == pieces:
                break
            self._tell_parts(scanned.offsets_N1[text_O[at]] + np.array([first_O[at], last_O[at]]))
        self._by_python(spans, text_O, first_O, last_O)
        return spans

    def _tell_parts(self, id_O: Numbers) -> None:
        """Note which bytes of their words the entries of ids are, of all entries of those words."""
        token_O, _ = self._tokens_of(id_O)
        for code in self.scanned.codes_L[token_O].tolist():
            if code < 0:
                miss = -1 - code
                word, inside = self._word(miss), self._inside(miss)
                first, end = self.entries.offsets_W1[miss : miss + 2].tolist()
                for entry, (start, stop) in enumerate([(0, len(word))] * (end - first) if inside is None else inside):
                    self.inside_2E[:, first + entry] = len(word[:start].encode()), len(word[:stop].encode())

    def _tokens_of(self, id_O: Numbers) -> tuple[Numbers, Numbers]:
        found: tuple[Numbers, Numbers] = _tokens_of(
            self.scanned.codes_L, self.scanned.tokens_L, self.entries, self.oov_ids, id_O
        )
        return found

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

    def _by_python(self, spans: Spans, text_O: Numbers, first_O: Numbers, last_O: Numbers) -> None:
        """Write the places in texts that Python prepared."""
        scanned = self.scanned
        pieces = np.flatnonzero(scanned.ways_N[text_O] == BY_PYTHON)
        if not len(pieces):
            return
        begin_O = scanned.offsets_N1[text_O[pieces]]
        ends = [self._tokens_of(begin_O + number_O[pieces]) for number_O in (first_O, last_O)]
        done, source = -1, ""
        traced, tokens = Traced.of(""), [(0, 0)]
        for number, piece in enumerate(pieces.tolist()):
            text = int(text_O[piece])
            begin = int(scanned.source.offsets[text])
            if text != done:
                done = text
                source = scanned.source.data[begin : scanned.source.offsets[text + 1]].tobytes().decode()
                traced, tokens = read_placed(self.lookup, source)
            before = int(scanned.ends_N[text - 1]) if text else 0
            places = [
                self._in_traced(tokens[int(token_O[number]) - before], int(token_O[number]), int(entry_O[number]))
                for token_O, entry_O in ends
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
