import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from w2vray.kernels import projecting
from w2vray.kernels.compiling import why_no_kernels
from w2vray.models.average.settings import AverageSettings
from w2vray.models.batches import by_length
from w2vray.models.classifier import Classifier, build_model, shared_table, special_row
from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.directory import Bundle, ModelConfig
from w2vray.models.folding import Folded, fold
from w2vray.models.kinds import ModelSettings, kind_of
from w2vray.models.recurrent.settings import GruSettings, LstmSettings
from w2vray.models.word_vectors import WordVectors
from w2vray.scoring.answers import Scores
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.vectors import ImportSettings
from w2vray.text.lookup import Ids
from w2vray.vectors import Vectors
from w2vray.vectors.importing import import_vectors

pytestmark = pytest.mark.skipif(bool(why_no_kernels()), reason=why_no_kernels() or "kernels can be compiled")

SHARED = Path(__file__).resolve().parents[3] / "shared"
V, K, M, D, C = 40, 3, 5, 7, 4
MODELS: list[ModelSettings] = [
    AverageSettings(),
    AverageSettings(unit_length=True),
    CnnSettings(widths=(1,), filters=1),
    CnnSettings(widths=(3, 4, 5), filters=20),
    CnnSettings(widths=(7, 2), filters=3),
    CnnSettings(widths=(1, 6), filters=9),
    LstmSettings(hidden=5),
    LstmSettings(hidden=3, bidirectional=True, pooling="max"),
    GruSettings(hidden=5, pooling="max"),
    GruSettings(hidden=4, bidirectional=True),
]
REAL: dict[str, ModelSettings] = {
    "average": AverageSettings(),
    "cnn": CnnSettings(filters=20),
    "lstm": LstmSettings(hidden=16, bidirectional=True),
    "gru": GruSettings(hidden=16, pooling="max"),
}
models = st.sampled_from(MODELS)
texts = st.lists(st.lists(st.integers(0, V + K + M - 1), max_size=20), max_size=8)


def ids_of(some: list[list[int]]) -> Ids:
    """The texts as a look-up gives them."""
    lengths = np.array([len(text) for text in some], dtype=np.int32)
    flat = np.array([id_ for text in some for id_ in text], dtype=np.int32)
    return Ids(flat, np.concatenate(([0], np.cumsum(lengths))).astype(np.int64), lengths, lengths)


def random_rows(rows: int, dtype: str = "float32", seed: int = 0) -> npt.NDArray[Any]:
    return np.random.default_rng(seed).standard_normal((rows, D)).astype(dtype)


def both(model: ModelSettings, *, bound: int = 1 << 20, dtype: str = "float32") -> tuple[Classifier, Folded]:
    """A model of random weights, in torch and folded."""
    table_VD, overlay_KD = random_rows(V, dtype), random_rows(K, seed=1)
    words = WordVectors(shared_table(table_VD), torch.from_numpy(overlay_KD), trainable=False)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        classifier = Classifier(words, build_model(model, D, C)).eval()
        for parameter in classifier.model.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    weights = {name: value.numpy() for name, value in classifier.model.state_dict().items()}
    folded = fold(kind_of(model), model, weights, table_VD, overlay_KD, bound=bound)
    assert folded is not None
    return classifier, folded


def torch_logits(classifier: Classifier, ids: Ids, made_MD: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    logits_NC = np.zeros((len(ids), C), dtype=np.float32)
    with torch.inference_mode():
        for batch in by_length(ids.ids_L, ids.offsets_N1, torch.from_numpy(made_MD)):
            logits_NC[batch.texts_B] = classifier(batch).numpy()
    return logits_NC


@given(model=models, some=texts, dtype=st.sampled_from(["float32", "float16"]))
def test_a_folded_model_gives_the_logits_that_torch_gives(
    model: ModelSettings, some: list[list[int]], dtype: str
) -> None:
    """For texts of any length, of ids of the table, of the overlay and of rows made for them."""
    classifier, folded = both(model, dtype=dtype)
    made_MD = random_rows(M, seed=2)

    logits_NC = folded.logits(ids_of(some), made_MD)

    np.testing.assert_allclose(logits_NC, torch_logits(classifier, ids_of(some), made_MD), atol=2e-5, rtol=1e-5)
    assert logits_NC.dtype == np.float32


@given(model=models, blocks=st.lists(texts, min_size=1, max_size=4), places=st.integers(16, 30))
def test_no_answer_depends_on_what_is_kept(model: ModelSettings, blocks: list[Any], places: int) -> None:
    """Equal bit for bit: with a row for every word; with little room, whatever was scored before."""
    made_MD = random_rows(M, seed=2)
    _, alone = both(model)
    assert isinstance(alone._rows, projecting.AllRows)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(projecting, "LEAST_PLACES", places)
        _, crowded = both(model, bound=0)
        assert isinstance(crowded._rows, projecting.RowsInUse)
        for _ in range(2):
            for some in blocks:
                expected = both(model)[1].logits(ids_of(some), made_MD)
                assert crowded.logits(ids_of(some), made_MD).tobytes() == expected.tobytes()
                assert alone.logits(ids_of(some), made_MD).tobytes() == expected.tobytes()


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_made_rows_are_of_their_own_block_only(model: ModelSettings) -> None:
    """The same id is another word in the next block."""
    classifier, folded = both(model)
    some = ids_of([[V + K, 1, V + K + 1], [V + K + 1]])
    for seed in (2, 3):
        made_MD = random_rows(2, seed=seed)
        expected = torch_logits(classifier, some, made_MD)
        np.testing.assert_allclose(folded.logits(some, made_MD), expected, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_a_text_of_many_more_words_than_places(model: ModelSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is gone through in parts; memory of projected rows stays what it is."""
    monkeypatch.setattr(projecting, "LEAST_PLACES", 16)
    classifier, folded = both(model, bound=0)
    chosen = random.Random(0)
    some = ids_of([[chosen.randrange(V + K) for _ in range(5000)], [1], []])
    none_MD = random_rows(0)

    expected = torch_logits(classifier, some, none_MD)
    np.testing.assert_allclose(folded.logits(some, none_MD), expected, atol=2e-5, rtol=1e-5)
    assert isinstance(folded._rows, projecting.RowsInUse)
    assert folded._rows.capacity == 16


@pytest.fixture(scope="session", params=["GloVe and descriptions", "GoogleNews and sentences"])
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Vectors, list[str]]:
    """Real vectors and texts: those of packages, and those that may lie beside the checkout."""
    if request.param == "GloVe and descriptions":
        return request.getfixturevalue("real_glove"), request.getfixturevalue("real_texts")[::4]
    source = SHARED / "vectors" / "GoogleNews-8007words-300d.bin"
    if not source.exists():
        pytest.skip(f"{source.name} is not there")
    output = tmp_path_factory.mktemp("google") / "vectors"
    vectors = import_vectors(ImportSettings(source=str(source), output=str(output)))
    return vectors, pq.read_table(SHARED / "data" / "subj.parquet")["text"].to_pylist()


@pytest.mark.parametrize("kind", ["average", "cnn", "lstm", "gru"])
def test_every_row_of_a_real_set_has_the_label_that_torch_gives(real: tuple[Vectors, list[str]], kind: str) -> None:
    """Probabilities agree within 1e-5, and labels do unless the two best are that close."""
    vectors, rows = real
    torch.manual_seed(0)
    model = REAL[kind]
    state: dict[str, Any] = build_model(model, vectors.dim, 3).state_dict()
    weights = {f"model.{name}": torch.nn.init.normal_(value, std=0.2).numpy() for name, value in state.items()}
    weights["words.overlay_KD"] = special_row("unknown", vectors.table_VD).numpy()
    config = ModelConfig(
        model=kind,
        settings=model,
        labels=("a", "b", "c"),
        rules=vectors.rules,
        oov="unknown",
        dim=vectors.dim,
        vectors_fingerprint=vectors.fingerprint,
        vectors_path=str(vectors.path),
    )
    bundle = Bundle(config, weights)

    fast = TextScorer(bundle, vectors).score(rows)
    plain = TextScorer(bundle, vectors, kernels=False).score(rows)

    agree(fast, plain)


def agree(fast: Scores, plain: Scores) -> None:
    np.testing.assert_array_equal(fast.token_counts_N, plain.token_counts_N)
    np.testing.assert_array_equal(fast.found_counts_N, plain.found_counts_N)
    np.testing.assert_allclose(fast.probabilities_NC, plain.probabilities_NC, atol=1e-5, rtol=0)
    other = fast.label_N != plain.label_N
    two_best = np.sort(plain.probabilities_NC[other], axis=1)[:, -2:]
    assert (np.diff(two_best, axis=1) < 1e-5).all()
    assert len(np.unique(fast.label_N)) > 1


@pytest.mark.parametrize(
    ("bound", "text_ahead", "all_of_them"),
    [
        (1 << 20, 0, False),
        (1 << 20, 2 * (V + K) * D, True),
        (1 << 20, 2 * (V + K) * D - 2, False),
        (64, 1 << 40, False),
    ],
)
def test_all_words_are_projected_at_once_where_the_text_ahead_is_worth_it_and_there_is_room(
    bound: int, text_ahead: int, all_of_them: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projecting, "_SOON_READ", 1)
    monkeypatch.setattr(projecting, "_READ_A_BYTE", 0.5)
    head_DP = np.ones((D, 8), dtype=np.float32)
    rows = projecting.projected_rows(
        lambda ids_W, _: np.ones((len(ids_W), D), dtype=np.float32),
        head_DP,
        np.zeros(8, dtype=np.float32),
        V + K,
        bound,
        text_ahead=text_ahead,
    )
    assert isinstance(rows, projecting.AllRows if all_of_them else projecting.RowsInUse)


@pytest.mark.parametrize("kept_as", [projecting.AllRows, projecting.RowsInUse])
def test_the_table_is_let_go_of_once_all_of_it_is_projected(kept_as: type, monkeypatch: pytest.MonkeyPatch) -> None:
    gone: list[Any] = []
    monkeypatch.setattr("w2vray.models.folding.let_go", gone.append)
    monkeypatch.setattr(projecting, "_SOON_READ", 0 if kept_as is projecting.RowsInUse else 1 << 26)
    table_VD = np.ones((V, D), dtype=np.float32)
    head = SimpleNamespace(weights_DP=np.ones((D, 8), dtype=np.float32), bias_P=np.zeros(8, dtype=np.float32), parts=1)
    Folded(head, table_VD, np.ones((K, D), dtype=np.float32), 1 << 20)
    assert [array is table_VD for array in gone] == ([True] if kept_as is projecting.AllRows else [])
