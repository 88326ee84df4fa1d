r"""The binary format of the word2vec tool: a header ``V D``, then each word, a space, and D little-endian float32.

Some writers put a newline behind each vector (the original tool, gensim's older files), some do not (GoogleNews); a
file does it behind all of them or none. A word ends at the first space. A writer who left spaces in words shifts what
is read behind them::

    New York <D numbers>film <D numbers>
    --- word
        ----------------- D numbers, all wrong: they begin with "York "
                         --------- word, with the last bytes of the numbers before it

So a row is looked at together with the start of the next one. Where that is no word, or where the numbers are far
beyond all others, a later space is tried as the word's end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from w2vray.errors import VectorsError
from w2vray.vectors.readers.bad_rows import BadRows, Reason, checked_word, control_in, shown
from w2vray.vectors.readers.block import Block, rows_per_block
from w2vray.vectors.readers.stream import ByteStream

__all__ = ["BinaryRows", "binary_trouble", "cut_rows"]

_MAX_WORD = 1 << 16
_LONGEST_PHRASE = 256
_FAR = 1e9  # times the others' largest number: none that was learnt is, and every other one that is misread
_LEAST_ROWS = 8  # that say what is usual
_SAMPLE_ROWS = 64
_TELLING_ROWS = 4
_SANE = (1e-12, 1e12)
_SMALL = 1 << 20  # of an int32; no float32 has these bits but 0 and some that are not normal
_MISREAD = "; the rows before it are damaged, or the header or the format is another"


def cut_rows(data: bytes, size: int, most: int) -> tuple[list[bytes], list[bytes], int]:
    """Cut whole rows of ``size`` bytes of numbers off the start: their words, their numbers, and where they end."""
    words: list[bytes] = []
    vectors: list[bytes] = []
    at = 0
    find = data.find
    while len(words) < most:
        end = find(b" ", at, at + _MAX_WORD) + 1
        if end == 0 or end + size > len(data):
            break
        words.append(data[at : end - 1])
        at = end + size
        vectors.append(data[end:at])
    return words, vectors, at


@dataclass
class BinaryRows:
    """The rows of a binary file, of which its header promises ``rows`` of ``dim`` numbers."""

    stream: ByteStream
    rows: int
    dim: int
    bad: BadRows
    notes: list[str] = field(default_factory=list)
    _newline: bool = False  # whether one is behind each vector
    _usual: float = np.inf  # largest number of a usual row
    _phrases: int = 0
    _a_phrase: str = ""

    def blocks(self, limit: int | None = None) -> Iterator[Block]:
        """Read the first ``limit`` rows.

        Raises:
            VectorsError: the file ends early, goes on behind the last row, or a row is not a word and its numbers.
        """
        size, step = 4 * self.dim, rows_per_block(self.dim)
        last = self.rows if limit is None else min(self.rows, limit)
        done = 0
        self._learn()
        while done < last:
            data = self.stream.peek(step * (size + 32))
            words, vectors, used = cut_rows(data, size, min(step, last - done))
            if not words:
                data = self.stream.peek(_MAX_WORD + size + 1)
                words, vectors, used = cut_rows(data, size, 1)
                if not words:
                    raise self._ends(data, done + 1)
            if len(data) - used < _LONGEST_PHRASE:  # the start of the next row is looked at, too
                data = self.stream.peek(used + size + 2 * _LONGEST_PHRASE)
            fast = self._good(words, vectors, done)
            if fast is not None and self._starts_well(data, used, done + len(words)):
                block, read = Block(fast[0], fast[1], range(done + 1, done + len(words) + 1), len(words)), len(words)
            else:
                block, read, used = self._row_by_row(data, done, min(step, last - done))
            self.stream.read(used)
            done += read
            yield block
        if last != limit and self.stream.peek(2) not in {b"", b"\n"}:
            raise VectorsError(
                f"{self.stream.path}: there is more after row {self.rows:,}, the last that its header promises; "
                "the header counts too few rows, or this is another format"
            )
        if self._phrases:
            more = f" and {self._phrases - 1:,} more" if self._phrases > 1 else ""
            self.notes.append(f"words that hold spaces: {self._a_phrase}{more}")

    def _learn(self) -> None:
        """See from the first rows whether a newline is behind each, and how large the numbers are."""
        size = 4 * self.dim
        words, vectors, _ = cut_rows(self.stream.peek(_SAMPLE_ROWS * (size + 64)), size, _SAMPLE_ROWS)
        behind = [word.startswith(b"\n") for word in words[1:]]
        self._newline = bool(behind) and sum(behind) * 2 > len(behind)
        if len(words) >= _LEAST_ROWS:
            with np.errstate(invalid="ignore"):
                largest_N = np.abs(_numbers(vectors, self.dim)).max(axis=1)
            if len(finite_N := largest_N[np.isfinite(largest_N)]):
                self._usual = max(float(np.median(finite_N)), 1e-30) * _FAR

    def _ends(self, data: bytes, row: int) -> VectorsError:
        if data.find(b" ", 0, _MAX_WORD) < 0 and len(data) >= _MAX_WORD:
            return VectorsError(
                f"{self.stream.path}, row {row}: no b' ' within {_MAX_WORD:,} bytes; this is not a file of word vectors"
            )
        return VectorsError(
            f"{self.stream.path}, row {row}: the file ends here; its header promises {self.rows:,} rows of {self.dim} "
            "numbers. It is truncated, or its header is wrong"
        )

    def _good(
        self, words: list[bytes], vectors: list[bytes], done: int
    ) -> tuple[list[str], npt.NDArray[np.float32]] | None:
        """Decode rows in one go; None where any of them has to be looked at."""
        joined = b" ".join(words)
        if self._newline:
            joined = joined.replace(b" \n", b" ") if done == 0 else joined.replace(b" \n", b" ").removeprefix(b"\n")
            if len(joined) != sum(map(len, words)) + len(words) - 1 - (len(words) - (done == 0)):
                return None
        if control_in(joined) is not None or joined.startswith(b" ") or b"  " in joined or joined.endswith(b" "):
            return None
        vectors_ND = _numbers(vectors, self.dim)
        if not (vectors_ND.max() <= self._usual and vectors_ND.min() >= -self._usual):
            return None
        try:
            decoded = joined.decode().split(" ")
        except UnicodeDecodeError:
            return None
        return (decoded, vectors_ND) if len(decoded) == len(words) and all(decoded) else None

    def _starts_well(self, data: bytes, at: int, row: int) -> bool:
        """Tell whether behind ``row`` rows there is the end, or the start of another row."""
        if row >= self.rows:
            return data[at : at + 2] in {b"", b"\n"}
        end = data.find(b" ", at, at + _MAX_WORD)
        word = data[at:end] if end >= 0 else data[at : at + _LONGEST_PHRASE]
        if self._newline and word:
            if not word.startswith(b"\n"):
                return False
            word = word[1:]
        return control_in(word) is None if end < 0 else not checked_word(word)[0]

    def _row_by_row(self, data: bytes, done: int, most: int) -> tuple[Block, int, int]:
        """Look at each row, and read words that hold spaces where it is plain where they end."""
        words: list[bytes] = []
        vectors: list[bytes] = []
        rows: list[int] = []
        at = read = 0
        while read < most:
            row = done + read + 1
            found = self._row(data, at, row)
            if found is None:
                break
            word, vector, at = found
            read += 1
            if word is not None:
                words.append(word)
                vectors.append(vector)
                rows.append(row)
        return Block([word.decode() for word in words], _numbers(vectors, self.dim), rows, read), read, at

    def _row(self, data: bytes, at: int, row: int) -> tuple[bytes | None, bytes, int] | None:
        """Read a row: its word (None where it is left out), its numbers, where it ends; None at the end of the data."""
        size = 4 * self.dim
        begin = at + (row > 1 and data[at : at + 1] == b"\n")
        end = data.find(b" ", begin, begin + _MAX_WORD)
        if end < 0 or end + 1 + size > len(data):
            return None
        word, vector, behind = data[begin:end], data[end + 1 : end + 1 + size], end + 1 + size
        whole = self._starts_well(data, behind, row)
        usual = self._is_usual(vector)
        if not (usual and whole) and (longer := self._phrase(data, begin, row)) is not None:
            return self._told_phrase(*longer, row)
        reason, said = self._trouble(word, vector, data[behind : behind + 1], row)
        if reason:
            self.bad.found(row, reason, said, shown(word))
            return None, b"", behind
        return word, vector, behind

    def _trouble(self, word: bytes, vector: bytes, next_byte: bytes, row: int) -> tuple[str, str]:
        """Return what is wrong with a row, as a reason and a message, or two empty strings."""
        reason, said = checked_word(word)
        if reason:
            return reason, said + (_MISREAD if reason == Reason.CONTROL else "")
        if self._newline and row < self.rows and next_byte not in {b"", b"\n"}:
            said = f" ({shown(word)}): its numbers are not followed by a line end, as those of other rows are"
            return Reason.DAMAGED, said + "; the file is damaged"
        with np.errstate(invalid="ignore"):
            largest = float(np.abs(np.frombuffer(vector, dtype="<f4")).max())
        if np.isfinite(largest) and largest > self._usual:  # whoever takes the rows tells numbers that are not finite
            said = f" ({shown(word)}): the largest number is {largest:.3g}, far beyond those of other rows"
            return Reason.SIZE, said + "; the file is damaged"
        return "", ""

    def _told_phrase(self, word: bytes, vector: bytes, behind: int, row: int) -> tuple[bytes | None, bytes, int]:
        if self._newline:  # the newline behind the numbers shows where they end
            self._phrases += 1
            self._a_phrase = self._a_phrase or shown(word)
            return word, vector, behind
        said = (
            f": the word {shown(word)} holds a space, and a word of this format ends at the first; write such words "
            "with _, or write the file as text"
        )
        self.bad.found(row, Reason.SHIFTED, said, shown(word))
        return None, b"", behind

    def _phrase(self, data: bytes, begin: int, row: int) -> tuple[bytes, bytes, int] | None:
        """Try later spaces as the end of a word."""
        size = 4 * self.dim
        end = data.find(b" ", begin)
        while (end := data.find(b" ", end + 1, begin + _LONGEST_PHRASE)) > 0:
            word, behind = data[begin:end], end + 1 + size
            if checked_word(word)[0] or behind > len(data):
                return None
            vector = data[end + 1 : behind]
            if self._is_usual(vector) and self._starts_well(data, behind, row):
                return word, vector, behind
        return None

    def _is_usual(self, vector: bytes) -> bool:
        with np.errstate(invalid="ignore"):
            return bool(np.abs(np.frombuffer(vector, dtype="<f4")).max() <= self._usual)


def _numbers(vectors: Sequence[bytes], dim: int) -> npt.NDArray[np.float32]:
    return np.frombuffer(b"".join(vectors), dtype="<f4").reshape(-1, dim)


def binary_trouble(sample: bytes, dim: int, rows: int) -> str | None:
    """Tell why a sample behind a header is not rows of this format, None where it is.

    What else it can be is tried: numbers of 2 or 8 bytes, the other order of bytes, and another width.
    """
    words = _words(sample, 4 * dim, rows)
    odd = [word for word in words if checked_word(word)[0] in {Reason.CONTROL, Reason.NOT_UTF8}]
    if not odd:
        return _swapped(sample, dim)
    sizes = [size for size in _up_to_newlines(sample, dim) if _is_clean(sample, size, rows, newline=True)]
    sizes += [size for size in (8 * dim, 2 * dim) if _is_clean(sample, size, rows)]
    found = sizes[0] if sizes else None
    if found is not None:
        name = {8 * dim: "float64", 2 * dim: "float16"}.get(found)
        if name is None:
            return f"its rows have {found // 4} numbers; correct the header"
        return f"its numbers are {name}; word2vec's binary format has float32: write them so"
    junk = [word for word in words if control_in(word) is not None]
    if not junk or (len(junk) * 4 <= len(words) and len(odd) * 2 <= len(words)):
        return None  # a few bad rows: whoever reads them tells each
    return f"row {words.index(odd[0]) + 1}: the word would be {shown(odd[0])}"


def _up_to_newlines(sample: bytes, dim: int) -> Iterator[int]:
    """Yield how many bytes the numbers of the first row have if one of the next newlines is behind them."""
    start = sample.find(b" ") + 1
    end = sample.find(b"\n", start)
    while end >= 0:
        if (size := end - start) and (size % 4 == 0 or size == 2 * dim) and size != 4 * dim:
            yield size
        end = sample.find(b"\n", end + 1)


def _words(sample: bytes, size: int, rows: int) -> list[bytes]:
    words, _, _ = cut_rows(sample, size, min(rows, _SAMPLE_ROWS))
    return [word.removeprefix(b"\n") if index else word for index, word in enumerate(words)]


def _is_clean(sample: bytes, size: int, rows: int, *, newline: bool = False) -> bool:
    """Tell whether rows of ``size`` bytes of numbers fit so well that nothing else can be meant."""
    words, _, _ = cut_rows(sample, size, min(rows, _SAMPLE_ROWS))
    if len(words) < _TELLING_ROWS or (newline and not all(word.startswith(b"\n") for word in words[1:])):
        return False
    return not any(checked_word(word.removeprefix(b"\n"))[0] for word in words)


def _swapped(sample: bytes, dim: int) -> str | None:
    _, vectors, _ = cut_rows(sample, 4 * dim, _SAMPLE_ROWS)
    shares = []
    for order in ("<f4", ">f4"):
        with np.errstate(all="ignore"):
            numbers = np.abs(np.frombuffer(b"".join(vectors), dtype=order).astype(np.float64))
        numbers = numbers[numbers != 0]
        shares.append(float(((numbers > _SANE[0]) & (numbers < _SANE[1])).mean()) if len(numbers) else 1.0)
    if shares[0] < 0.5 and shares[1] > 0.95:
        return "its numbers are big-endian; word2vec's binary format is little-endian: write them so"
    if shares[0] < 0.5 and (np.abs(np.frombuffer(b"".join(vectors), dtype="<i4").astype(np.int64)) < _SMALL).all():
        return "its numbers are int32; word2vec's binary format has float32: write them so"
    return None
