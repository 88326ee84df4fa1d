import gzip
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from gensim.models import KeyedVectors
from hypothesis import given
from hypothesis import strategies as st

from w2vray.errors import VectorsError
from w2vray.vectors.readers import open_source, stream
from w2vray.vectors.readers.block import BLOCK_ROWS
from w2vray.vectors.readers.stream import MAX_LINE, ByteStream

Rows = Mapping[str, Sequence[float]]
Table = npt.NDArray[np.float32]

# The last is rounded up on the way to a float32, and down on the way through a float64.
SPELLINGS = ["1", "-0", "+1.5", "1.", ".5", "1e5", "1E-5", "-2.5e+3", "1e-60", "0" * 500 + "3"]
SPELLINGS += ["1.000000059604644775390626"]

ROWS: Rows = {"the": [0.5, -1.25], "ﬁlm": [3.0, 1e-3], "日本": [1 / 3, 2e10]}


def read(path: Path, format: str = "auto") -> tuple[str, int | None, list[str], Table]:  # noqa: A002
    """Format, promised rows, words and vectors of a file."""
    words: list[str] = []
    vectors = []
    with open_source(path, format) as source:
        for block in source.blocks:
            assert len(block.words) == len(block.vectors_ND) <= BLOCK_ROWS
            assert block.vectors_ND.dtype == np.float32
            assert block.vectors_ND.shape[1] == source.dim
            words += block.words
            vectors.append(block.vectors_ND)
    assert source.path == path
    return source.format, source.rows, words, np.concatenate(vectors)


def binary(rows: Rows, *, newline: bool = False, header: bytes | None = None) -> bytes:
    """Rows in word2vec's binary format."""
    width = len(next(iter(rows.values())))
    data = header if header is not None else b"%d %d\n" % (len(rows), width)
    for word, vector in rows.items():
        data += word.encode() + b" " + np.array(vector, dtype="<f4").tobytes() + b"\n" * newline
    return data


def glove(rows: Rows) -> bytes:
    """Rows in GloVe's format."""
    lines = [" ".join([word, *(repr(float(np.float32(number))) for number in vector)]) for word, vector in rows.items()]
    return "".join(f"{line}\n" for line in lines).encode()


def text(rows: Rows) -> bytes:
    """Rows in word2vec's text format."""
    return b"%d %d\n" % (len(rows), len(next(iter(rows.values())))) + glove(rows)


def refusal(path: Path, format: str = "auto") -> str:  # noqa: A002
    """The message that a file is refused with; it names the file."""
    with pytest.raises(VectorsError) as raised:
        read(path, format)
    assert str(path) in str(raised.value)
    return str(raised.value)


def missing_from(message: str, pieces: list[str]) -> list[str]:
    """The pieces that a message lacks."""
    return [piece for piece in pieces if piece not in message]


class TestFormats:
    """Each format is recognised by its content."""

    @pytest.mark.parametrize(
        ("content", "format_", "rows"),
        [
            pytest.param(binary(ROWS), "word2vec-binary", 3, id="word2vec binary"),
            pytest.param(binary(ROWS, newline=True), "word2vec-binary", 3, id="word2vec binary with newlines"),
            pytest.param(text(ROWS), "word2vec-text", 3, id="word2vec text"),
            pytest.param(glove(ROWS), "glove", None, id="GloVe"),
            pytest.param(text(ROWS).replace(b"\n", b"\r\n"), "word2vec-text", 3, id="word2vec text, CR LF"),
            pytest.param(glove(ROWS).replace(b"\n", b" \n"), "glove", None, id="GloVe, a space behind each line"),
            pytest.param(text(ROWS).rstrip(b"\n"), "word2vec-text", 3, id="word2vec text, no newline at the end"),
            pytest.param(glove(ROWS).rstrip(b"\n"), "glove", None, id="GloVe, no newline at the end"),
        ],
    )
    @pytest.mark.parametrize("name", ["vectors", "vectors.txt", "vectors.bin.gz"])
    def test_a_file_is_read_whatever_its_name(
        self, content: bytes, format_: str, rows: int | None, name: str, tmp_path: Path
    ) -> None:
        """Neither `.bin` nor `.gz` in a name means anything."""
        path = tmp_path / name
        path.write_bytes(content)
        for asked in ("auto", format_):
            found = read(path, asked)
            assert found[:3] == (format_, rows, list(ROWS))
            assert np.array_equal(found[3], np.array(list(ROWS.values()), dtype=np.float32))

    @pytest.mark.parametrize(
        "content",
        [binary(ROWS), binary(ROWS, newline=True), text(ROWS), glove(ROWS)],
        ids=["word2vec binary", "word2vec binary with newlines", "word2vec text", "GloVe"],
    )
    @pytest.mark.parametrize("name", ["vectors", "vectors.txt", "vectors.bin.gz"])
    def test_a_gzip_file_is_read_as_what_is_inside(self, content: bytes, name: str, tmp_path: Path) -> None:
        """Whatever its name, too."""
        (tmp_path / "inside").write_bytes(content)
        (tmp_path / name).write_bytes(gzip.compress(content))
        plain, zipped = read(tmp_path / "inside"), read(tmp_path / name)
        assert zipped[:3] == plain[:3]
        assert np.array_equal(zipped[3], plain[3])

    @pytest.mark.parametrize(
        ("content", "name", "family"),
        [
            (binary(ROWS), "vectors.bin", None),
            (binary(ROWS), "vectors.vec", None),
            (text(ROWS), "vectors.txt", None),
            (text(ROWS), "vectors.vec", "fasttext"),
            (gzip.compress(text(ROWS)), "vectors.vec.gz", "fasttext"),
            (glove(ROWS), "vectors.txt", "glove"),
        ],
        ids=["word2vec binary", "binary named .vec", "word2vec text", "fastText", "fastText gzip", "GloVe"],
    )
    def test_a_format_comes_with_its_token_rules(
        self, content: bytes, name: str, family: str | None, tmp_path: Path
    ) -> None:
        """All GloVe files were made with GloVe's rules, fastText's text has a name of its own; others tell none."""
        (tmp_path / name).write_bytes(content)
        with open_source(tmp_path / name) as source:
            assert source.family == family

    @pytest.mark.parametrize(("written", "format_"), [(glove, "glove"), (text, "word2vec-text")])
    def test_words_of_text_may_hold_spaces(
        self, written: Callable[[Rows], bytes], format_: str, tmp_path: Path
    ) -> None:
        """GloVe's published 840B file has such words, also where it got a header; a line is split from the right."""
        rows = {". . .": [1.0, 2.0], "at name@domain.com": [3.0, 4.0], "plain": [5.0, 6.0], "to the": [7.0, 8.0]}
        rows |= {"more": [9.0, 0.5], "words": [0.25, 1.0]}
        (tmp_path / "vectors").write_bytes(written(rows))
        found, _, words, vectors = read(tmp_path / "vectors")
        assert (found, words) == (format_, list(rows))
        assert vectors.tolist() == list(rows.values())

    @pytest.mark.parametrize("head", [b"", b"2 2\n"], ids=["GloVe", "word2vec text"])
    def test_spaces_around_a_word_are_not_part_of_it(self, head: bytes, tmp_path: Path) -> None:
        """Nothing that is looked up has any; a number is a number also where two spaces are behind it."""
        (tmp_path / "vectors").write_bytes(head + b"cat  1 2\n dog   3 4\n")
        _, _, words, vectors = read(tmp_path / "vectors")
        assert words == ["cat", "dog"]
        assert vectors.tolist() == [[1, 2], [3, 4]]
        head = head.replace(b"2 2", b"3 2")
        (tmp_path / "vectors").write_bytes(head + b"cat 1 2\ndog 3  4 5\ncow 1 2\n")
        assert "row 2 ('dog 3  4 5'): 3 numbers; expected 2" in refusal(tmp_path / "vectors")

    @pytest.mark.parametrize(
        "content",
        [binary(ROWS), binary(ROWS, newline=True), text(ROWS), glove(ROWS)],
        ids=["word2vec binary", "word2vec binary with newlines", "word2vec text", "GloVe"],
    )
    @pytest.mark.parametrize("packed", [bytes, gzip.compress], ids=["plain", "gzip"])
    def test_a_byte_order_mark_is_no_part_of_the_first_word(
        self, content: bytes, packed: Callable[[bytes], bytes], tmp_path: Path
    ) -> None:
        """Editors put one before text; it says no more than that it is UTF-8."""
        (tmp_path / "plain").write_bytes(content)
        (tmp_path / "marked").write_bytes(packed(b"\xef\xbb\xbf" + content))
        plain = read(tmp_path / "plain")
        for asked in ("auto", plain[0]):
            marked = read(tmp_path / "marked", asked)
            assert marked[:3] == plain[:3]
            assert np.array_equal(marked[3], plain[3])

    def test_words_that_look_like_numbers_or_headers_are_words(self, tmp_path: Path) -> None:
        """Numbers are among the commonest words."""
        rows = {"2": [1.0, 2.0], "1999": [3.0, 4.0], "3.5": [5.0, 6.0], "nan": [7.0, 8.0], "-": [9.0, 10.0]}
        for content in (glove(rows), text(rows), binary(rows)):
            (tmp_path / "vectors").write_bytes(content)
            _, _, words, vectors = read(tmp_path / "vectors")
            assert words == list(rows)
            assert vectors.tolist() == list(rows.values())

    def test_binary_numbers_that_look_like_line_ends_are_numbers(self, tmp_path: Path) -> None:
        """Newlines and spaces are bytes of numbers as good as others, at the start and the end of a vector too."""
        bytes_of = {"a": b"\n\n\n\n    ", "b": b"    \n\n\n\n", "c": b" \n \n\n \n "}
        rows = {word: np.frombuffer(data, dtype="<f4").tolist() for word, data in bytes_of.items()}
        for newline in (False, True):
            (tmp_path / "vectors").write_bytes(binary(rows, newline=newline))
            format_, _, words, vectors = read(tmp_path / "vectors")
            assert (format_, words) == ("word2vec-binary", ["a", "b", "c"])
            assert [row.tobytes() for row in vectors] == list(bytes_of.values())

    @pytest.mark.parametrize("spellings", [SPELLINGS, [*SPELLINGS, "0.1\r", "\t7"]], ids=["usual", "with white space"])
    def test_all_spellings_of_a_number_are_read(self, spellings: list[str], tmp_path: Path) -> None:
        """As Python reads them: to a float64, and from there to a float32."""
        lines = [f"word{row} {spelling} 0" for row, spelling in enumerate(spellings)]
        (tmp_path / "vectors").write_text("\n".join(lines), newline="")
        vectors = read(tmp_path / "vectors")[3]
        assert np.array_equal(vectors[:, 0], np.array([float(spelling) for spelling in spellings], dtype=np.float32))


class TestAgainstGensim:
    """gensim writes what is read here; ``test_real_files.py`` has the files of its own tests."""

    @pytest.mark.parametrize("as_binary", [True, False], ids=["binary", "text"])
    def test_what_gensim_writes_is_read(self, as_binary: bool, tmp_path: Path) -> None:
        """More rows than a block has, with words of any script and numbers of any size."""
        count, width = BLOCK_ROWS * 2 + 7, 5
        random = np.random.default_rng(0)
        vectors = random.standard_normal((count, width)) * 10.0 ** random.integers(-30, 30, (count, width))
        oracle = KeyedVectors(width)
        oracle.add_vectors([f"wörd日{row}" for row in range(count)], vectors.astype(np.float32))
        oracle.save_word2vec_format(str(tmp_path / "vectors"), binary=as_binary)
        format_, promised, words, found = read(tmp_path / "vectors")
        assert (format_, promised) == ("word2vec-binary" if as_binary else "word2vec-text", count)
        assert words == oracle.index_to_key
        assert np.array_equal(found, oracle.vectors)


ROW_2_TOO_SHORT = b"a 1 2\nb 3\nc 4 5\n"
ROW_2_TOO_LONG = b"a 1 2\nb 3 4 5\nc 4 5\n"
BAD_FILES: dict[str, tuple[bytes, list[str]]] = {
    "empty file": (b"", ["is empty"]),
    "prose": (b"It was the best of times,\nit was the worst", ["'It was the best of times,'", "expected word2vec"]),
    "random bytes": (np.random.default_rng(1).bytes(3000), ["the first line is", "expected word2vec"]),
    "zip archive, cut": (b"PK\x03\x04" + bytes(200), ["the zip archive is truncated or damaged"]),
    "zip archive that has what a row has": (b"PK\x03\x04\xff 1 2\n", ["the zip archive is truncated or damaged"]),
    "zip archive in gzip": (gzip.compress(b"PK\x03\x04\n"), ["is a zip archive in gzip; unpack it first"]),
    "one word": (b"word", ["'word'", "expected word2vec"]),
    "header alone": (b"2 2\n", ["row 1", "promises 2 rows of 2 numbers"]),
    "no rows in header": (b"0 2\n", ["the header says 0 rows of 2 numbers", "at least 1 row"]),
    "no numbers in header": (b"3 0\na\nb\nc\n", ["the header says 3 rows of 0 numbers", "1 to 100,000"]),
    "too many numbers in header": (b"3 100001\na\n", ["3 rows of 100001 numbers", "1 to 100,000"]),
    "binary, cut in a vector": (binary(ROWS)[:-3], ["row 3", "promises 3 rows of 2 numbers", "truncated"]),
    "binary, cut in a word": (binary(ROWS)[:-10], ["row 3", "promises 3 rows of 2 numbers", "truncated"]),
    "binary, a row too few": (binary(ROWS, header=b"4 2\n"), ["row 4", "promises 4 rows", "truncated"]),
    "binary, a row too many": (binary(ROWS, header=b"2 2\n"), ["more after row 2", "counts too few rows"]),
    "binary, with newlines, a row too many": (
        binary(ROWS, newline=True, header=b"2 2\n"),
        ["more after row 2", "counts too few rows"],
    ),
    "binary, wider than its header says": (binary(ROWS, header=b"3 1\n"), []),
    "binary, empty word": (binary({"a": [1, 2], "": [3, 4]}), ["row 2", "the word is empty"]),
    "binary, word not UTF-8": (binary(ROWS).replace(b"the", b"th\xe9"), ["row 1", "b'th\\xe9' is not UTF-8"]),
    "binary, endless word": (b"1 2\n" + b"\x01x" * (1 << 16), ["no b' ' within 65,536 bytes"]),
    "text, a row too few": (b"3 2\na 1 2\nb 3 4\n", ["ends after row 2", "promises 3"]),
    "text, a row too many": (b"2 2\na 1 2\nb 3 4\nc 5 6\n", ["row 3", "promises 2 rows only"]),
    "text, too few numbers in a row": (b"3 2\n" + ROW_2_TOO_SHORT, ["row 2 ('b 3')", "1 number; expected 2"]),
    "text, too many numbers in a row": (b"3 2\n" + ROW_2_TOO_LONG, ["row 2 ('b 3 4 5')", "3 numbers; expected 2"]),
    "text, wider than its header says": (
        b"2 2\na 1 2 3\nb 4 5 6\n",
        ["says 2 numbers a row, and 2 of the first 2 rows have 3"],
    ),
    "text, not a number": (b"2 2\na 1 2\nb 3 x\n", ["row 2, number 2", "'x' is not a number"]),
    "text, not a number in the first row": (b"2 3\na 1 x 3\nb 4 5 6\n", ["row 1, number 2", "'x' is not a number"]),
    "text, no number for Python only": (b"2 2\na 1 2\nb 1_0 4\n", ["row 2, number 1", "'1_0' is not a number"]),
    "text, empty word": (b"2 2\na 1 2\n 3 4\n", ["row 2", "the word is empty"]),
    "text, empty line": (b"2 2\na 1 2\n\nb 3 4\n", ["row 2: an empty line"]),
    "text, word not UTF-8": (b"2 2\na 1 2\n\xff 3 4\n", ["row 2", "b'\\xff' is not UTF-8"]),
    "text, endless line": (b"2 2\na 1 2\n" + b"1 " * MAX_LINE, ["no b'\\n' within 4,194,304 bytes"]),
    "GloVe, too few numbers in a row": (ROW_2_TOO_SHORT, ["row 2 ('b 3')", "1 number; expected 2"]),
    "GloVe, too many numbers in a row": (ROW_2_TOO_LONG, ["row 2 ('b 3 4 5')", "3 numbers; expected 2"]),
    "GloVe, not a number in the first row": (
        b"a 0x10 1\nb 2 3\n",
        ["row 1, number 1: '0x10' is not a number"],
    ),
    "GloVe, not a number": (b"a 1 2\nb c x 4\n", ["row 2, number 1", "'x' is not a number"]),
    "GloVe, empty word": (b"a 1 2\n 3 4\n", ["row 2", "the word is empty"]),
    "GloVe, word not UTF-8": (b"a 1 2\n\xe9t\xe9 3 4\n", ["row 2", "is not UTF-8"]),
    "GloVe, endless line": (b"a 1 2\n" + b"x" * (MAX_LINE + 1), ["no b'\\n' within 4,194,304 bytes"]),
    "GloVe, endless first line": (b"x" * (MAX_LINE + 1), ["the first line is 'xxx", "expected word2vec"]),
    "gzip, cut": (gzip.compress(text(ROWS))[:-12], ["gzip", "data is truncated"]),
    "gzip, cut in its header": (b"\x1f\x8b\x08", ["gzip", "data is truncated"]),
    "gzip, damaged": (gzip.compress(glove(ROWS))[:-8] + bytes(8), ["gzip", "data is damaged"]),
    "gzip, of nothing": (gzip.compress(b""), ["is empty"]),
    "gzip, with other bytes behind": (gzip.compress(glove(ROWS)) + b"behind", ["gzip", "data is damaged"]),
    "gzip, nothing but its mark": (b"\x1f\x8b" + np.random.default_rng(2).bytes(100), ["gzip", "damaged"]),
}


class TestBadFiles:
    """A bad file is refused by name, with the row and what was expected."""

    @pytest.mark.parametrize(("content", "pieces"), BAD_FILES.values(), ids=BAD_FILES)
    def test_a_bad_file_is_refused_with_what_is_wrong(self, content: bytes, pieces: list[str], tmp_path: Path) -> None:
        """Nothing is skipped or filled up in silence."""
        (tmp_path / "vectors").write_bytes(content)
        assert missing_from(refusal(tmp_path / "vectors"), pieces) == []

    def test_a_bad_number_far_down_is_told_with_its_own_row(self, tmp_path: Path) -> None:
        """Rows are parsed many at a time, and told one by one."""
        lines = [b"word%d 1 2 3" % row for row in range(1, BLOCK_ROWS + 2000)]
        lines[BLOCK_ROWS + 1233] = b"word 1 2 none"
        (tmp_path / "vectors").write_bytes(b"\n".join(lines))
        message = refusal(tmp_path / "vectors")
        assert f"row {BLOCK_ROWS + 1234}, number 3: 'none' is not a number" in message

    @pytest.mark.parametrize("format_", ["word2vec-binary", "word2vec-text"])
    def test_a_file_without_the_header_of_the_format_asked_for_is_refused(self, format_: str, tmp_path: Path) -> None:
        """With the format and what the file starts with instead."""
        (tmp_path / "vectors").write_bytes(glove(ROWS))
        pieces = [format_, "a line of two numbers, rows and width", "'the 0.5"]
        assert missing_from(refusal(tmp_path / "vectors", format_), pieces) == []

    @pytest.mark.parametrize(
        ("content", "format_"),
        [
            pytest.param(binary(ROWS), "word2vec-text", id="binary as text"),
            pytest.param(text(ROWS), "word2vec-binary", id="text as binary"),
            pytest.param(text(ROWS), "glove", id="text as GloVe"),
        ],
    )
    def test_a_file_of_another_format_than_asked_for_is_refused(
        self, content: bytes, format_: str, tmp_path: Path
    ) -> None:
        """Rather than read as something it is not."""
        (tmp_path / "vectors").write_bytes(content)
        assert "row " in refusal(tmp_path / "vectors", format_)

    def test_a_directory_is_refused(self, tmp_path: Path) -> None:
        """And called one."""
        assert "is a directory; expected a file of word vectors" in refusal(tmp_path)

    def test_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        """With the system's reason."""
        assert "cannot be opened (No such file or directory)" in refusal(tmp_path / "missing.bin")

    def test_an_error_of_whoever_reads_is_not_blamed_on_the_file(self, tmp_path: Path) -> None:
        """A full disk under the output says nothing about the source."""
        (tmp_path / "vectors").write_bytes(text(ROWS))
        with pytest.raises(OSError, match="No space left"), open_source(tmp_path / "vectors"):
            raise OSError(28, "No space left on device")

    @given(
        content=st.one_of(st.binary(max_size=60), st.text("12 .-\nabé", max_size=60).map(str.encode)), data=st.data()
    )
    def test_any_bytes_are_read_or_refused(
        self, content: bytes, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """No file ends in another error than ours; what is read has as many words as vectors."""
        head = data.draw(st.sampled_from([b"", b"1 1\n", b"2 2\na 1 2\n", b"a 1 2\n", b"2 1\na \x00\x00\x00\x00"]))
        path = tmp_path_factory.getbasetemp() / "any-bytes"
        path.write_bytes(head + content)
        for format_ in ("auto", "glove", "word2vec-text", "word2vec-binary"):
            try:
                _, promised, words, vectors = read(path, format_)
            except VectorsError:
                refusal(path, format_)  # names the file
            else:
                assert len(words) == len(vectors) == (len(words) if promised is None else promised)


class TestStream:
    """Reading forward through a file, a piece at a time."""

    steps = st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["peek", "read"]), st.integers(0, 40)),
            st.tuples(st.just("until"), st.integers(1, 40)),
        ),
        max_size=20,
    )

    @given(content=st.text("ab ", max_size=200), steps=steps, chunk=st.integers(1, 30))
    def test_any_steps_give_the_bytes_in_order(self, content: str, steps: list[tuple[str, int]], chunk: int) -> None:
        """However the bytes fall into the pieces that are read from the file."""
        data, at = content.encode(), 0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stream, "_CHUNK", chunk)
            reader = ByteStream(Path("vectors"), io.BytesIO(data))
            for step, size in steps:
                window = data[at : at + size]
                if step == "peek":
                    assert reader.peek(size) == window
                elif step == "read":
                    assert reader.read(size) == window
                    at += len(window)
                elif b" " in window:
                    assert reader.until(b" ", size) == window[: window.index(b" ")]
                    at += window.index(b" ") + 1
                elif len(window) < size:
                    assert reader.until(b" ", size) == window
                    at += len(window)
                else:
                    with pytest.raises(VectorsError, match=f"no b' ' within {size} bytes"):
                        reader.until(b" ", size)

    @pytest.mark.parametrize("newline", [False, True], ids=["no newlines", "newlines"])
    @pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
    def test_binary_words_may_lie_across_the_pieces_that_are_read(
        self, newline: bool, zipped: bool, tmp_path: Path
    ) -> None:
        """Long words over many pieces, so that each end of a piece falls into one."""
        rows = {f"{row}" + "x" * 40_000: [row, -row] for row in range(200)}
        content = binary(rows, newline=newline)
        (tmp_path / "vectors").write_bytes(gzip.compress(content, 1) if zipped else content)
        _, _, words, vectors = read(tmp_path / "vectors")
        assert words == list(rows)
        assert vectors.tolist() == list(rows.values())

    def test_text_lines_may_lie_across_the_pieces_that_are_read(self, tmp_path: Path) -> None:
        """Lines longer than a piece too."""
        lengths = [700_000, 10, 3_000_000, 20, 1_500_000]
        rows = {f"{row}" + "x" * length: [row, -row] for row, length in enumerate(lengths)}
        for content in (text(rows), glove(rows)):
            (tmp_path / "vectors").write_bytes(content)
            _, _, words, vectors = read(tmp_path / "vectors")
            assert words == list(rows)
            assert vectors.tolist() == list(rows.values())
