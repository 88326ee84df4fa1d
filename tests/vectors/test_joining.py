from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2vray.errors import VectorsError
from w2vray.settings.vectors import JoinVectorsSettings
from w2vray.text.rules import family
from w2vray.vectors import Vectors, VectorsWriter
from w2vray.vectors.joining import join_vectors
from w2vray.vectors.ngrams import NGrams
from w2vray.vectors.readers import Block

words = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6, unique=True)


def write(
    output: Path, rows: dict[str, list[float]], *, rules: str = "plain", dtype: str = "float32", ngrams: Any = None
) -> str:
    """A vectors directory of these words."""
    with VectorsWriter(output, dtype=dtype) as writer:
        writer.append(Block(list(rows), np.array(list(rows.values()), dtype=np.float32)), origin="a test")
        writer.finish(family(rules), {"path": "a test"}, ngrams)
    return str(output)


def joined(output: Path, *parts: str, **given: Any) -> Vectors:
    return join_vectors(JoinVectorsSettings(vectors=parts, output=str(output), **given))


def test_words_of_all_parts_have_their_vectors_side_by_side(tmp_path: Path) -> None:
    """Zeros where a part does not have the word; the first part's words come first."""
    a = write(tmp_path / "a", {"film": [1, 2], "good": [3, 4]})
    b = write(tmp_path / "b", {"bad": [5], "film": [6], "Good": [7]})
    vectors = joined(tmp_path / "out", a, b)
    assert dict(zip(vectors.vocabulary, vectors.table_VD.tolist(), strict=True)) == {
        "film": [1, 2, 6],
        "good": [3, 4, 0],
        "bad": [0, 0, 5],
        "Good": [0, 0, 7],
    }
    assert vectors.rules == family("plain")
    assert vectors.source["format"] == "joined"
    assert [(part["path"], part["dim"]) for part in vectors.source["parts"]] == [(a, 2), (b, 1)]
    assert [part["fingerprint"] for part in vectors.source["parts"]] == [Vectors.open(p).fingerprint for p in (a, b)]


@settings(max_examples=20)
@given(listed=st.lists(words, min_size=2, max_size=4))
def test_any_parts_join_as_a_plain_model_does(
    listed: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """However many there are, and whatever words they share."""
    folder = tmp_path_factory.mktemp("join")
    parts = [
        {word: [float(10 * part + row)] * (part + 1) for row, word in enumerate(each, 1)}
        for part, each in enumerate(listed)
    ]
    paths = [write(folder / f"{part}", rows) for part, rows in enumerate(parts)]
    vectors = joined(folder / "out", *paths)
    union = list(dict.fromkeys(word for each in listed for word in each))
    assert list(vectors.vocabulary) == union
    expected = [
        [number for part, rows in enumerate(parts) for number in rows.get(word, [0.0] * (part + 1))] for word in union
    ]
    assert vectors.table_VD.tolist() == expected


def test_more_words_than_a_block_holds_are_joined(tmp_path: Path) -> None:
    """Every row with its own word."""
    a = write(tmp_path / "a", {f"word{row}": [row] for row in range(5000)})
    b = write(tmp_path / "b", {f"word{row}": [-row] for row in range(9999, 2499, -1)})
    told: list[tuple[int, int | None]] = []
    settings = JoinVectorsSettings(vectors=(a, b), output=str(tmp_path / "out"))
    vectors = join_vectors(settings, lambda done, total: told.append((done, total)))
    assert told[-1] == (12_500, 12_500)
    rows = vectors.table_VD[vectors.vocabulary.rows([f"word{row}" for row in range(10_000)])]
    assert rows[:, 0].tolist() == [row if row < 5000 else 0 for row in range(10_000)]
    assert rows[:, 1].tolist() == [-row if row >= 2500 else 0 for row in range(10_000)]


def test_parts_of_different_families_are_refused_unless_one_is_named(tmp_path: Path) -> None:
    """A text is split in one way only."""
    a = write(tmp_path / "a", {"film": [1]}, rules="glove")
    b = write(tmp_path / "b", {"film": [2]}, rules="googlenews")
    with pytest.raises(VectorsError, match=r"/a \(glove\), .*/b \(googlenews\).*--family") as raised:
        joined(tmp_path / "out", a, b)
    assert "import the parts again with one --family" in str(raised.value)
    assert not (tmp_path / "out").exists()
    assert joined(tmp_path / "out", a, b, family="googlenews").rules == family("googlenews")


@pytest.mark.parametrize(
    ("dtypes", "asked", "expected"),
    [
        (("float16", "float16"), None, "float16"),
        (("float16", "float32"), None, "float32"),
        (("float32", "float32"), "float16", "float16"),
    ],
)
def test_the_table_is_stored_as_the_wider_part_or_as_asked(
    dtypes: tuple[str, str], asked: str | None, expected: str, tmp_path: Path
) -> None:
    """No number loses digits unless that was asked for."""
    paths = [write(tmp_path / f"{part}", {"a": [1.001]}, dtype=dtype) for part, dtype in enumerate(dtypes)]
    vectors = joined(tmp_path / "out", *paths, dtype=asked)
    assert vectors.table_VD.dtype == expected
    assert vectors.table_VD[0].tolist() == [np.float32(1.001).astype(dtype).astype(expected) for dtype in dtypes]


def test_ngrams_are_left_out(tmp_path: Path) -> None:
    """A model that needs them is told so, and the directory tells which part had some."""
    a = write(tmp_path / "a", {"a": [1]}, ngrams=NGrams(np.ones((3, 1), dtype=np.float32), 3, 6))
    b = write(tmp_path / "b", {"a": [1]})
    vectors = joined(tmp_path / "out", a, b)
    assert vectors.ngrams is None
    assert [part["ngrams"] for part in vectors.source["parts"]] == [3, None]
    with pytest.raises(VectorsError, match=r"/out has none, as joined vectors never have; import a fastText \.bin"):
        vectors.for_oov("subword")


def not_there(folder: Path) -> list[str]:
    return [write(folder / "a", {"a": [1]}), str(folder / "nowhere")]


def too_wide(folder: Path) -> list[str]:
    return [write(folder / "a", {"a": [0.5] * 60_000})] * 2


@pytest.mark.parametrize(
    ("parts", "says"),
    [(not_there, "nowhere is not a vectors directory"), (too_wide, r"60000 \+ 60000 numbers .* at most 100,000")],
)
def test_parts_that_cannot_be_joined_are_refused(parts: Callable[[Path], list[str]], says: str, tmp_path: Path) -> None:
    """Before anything is written."""
    paths = parts(tmp_path)
    with pytest.raises(VectorsError, match=says):
        joined(tmp_path / "out", *paths)
    assert not (tmp_path / "out").exists()
