"""All of the files of gensim's own tests: each is read as gensim reads it, or refused with its reason."""

import gzip
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gensim.models import KeyedVectors
from gensim.models.fasttext import load_facebook_vectors
from gensim.test.utils import datapath

from w2vray.errors import VectorsError
from w2vray.settings.vectors import ImportSettings
from w2vray.vectors import Vectors, import_vectors

FOLDER = Path(datapath(""))
FILES = sorted(
    str(path.relative_to(FOLDER))
    for path in [*FOLDER.iterdir(), *(FOLDER / "old_w2v_models").iterdir(), *(FOLDER / "old_d2v_models").iterdir()]
    if path.is_file()
)

# Format, words, width, and buckets of n-grams where there are such.
READ: dict[str, tuple[str, int, int, int | None]] = {
    "EN.1-10.cbow1_wind5_hs0_neg10_size300_smpl1e-05.txt": ("word2vec-text", 20, 300, None),
    "IT.1-10.cbow1_wind5_hs0_neg10_size300_smpl1e-05.txt": ("word2vec-text", 20, 300, None),
    "crime-and-punishment.bin": ("fasttext-binary", 291, 5, 100),
    "crime-and-punishment.vec": ("word2vec-text", 291, 5, None),
    "euclidean_vectors.bin": ("word2vec-binary", 2747, 10, None),
    "high_precision.kv.bin": ("word2vec-binary", 2, 2, None),
    "high_precision.kv.txt": ("word2vec-text", 2, 2, None),
    "lee_fasttext.bin": ("fasttext-binary", 1762, 10, 1000),  # without a magic number
    "lee_fasttext.vec": ("word2vec-text", 1762, 10, None),
    "lee_fasttext_new.bin": ("fasttext-binary", 1763, 10, 1000),
    "model-from-gensim-3.8.0.w2v": ("gensim", 3, 300, None),
    "non_ascii_fasttext.bin": ("fasttext-binary", 171, 2, 10000),
    "old_keyedvectors_320.dat": ("gensim", 12, 100, None),
    "poincare_vectors.bin": ("word2vec-binary", 1182, 10, None),
    "test_glove.txt": ("glove", 76, 50, None),
    "toy-model.bin": ("fasttext-binary", 22, 5, 100),
    "toy-model.vec": ("word2vec-text", 22, 5, None),
    "word2vec_3.3": ("gensim", 4, 100, None),
    "word2vec_old": ("gensim", 12, 100, None),
    "word2vec_old_sep": ("gensim", 12, 100, None),  # its arrays lie beside it
    "word2vec_pre_kv_c": ("word2vec-text", 1750, 10, None),
    "old_w2v_models/w2v_0.13.4.mdl": ("gensim", 3, 4, None),
    **{f"old_w2v_models/w2v_{version}.mdl": ("gensim", 3, 4, None) for version in ("1.0.0", "1.0.1", "2.0.0", "2.1.0")},
    **{f"old_w2v_models/w2v_{version}.mdl": ("gensim", 3, 4, None) for version in ("2.2.0", "2.3.0", "3.0.0", "3.1.0")},
    **{f"old_w2v_models/w2v_{version}.mdl": ("gensim", 3, 4, None) for version in ("3.2.0", "3.3.0", "3.4.0")},
}

# Files that hold word vectors all the same, by name or pattern.
REFUSED = {
    "*.npy": "is a NumPy array (.npy), which has no words",  # arrays beside a file of gensim's
    "compatible-hash-true.model": "85 rows for 100 buckets of n-grams: gensim before 4 packed them",
    "cp852_fasttext.bin": r"row 2: the word b'kter\xec' is not UTF-8 (in Latin-1 it is 'kterì'); convert the file",
    "*xml*": "is an XML document",
    "*.mm.index": "gensim",
    "*.mm*": "lines begin with a number; expected a word",
    "fb-ngrams.txt": "row 1 ('<start>'): 0 numbers; expected 5",
    "head500*ids.txt": "256 of the first 256 lines begin with a number",
    "ldavow*dict.txt": "50 of the first 50 lines begin with a number",
    "pang_lee_polarity.cor": "is labelled texts of fastText",
    "similarities0-1.txt": "50 of the first 50 lines begin with a number",
    "simlex999.txt": "lines are several words with 1 number behind them",
    "testcorpus.uci": "28 of the first 31 lines begin with a number",
    "wordsim353.tsv": "lines are several words with 1 number behind them",
    "pang_lee_polarity_fasttext.bin": "a fastText classifier (2 labels); expected word vectors",
    "pang_lee_polarity_fasttext.vec": r"row 149: the word b'\x97' is not UTF-8",
    "pretrained.vec": "ends after row 1; its header promises 3",
    "toy-model-pretrained.bin": "row 23: the word is empty",
    "w2v_keyedvectors_load_test.modeldata": "row 1: the word b'",
    "w2v_keyedvectors_load_test.vocab": "as lists of counted words are",
    "ft_kv_3.6.0.model.gz": "gensim cannot load it (TypeError: Pre-gensim-3.8.x fastText models",
    "fasttext_old": "gensim cannot load it (ModuleNotFoundError",
    "fasttext_old_sep": "gensim cannot load it (ModuleNotFoundError",
    "ft_model_2.3.0": "gensim cannot load it (ModuleNotFoundError",
    "lee_fasttext": "gensim cannot load it (ModuleNotFoundError",
    "w2v-lee-v0.12.0": "gensim cannot load it (AttributeError: 'Word2Vec' object has no attribute 'wv')",
    "word2vec_pre_kv*py?*": "gensim cannot load it (AttributeError: 'Word2Vec' object has no attribute 'wv')",
    "old_w2v_models/w2v_0.1[23].[0-3].mdl": "gensim cannot load it (AttributeError: 'Word2Vec' object has no",
    "old_w2v_models/w2v_0.12.4.mdl": "gensim cannot load it (AttributeError: 'Word2Vec' object has no",
    "old_d2v_models/*": "gensim cannot load it (AttributeError",
    "d*2v*": "gensim cannot load it (AttributeError",
    "doc2vec_old*": "gensim cannot load it (AttributeError",
    "*_tag_doc_*": "gensim cannot load it (AttributeError",
}
ORACLES: dict[str, Callable[[str], Any]] = {
    "word2vec-binary": lambda path: KeyedVectors.load_word2vec_format(path, binary=True),
    "word2vec-text": KeyedVectors.load_word2vec_format,
    "glove": lambda path: KeyedVectors.load_word2vec_format(path, no_header=True),
    "fasttext-binary": load_facebook_vectors,
    "gensim": lambda path: (loaded := KeyedVectors.load(path), getattr(loaded, "wv", loaded))[1],
}
UNSEEN = ["unseen", "не видел", "x", "日本語", "the-unseen-word-of-many-letters"]


def imported(path: Path, output: Path) -> Vectors:
    return import_vectors(ImportSettings(source=str(path), output=str(output), trust_pickle=True))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "zipped"),
    # gensim tells a packed file by its name, and looks for the arrays beside it under another.
    [(name, zipped) for name in READ for zipped in (False, True) if not zipped or READ[name][0] != "gensim"],
)
def test_a_file_that_gensim_reads_has_the_words_and_vectors_that_it_finds(
    name: str, zipped: bool, tmp_path: Path
) -> None:
    """To the bit, by word, as a model looks them up; and vectors of unseen words where there are n-grams."""
    form, words, dim, buckets = READ[name]
    path = FOLDER / name
    if zipped:
        path = tmp_path / f"{path.name}.gz"
        path.write_bytes(gzip.compress((FOLDER / name).read_bytes()))
    vectors = imported(path, tmp_path / "out")
    assert (vectors.source["format"], *vectors.table_VD.shape) == (form, words, dim)
    oracle = ORACLES[form](str(FOLDER / name))
    expected_VD = oracle.vectors.astype(np.float32)
    if "</s>" in oracle.key_to_index and buckets:  # fastText gives the end of a line no n-grams; gensim does
        expected_VD[oracle.key_to_index["</s>"]] = oracle.vectors_vocab[oracle.key_to_index["</s>"]]
    rows = vectors.vocabulary.rows(oracle.index_to_key)
    assert sorted(rows.tolist()) == list(range(len(oracle)))
    assert np.array_equal(vectors.table_VD[rows], expected_VD)
    assert (vectors.ngrams is None) == (buckets is None)
    if vectors.ngrams is not None:
        assert len(vectors.ngrams.table_GD) == buckets
        unseen = [word for word in UNSEEN if word not in oracle.key_to_index]
        assert len(unseen) >= 3
        assert np.array_equal(vectors.ngrams.rows(unseen), np.array([oracle.get_vector(word) for word in unseen]))


@pytest.mark.parametrize("name", [name for name in FILES if name not in READ])
def test_every_other_file_is_refused_with_its_reason(name: str, tmp_path: Path) -> None:
    """Corpora, topic models, lists, arrays; and vectors that cannot be read as they are."""
    with pytest.raises(VectorsError) as raised:
        imported(FOLDER / name, tmp_path / "out")
    message = str(raised.value)
    assert str(FOLDER / name) in message
    reasons = [reason for pattern, reason in REFUSED.items() if fnmatch(name, pattern)]
    others = ["the first line is ", "; expected gensim's KeyedVectors, Word2Vec or FastText", "gensim cannot load it"]
    assert [reason for reason in reasons[:1] or others if reason in message] != []
    assert list(tmp_path.iterdir()) == []


def test_the_tables_name_files_that_are_there() -> None:
    """None is left out because of a name that was spelled wrong."""
    assert set(READ) <= set(FILES)
    assert [pattern for pattern in REFUSED if not any(fnmatch(name, pattern) for name in FILES)] == []
