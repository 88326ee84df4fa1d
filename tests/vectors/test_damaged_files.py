"""Any table comes back from any format, and damage to one byte never changes another row without a word said."""

import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors
from hypothesis import given
from hypothesis import strategies as st

from tests.fixtures.vector_files import Read, Table, binary, glove, word2vec
from w2vray.errors import VectorsError

LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"])
WORD = st.text(LETTERS, min_size=1, max_size=6).filter(lambda word: not word.startswith("\ufeff"))
NUMBER = st.floats(-4, 4, width=32).filter(lambda number: number == 0 or abs(number) > 1e-3)
FORMS: Mapping[str, Callable[[Sequence[str], Table], bytes]] = {
    "glove": glove,
    "word2vec-text": word2vec,
    "word2vec-binary": binary,
    "binary with newlines": lambda words, table_VD: binary(words, table_VD, newline=True),
}


@st.composite
def tables(draw: st.DrawFn, least: int = 1) -> tuple[list[str], Table]:
    """Words, and numbers of the sizes that numbers of words have."""
    words = draw(st.lists(WORD, unique=True, min_size=least, max_size=12))
    width = draw(st.integers(4, 9))
    rows = draw(st.lists(st.lists(NUMBER, min_size=width, max_size=width), min_size=len(words), max_size=len(words)))
    return words, np.array(rows, dtype=np.float32)


@given(made=tables(), name=st.sampled_from(list(FORMS)))
def test_any_table_comes_back_from_any_format(
    made: tuple[list[str], Table], name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """To the bit; without a word from where the file says all itself."""
    words, table_VD = made
    path = tmp_path_factory.getbasetemp() / "any-table"
    path.write_bytes(FORMS[name](words, table_VD))
    found = Read(path)
    assert found.format == name.replace("binary with newlines", "word2vec-binary")
    assert found.words == words
    assert found.table_VD.tobytes() == table_VD.tobytes()
    assert found.notes == []


@given(made=tables(), as_binary=st.booleans())
def test_any_table_that_gensim_writes_comes_back(
    made: tuple[list[str], Table], *, as_binary: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    words, table_VD = made
    path = tmp_path_factory.getbasetemp() / "any-of-gensim"
    writer = KeyedVectors(table_VD.shape[1])
    writer.add_vectors(words, table_VD)
    writer.save_word2vec_format(str(path), binary=as_binary)
    assert Read(path).holds(words, table_VD)


@st.composite
def damage(draw: st.DrawFn) -> tuple[str, float, int]:
    """What is done to a byte, where in the file, and the byte."""
    byte = draw(st.one_of(st.integers(0, 255), st.sampled_from(list(b" \n\t.-e0\x00"))))
    return draw(st.sampled_from(["changed", "cut", "inserted"])), draw(st.floats(0, 1, exclude_max=True)), byte


def damaged(content: bytes, how: str, place: int, byte: int) -> bytes:
    behind = content[place + (how != "inserted") :]
    return content[:place] + (b"" if how == "cut" else bytes([byte])) + behind


def other_rows(words: Sequence[str], table_VD: Table, found: Read) -> set[int]:
    """The rows of a table that were not read as they were."""
    rows = {word: row.tobytes() for word, row in zip(found.words, found.table_VD, strict=True)}
    return {index for index, word in enumerate(words) if rows.get(word) != table_VD[index].tobytes()}


@given(made=tables(least=8), name=st.sampled_from(["glove", "word2vec-text"]), harm=damage())
def test_a_damaged_byte_of_a_text_file_touches_its_row_or_is_told(
    made: tuple[list[str], Table], name: str, harm: tuple[str, float, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Its row alone may be another; or the file is refused, or a note says what is odd."""
    words, table_VD = made
    content = FORMS[name](words, table_VD)
    place = int(harm[1] * len(content))
    path = tmp_path_factory.getbasetemp() / "damaged-text"
    path.write_bytes(damaged(content, harm[0], place, harm[2]))
    try:
        found = Read(path)
    except VectorsError:
        return
    wrong = other_rows(words, table_VD, found)
    assert len(wrong) <= 1
    assert len(found.words) == len(words)
    row = content[:place].count(b"\n") - (name == "word2vec-text")
    assert wrong <= {max(row, 0)}


@given(made=tables(least=8), newline=st.booleans(), harm=damage())
def test_a_damaged_byte_of_a_binary_file_touches_its_row_and_the_next_word_or_is_told(
    made: tuple[list[str], Table],
    *,
    newline: bool,
    harm: tuple[str, float, int],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Without newlines, a byte more or less in the last number may go over to the next word: nobody can tell."""
    words, table_VD = made
    content = binary(words, table_VD, newline=newline)
    place = int(harm[1] * len(content))
    path = tmp_path_factory.getbasetemp() / "damaged-binary"
    path.write_bytes(damaged(content, harm[0], place, harm[2]))
    try:
        found = Read(path)
    except VectorsError:
        return
    wrong = sorted(other_rows(words, table_VD, found))
    most = 1 if newline or harm[0] == "changed" else 2
    assert len(wrong) <= most
    assert wrong in ([], wrong[:1], [wrong[0], wrong[0] + 1] if wrong else [])


@given(harm=damage())
def test_a_damaged_byte_of_a_header_is_told(
    harm: tuple[str, float, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    words = [f"w{row}" for row in range(20)]
    table_VD = np.random.default_rng(0).standard_normal((20, 8)).astype(np.float32)
    path = tmp_path_factory.getbasetemp() / "damaged-header"
    for name in ("word2vec-text", "word2vec-binary", "binary with newlines"):
        content = FORMS[name](words, table_VD)
        path.write_bytes(damaged(content, harm[0], int(harm[1] * len(b"20 8\n")), harm[2]))
        try:
            found = Read(path)
        except VectorsError:
            continue
        assert other_rows(words, table_VD, found) <= {0}


def test_no_cut_of_a_file_is_read_without_a_word(tmp_path: Path) -> None:
    """Every beginning of every format; GloVe's has no count of rows, so that whole rows may be missing at its end."""
    words, table_VD = ["the", "film", "日本", "of"], np.arange(16, dtype=np.float32).reshape(4, 4) + 0.5
    for name, write in FORMS.items():
        content = write(words, table_VD)
        for size in range(len(content)):
            (tmp_path / "cut").write_bytes(content[:size])
            try:
                found = Read(tmp_path / "cut")
            except VectorsError:
                continue
            whole = name == "glove" and content[:size].endswith(b"\n")
            last_newline = name == "binary with newlines" and size == len(content) - 1
            assert whole or last_newline or found.notes, (name, size)


def test_numbers_of_every_size_come_back(tmp_path: Path) -> None:
    """The smallest, the largest, and both zeros of float32."""
    bits = [0x00000000, 0x80000000, 0x00000001, 0x007FFFFF, 0x00800000, 0x7F7FFFFF, 0xFF7FFFFF, 0x3F800001]
    table_VD = np.array([struct.unpack("<f", struct.pack("<I", each))[0] for each in bits], dtype=np.float32).reshape(
        2, 4
    )
    for write in FORMS.values():
        (tmp_path / "vectors").write_bytes(write(["a", "b"], table_VD))
        assert Read(tmp_path / "vectors").table_VD.tobytes() == table_VD.tobytes()


def test_the_damage_that_is_looked_for_is_done(tmp_path: Path) -> None:
    """The tests above would pass if nothing were damaged."""
    assert damaged(b"abc", "changed", 1, 120) == b"axc"
    assert damaged(b"abc", "cut", 1, 120) == b"ac"
    assert damaged(b"abc", "inserted", 1, 120) == b"axbc"
    (tmp_path / "vectors").write_bytes(glove(["a", "b"], np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32)))
    found = Read(tmp_path / "vectors")
    assert other_rows(["a", "b"], np.array([[1, 2, 3, 4], [5, 6, 7, 9]], np.float32), found) == {1}
