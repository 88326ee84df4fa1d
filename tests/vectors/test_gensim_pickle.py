import gzip
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gensim.models import FastText, KeyedVectors, Word2Vec

from w2vray.errors import VectorsError
from w2vray.settings.vectors import ImportSettings
from w2vray.vectors import Vectors, import_vectors

TEXTS = [["a", "good", "film"], ["a", "bad", "film"], ["the", "film"]] * 5
WORDS = ["a", "good", "film", "bad", "the"]


def imported(path: Path, output: Path, **given: Any) -> Vectors:
    return import_vectors(ImportSettings(source=str(path), output=str(output), **{"trust_pickle": True, **given}))


def refusal(path: Path, output: Path, **given: Any) -> str:
    """The message that a file is refused with; it names the file, and nothing is made."""
    with pytest.raises(VectorsError) as raised:
        imported(path, output, **given)
    assert str(path) in str(raised.value)
    assert not output.exists()
    return str(raised.value)


def word2vec() -> Word2Vec:
    return Word2Vec(TEXTS, vector_size=4, min_count=1, workers=1, seed=1)


def fasttext() -> FastText:
    return FastText(TEXTS, vector_size=4, min_count=1, workers=1, seed=1, bucket=50, min_n=2, max_n=3)


def agrees(vectors: Vectors, oracle: KeyedVectors) -> bool:
    """Whether both have the same words and, to the bit, the same vectors."""
    rows = vectors.vocabulary.rows(oracle.index_to_key)
    return len(rows) == len(vectors) and np.array_equal(vectors.table_VD[rows], oracle.vectors)


@pytest.mark.parametrize("name", ["vectors.kv", "vectors", "vectors.gz"])
@pytest.mark.parametrize("apart", [False, True], ids=["one file", "arrays apart"])
@pytest.mark.parametrize("whole", [False, True], ids=["KeyedVectors", "whole model"])
def test_what_gensim_saved_is_read(whole: bool, apart: bool, name: str, tmp_path: Path) -> None:
    """Its vectors alone or a whole model, in one file or with its arrays beside it."""
    model = word2vec()
    options = {"sep_limit": 0} if apart else {}
    (model if whole else model.wv).save(str(tmp_path / name), **options)
    assert (len(list(tmp_path.iterdir())) > 1) == apart
    vectors = imported(tmp_path / name, tmp_path / "out")
    assert agrees(vectors, model.wv)
    assert (vectors.source["format"], vectors.rules.family, vectors.ngrams) == ("gensim", "plain", None)


@pytest.mark.parametrize("apart", [False, True], ids=["one file", "arrays apart"])
@pytest.mark.parametrize("whole", [False, True], ids=["KeyedVectors", "whole model"])
def test_the_ngrams_of_a_fasttext_model_are_kept(whole: bool, apart: bool, tmp_path: Path) -> None:
    """They give unseen words the vectors that gensim gives them."""
    model = fasttext()
    (model if whole else model.wv).save(str(tmp_path / "model"), **({"sep_limit": 0} if apart else {}))
    vectors = imported(tmp_path / "model", tmp_path / "out")
    assert agrees(vectors, model.wv)
    assert vectors.rules.family == "fasttext"
    assert vectors.ngrams is not None
    unseen = ["unseen", "films", "é"]
    assert np.array_equal(vectors.ngrams.rows(unseen), np.array([model.wv[word] for word in unseen]))


def test_an_array_that_is_missing_is_named(tmp_path: Path) -> None:
    """A model was copied without what lies beside it."""
    word2vec().wv.save(str(tmp_path / "vectors"), sep_limit=0)
    (tmp_path / "vectors.vectors.npy").unlink()
    said = refusal(tmp_path / "vectors", tmp_path / "out")
    assert ": vectors.vectors.npy, which gensim's save() wrote beside it, is missing; fetch it into the same" in said


class Planted:
    """What is unpickled runs code: it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("form", ["auto", "gensim"])
@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
def test_no_code_runs_unless_the_file_is_trusted(protocol: int, form: str, zipped: bool, tmp_path: Path) -> None:
    """The refusal says what may happen, and what to do instead."""
    mark = tmp_path / "code-ran"
    data = pickle.dumps(Planted(mark), protocol)
    (tmp_path / "vectors.gz").write_bytes(gzip.compress(data) if zipped else data)
    message = refusal(tmp_path / "vectors.gz", tmp_path / "out", format=form, trust_pickle=False)
    assert not mark.exists()
    for piece in ("is a Python pickle", "runs any code", "--trust-pickle", "save_word2vec_format"):
        assert piece in message


@pytest.mark.parametrize("form", ["word2vec-binary", "word2vec-text", "glove", "fasttext-binary"])
def test_a_pickle_is_never_loaded_as_another_format(form: str, tmp_path: Path) -> None:
    """Trusted or not."""
    mark = tmp_path / "code-ran"
    (tmp_path / "vectors").write_bytes(pickle.dumps(Planted(mark)))
    refusal(tmp_path / "vectors", tmp_path / "out", format=form)
    assert not mark.exists()


def test_a_trusted_pickle_of_something_else_is_refused_by_its_kind(tmp_path: Path) -> None:
    """What is unpickled is no model of gensim's, or nothing at all."""
    (tmp_path / "list").write_bytes(pickle.dumps(["a", "b"]))
    assert "gensim cannot load it (AttributeError" in refusal(tmp_path / "list", tmp_path / "out")
    (tmp_path / "cut").write_bytes(pickle.dumps(WORDS)[:-5])
    assert "gensim cannot load it" in refusal(tmp_path / "cut", tmp_path / "out")


def test_what_is_no_pickle_is_not_loaded_as_one(tmp_path: Path) -> None:
    """It is looked at before gensim gets it."""
    (tmp_path / "vectors").write_bytes(b"2 2\na 1 2\nb 3 4\n")
    message = refusal(tmp_path / "vectors", tmp_path / "out", format="gensim")
    assert "gensim's files are pickles, and this is not one: it starts with b'2 2\\na 1 '" in message


def test_words_that_cannot_be_used_are_left_out_and_counted_where_somebody_says_so(tmp_path: Path) -> None:
    vectors = KeyedVectors(2)
    table_VD = np.arange(10, dtype=np.float64).reshape(5, 2)
    table_VD[3] = 1e300
    vectors.add_vectors(["film", "", "a\nb", "huge", "\udc80x"], np.ones((5, 2), dtype=np.float32))
    vectors.vectors = table_VD
    vectors.save(str(tmp_path / "vectors"))
    assert "row 2: the word is empty; expected" in refusal(tmp_path / "vectors", tmp_path / "out")
    read = imported(tmp_path / "vectors", tmp_path / "out", on_bad="skip")
    assert list(read.vocabulary) == ["film"]
    assert read.table_VD.tolist() == [[0, 1]]
    assert {reason: told["first"] for reason, told in read.source["left_out"].items()} == {
        "empty word": ["row 2 ''"],
        "control character in the word": ["row 3 'a\\nb'"],
        "not UTF-8": ["row 5 b'\\xed\\xb2\\x80x'"],
        "number that is not finite": ["row 4 'huge'"],
    }


def test_keys_that_are_no_words_are_refused(tmp_path: Path) -> None:
    """A key may be anything to gensim; text is looked up by words."""
    vectors = KeyedVectors(2)
    vectors.add_vectors([1, 2], np.ones((2, 2), dtype=np.float32))
    vectors.save(str(tmp_path / "vectors"))
    assert "2 words ([1] is none of them)" in refusal(tmp_path / "vectors", tmp_path / "out")
