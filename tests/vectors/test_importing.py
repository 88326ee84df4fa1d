import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gensim.models import KeyedVectors
from gensim.test.utils import datapath

from w2vray.errors import VectorsError
from w2vray.settings.vectors import ImportSettings
from w2vray.text.rules import family
from w2vray.vectors import Vectors, import_vectors

GOOGLE_NEWS = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "GoogleNews-8007words-300d.bin"
TEXT = b"4 2\nthe 0.5 -1.25\nfilm 3 1\nthe 7 8\nof 0.25 2\n"
GLOVE = TEXT.split(b"\n", 1)[1]
BINARY = b"4 2\n" + b"".join(
    line.split()[0] + b" " + np.array(line.split()[1:], dtype="<f4").tobytes() for line in GLOVE.splitlines()
)
MANY_ROWS = [f"word{row} {row} {-row}" for row in range(10_000)]


def imported(folder: Path, content: bytes, **given: Any) -> Vectors:
    """The vectors of a file with this content, made beside it."""
    (folder / "source").write_bytes(content)
    return import_vectors(ImportSettings(**{"source": str(folder / "source"), "output": str(folder / "out"), **given}))


def refusal(folder: Path, content: bytes, **given: Any) -> str:
    """The message that a file is refused with; of the output nothing is left."""
    with pytest.raises(VectorsError) as raised:
        imported(folder, content, **given)
    assert [path.name for path in folder.iterdir()] == ["source"]
    return str(raised.value)


NO_CAPITALS = "the words have no capitals, and marks are not among them"
NAMED = "its format or its name says so, and it has too few words to tell"


@pytest.mark.parametrize(
    ("content", "name", "header_rows", "rules", "why"),
    [
        pytest.param(BINARY, "word2vec-binary", 4, "plain", NO_CAPITALS, id="word2vec binary"),
        pytest.param(TEXT, "word2vec-text", 4, "plain", NO_CAPITALS, id="word2vec text"),
        pytest.param(GLOVE, "glove", None, "glove", NAMED, id="GloVe"),
        pytest.param(gzip.compress(BINARY), "word2vec-binary", 4, "plain", NO_CAPITALS, id="gzip"),
    ],
)
def test_a_file_becomes_a_directory_that_knows_where_it_came_from(
    *, content: bytes, name: str, header_rows: int | None, rules: str, why: str, tmp_path: Path
) -> None:
    """Of a word that comes twice the first is kept, and the other counted."""
    vectors = imported(tmp_path, content)
    assert list(vectors.vocabulary) == ["the", "film", "of"]
    assert vectors.table_VD.tolist() == [[0.5, -1.25], [3, 1], [0.25, 2]]
    assert vectors.rules == family(rules)
    assert vectors.source == {
        "path": str(tmp_path / "source"),
        "format": name,
        "rows": 4,
        "header_rows": header_rows,
        "family_why": why,
        "left_out": {"word that was there before": {"rows": 1, "first": ["row 3 'the'"]}},
        "duplicates": 1,
        "largest": {"number": 3.0, "word": "film"},
    }
    assert Vectors.open(tmp_path / "out").source == vectors.source


@pytest.mark.parametrize(("content", "other"), [(TEXT, "glove"), (GLOVE, "plain")], ids=["word2vec", "GloVe"])
def test_the_family_asked_for_goes_before_the_one_guessed(content: bytes, other: str, tmp_path: Path) -> None:
    """The whole set of its rules is stored, not its name alone."""
    assert imported(tmp_path, content, family=other).rules == family(other)
    assert Vectors.open(tmp_path / "out").rules == family(other)


def test_numbers_are_stored_in_the_dtype_asked_for(tmp_path: Path) -> None:
    """Each the nearest that the dtype has."""
    vectors = imported(tmp_path, b"a 0.1 -2.7182818\n", dtype="float16")
    assert vectors.table_VD.dtype == np.float16
    assert vectors.table_VD.tolist() == [[float(np.float16(0.1)), float(np.float16(-2.7182818))]]


@pytest.mark.parametrize("limit", [1, 4095, 4096, 4097, 8192, 9999, 10_000, 10_001])
@pytest.mark.parametrize("header", ["10000 2\n", ""], ids=["word2vec text", "GloVe"])
def test_limit_takes_the_first_rows(limit: int, header: str, tmp_path: Path) -> None:
    """At, before and behind the end of a block of rows, and of the file."""
    told: list[tuple[int, int | None]] = []
    (tmp_path / "source").write_text(header + "\n".join(MANY_ROWS))
    given = ImportSettings(source=str(tmp_path / "source"), output=str(tmp_path / "out"), limit=limit)
    vectors = import_vectors(given, lambda done, total: told.append((done, total)))
    taken = min(limit, 10_000)
    assert len(vectors) == vectors.source["rows"] == taken
    assert vectors.vocabulary.word(taken - 1) == f"word{taken - 1}"
    assert vectors.table_VD[-1].tolist() == [taken - 1, 1 - taken]
    assert told[-1] == (taken, taken if header else limit)


@pytest.mark.parametrize("limit", [100, 4096])
def test_limit_stops_reading(limit: int, tmp_path: Path) -> None:
    """What is wrong far behind the last row taken is not looked at: the head of a huge file is quickly there."""
    vectors = imported(tmp_path, "\n".join([*MANY_ROWS, "late x 1"]).encode(), limit=limit)
    assert len(vectors) == limit


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"a 1 2\nb 3 4\nc 5 x\n", id="GloVe, not a number"),
        pytest.param(b"a 1 2\nb 3 4\nc 5\n", id="GloVe, another width"),
        pytest.param(b"3 2\na 1 2\nb 3 4\n\xff 5 6\n", id="word2vec text, not UTF-8"),
        pytest.param(b"9 2\na 1 2\nb 3 4\n", id="word2vec text, fewer rows than promised"),
        pytest.param(b"2 2\na 1 2\nb 3 4\nc 5 6\n", id="word2vec text, more rows than promised"),
        pytest.param(BINARY.replace(b"the", b"a").replace(b"film", b"b")[:-1], id="word2vec binary, cut"),
        pytest.param(b"2 1\na 1234b 1234c", id="word2vec binary, more behind"),
    ],
)
def test_what_is_wrong_just_behind_the_limit_is_not_looked_at(content: bytes, tmp_path: Path) -> None:
    """No more rows are parsed than were asked for."""
    assert list(imported(tmp_path, content, limit=2).vocabulary) == ["a", "b"]


def test_limit_counts_rows_of_the_file(tmp_path: Path) -> None:
    """A word that comes twice is two of them."""
    vectors = imported(tmp_path, TEXT, limit=3)
    assert list(vectors.vocabulary) == ["the", "film"]
    assert (vectors.source["rows"], vectors.source["duplicates"]) == (3, 1)


@pytest.mark.parametrize(("header", "total"), [("10000 2\n", 10_000), ("", None)], ids=["word2vec text", "GloVe"])
def test_progress_is_told_in_rows(header: str, total: int | None, tmp_path: Path) -> None:
    """Out of how many, where the file says so."""
    told: list[tuple[int, int | None]] = []
    (tmp_path / "source").write_text(header + "\n".join(MANY_ROWS))
    given = ImportSettings(source=str(tmp_path / "source"), output=str(tmp_path / "out"))
    import_vectors(given, lambda done, total: told.append((done, total)))
    assert told == [(4096, total), (8192, total), (10_000, total)]


LATE = "\n".join([*MANY_ROWS, "late {} 1"])


@pytest.mark.parametrize(
    ("content", "given", "pieces"),
    [
        pytest.param(b"a 1 2\nb nan 2\n", {}, ["row 2 ('b')", "number 1 is nan", "finite float32"], id="NaN"),
        pytest.param(b"a 1 2\nb 1 -inf\n", {}, ["row 2 ('b')", "number 2 is -inf"], id="infinite"),
        pytest.param(b"a 1 2\nb 1 1e39\n", {}, ["row 2 ('b')", "number 2 is inf"], id="too large for float32"),
        pytest.param(
            b"a 1 2\nb 1 65520\n",
            {"dtype": "float16"},
            ["row 2 ('b')", "number 2 is 65520.0", "finite float16"],
            id="too large for float16",
        ),
        pytest.param(
            b"1 1\na " + np.array([np.nan], dtype="<f4").tobytes(), {}, ["row 1 ('a')", "is nan"], id="binary NaN"
        ),
        pytest.param(LATE.format("nan").encode(), {}, ["row 10001 ('late')", "number 1 is nan"], id="late NaN"),
        pytest.param(LATE.format("x").encode(), {}, ["row 10001, number 1", "'x' is not a number"], id="late letter"),
        pytest.param(b"10000 2\n" + LATE.format(1).encode(), {}, ["row 10001", "10,000 rows only"], id="late row"),
        pytest.param(gzip.compress(LATE.encode())[:-9], {}, ["gzip data is truncated"], id="late end of gzip"),
        pytest.param(BINARY[:-1], {}, ["row 4", "promises 4 rows of 2 numbers"], id="cut"),
        pytest.param(b"", {}, ["is empty"], id="empty"),
        pytest.param(GLOVE, {"format": "word2vec-text"}, ["word2vec-text", "rows and width"], id="another format"),
    ],
)
def test_a_bad_file_is_refused_and_leaves_nothing_behind(
    content: bytes, given: dict[str, Any], pieces: list[str], tmp_path: Path
) -> None:
    """However much of it was good; the message names the file, and the row where it is one."""
    message = refusal(tmp_path, content, **given)
    assert [piece for piece in [str(tmp_path / "source"), *pieces] if piece not in message] == []


def test_after_a_failure_the_same_output_can_be_made(tmp_path: Path) -> None:
    """There is nothing to clean up first."""
    refusal(tmp_path, BINARY[:-1])
    assert list(imported(tmp_path, BINARY).vocabulary) == ["the", "film", "of"]


@pytest.mark.parametrize("kind", ["missing", "directory"])
def test_a_source_that_is_no_file_leaves_nothing_behind(kind: str, tmp_path: Path) -> None:
    """It is found out before anything is written."""
    source = tmp_path / "in" / "source"
    (source if kind == "directory" else source.parent).mkdir(parents=True)
    given = ImportSettings(source=str(source), output=str(tmp_path / "out"))
    with pytest.raises(VectorsError) as raised:
        import_vectors(given)
    assert str(source) in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_an_output_that_is_there_is_refused_and_kept(tmp_path: Path) -> None:
    """Vectors that models refer to do not change under them."""
    first = imported(tmp_path, TEXT)
    with pytest.raises(VectorsError, match="out already exists; give another --output"):
        imported(tmp_path, b"other 1 2\n")
    assert Vectors.open(tmp_path / "out").fingerprint == first.fingerprint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source"]


def test_equal_vectors_have_one_fingerprint_whatever_their_file(tmp_path: Path) -> None:
    """Format, compression, place, time and token rules do not count; a number does."""
    contents = {
        "binary": BINARY,
        "text": TEXT,
        "glove": GLOVE,
        "gzip": gzip.compress(BINARY),
        "spelled otherwise": TEXT.replace(b"0.5", b"5e-1").replace(b"3 1", b"3.000 1"),
        "another number": TEXT.replace(b"0.5", b"0.5000001"),
    }
    found = {}
    for name, content in contents.items():
        (tmp_path / name).mkdir()
        found[name] = imported(tmp_path / name, content).fingerprint
    other = found.pop("another number")
    assert set(found.values()) == {found["binary"]}
    assert other != found["binary"]


@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("euclidean_vectors.bin", {"binary": True}),
        ("lee_fasttext.vec", {"binary": False}),
        ("test_glove.txt", {"binary": False, "no_header": True}),
    ],
)
def test_an_imported_file_has_the_words_and_vectors_that_gensim_finds(
    name: str, load: dict[str, bool], tmp_path: Path
) -> None:
    """By word, through the index, as a model looks them up."""
    vectors = import_vectors(ImportSettings(source=datapath(name), output=str(tmp_path / "out")))
    oracle = KeyedVectors.load_word2vec_format(datapath(name), **load)
    asked = [*reversed(oracle.index_to_key), "no such word"]
    rows = vectors.vocabulary.rows(asked)
    assert rows.tolist() == [*reversed(range(len(oracle))), -1]
    assert np.array_equal(vectors.table_VD[rows[:-1]], oracle[asked[:-1]])


@pytest.mark.skipif(not GOOGLE_NEWS.exists(), reason=f"{GOOGLE_NEWS.name} is not beside the checkout")
def test_real_google_news_vectors_agree_with_gensim(tmp_path: Path) -> None:
    """Eight thousand of the published vectors, 300 numbers each."""
    vectors = import_vectors(ImportSettings(source=str(GOOGLE_NEWS), output=str(tmp_path / "out")))
    oracle = KeyedVectors.load_word2vec_format(str(GOOGLE_NEWS), binary=True)
    assert vectors.table_VD.shape == (8007, 300)
    assert list(vectors.vocabulary) == oracle.index_to_key
    assert np.array_equal(vectors.table_VD, oracle.vectors)
    assert (vectors.source["format"], vectors.source["duplicates"]) == ("word2vec-binary", 0)


def test_real_glove_text_is_read_number_by_number(
    real_glove: Vectors, real_words: list[str], real_table_VD: Any, real_glove_file: Path
) -> None:
    """As it was published, and as gensim reads the file."""
    oracle = KeyedVectors.load_word2vec_format(str(real_glove_file), no_header=True)
    assert list(real_glove.vocabulary) == oracle.index_to_key == real_words
    assert np.array_equal(real_glove.table_VD, real_table_VD)
    assert np.array_equal(real_glove.table_VD, oracle.vectors)
    assert (real_glove.source["format"], real_glove.source["duplicates"]) == ("glove", 0)
    assert real_glove.rules == family("glove")


@pytest.mark.parametrize("binary", [False, True])
def test_real_vectors_that_gensim_wrote_are_read_as_they_were(
    binary: bool, real_words: list[str], real_table_VD: Any, tmp_path: Path
) -> None:
    written = KeyedVectors(real_table_VD.shape[1])
    written.add_vectors(real_words, np.array(real_table_VD))
    written.save_word2vec_format(str(tmp_path / "source"), binary=binary)
    vectors = import_vectors(ImportSettings(source=str(tmp_path / "source"), output=str(tmp_path / "out")))
    assert vectors.source["format"] == ("word2vec-binary" if binary else "word2vec-text")
    assert list(vectors.vocabulary) == real_words
    assert np.array_equal(vectors.table_VD, real_table_VD)
