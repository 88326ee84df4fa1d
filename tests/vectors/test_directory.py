import json
import resource
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2vray.errors import VectorsError
from w2vray.text.rules import TokenRules, family
from w2vray.text.vocabulary import MISSING
from w2vray.vectors import Vectors, VectorsWriter
from w2vray.vectors.readers import Block

WORDS = ["the", "ﬁlm", "日本", "a b"]
TABLE = [[0.5, -1.25], [3.0, 1e-3], [1 / 3, 2e4], [0.0, -0.0]]
FILES = ["slot_rows.bin", "slot_tags.bin", "table.bin", "vectors.json", "word_offsets.bin", "words.bin"]
PLAIN = family("plain")


def block(words: list[str], table: Any) -> Block:
    """Words with their vectors."""
    return Block(words, np.array(table, dtype=np.float32).reshape(len(words), -1))


def written(output: Path, *blocks: Block, dtype: str = "float32", rules: TokenRules = PLAIN, **source: Any) -> Vectors:
    """The directory of these blocks."""
    with VectorsWriter(output, dtype=dtype) as writer:
        for part in blocks or (block(WORDS, TABLE),):
            writer.append(part, origin="vectors.bin")
        return writer.finish(rules, source)


def refusal(action: Callable[[], object]) -> str:
    """The message that an action is refused with."""
    with pytest.raises(VectorsError) as raised:
        action()
    return str(raised.value)


def missing_from(message: str, pieces: list[str]) -> list[str]:
    """The pieces that a message lacks."""
    return [piece for piece in pieces if piece not in message]


class TestWriting:
    """What is written opens again as it was."""

    @pytest.mark.parametrize("dtype", ["float32", "float16"])
    def test_what_was_written_is_opened(self, dtype: str, tmp_path: Path) -> None:
        """Words, numbers, rules and where they came from; the numbers rounded once, to the dtype."""
        made = written(tmp_path / "vectors", dtype=dtype, rules=family("glove"), path="vectors.bin", rows=4)
        largest = {"number": 20000.0, "word": "日本"}
        for vectors in (made, Vectors.open(tmp_path / "vectors"), Vectors.open(str(tmp_path / "vectors"))):
            assert vectors.table_VD.dtype == dtype
            assert vectors.table_VD.tobytes() == np.array(TABLE, dtype=np.float32).astype(dtype).tobytes()
            assert (len(vectors), vectors.dim) == (4, 2)
            assert list(vectors.vocabulary) == WORDS
            assert vectors.vocabulary.rows([*WORDS, "The"]).tolist() == [0, 1, 2, 3, MISSING]
            assert vectors.rules == family("glove")
            assert vectors.source == {"path": "vectors.bin", "rows": 4, "duplicates": 0, "largest": largest}
            assert vectors.path == (tmp_path / "vectors").resolve()
            assert vectors.fingerprint == made.fingerprint

    @settings(max_examples=30)
    @given(
        words=st.lists(st.text(min_size=1, max_size=8), unique=True, min_size=1, max_size=12),
        data=st.data(),
    )
    def test_any_words_and_numbers_come_back(self, words: list[str], data: st.DataObject) -> None:
        """However they are cut into blocks."""
        width = data.draw(st.integers(1, 3))
        number = st.floats(width=32, allow_nan=False, allow_infinity=False)
        vector = st.lists(number, min_size=width, max_size=width)
        table = np.array([data.draw(vector) for _ in words], dtype=np.float32)
        cut = data.draw(st.integers(0, len(words) - 1))
        with tempfile.TemporaryDirectory() as folder:
            parts = [Block(words[:cut], table[:cut]), Block(words[cut:], table[cut:])]
            vectors = written(Path(folder) / "vectors", *parts)
            assert list(vectors.vocabulary) == words
            assert vectors.table_VD.tobytes() == table.tobytes()

    def test_the_directory_holds_the_files_that_the_module_lists(self, tmp_path: Path) -> None:
        """And nothing is left beside it."""
        written(tmp_path / "vectors")
        assert sorted(file.name for file in (tmp_path / "vectors").iterdir()) == FILES
        assert [file.name for file in tmp_path.iterdir()] == ["vectors"]
        assert (tmp_path / "vectors" / "table.bin").stat().st_size == 4 * 2 * 4

    def test_folders_above_the_output_are_made(self, tmp_path: Path) -> None:
        """As `mkdir -p` does."""
        written(tmp_path / "some" / "where" / "vectors")
        assert list(Vectors.open(tmp_path / "some" / "where" / "vectors").vocabulary) == WORDS

    def test_of_words_that_come_again_the_first_is_kept(self, tmp_path: Path) -> None:
        """In one block or in several; the others are counted."""
        first, second = (
            block(["a", "b", "a"], [[1, 1], [2, 2], [3, 3]]),
            block(["b", "c", "a"], [[4, 4], [5, 5], [6, 6]]),
        )
        vectors = written(tmp_path / "vectors", first, second)
        assert list(vectors.vocabulary) == ["a", "b", "c"]
        assert vectors.table_VD.tolist() == [[1, 1], [2, 2], [5, 5]]
        assert vectors.source["duplicates"] == 3

    def test_nothing_has_the_final_name_before_all_is_written(self, tmp_path: Path) -> None:
        """Whoever looks in between sees no half of a directory."""
        with VectorsWriter(tmp_path / "vectors") as writer:
            writer.append(block(WORDS, TABLE), origin="vectors.bin")
            assert not (tmp_path / "vectors").exists()
            assert len(writer) == 4
            writer.finish(PLAIN, {})
            assert (tmp_path / "vectors").exists()


class TestRefusals:
    """What cannot be written leaves nothing behind."""

    @pytest.mark.parametrize(
        ("number", "dtype", "pieces"),
        [
            pytest.param(np.nan, "float32", ["is nan", "finite float32"], id="NaN"),
            pytest.param(np.inf, "float32", ["is inf", "finite float32"], id="infinite"),
            pytest.param(-np.inf, "float16", ["is -inf", "finite float16"], id="minus infinite"),
            pytest.param(70_000.0, "float16", ["is 70000.0", "finite float16"], id="too large for float16"),
            pytest.param(-70_000.0, "float16", ["is -70000.0", "finite float16"], id="too small for float16"),
        ],
    )
    def test_a_number_that_cannot_be_stored_is_refused_with_its_place(
        self, number: float, dtype: str, pieces: list[str], tmp_path: Path
    ) -> None:
        """File, row, word and which of the numbers; rows count on from block to block, doubled ones too."""
        bad = block(["c", "d", "e"], [[5, 6], [7, number], [number, 10]])
        message = refusal(lambda: written(tmp_path / "vectors", block(["a", "a"], [[1, 2], [3, 4]]), bad, dtype=dtype))
        assert missing_from(message, ["vectors.bin, row 4 ('d')", "number 2", *pieces]) == []
        assert list(tmp_path.iterdir()) == []

    def test_the_largest_float16_is_stored(self, tmp_path: Path) -> None:
        """The bound is where the dtype has it."""
        vectors = written(tmp_path / "vectors", block(["a"], [65_504.0, -65_504.0]), dtype="float16")
        assert vectors.table_VD.tolist() == [[65_504.0, -65_504.0]]

    @pytest.mark.parametrize("kind", ["file", "empty directory", "vectors directory"])
    def test_an_output_that_is_there_is_refused_and_not_touched(self, kind: str, tmp_path: Path) -> None:
        """Nothing is overwritten, however small."""
        output = tmp_path / "vectors"
        if kind == "file":
            output.write_text("mine")
        elif kind == "empty directory":
            output.mkdir()
        else:
            written(output)
        before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
        assert missing_from(refusal(lambda: VectorsWriter(output)), [str(output), "already exists", "--output"]) == []
        assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before

    def test_an_output_that_turns_up_in_between_is_not_overwritten(self, tmp_path: Path) -> None:
        """Two commands with one output: the first to finish has it."""
        output = tmp_path / "vectors"
        with VectorsWriter(output) as late:
            late.append(block(["late"], [1, 2]), origin="late.bin")
            output.mkdir()
            (output / "file").write_text("early")
            message = refusal(lambda: late.finish(PLAIN, {}))
        assert f"{output} cannot be written (" in message
        assert [path.name for path in tmp_path.rglob("*")] == ["vectors", "file"]

    def test_an_output_below_a_file_is_refused(self, tmp_path: Path) -> None:
        """With the system's reason."""
        (tmp_path / "file").write_text("mine")
        message = refusal(lambda: written(tmp_path / "file" / "vectors"))
        assert f"{tmp_path / 'file' / 'vectors'} cannot be written (Not a directory)" in message
        assert (tmp_path / "file").read_text() == "mine"

    def test_no_words_at_all_are_refused(self, tmp_path: Path) -> None:
        """A table without rows would only fail later; the source is named."""
        with VectorsWriter(tmp_path / "vectors") as writer:
            message = refusal(lambda: writer.finish(PLAIN, {"path": "vectors.bin"}))
        assert message == "vectors.bin: no word vectors in it"
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        "failure", [RuntimeError, KeyboardInterrupt, None], ids=["error", "interrupt", "no finish"]
    )
    def test_work_that_is_given_up_leaves_nothing(self, failure: type[BaseException] | None, tmp_path: Path) -> None:
        """Neither the directory nor its beginnings."""

        def give_up() -> None:
            with VectorsWriter(tmp_path / "vectors") as writer:
                writer.append(block(WORDS, TABLE), origin="vectors.bin")
                if failure is not None:
                    raise failure

        if failure is None:
            give_up()
        else:
            with pytest.raises(failure):
                give_up()
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("rows", "word", "size"),
        [
            pytest.param(100_000, "word{}", 200_000, id="in the table"),
            pytest.param(20_000, "word{}" + "x" * 60, 200_000, id="in the words"),
            pytest.param(1000, "word{}", 1000, id="with all of the table still in the buffer"),
        ],
    )
    def test_a_full_disk_is_told_and_nothing_is_left(self, rows: int, word: str, size: int, tmp_path: Path) -> None:
        """With a bound on the size of files in its place: some bytes can be written, then no more."""
        big = block([word.format(row) for row in range(rows)], np.ones((rows, 1)))
        with largest_file(size):
            message = refusal(lambda: written(tmp_path / "vectors", big))
        assert f"{tmp_path / 'vectors'} cannot be written (" in message
        assert list(tmp_path.iterdir()) == []


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let this process write no file larger than ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class TestFingerprint:
    """The content has one fingerprint, and another content has another."""

    def test_place_time_and_source_are_not_part_of_it(self, tmp_path: Path) -> None:
        """Vectors can be moved, and made again."""
        one = written(tmp_path / "one", path="here.bin", rows=4)
        two = written(tmp_path / "deeper" / "two", block(WORDS[:1], TABLE[:1]), block(WORDS[1:], TABLE[1:]))
        (tmp_path / "one").rename(tmp_path / "moved")
        assert one.fingerprint == two.fingerprint == Vectors.open(tmp_path / "moved").fingerprint

    def test_duplicates_are_not_part_of_it(self, tmp_path: Path) -> None:
        """They are not in the table either."""
        doubled = written(tmp_path / "doubled", block([*WORDS, "the"], [*TABLE, [9, 9]]))
        assert doubled.fingerprint == written(tmp_path / "once").fingerprint

    @pytest.mark.parametrize(
        ("words", "table", "dtype"),
        [
            pytest.param(WORDS, [*TABLE[:3], [0.0, 1e-30]], "float32", id="a number"),
            pytest.param(["the", "ﬁlm", "日本", "a c"], TABLE, "float32", id="a word"),
            pytest.param(["th", "eﬁlm", "日本", "a b"], TABLE, "float32", id="where words end"),
            pytest.param(WORDS[::-1], TABLE[::-1], "float32", id="the order"),
            pytest.param(WORDS[:3], TABLE[:3], "float32", id="a row less"),
            pytest.param(WORDS, [[*row, 0.0] for row in TABLE], "float32", id="the width"),
            pytest.param(WORDS, TABLE, "float16", id="the dtype"),
        ],
    )
    def test_any_change_of_the_content_changes_it(
        self, words: list[str], table: list[list[float]], dtype: str, tmp_path: Path
    ) -> None:
        """A model refuses vectors of another fingerprint, so all that changes answers is in it."""
        other = written(tmp_path / "other", block(words, table), dtype=dtype)
        assert other.fingerprint != written(tmp_path / "vectors").fingerprint

    def test_the_same_bytes_as_other_numbers_have_another(self, tmp_path: Path) -> None:
        """One float32 and two float16, of the same word, byte for byte."""
        halves = np.array([1.5, -2.0], dtype=np.float16)
        wide = written(tmp_path / "wide", block(["a"], halves), dtype="float16")
        narrow = written(tmp_path / "narrow", block(["a"], halves.view(np.float32)))
        assert wide.table_VD.tobytes() == narrow.table_VD.tobytes()
        assert wide.fingerprint != narrow.fingerprint


class TestOpening:
    """Opening maps files into memory, and says what is wrong with them."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A vectors directory that may be damaged."""
        written(tmp_path / "vectors")
        return tmp_path / "vectors"

    def test_the_arrays_are_memory_maps(self, folder: Path) -> None:
        """The words and their index too: millions of them cost no memory of one's own."""
        vectors = Vectors.open(folder)
        index = vectors.vocabulary
        for array in (vectors.table_VD, index.blob, index.offsets, index.slot_rows, index.slot_tags):
            assert isinstance(array, np.memmap)

    def test_nothing_can_write_to_the_table(self, folder: Path) -> None:
        """It belongs to everyone who has it open."""
        with pytest.raises(ValueError, match="read-only"):
            Vectors.open(folder).table_VD[0, 0] = 7

    def test_flat_arrays_and_back_is_the_same_without_a_copy(self, folder: Path) -> None:
        """What goes through shared memory is not copied for each worker."""
        vectors = Vectors.open(folder)
        arrays = vectors.arrays()
        back = Vectors.from_arrays(arrays, vectors.rules, vectors.fingerprint)
        assert all(type(array) is np.ndarray for array in arrays.values())
        assert np.shares_memory(back.table_VD, vectors.table_VD)
        assert np.shares_memory(back.vocabulary.blob, vectors.vocabulary.blob)
        assert back.table_VD.tobytes() == vectors.table_VD.tobytes()
        assert back.vocabulary.rows([*WORDS, "none"]).tolist() == [0, 1, 2, 3, MISSING]
        assert (back.rules, back.fingerprint, back.dim) == (vectors.rules, vectors.fingerprint, 2)

    @pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".bin")])
    @pytest.mark.parametrize("change", ["longer", "shorter", "empty", "gone", "a directory"])
    def test_a_damaged_file_is_named(self, name: str, change: str, folder: Path) -> None:
        """With both sizes where it has one."""
        file = folder / name
        content = file.read_bytes()
        file.unlink()
        if change == "a directory":
            file.mkdir()
        elif change != "gone":
            file.write_bytes({"longer": content + b"\0", "shorter": content[:-1], "empty": b""}[change])
        message = refusal(lambda: Vectors.open(folder))
        assert str(file) in message
        if change == "gone":
            assert "cannot be read (No such file or directory)" in message
        elif change != "a directory":
            assert f"has {file.stat().st_size:,} bytes; expected {len(content):,}. It is damaged" in message

    @pytest.mark.parametrize(
        ("content", "pieces"),
        [
            pytest.param(None, ["is not a vectors directory", "no readable vectors.json"], id="gone"),
            pytest.param(b"", ["vectors.json is not JSON"], id="empty"),
            pytest.param(b'{"format_version": 1', ["vectors.json is not JSON"], id="cut"),
            pytest.param(b"\xff\xfe", ["vectors.json is not JSON"], id="not UTF-8"),
            pytest.param(b"[1]", ["vectors.json: format version None", "reads 1"], id="list"),
            pytest.param(b"{}", ["vectors.json: format version None", "reads 1"], id="no version"),
            pytest.param(b'{"format_version": 2}', ["vectors.json: format version 2", "reads 1"], id="later version"),
            pytest.param(b'{"format_version": 1}', ["vectors.json is not a description", "rows"], id="nothing else"),
        ],
    )
    def test_a_description_that_cannot_be_read_is_named(
        self, content: bytes | None, pieces: list[str], folder: Path
    ) -> None:
        """A later version is told from damage."""
        (folder / "vectors.json").unlink()
        if content is not None:
            (folder / "vectors.json").write_bytes(content)
        assert missing_from(refusal(lambda: Vectors.open(folder)), [str(folder), *pieces]) == []

    @pytest.mark.parametrize(
        ("key", "value", "pieces"),
        [
            pytest.param("rows", 5, ["table.bin has 32 bytes; expected 40"], id="more rows"),
            pytest.param("dim", 1, ["table.bin has 32 bytes; expected 16"], id="narrower"),
            pytest.param("dtype", "float16", ["table.bin has 32 bytes; expected 16"], id="another dtype"),
            pytest.param("dtype", "float64", ["'float64'", "float32, float16"], id="dtype that is never written"),
            pytest.param("slots", 4, ["slot_rows.bin has 32 bytes; expected 16"], id="fewer slots"),
            pytest.param("word_bytes", 1, ["words.bin", "expected 1."], id="fewer bytes"),
            pytest.param("rows", "4", ["table would be of shape ('4', 2)", "whole numbers"], id="rows in quotes"),
            pytest.param("rows", -1, ["table would be of shape (-1, 2)", "above 0"], id="negative rows"),
            pytest.param("dim", 0, ["table would be of shape (4, 0)", "above 0"], id="no width"),
            pytest.param("dim", 2.0, ["table would be of shape (4, 2.0)", "whole numbers"], id="fraction"),
            pytest.param("rows", None, ["table would be of shape (None, 2)", "whole numbers"], id="null"),
            pytest.param("tokens", {"family": "plain"}, ["not a description", "token rules"], id="rules"),
            pytest.param("source", 3, ["not a description"], id="source"),
        ],
    )
    def test_a_description_that_does_not_fit_is_told(
        self, key: str, value: Any, pieces: list[str], folder: Path
    ) -> None:
        """Before anything is read past the end of a file."""
        meta = json.loads((folder / "vectors.json").read_text(encoding="utf-8"))
        (folder / "vectors.json").write_text(json.dumps({**meta, key: value}))
        assert missing_from(refusal(lambda: Vectors.open(folder)), [str(folder), *pieces]) == []

    @pytest.mark.parametrize("key", ["rows", "dim", "dtype", "word_bytes", "slots", "fingerprint", "tokens", "source"])
    def test_a_description_without_one_of_its_parts_names_it(self, key: str, folder: Path) -> None:
        """None of them has a default."""
        meta = json.loads((folder / "vectors.json").read_text(encoding="utf-8"))
        del meta[key]
        (folder / "vectors.json").write_text(json.dumps(meta))
        assert missing_from(refusal(lambda: Vectors.open(folder)), ["not a description", f"'{key}'"]) == []

    @pytest.mark.parametrize("kind", ["missing", "file"])
    def test_what_is_no_directory_is_refused_with_how_to_make_one(self, kind: str, tmp_path: Path) -> None:
        """Most often it is the file that the directory is to be made of."""
        path = tmp_path / "vectors.bin"
        if kind == "file":
            path.write_bytes(b"1 1\na 1\n")
        pieces = [f"{path} is not a vectors directory", "w2vray vectors import"]
        assert missing_from(refusal(lambda: Vectors.open(path)), pieces) == []


def test_the_table_of_a_block_is_rounded_only_once(tmp_path: Path) -> None:
    """A float16 table holds the nearest float16 of each number, ties to even."""
    numbers: npt.NDArray[np.float32] = np.linspace(-2, 2, 1001, dtype=np.float32)
    vectors = written(tmp_path / "vectors", Block(["a"], numbers.reshape(1, -1)), dtype="float16")
    assert np.array_equal(vectors.table_VD[0], numbers.astype(np.float16))
