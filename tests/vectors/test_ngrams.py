import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gensim.models.fasttext import FastTextKeyedVectors
from gensim.models.fasttext_inner import compute_ngrams_bytes, ft_hash_bytes
from hypothesis import given
from hypothesis import strategies as st

from w2vray.errors import VectorsError
from w2vray.text.rules import family
from w2vray.vectors import Vectors, VectorsWriter
from w2vray.vectors.ngrams import NGrams, hash_ngrams, word_ngrams
from w2vray.vectors.readers import Block

# Letters of one to four bytes; n-grams are of letters, hashes of bytes.
words = st.text(st.sampled_from("abcß日é🙂-'"), max_size=12)
lengths = st.tuples(st.integers(0, 7), st.integers(0, 7))
WORDS = ["film", "日本"]
TABLE_VD = np.array([[0.5, -1.25], [3.0, 1e-3]], dtype=np.float32)


def random_rows(count: int, dim: int = 3) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Rows to make vectors of."""
    return np.random.default_rng(count).normal(size=(count, dim)).astype(np.float32)


@pytest.fixture
def ngrams() -> NGrams:
    return NGrams(random_rows(7, 2), 2, 3)


def write(output: Path, ngrams: NGrams | None, *, dtype: str = "float32") -> Vectors:
    """Two words, and n-grams or none."""
    with VectorsWriter(output, dtype=dtype) as writer:
        writer.append(Block(WORDS, TABLE_VD), origin="a test")
        return writer.finish(family("fasttext"), {"path": "a test"}, ngrams)


def test_ngrams_are_those_worked_out_by_hand() -> None:
    """The edges belong to n-grams, and are none alone."""
    assert word_ngrams("as", 1, 4) == [b"<a", b"<as", b"<as>", b"a", b"as", b"as>", b"s", b"s>"]
    assert word_ngrams("é", 3, 6) == ["<é>".encode()]
    assert word_ngrams("as", 5, 6) == word_ngrams("", 3, 6) == word_ngrams("as", 3, 0) == []


def test_a_vector_is_the_mean_of_the_rows_of_its_ngrams(ngrams: NGrams) -> None:
    """With its own row among them where it has one."""
    rows = [ngrams.table_GD[ft_hash_bytes(ngram) % 7] for ngram in (b"<a", b"<a>", b"a>")]
    assert ngrams.rows(["a"])[0] == pytest.approx(np.mean(rows, axis=0), abs=1e-6)
    own_WD = np.array([[1, 2]], dtype=np.float32)
    assert ngrams.composed(["a"], own_WD)[0] == pytest.approx(np.mean([own_WD[0], *rows], axis=0), abs=1e-6)
    assert own_WD.tolist() == [[1, 2]], "what it is made from is left as it was"


@given(word=words, lengths=lengths)
def test_ngrams_and_hashes_are_gensims(word: str, lengths: tuple[int, int]) -> None:
    """Whatever the letters, also where a byte's sign matters."""
    ngrams = word_ngrams(word, *lengths)
    assert ngrams == compute_ngrams_bytes(word, *lengths)
    assert hash_ngrams(ngrams).tolist() == [ft_hash_bytes(ngram) for ngram in ngrams]


@given(asked=st.lists(words, max_size=6), lengths=lengths, buckets=st.integers(1, 50))
def test_vectors_of_unseen_words_are_gensims(asked: list[str], lengths: tuple[int, int], buckets: int) -> None:
    """Bit for bit; a word too short for any n-gram is zero."""
    oracle = FastTextKeyedVectors(3, *lengths, buckets)
    oracle.vectors_ngrams = random_rows(buckets)
    made_MD = NGrams(oracle.vectors_ngrams, *lengths).rows(asked)
    assert made_MD.dtype == np.float32
    assert np.array_equal(made_MD, np.array([oracle.get_vector(word) for word in asked]).reshape(-1, 3))


@given(word=words, lengths=lengths)
def test_words_that_are_covered_are_those_with_ngrams(word: str, lengths: tuple[int, int]) -> None:
    """Of all others the row is zero, which tells nothing."""
    assert NGrams(random_rows(1), *lengths).covers(word) == bool(word_ngrams(word, *lengths))


@given(seen=st.lists(words, min_size=1, max_size=6, unique=True), lengths=lengths, buckets=st.integers(1, 50))
def test_vectors_of_words_with_a_row_are_gensims(seen: list[str], lengths: tuple[int, int], buckets: int) -> None:
    """Bit for bit, as it makes them when a model is loaded."""
    oracle = FastTextKeyedVectors(3, *lengths, buckets)
    oracle.index_to_key = seen
    oracle.key_to_index = {word: row for row, word in enumerate(seen)}
    oracle.vectors_vocab, oracle.vectors_ngrams = random_rows(len(seen)), random_rows(buckets)
    oracle.recalc_char_ngram_buckets()
    oracle.adjust_vectors()
    assert np.array_equal(NGrams(oracle.vectors_ngrams, *lengths).composed(seen, oracle.vectors_vocab), oracle.vectors)


def test_a_row_is_the_same_among_thousands() -> None:
    """What a text is scored with does not depend on the block it is in."""
    made = NGrams(random_rows(1000), 3, 6)
    many = [f"word{number}" * (1 + number % 5) for number in range(2500)]
    together = made.rows(many)
    assert all(np.array_equal(together[row], made.rows([many[row]])[0]) for row in (0, 1, 1023, 1024, 2047, 2499))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_ngrams_are_stored_and_shared_with_the_vectors(ngrams: NGrams, dtype: str, tmp_path: Path) -> None:
    """In the dtype of the table; opened as a memory map, and rebuilt around shared arrays."""
    write(tmp_path / "vectors", ngrams, dtype=dtype)
    opened = Vectors.open(tmp_path / "vectors")
    rebuilt = Vectors.from_arrays(opened.arrays(), opened.rules, opened.fingerprint)
    for vectors in (opened, rebuilt):
        assert vectors.ngrams is not None
        assert vectors.ngrams.table_GD.dtype == dtype
        assert np.array_equal(vectors.ngrams.table_GD, ngrams.table_GD.astype(dtype))
        assert (vectors.ngrams.shortest, vectors.ngrams.longest) == (2, 3)
    assert opened.ngrams is not None
    assert rebuilt.ngrams is not None
    assert isinstance(opened.ngrams.table_GD, np.memmap)
    assert np.shares_memory(rebuilt.ngrams.table_GD, opened.ngrams.table_GD)


def test_ngrams_are_part_of_the_fingerprint(ngrams: NGrams, tmp_path: Path) -> None:
    """Answers depend on them: on their numbers, and on how long they are."""
    other = ngrams.table_GD.copy()
    other[3, 1] += 1
    made = [None, ngrams, NGrams(other, 2, 3), NGrams(ngrams.table_GD, 2, 4), NGrams(ngrams.table_GD, 1, 3)]
    prints = [write(tmp_path / f"{number}", each).fingerprint for number, each in enumerate(made)]
    assert len(set(prints)) == len(prints)
    assert write(tmp_path / "again", ngrams).fingerprint == prints[1]


def test_an_ngram_that_is_not_finite_is_refused_with_its_place(ngrams: NGrams, tmp_path: Path) -> None:
    """As a word's number is."""
    ngrams.table_GD[4, 1] = 7e4
    write(tmp_path / "float32", ngrams)
    with pytest.raises(VectorsError, match=r"a test: number 2 of the n-grams' row 5 is 70000.0; .* finite float16"):
        write(tmp_path / "float16", ngrams, dtype="float16")
    assert [path.name for path in tmp_path.iterdir()] == ["float32"]


def shorten(folder: Path) -> None:
    (folder / "ngrams.bin").write_bytes((folder / "ngrams.bin").read_bytes()[:-1])


def remove(folder: Path) -> None:
    (folder / "ngrams.bin").unlink()


def forget_lengths(folder: Path) -> None:
    meta = json.loads((folder / "vectors.json").read_text())
    del meta["ngrams"]["shortest"]
    (folder / "vectors.json").write_text(json.dumps(meta))


@pytest.mark.parametrize(
    ("damage", "says"),
    [(shorten, "expected 56"), (remove, "ngrams.bin cannot be read"), (forget_lengths, "'shortest'")],
)
def test_damaged_ngrams_are_told(damage: Callable[[Path], None], says: str, ngrams: NGrams, tmp_path: Path) -> None:
    """When the directory is opened, not when the first unknown word comes."""
    write(tmp_path / "vectors", ngrams)
    damage(tmp_path / "vectors")
    with pytest.raises(VectorsError, match=says):
        Vectors.open(tmp_path / "vectors")


def test_only_oov_subword_gets_the_ngrams(ngrams: NGrams, tmp_path: Path) -> None:
    """They may be larger than the table, and are shared with every worker."""
    with_them, without = write(tmp_path / "with", ngrams), write(tmp_path / "without", None)
    assert with_them.for_oov("subword").ngrams is with_them.ngrams
    for oov in ("skip", "zero", "unknown"):
        assert with_them.for_oov(oov).ngrams is None
        assert "ngrams" not in with_them.for_oov(oov).arrays()
        assert without.for_oov(oov).fingerprint == without.fingerprint
    with pytest.raises(VectorsError, match=r"--oov subword .*/without has none; import a fastText \.bin file"):
        without.for_oov("subword")
