import copy
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from w2vray.models.average.network import AverageModel
from w2vray.models.average.settings import AverageSettings, TunedAverageSettings
from w2vray.models.batches import Batch, RaggedIds
from w2vray.models.classifier import Classifier, build_model, shared_table, special_row
from w2vray.models.cnn.network import CnnModel
from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.directory import Bundle
from w2vray.models.kinds import ModelSettings, kind_of
from w2vray.models.recurrent.network import RecurrentModel
from w2vray.models.recurrent.settings import GruSettings, LstmSettings
from w2vray.scoring.scorer import TextScorer
from w2vray.vectors import Vectors

KINDS = ("average", "cnn", "lstm", "gru")
OOV_CHOICES = ("skip", "zero", "unknown")

ALL_SETTINGS: list[ModelSettings] = [
    AverageSettings(),
    TunedAverageSettings(),
    CnnSettings(widths=(2,), filters=3),
    CnnSettings(),
    LstmSettings(hidden=5),
    LstmSettings(hidden=2, bidirectional=True, pooling="max"),
    GruSettings(hidden=5),
    GruSettings(bidirectional=True),
]

some_texts = st.lists(st.lists(st.integers(0, 6), max_size=7), min_size=1, max_size=5)  # id 6: the special row


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The name of each model."""
    return str(request.param)


@pytest.fixture
def warn_each_time() -> Iterator[None]:
    """Let torch repeat warnings that it otherwise gives once a process."""
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(before)


def make_batch(texts: list[list[int]], *, columns: int = 1, behind: int = 0) -> Batch:
    """A padded batch, at least ``columns`` wide, with the id ``behind`` behind each text."""
    width = max(columns, *map(len, texts))
    ids = [[*text, *[behind] * (width - len(text))] for text in texts]
    return Batch(np.arange(len(texts)), torch.tensor(ids), torch.tensor([len(text) for text in texts]))


def same(first: Tensor, second: Tensor) -> None:
    """Equal but for rounding."""
    torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        pytest.param(AverageSettings(), AverageModel, id="average"),
        pytest.param(CnnSettings(), CnnModel, id="cnn"),
        pytest.param(LstmSettings(), RecurrentModel, id="lstm"),
        pytest.param(GruSettings(), RecurrentModel, id="gru"),
    ],
)
def test_settings_choose_the_model(settings: ModelSettings, kind: type[nn.Module]) -> None:
    """The type of the settings is the name of the model."""
    assert type(build_model(settings, 3, 2)) is kind


@pytest.mark.parametrize("settings", ALL_SETTINGS, ids=str)
def test_the_shapes_of_the_weights_are_told_without_torch(settings: ModelSettings) -> None:
    """Names and shapes are those of the module."""
    stored = build_model(settings, 7, 4).state_dict()

    assert kind_of(settings).weight_shapes(settings, 7, 4) == {
        name: tuple(value.shape) for name, value in stored.items()
    }


@pytest.mark.parametrize("kind", KINDS)
@given(texts=some_texts, extra=st.integers(1, 5), behind=st.integers(0, 6))
def test_padding_changes_nothing_whatever_ids_it_holds(
    *,
    make_classifier: Callable[..., Classifier],
    vectors: Vectors,
    kind: str,
    texts: list[list[int]],
    extra: int,
    behind: int,
) -> None:
    """Only the lengths say what is text."""
    classifier = make_classifier(kind, vectors, "unknown")
    batch = make_batch(texts)

    with torch.no_grad():
        same(classifier(make_batch(texts, columns=batch.ids_BT.shape[1] + extra, behind=behind)), classifier(batch))


@pytest.mark.parametrize("settings", ALL_SETTINGS, ids=str)
@given(texts=some_texts)
def test_words_read_one_by_one_give_the_same_logits_and_gradients(
    make_classifier: Callable[..., Classifier], vectors: Vectors, settings: ModelSettings, texts: list[list[int]]
) -> None:
    """Of every weight and of the special row, as torch has them in double precision; empty texts are among them."""
    classifier = make_classifier("", vectors, "unknown", model=settings, trainable=True)
    with torch.no_grad():
        for parameter in classifier.model.parameters():
            parameter.mul_(0.2)  # large weights of a recurrence make much of a little rounding
    exact = copy.deepcopy(classifier).double()
    ids_L = np.array([id_ for text in texts for id_ in text], dtype=np.int32)
    ids = RaggedIds(ids_L, np.cumsum([0, *map(len, texts)]))

    logits = [classifier.read(ids), exact(ids.padded())]

    found, expected = (
        [logits_BC.double(), *torch.autograd.grad(logits_BC.square().sum(), list(each.parameters()), allow_unused=True)]
        for each, logits_BC in zip((classifier, exact), logits, strict=True)
    )
    for one, other in zip(found, expected, strict=True):
        if one is None or other is None:  # no word is the special row
            assert one is None or not one.to_dense().any()
            assert other is None or not other.any()
        else:
            assert (one.to_dense() - other).abs().max() <= 1e-4 * (1 + other.abs().max())


@pytest.mark.parametrize("kind", KINDS)
@given(texts=some_texts)
def test_a_text_alone_has_the_logits_it_has_in_a_batch(
    make_classifier: Callable[..., Classifier], vectors: Vectors, kind: str, texts: list[list[int]]
) -> None:
    """From ids to logits, special row and empty texts included."""
    classifier = make_classifier(kind, vectors, "unknown")

    with torch.no_grad():
        together_BC = classifier(make_batch(texts))
        same(torch.cat([classifier(make_batch([text])) for text in texts]), together_BC)


@pytest.mark.parametrize("oov", OOV_CHOICES)
def test_a_saved_and_loaded_model_is_the_same_function(
    *,
    make_classifier: Callable[..., Classifier],
    make_bundle: Callable[..., Bundle],
    vectors: Vectors,
    tmp_path: Path,
    kind: str,
    oov: str,
) -> None:
    """Every weight survives the model directory, the overlay among them."""
    classifier = make_classifier(kind, vectors, oov)
    with torch.no_grad():
        classifier.words.overlay_KD.add_(0.125)
    weights = {name: value.numpy() for name, value in classifier.state_dict().items()}
    make_bundle(tmp_path / "model", vectors, kind, oov, weights=weights)

    loaded = TextScorer.load(tmp_path / "model").classifier

    batch = make_batch([[0, 1, 2], [], [5, 4, 3, 2, 1, 0], [2] if oov == "skip" else [6]])
    with torch.no_grad():
        assert torch.equal(loaded(batch), classifier(batch))
    assert not loaded.training


@pytest.mark.parametrize("oov", OOV_CHOICES)
def test_the_state_holds_the_models_weights_and_the_overlay_but_not_the_table(
    make_classifier: Callable[..., Classifier], vectors: Vectors, kind: str, oov: str
) -> None:
    """A model directory stays small, whatever the vectors are."""
    classifier = make_classifier(kind, vectors, oov)

    state = classifier.state_dict()

    own = {name for name in state if not name.startswith("model.")}
    assert own == {"words.overlay_KD"}
    assert tuple(state["words.overlay_KD"].shape) == (0 if oov == "skip" else 1, vectors.dim)
    assert {id(parameter) for parameter in classifier.parameters()} == {
        *map(id, classifier.model.parameters()),
        id(classifier.words.overlay_KD),
    }
    assert list(classifier.buffers()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_of_the_overlay_changes_only_texts_that_use_it(
    make_classifier: Callable[..., Classifier], vectors: Vectors, kind: str
) -> None:
    """Ids from V on are rows of the overlay."""
    classifier = make_classifier(kind, vectors, "unknown")
    batch = make_batch([[0, 1], [0, 6]])

    with torch.no_grad():
        before_BC = classifier(batch)
        classifier.words.overlay_KD.add_(1.0)
        after_BC = classifier(batch)

    assert torch.equal(before_BC[0], after_BC[0])
    assert not torch.allclose(before_BC[1], after_BC[1])


@pytest.mark.usefixtures("warn_each_time")
def test_a_shared_table_is_not_copied_and_gives_no_warning(vectors: Vectors) -> None:
    """Neither a memory map nor a read-only view becomes memory of this process."""
    read_only = np.arange(6, dtype=np.float16).reshape(3, 2)
    read_only.flags.writeable = False

    with warnings.catch_warnings(record=True) as given_warnings:
        warnings.simplefilter("always")
        tables = [shared_table(table) for table in (vectors.table_VD, read_only)]

    assert given_warnings == []
    assert tables[0].data_ptr() == vectors.table_VD.ctypes.data
    assert tables[1].data_ptr() == read_only.ctypes.data
    assert torch.equal(tables[0], torch.from_numpy(np.array(vectors.table_VD)))
    assert tables[1].dtype == torch.float16


@pytest.mark.parametrize(
    ("oov", "expected"),
    [
        pytest.param("skip", [], id="skip has none"),
        pytest.param("zero", [[0.0, 0.0]], id="zero"),
        pytest.param("unknown", [[(1 + 3 + 8) / 3, (2 - 4 + 8) / 3]], id="unknown is the mean"),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_each_oov_starts_with_its_own_special_row(oov: str, expected: list[list[float]], dtype: str) -> None:
    """Of float32, whatever the table is stored as."""
    table_VD = np.array([[1, 2], [3, -4], [8, 8]], dtype=dtype)

    row_KD = special_row(oov, table_VD)

    assert row_KD.dtype == torch.float32
    assert tuple(row_KD.shape) == (len(expected), 2)
    assert row_KD.tolist() == expected


def test_the_mean_of_a_long_float16_table_does_not_overflow() -> None:
    """Half precision ends at 65504; the sum of a million rows is far above."""
    table_VD = np.full((1000, 2), 1000, dtype=np.float16)

    assert special_row("unknown", table_VD).tolist() == [[1000, 1000]]
