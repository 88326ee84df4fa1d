"""Scoring on a device: the answers of the compiled kernels, whatever the batches and however many threads feed it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from w2vray.errors import ClusterError
from w2vray.models.directory import Bundle
from w2vray.scoring.answers import Scores
from w2vray.scoring.device_scorer import DeviceScorer
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.device import Device
from w2vray.text.rules import family
from w2vray.vectors import Vectors, VectorsWriter
from w2vray.vectors.ngrams import NGrams
from w2vray.vectors.readers import Block

KINDS = ("average", "cnn", "lstm", "gru")
OOV_CHOICES = ("skip", "zero", "unknown", "subword")
REAL = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
DEVICES = ["cpu", pytest.param("cuda", marks=REAL)]
WORDS = ["good", "bad", "film", "dull", "great", "the", "unheard", "caf\u00e9"]

Make = Callable[..., Bundle]
texts = st.lists(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join), max_size=9)


@pytest.fixture(scope="session")
def ngram_vectors(tmp_path_factory: pytest.TempPathFactory) -> Vectors:
    """Words with vectors, and n-grams for all others."""
    numbers = np.random.default_rng(4)
    ngrams = NGrams(numbers.normal(size=(50, 3)).astype(np.float32), 3, 5)
    with VectorsWriter(tmp_path_factory.mktemp("ngrams") / "vectors", dtype="float16") as writer:
        writer.append(Block(WORDS[:6], numbers.normal(size=(6, 3)).astype(np.float32)), origin="a test")
        return writer.finish(family("plain"), {}, ngrams)


@pytest.fixture(scope="session")
def bundles(
    make_bundle: Make, ngram_vectors: Vectors, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str, bool], Bundle]:
    """A model of random weights of each kind and ``oov``, and of one or many labels."""
    folder = tmp_path_factory.mktemp("models")
    return {
        (kind, oov, many): make_bundle(folder / f"{kind}-{oov}-{many}", ngram_vectors, kind, oov, multi_label=many)
        for kind in KINDS
        for oov in OOV_CHOICES
        for many in (False, True)
    }


def scored(scorer: TextScorer, arrays: list[list[str]]) -> list[Scores]:
    return list(scorer.score_arrays(pa.array(array, pa.large_string()) for array in arrays))


def assert_alike(found: Scores, expected: Scores, tolerance: float = 1e-5) -> None:
    """Equal in all but rounding."""
    np.testing.assert_allclose(found.probabilities_NC, expected.probabilities_NC, atol=tolerance)
    np.testing.assert_array_equal(found.token_counts_N, expected.token_counts_N)
    np.testing.assert_array_equal(found.found_counts_N, expected.found_counts_N)
    two_best = np.sort(expected.probabilities_NC, axis=1)[:, -2:]
    clear_N = two_best[:, 1] - two_best[:, 0] > 2 * tolerance
    np.testing.assert_array_equal(found.label_N[clear_N], expected.label_N[clear_N])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("oov", OOV_CHOICES)
@pytest.mark.parametrize("many", [False, True])
@settings(max_examples=8)
@given(arrays=st.lists(texts, max_size=5), tokens=st.integers(1, 200), threads=st.integers(1, 3))
def test_a_device_gives_the_answers_of_the_kernels(  # noqa: PLR0917 - Hypothesis gives its own by name, pytest too
    device: str,
    kind: str,
    oov: str,
    many: bool,
    arrays: list[list[str]],
    tokens: int,
    threads: int,
    bundles: dict[tuple[str, str, bool], Bundle],
    ngram_vectors: Vectors,
) -> None:
    """In order, for texts of any length, for batches of any size, for any number of threads."""
    bundle = bundles[kind, oov, many]
    there = DeviceScorer(bundle, ngram_vectors, device=Device(name=device, batch_tokens=tokens), threads=threads)
    here = TextScorer(bundle, ngram_vectors)

    for found, expected in zip(scored(there, arrays), scored(here, arrays), strict=True):
        assert_alike(found, expected)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_again_is_equal_bit_for_bit_whatever_was_scored_before(
    device: str, kind: str, bundles: dict[tuple[str, str, bool], Bundle], ngram_vectors: Vectors
) -> None:
    """A part is the same bytes whichever worker makes it."""
    source = np.random.default_rng(1)
    arrays = [[" ".join(source.choice(WORDS, source.integers(0, 40))) for _ in range(60)] for _ in range(6)]
    bundle, where = bundles[kind, "subword", False], Device(name=device, batch_tokens=300)

    first = scored(DeviceScorer(bundle, ngram_vectors, device=where, threads=1), arrays)
    other = DeviceScorer(bundle, ngram_vectors, device=where, threads=3)
    scored(other, arrays[::-1])
    again = scored(other, arrays)

    for one, two in zip(first, again, strict=True):
        assert one.probabilities_NC.tobytes() == two.probabilities_NC.tobytes()


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_lower_precision_changes_answers_by_little(
    kind: str, device: str, precision: str, bundles: dict[tuple[str, str, bool], Bundle], ngram_vectors: Vectors
) -> None:
    bundle, where = bundles[kind, "zero", False], Device(name=device, precision=precision, batch_tokens=4096)
    some = [[" ".join(WORDS[:length]) for length in range(9)]]

    (found,) = scored(DeviceScorer(bundle, ngram_vectors, device=where), some)

    assert_alike(found, scored(TextScorer(bundle, ngram_vectors), some)[0], 5e-2)
    assert found.probabilities_NC.dtype == np.float32


def test_tuned_words_and_the_special_row_are_on_the_device_too(
    make_bundle: Make, vectors: Vectors, tmp_path: Path
) -> None:
    """The rows of the overlay that stand for words of the table."""
    weights = {
        "model.dense.weight": np.eye(3, dtype=np.float32),
        "model.dense.bias": np.zeros(3, dtype=np.float32),
        "words.overlay_KD": np.array([[0, 0, 9], [9, 0, 0], [0, 9, 0]], dtype=np.float32),
        "words.replaced_rows": np.array([1, 3], dtype=np.int64),
    }
    bundle = make_bundle(tmp_path / "model", vectors, "average", "unknown", weights=weights)

    (found,) = scored(DeviceScorer(bundle, vectors, device=Device()), [["bad", "dull", "good unheard", "unheard"]])

    assert found.label_N.tolist() == [0, 1, 2, -1]


def test_an_array_that_cannot_be_made_ends_the_answers_in_its_place(
    bundles: dict[tuple[str, str, bool], Bundle], ngram_vectors: Vectors
) -> None:
    """A damaged file is noticed as it is without a device."""

    def arrays() -> Any:
        yield pa.array(["good film"], pa.large_string())
        raise OSError("damaged")

    scorer = DeviceScorer(bundles["cnn", "skip", False], ngram_vectors, device=Device(), threads=2)

    with pytest.raises(OSError, match="damaged"):
        list(scorer.score_arrays(arrays()))
    assert len(scored(scorer, [["good film"]])[0]) == 1, "the next unit is scored as ever"


def test_a_full_device_names_the_option_to_lower(
    bundles: dict[tuple[str, str, bool], Bundle], ngram_vectors: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not go on with smaller batches: answers may not depend on what else is in a GPU's memory."""
    scorer = DeviceScorer(bundles["cnn", "skip", False], ngram_vectors, device=Device(batch_tokens=4096))

    def full(_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore")

    monkeypatch.setattr(scorer.classifier.model, "forward", lambda *_: full(_))

    with pytest.raises(ClusterError, match=r"Tried to allocate 2 GiB.; lower --batch-tokens \(now 4,096\)"):
        scored(scorer, [["good"]])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_torch_does_not_find_is_an_error_that_says_where(
    bundles: dict[tuple[str, str, bool], Bundle], ngram_vectors: Vectors
) -> None:
    with pytest.raises(ClusterError, match=r"finds no GPU on .*leave out --gpu"):
        DeviceScorer(bundles["cnn", "skip", False], ngram_vectors, device=Device(name="cuda"))
