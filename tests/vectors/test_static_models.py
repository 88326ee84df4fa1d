import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model2vec import StaticModel
from model2vec.model import quantize_model
from safetensors.numpy import load_file, save_file

from tests.fixtures.static_models import SHIPPED, TOKENIZERS, changed, imported, means, tokenizer, written
from tests.text.test_cutting import hostile
from w2vray.errors import VectorsError
from w2vray.kernels.compiling import why_no_kernels
from w2vray.settings.vectors import JoinVectorsSettings
from w2vray.text.fast.looking_up import FastLookup
from w2vray.vectors import Vectors
from w2vray.vectors.comparing import compare_families, coverage_warnings
from w2vray.vectors.joining import join_vectors

NAMES = [name for name in TOKENIZERS if name != "shipped"]
TEXTS = [
    "A really fine film, moving; it isn't dull!",
    "",
    "中文\uff0c测试。",
    "café naïve Fußball",
    "\u2603",
    "[UNK] [PAD] x",
]


def ours(vectors: Vectors, texts: list[str]) -> Any:
    lookup = vectors.lookup(vectors.rules, "skip")
    return means(vectors, texts, lookup if why_no_kernels() else FastLookup(lookup))


class Pair(dict[str, tuple[Vectors, Any]]):
    """Our vectors and model2vec's model of each tokenizer, made once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __missing__(self, name: str) -> tuple[Vectors, Any]:
        place = self.folder / str(len(self))
        model = written(place / "model", name)
        self[name] = imported(place / "model", place / "vectors"), model
        return self[name]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(tmp_path_factory.mktemp("static_models"))


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=30)
@given(texts=st.lists(hostile, max_size=4))
def test_means_are_the_library_s_embeddings(name: str, pairs: Pair, texts: list[str]) -> None:
    """Of any texts, whatever the tokenizer is made of."""
    vectors, model = pairs[name]

    if texts:
        np.testing.assert_allclose(ours(vectors, texts), model.encode(texts), atol=1e-5, rtol=0)


class TestTables:
    """How rows are stored."""

    def test_weights_and_a_mapping(self, tmp_path: Path) -> None:
        """A vocabulary that was quantised: several pieces share a row, each with a weight of its own."""
        model = quantize_model(written(tmp_path / "whole"), vocabulary_quantization=20)
        model.save_pretrained(tmp_path / "model")

        vectors = imported(tmp_path / "model", tmp_path / "vectors")

        assert load_file(tmp_path / "model" / "model.safetensors")["embeddings"].shape == (20, 8)
        assert len(vectors) == tokenizer("bert").get_vocab_size()
        np.testing.assert_allclose(ours(vectors, TEXTS), model.encode(TEXTS), atol=1e-5, rtol=0)

    @pytest.mark.parametrize(("dtype", "scale"), [("float16", 1), ("float64", 1), ("int8", 127)])
    def test_numbers_of_other_kinds(self, tmp_path: Path, dtype: str, scale: int) -> None:
        """Whole numbers have lost their scale: ours are smaller than the library's, by one factor for all."""
        model = quantize_model(written(tmp_path / "whole"), quantize_to=dtype, dimensionality=5)
        model.save_pretrained(tmp_path / "model")

        vectors = imported(tmp_path / "model", tmp_path / "vectors")

        exact = StaticModel(model.embedding.astype(np.float32), model.tokenizer, max_length=None)
        assert (vectors.dim, str(vectors.table_VD.dtype)) == (5, "float32")
        np.testing.assert_allclose(ours(vectors, TEXTS) * scale, exact.encode(TEXTS), atol=1e-5 * scale, rtol=0)

    def test_a_table_of_halves(self, tmp_path: Path) -> None:
        """What --dtype says is what is stored."""
        written(tmp_path / "model")

        assert str(imported(tmp_path / "model", tmp_path / "v", dtype="float16").table_VD.dtype) == "float16"

    @pytest.mark.parametrize("name", ["embedding.weight", "0.weight"])
    @pytest.mark.parametrize("folder", [".", "0_StaticEmbedding"])
    @pytest.mark.parametrize("normalized", [False, True])
    def test_a_directory_of_sentence_transformers(
        self, tmp_path: Path, name: str, folder: str, normalized: bool
    ) -> None:
        """Its rows have another name, in a folder of the module; a second module scales embeddings."""
        model = written(tmp_path / "made")
        place = tmp_path / "model" / folder
        place.mkdir(parents=True)
        save_file({name: model.embedding}, place / "model.safetensors")
        shutil.copy(tmp_path / "made" / "tokenizer.json", place)
        kinds = ["StaticEmbedding", "Normalize"] if normalized else ["StaticEmbedding"]
        modules = [{"type": f"sentence_transformers.models.{kind}", "path": folder} for kind in kinds]
        (tmp_path / "model" / "modules.json").write_text(json.dumps(modules))

        vectors = imported(tmp_path / "model", tmp_path / "vectors")

        assert vectors.unit_length == normalized
        np.testing.assert_allclose(ours(vectors, TEXTS), model.encode(TEXTS), atol=1e-5, rtol=0)

    def test_links_as_in_the_hub_s_cache(self, tmp_path: Path) -> None:
        """The files of a snapshot are links to files elsewhere."""
        written(tmp_path / "blobs", normalize=True)
        (tmp_path / "snapshot").mkdir()
        for file in (tmp_path / "blobs").iterdir():
            (tmp_path / "snapshot" / file.name).symlink_to(file)

        assert imported(tmp_path / "snapshot", tmp_path / "vectors").unit_length

    @pytest.mark.long
    @pytest.mark.skipif(SHIPPED is None, reason="tokenlearn-static-model is not installed")
    def test_a_published_model(self, tmp_path: Path) -> None:
        """276,326 pieces with weights share 10,000 rows; the piece for unknown ones is what its file says."""
        assert SHIPPED is not None
        model = StaticModel.from_pretrained(SHIPPED, max_length=None)
        vectors = imported(SHIPPED, tmp_path / "vectors")

        found = ours(vectors, TEXTS)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)

        np.testing.assert_allclose(found / np.maximum(lengths, 1e-12), model.encode(TEXTS), atol=1e-5, rtol=0)


class TestOpening:
    """The vectors directory."""

    def test_what_is_written_is_what_is_read(self, tmp_path: Path) -> None:
        """By memory map, and from the arrays that workers share."""
        written(tmp_path / "model", normalize=True)
        vectors = imported(tmp_path / "model", tmp_path / "vectors")
        shared = Vectors.from_arrays(vectors.arrays(), vectors.rules, vectors.fingerprint)

        assert vectors.source["format"] == "model2vec"
        assert (vectors.rules.name, vectors.unit_length, shared.unit_length) == ("pieces", True, True)
        assert ours(shared, TEXTS).tolist() == ours(vectors, TEXTS).tolist()

    def test_another_tokenizer_is_another_content(self, tmp_path: Path) -> None:
        """A model names its vectors by their content, of which the tokenizer is part."""
        written(tmp_path / "model")
        first = imported(tmp_path / "model", tmp_path / "first")
        changed(tmp_path / "model", "tokenizer.json", lambda content: content | {"normalizer": None})

        assert imported(tmp_path / "model", tmp_path / "second").fingerprint != first.fingerprint

    def test_a_damaged_tokenizer_is_named(self, tmp_path: Path) -> None:
        """As every other file of a vectors directory."""
        written(tmp_path / "model")
        imported(tmp_path / "model", tmp_path / "vectors")
        (tmp_path / "vectors" / "tokenizer.json").write_text("{}")

        with pytest.raises(VectorsError, match=r"tokenizer\.json has 2 bytes; expected"):
            Vectors.open(tmp_path / "vectors")

    def test_coverage_counts_pieces(self, tmp_path: Path) -> None:
        """No other family is tried: only the tokenizer knows its pieces."""
        written(tmp_path / "model")
        vectors = imported(tmp_path / "model", tmp_path / "vectors")
        texts = pa.array(["fine \u2603", "\u2603 \u2604"], pa.large_string())

        (found,) = compare_families(vectors, [texts], vectors.rules)

        pieces = len(tokenizer("bert").encode("fine", add_special_tokens=False).ids)
        assert (found.family, found.found.tokens, found.found.found) == ("pieces", pieces + 3, pieces)
        assert found.found.missing == {"\u2603": 2, "\u2604": 1}
        assert coverage_warnings(10, 5, vectors, vectors.rules, list) == [
            "only 50.0% of the pieces are known to the vectors' tokenizer: are they of another language?"
        ]

    def test_join_refuses_pieces(self, tmp_path: Path) -> None:
        """They are no words that another table could have too."""
        written(tmp_path / "model")
        imported(tmp_path / "model", tmp_path / "vectors")
        both = (str(tmp_path / "vectors"), str(tmp_path / "vectors"))

        with pytest.raises(VectorsError, match="pieces of a tokenizer"):
            join_vectors(JoinVectorsSettings(vectors=both, output=str(tmp_path / "joined")))


def refusal(tmp_path: Path, **options: Any) -> str:
    with pytest.raises(VectorsError) as caught:
        imported(tmp_path / "model", tmp_path / "vectors", **options)
    assert not (tmp_path / "vectors").exists()
    return str(caught.value)


class TestRefusals:
    """What cannot be imported, and how it is called."""

    @pytest.fixture(autouse=True)
    def model(self, tmp_path: Path) -> Any:
        return written(tmp_path / "model")

    def tensors(self, tmp_path: Path, **change: Any) -> None:
        file = tmp_path / "model" / "model.safetensors"
        save_file({name: array for name, array in (load_file(file) | change).items() if array is not None}, file)

    def test_options_that_need_words(self, tmp_path: Path) -> None:
        """Not one piece can be missing, and texts are split by no rules of ours."""
        assert "--limit 10: the rows of" in refusal(tmp_path, limit=10)
        assert "--family glove: the rows of" in refusal(tmp_path, family="glove")
        assert "--on-bad skip: the rows of" in refusal(tmp_path, on_bad="skip")

    @pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors"])
    @pytest.mark.parametrize("size", [0, 7, 200])
    def test_a_file_that_was_cut_short(self, tmp_path: Path, name: str, size: int) -> None:
        """It is named."""
        file = tmp_path / "model" / name
        file.write_bytes(file.read_bytes()[:size])

        assert str(file) in refusal(tmp_path)

    def test_a_table_that_lost_its_end(self, tmp_path: Path) -> None:
        """The header is there, and so is almost all else."""
        file = tmp_path / "model" / "model.safetensors"
        file.write_bytes(file.read_bytes()[:-1])

        assert f"{file} cannot be read" in refusal(tmp_path)

    @pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors"])
    def test_a_file_that_is_missing(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "model" / name).unlink()

        assert f"{name}" in refusal(tmp_path)

    def test_rows_of_another_tokenizer(self, tmp_path: Path, model: Any) -> None:
        self.tensors(tmp_path, embeddings=model.embedding[:-1])

        assert f"{len(model.embedding) - 1:,} rows, and the tokenizer has {len(model.embedding):,} pieces" in refusal(
            tmp_path
        )

    def test_a_mapping_beyond_the_rows(self, tmp_path: Path, model: Any) -> None:
        self.tensors(tmp_path, mapping=np.arange(1, len(model.embedding) + 1))

        assert "mapping names rows that are not among" in refusal(tmp_path)

    def test_weights_of_another_number(self, tmp_path: Path) -> None:
        self.tensors(tmp_path, weights=np.ones(3, dtype=np.float32))

        assert "weights has the shape (3,)" in refusal(tmp_path)

    def test_rows_that_are_no_numbers(self, tmp_path: Path, model: Any) -> None:
        rows = model.embedding.copy()
        rows[3, 2] = np.nan
        self.tensors(tmp_path, embeddings=rows)

        assert "number 3 is nan" in refusal(tmp_path)

    def test_other_tensors(self, tmp_path: Path, model: Any) -> None:
        """As a transformer has them: its files have the same names."""
        self.tensors(tmp_path, embeddings=None, **{"encoder.layer.0.weight": model.embedding})

        assert "holds encoder.layer.0.weight; expected one of embeddings" in refusal(tmp_path)

    def test_rows_of_one_number_and_of_another_kind(self, tmp_path: Path, model: Any) -> None:
        self.tensors(tmp_path, embeddings=model.embedding[:, 0].copy())
        assert "has the shape" in refusal(tmp_path)

        self.tensors(tmp_path, embeddings=model.embedding.astype(np.int64))
        assert "embeddings is I64; expected one of" in refusal(tmp_path)

    @pytest.mark.parametrize("kinds", [["Transformer", "Pooling"], ["StaticEmbedding", "Dense"]])
    def test_modules_that_are_more_than_a_table(self, tmp_path: Path, kinds: list[str]) -> None:
        changed(
            tmp_path / "model",
            "modules.json",
            lambda _: [{"type": f"sentence_transformers.models.{kind}", "path": "."} for kind in kinds],
        )

        assert f"is a sentence-transformers model of {', '.join(kinds)}" in refusal(tmp_path)

    def test_a_tokenizer_that_fails_at_unknown_characters(self, tmp_path: Path) -> None:
        """It would fail in the middle of a store."""

        def without_unknown(content: Any) -> Any:
            content["model"]["unk_token"] = "nowhere"
            return content

        changed(tmp_path / "model", "tokenizer.json", without_unknown)

        assert "fails at characters that it does not know" in refusal(tmp_path)

    def test_other_names_for_it(self, tmp_path: Path) -> None:
        """A file of it, and another format."""
        with pytest.raises(VectorsError, match="name the directory that it is in"):
            imported(tmp_path / "model" / "model.safetensors", tmp_path / "vectors")
        assert "is a directory; expected a file" in refusal(tmp_path, format="glove")

    def test_without_the_library(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What it is is said, and what to install."""
        monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)

        assert "pip install 'w2vray[pieces]'" in refusal(tmp_path)
