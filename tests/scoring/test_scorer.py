import math
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2vray.errors import BundleError, UnusableInputError, VectorsError
from w2vray.models.average.settings import AverageSettings
from w2vray.models.directory import OVERLAY, Bundle
from w2vray.scoring.answers import Answer
from w2vray.scoring.metrics import NO_LABEL
from w2vray.scoring.scorer import SCORING_VERSION, TextScorer, numeric_profile
from w2vray.text.columns import BLOCK_ROWS
from w2vray.vectors import Vectors, VectorsWriter
from w2vray.vectors.ngrams import NGrams
from w2vray.vectors.readers import Block

KINDS = ("average", "cnn", "lstm", "gru")
OOV_CHOICES = ("skip", "zero", "unknown")
KNOWN = ("good", "bad", "film", "dull", "great", "the")

Make = Callable[..., Bundle]

some_words = st.sampled_from([*KNOWN, "unheard", "of"])
some_text = st.lists(some_words, max_size=9).map(" ".join)
some_texts = st.lists(some_text, min_size=1, max_size=8)


def average_weights(weight_CD: Any, bias_C: Any, overlay_KD: Any = None) -> dict[str, Any]:
    """Weights of the model ``average``, by the names that torch gives them."""
    dim = len(weight_CD[0])
    return {
        "model.dense.weight": np.array(weight_CD, dtype=np.float32),
        "model.dense.bias": np.array(bias_C, dtype=np.float32),
        OVERLAY: np.array([] if overlay_KD is None else overlay_KD, dtype=np.float32).reshape(-1, dim),
    }


@pytest.fixture
def scorer(make_bundle: Make, vectors: Vectors, tmp_path: Path) -> TextScorer:
    """Two classes: ``good`` speaks for one, ``bad`` for the other, each by 1."""
    weights = average_weights([[-1, 1, 0], [1, -1, 0]], [0, 0])
    make_bundle(tmp_path / "tiny", vectors, weights=weights, labels=("no", "yes"))
    return TextScorer.load(tmp_path / "tiny")


@pytest.fixture(scope="session")
def scorers(
    make_bundle: Make, vectors: Vectors, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], TextScorer]:
    """A scorer of random weights for each model and ``oov``."""
    folder = tmp_path_factory.mktemp("scorers")
    made = {}
    for kind in KINDS:
        for oov in OOV_CHOICES:
            bundle = make_bundle(folder / f"{kind}-{oov}", vectors, kind, oov)
            made[kind, oov] = TextScorer(bundle, vectors)
    return made


def table(columns: dict[str, pa.Array], **options: Any) -> pa.Table:
    """The answer's columns, under the schema of a part of ``scores``; validated."""
    schema = Answer(**options).schema()
    rows = len(columns["status"])
    position = {"source_file": pa.array(["f"] * rows, pa.string()), "source_row": pa.array(range(rows), pa.int64())}
    assert set(columns) == set(schema.names) - set(position)
    made = pa.Table.from_arrays([(position | columns)[name] for name in schema.names], schema=schema)
    made.validate(full=True)
    return made


# Golden


def test_scores_of_a_tiny_model(scorer: TextScorer) -> None:
    """By hand: the logits are -x and x, where x is the mean over the known words."""
    columns = scorer.score(["good", "good bad bad bad", "Good, unheard film!", "dull dull"]).columns()

    # means of good - bad: 1; (1 - 3) / 4; good and film: 1 / 2; dull is (0.5, -0.5, 0): 1
    x = [1, -0.5, 0.5, 1]
    yes = [1 / (1 + math.exp(-2 * value)) for value in x]
    assert columns["label"].to_pylist() == ["yes", "no", "yes", "yes"]
    assert columns["score"].to_pylist() == pytest.approx([yes[0], 1 - yes[1], yes[2], yes[3]], abs=1e-6)
    assert columns["status"].to_pylist() == ["scored"] * 4
    assert columns["token_count"].to_pylist() == [1, 4, 3, 2]
    assert columns["coverage"].to_pylist() == pytest.approx([1, 1, 2 / 3, 1])


@pytest.mark.parametrize(
    ("oov", "overlay_KD", "x"),
    [
        pytest.param("skip", None, 1, id="skip: the mean of one word"),
        pytest.param("zero", [[0, 0, 0]], 1 / 2, id="zero: halved"),
        pytest.param("unknown", [[0, 3, 0]], (1 - 3) / 2, id="unknown: its own row"),
    ],
)
def test_a_word_without_a_vector_counts_as_oov_says(
    *, make_bundle: Make, vectors: Vectors, tmp_path: Path, oov: str, overlay_KD: Any, x: float
) -> None:
    """Whichever it is, coverage tells that the word has no vector."""
    weights = average_weights([[-1, 1, 0], [1, -1, 0]], [0, 0], overlay_KD)
    bundle = make_bundle(tmp_path / "model", vectors, oov=oov, weights=weights, labels=("no", "yes"))

    scores = TextScorer(bundle, vectors).score(["good unheard"])

    assert scores.probabilities_NC[0, 1] == pytest.approx(1 / (1 + math.exp(-2 * x)), abs=1e-6)
    assert scores.columns()["coverage"].to_pylist() == [0.5]


def test_a_word_without_a_vector_is_scored_by_its_ngrams(make_bundle: Make, vectors: Vectors, tmp_path: Path) -> None:
    """With sub-words: what is made is evidence too, and coverage still tells that the table has no such word.

    Of a word too short for an n-gram nothing is known, as of one that is skipped.
    """
    ngrams = NGrams(np.array([[4, 0, 0]], dtype=np.float32), 6, 6)  # one bucket: every n-gram has this row
    with VectorsWriter(tmp_path / "vectors") as writer:
        writer.append(Block(list(vectors.vocabulary), vectors.table_VD), origin="a test")
        with_ngrams = writer.finish(vectors.rules, {}, ngrams)
    weights = average_weights([[-1, 1, 0], [1, -1, 0]], [0, 0])
    make_bundle(tmp_path / "model", with_ngrams, oov="subword", weights=weights, labels=("no", "yes"))

    texts = ["unheard bad", "", "unheard", "bad", "zz", "zz bad"]
    bundle = Bundle.load(tmp_path / "model")
    for scorer in (TextScorer(bundle, with_ngrams), TextScorer(bundle, with_ngrams, kernels=False)):
        scores = scorer.score(texts)
        x = [(4 - 1) / 2, 4, -1, -1]  # means of good - bad
        expected = [1 / (1 + math.exp(-2 * value)) for value in x]
        assert scores.probabilities_NC[[0, 2, 3, 5], 1] == pytest.approx(expected, abs=1e-6)
        columns = scores.columns()
        nothing = "no_evidence"
        assert columns["status"].to_pylist() == ["scored", nothing, "scored", "scored", nothing, "scored"]
        assert columns["coverage"].to_pylist() == [0.5, 0, 0, 1, 0, 0.5]
    assert scorer.score(["zz", "zz zz"]).columns()["status"].to_pylist() == ["no_evidence"] * 2


def test_a_model_that_needs_ngrams_refuses_vectors_without(make_bundle: Make, vectors: Vectors, tmp_path: Path) -> None:
    """As when it was trained."""
    bundle = make_bundle(tmp_path / "model", vectors, oov="subword")
    with pytest.raises(VectorsError, match="--oov subword makes vectors from n-grams"):
        TextScorer(bundle, vectors)


def test_equal_odds_go_to_the_first_label(scorer: TextScorer) -> None:
    """The choice is fixed, not chance's."""
    columns = scorer.score(["good bad", "film"]).columns()

    assert columns["label"].to_pylist() == ["no", "no"]
    assert columns["score"].to_pylist() == [0.5, 0.5]


# Rows without evidence


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("oov", OOV_CHOICES)
def test_a_text_without_a_known_word_has_no_label_under_any_oov(
    scorers: dict[tuple[str, str], TextScorer], kind: str, oov: str
) -> None:
    """Probabilities of the bias, or of the special row, would look like an answer."""
    texts = ["", "   \n", "...!", "unheard", "unheard of", "good unheard"]

    scores = scorers[kind, oov].score(texts)
    made = table(scores.columns(threshold=0.0, probabilities=True), probabilities=True)

    assert made["status"].to_pylist() == ["no_evidence"] * 5 + ["scored"]
    for name in ("label", "score", "probabilities"):
        assert made[name].is_null().to_pylist() == [True] * 5 + [False]
    assert made["token_count"].to_pylist() == [0, 0, 0, 1, 2, 2]
    assert made["coverage"].to_pylist() == [0, 0, 0, 0, 0, 0.5]
    assert scores.label_N[:5].tolist() == [NO_LABEL] * 5
    assert not scores.probabilities_NC[:5].any()


# Columns


@pytest.mark.parametrize(
    ("threshold", "status"),
    [
        pytest.param(None, ["scored", "scored", "no_evidence"], id="none"),
        pytest.param(0.0, ["scored", "scored", "no_evidence"], id="0"),
        pytest.param(0.5, ["scored", "scored", "no_evidence"], id="equal is not below"),
        pytest.param(0.6, ["scored", "below_threshold", "no_evidence"], id="between"),
        pytest.param(1.0, ["below_threshold", "below_threshold", "no_evidence"], id="1"),
    ],
)
def test_a_score_under_the_threshold_is_marked_and_still_given(
    scorer: TextScorer, threshold: float | None, status: list[str]
) -> None:
    """The word good has 0.88, film has 0.5."""
    columns = scorer.score(["good", "film", ""]).columns(threshold=threshold)

    assert columns["status"].to_pylist() == status
    assert columns["label"].to_pylist() == ["yes", "no", None]
    assert columns["score"].to_pylist() == [pytest.approx(1 / (1 + math.exp(-2))), 0.5, None]


@pytest.mark.parametrize(
    "texts", [["good", "bad film", "", "unheard"], [""], []], ids=["several", "none known", "no text"]
)
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="plain"),
        pytest.param({"probabilities": True}, id="probabilities"),
        pytest.param({"top_k": 1}, id="best"),
        pytest.param({"top_k": 2}, id="best two"),
        pytest.param({"top_k": 9}, id="more than there are"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_columns_fit_the_schema_of_scores(
    scorers: dict[tuple[str, str], TextScorer], kind: str, options: dict[str, Any], texts: list[str]
) -> None:
    """Names, order, types and nulls, even for no rows at all."""
    made = table(scorers[kind, "skip"].score(texts).columns(**options), **options)

    assert len(made) == len(texts)


def test_probabilities_are_in_the_order_of_the_models_labels(scorers: dict[tuple[str, str], TextScorer]) -> None:
    """They sum to 1, and the label's own is the score."""
    scorer = scorers["cnn", "skip"]
    assert scorer.labels == ("negative", "neutral", "positive")

    columns = scorer.score(["good", "bad film", "dull the great"]).columns(probabilities=True)

    for label, score, probabilities in zip(
        *(columns[n].to_pylist() for n in ("label", "score", "probabilities")), strict=True
    ):
        assert sum(probabilities) == pytest.approx(1, abs=1e-6)
        assert max(probabilities) == score
        assert scorer.labels[probabilities.index(score)] == label


def test_top_k_gives_the_best_labels_first(make_bundle: Make, vectors: Vectors, tmp_path: Path) -> None:
    """Equal ones in the order of the labels, and never more than there are."""
    weights = average_weights([[0, 0, 0], [2, 0, 0], [0, 0, 0], [3, 0, 0]], [0, 0, 0, 0])
    bundle = make_bundle(tmp_path / "model", vectors, weights=weights, labels=("a", "b", "c", "d"))
    scores = TextScorer(bundle, vectors).score(["good", "unheard", "film"])

    two, all_four = scores.columns(top_k=2), scores.columns(top_k=10)

    total = 1 + math.exp(2) + 1 + math.exp(3)
    assert two["top_labels"].to_pylist() == [["d", "b"], None, ["a", "b"]]
    assert two["top_scores"].to_pylist()[0] == pytest.approx([math.exp(3) / total, math.exp(2) / total], abs=1e-6)
    assert two["top_scores"].to_pylist()[1:] == [None, [0.25, 0.25]]
    assert all_four["top_labels"].to_pylist() == [["d", "b", "a", "c"], None, ["a", "b", "c", "d"]]
    assert two["label"].to_pylist() == ["d", None, "a"]


# Order, blocks, batches


def test_no_texts_have_no_answers(scorer: TextScorer) -> None:
    """An empty list is not an error."""
    scores = scorer.score([])

    assert len(scores) == 0
    assert scores.probabilities_NC.shape == (0, 2)


def test_more_texts_than_a_block_holds_are_answered_in_their_order(scorer: TextScorer) -> None:
    """Lengths and answers alternate, so that a text in another's place would be seen."""
    texts = ["good", "bad bad film", "", "great great the"] * (BLOCK_ROWS // 2)
    assert len(texts) == 2 * BLOCK_ROWS

    columns = scorer.score([*texts, "bad"]).columns()

    assert columns["label"].to_pylist() == ["yes", "no", None, "yes"] * (BLOCK_ROWS // 2) + ["no"]
    assert columns["token_count"].to_pylist() == [1, 3, 0, 3] * (BLOCK_ROWS // 2) + [1]


def test_an_arrow_array_and_a_slice_of_one_are_answered_as_a_list(scorer: TextScorer) -> None:
    """What comes from a file is a slice more often than not."""
    texts = ["good film", "bad", "", "the great", "dull"]
    array = pa.array(texts, pa.large_string())

    sliced = scorer.score_array(array[1:4])

    np.testing.assert_array_equal(sliced.probabilities_NC, scorer.score(texts[1:4]).probabilities_NC)
    assert sliced.token_counts_N.tolist() == [1, 0, 2]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("oov", OOV_CHOICES)
@settings(max_examples=20)
@given(texts=some_texts)
def test_a_text_alone_is_answered_as_among_others(
    scorers: dict[tuple[str, str], TextScorer], kind: str, oov: str, texts: list[str]
) -> None:
    """Count and order are those of the texts, whatever they are batched with."""
    scorer = scorers[kind, oov]

    together = scorer.score(texts)

    assert len(together) == len(texts)
    for row, text in enumerate(texts):
        alone = scorer.score([text])
        np.testing.assert_allclose(alone.probabilities_NC[0], together.probabilities_NC[row], atol=1e-5)
        assert alone.token_counts_N[0] == together.token_counts_N[row] == len(text.split())
        assert alone.found_counts_N[0] == together.found_counts_N[row] == sum(w in KNOWN for w in text.split())
        assert (alone.label_N[0] == NO_LABEL) == (together.label_N[row] == NO_LABEL)


def test_the_same_texts_are_answered_with_the_same_bits(scorers: dict[tuple[str, str], TextScorer]) -> None:
    """Whatever was scored before."""
    scorer = scorers["cnn", "unknown"]
    texts = ["good film", "unheard dull", "the", "great great great bad"]

    first = scorer.score(texts).probabilities_NC
    scorer.score(["bad"] * 500)

    np.testing.assert_array_equal(scorer.score(texts).probabilities_NC, first)


# What cannot be scored


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(None, "text 1 is a NoneType; expected a str", id="None"),
        pytest.param(b"good", "text 1 is a bytes; expected a str", id="bytes"),
        pytest.param(3.5, "text 1 is a float; expected a str", id="number"),
        pytest.param("ab\ud800", "text 1 holds a lone surrogate at 2", id="lone surrogate"),
        pytest.param("\udc00", "text 1 holds a lone surrogate at 0", id="other half"),
    ],
)
def test_what_is_no_text_is_refused_by_its_place(scorer: TextScorer, text: Any, reason: str) -> None:
    """Counted from 0, as the list is."""
    with pytest.raises(UnusableInputError) as refused:
        scorer.score(["good", text, "bad"])

    assert str(refused.value) == reason


def test_text_beyond_the_basic_plane_is_text(scorer: TextScorer) -> None:
    """A pair of surrogates in another encoding is one character here."""
    assert scorer.score(["good \U0001f600"]).columns()["label"].to_pylist() == ["yes"]


# What does not fit together


@pytest.mark.parametrize(
    "hold",
    [
        lambda texts: pa.array(texts, pa.string()),
        lambda texts: pa.array(texts).dictionary_encode(),
        lambda texts: pa.chunked_array([texts[:1], texts[1:]]),
        lambda texts: (text for text in texts),
    ],
    ids=["string", "dictionary", "chunked", "generator"],
)
def test_arrays_of_every_kind_are_read_as_the_texts_that_they_hold(scorer: TextScorer, hold: Any) -> None:
    """By both functions, whatever offsets an array has."""
    texts = ["good film", "bad", "a good bad film"]
    expected = scorer.score(texts).probabilities_NC
    for found in (scorer.score(hold(texts)), scorer.score_array(hold(texts))):
        assert np.array_equal(found.probabilities_NC, expected)


@pytest.mark.parametrize(
    "texts", ["a text", b"a text", {"a": 1}, {"a"}, pa.array(["a", None], pa.large_string()), None, 5]
)
def test_no_function_reads_what_is_not_several_texts(scorer: TextScorer, texts: Any) -> None:
    with pytest.raises(UnusableInputError):
        scorer.score(texts)
    with pytest.raises(UnusableInputError):
        scorer.score_array(texts)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"oov": "zero"}, r"overlay is \(0, 3\); expected \(1, 3\) for --oov zero", id="overlay"),
        pytest.param({"labels": ("a", "b", "c")}, "weights do not fit the model", id="labels"),
        pytest.param(
            {"weights": {OVERLAY: np.zeros((0, 3), dtype=np.float32)}}, "weights do not fit the model", id="missing"
        ),
        pytest.param({"weights": {}}, r"overlay is None", id="no weights"),
        pytest.param(
            {"weights": average_weights([[0, 0, 0], [float("nan"), 0, 0]], [0, 0])},
            "model's dense.weight contains NaN or infinity; train it again",
            id="no number",
        ),
        pytest.param({"dim": 4}, "vectors have 3 numbers, the model was trained on 4", id="width"),
    ],
)
def test_weights_that_do_not_fit_the_configuration_are_refused(
    make_bundle: Make, vectors: Vectors, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    """Before any text is read."""
    described: dict[str, Any] = {
        "weights": average_weights([[0, 0, 0], [1, 0, 0]], [0, 0]),
        "labels": ("no", "yes"),
        "settings": AverageSettings(),
    }
    bundle = make_bundle(tmp_path / "model", vectors, **(described | changes))

    with pytest.raises(BundleError, match=reason):
        TextScorer(bundle, vectors)


def test_vectors_stored_in_half_precision_are_scored_in_single(
    make_bundle: Make, write_vectors: Callable[..., Vectors], tmp_path: Path
) -> None:
    """The six words' numbers are the same in both."""
    texts = ["good film", "unheard dull", "great bad"]
    made = []
    for dtype in ("float16", "float32"):
        stored = write_vectors(tmp_path / dtype, dtype=dtype)
        bundle = make_bundle(tmp_path / f"model-{dtype}", stored, "cnn", "unknown")
        made.append(TextScorer(bundle, stored).score(texts).probabilities_NC)

    np.testing.assert_array_equal(made[0], made[1])


@pytest.mark.parametrize("kind", ["average", "cnn", "lstm", "gru"])
def test_scoring_by_kernels_does_without_torch(make_bundle: Make, vectors: Vectors, tmp_path: Path, kind: str) -> None:
    """Its import takes a second, and 150 MB of each worker."""
    make_bundle(tmp_path / "model", vectors, kind, "unknown")
    lines = (
        "import sys",
        "from w2vray.cluster import score",
        "from w2vray.scoring.scorer import TextScorer, numeric_profile",
        f"label = TextScorer.load({str(tmp_path / 'model')!r}).score(['good film']).label_N",
        "print('torch' in sys.modules, numeric_profile()['torch'])",
    )
    told = subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True, capture_output=True, text=True).stdout

    assert told.split() == ["False", version("torch")]


def test_the_numeric_profile_names_what_answers_may_differ_by() -> None:
    """Two runs with equal profiles have equal bits."""
    profile = numeric_profile()

    assert set(profile) == {
        "device",
        "instructions",
        "dtype",
        "batch_tokens",
        "torch",
        "kernels",
        "libm",
        "arrow",
        "scoring_version",
    }
    assert (profile["device"], profile["dtype"], profile["scoring_version"]) == ("cpu", "float32", SCORING_VERSION)


@pytest.mark.parametrize("kernels", [True, False])
def test_logits_are_divided_by_the_temperature(
    make_bundle: Make, vectors: Vectors, tmp_path: Path, kernels: bool
) -> None:
    """Of ``good``, the logits are -1 and 1: at temperature 2 the odds are e, and not e squared."""
    weights = average_weights([[-1, 1, 0], [1, -1, 0]], [0, 0])
    make_bundle(tmp_path / "tiny", vectors, weights=weights, labels=("no", "yes"), temperatures=(2.0,))
    bundle = Bundle.load(tmp_path / "tiny")
    scores = TextScorer(bundle, bundle.open_vectors(), kernels=kernels).score(["good"])
    assert scores.probabilities_NC[0].tolist() == pytest.approx([1 / (1 + math.e), math.e / (1 + math.e)], rel=1e-5)


def test_each_of_many_labels_has_a_temperature_of_its_own(make_bundle: Make, vectors: Vectors, tmp_path: Path) -> None:
    weights = average_weights([[2, 0, 0], [2, 0, 0]], [0, 0])
    made = {"labels": ("a", "b"), "multi_label": True, "temperatures": (1.0, 4.0)}
    make_bundle(tmp_path / "tiny", vectors, weights=weights, **made)
    scores = TextScorer.load(tmp_path / "tiny").score(["good"])
    assert scores.probabilities_NC[0].tolist() == pytest.approx([1 / (1 + math.exp(-2)), 1 / (1 + math.exp(-0.5))])
