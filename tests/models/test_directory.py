import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from w2vray.errors import BundleError, VectorsError
from w2vray.models.average.settings import AverageSettings
from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.directory import OVERLAY, Bundle, ModelConfig, save_bundle
from w2vray.models.thresholds import Thresholds
from w2vray.scoring.scorer import TextScorer
from w2vray.vectors import Vectors

Make = Callable[..., Bundle]

PROMISE = {"values": [0.5], "precision": 0.9, "confidence": 0.95, "kept": 0.8, "rows": 100}


@pytest.fixture(params=["average", "cnn", "lstm", "gru"])
def kind(request: pytest.FixtureRequest) -> str:
    """The name of each model."""
    return str(request.param)


@pytest.fixture
def model(make_bundle: Make, vectors: Vectors, tmp_path: Path) -> Path:
    """A model directory that may be damaged."""
    make_bundle(tmp_path / "model", vectors, "cnn", "unknown", training={"rows": 12})
    return tmp_path / "model"


def folder_content(folder: Path) -> dict[str, bytes]:
    """Each file of a folder, by its relative name."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


# Round trip


@pytest.mark.parametrize("oov", ["skip", "zero", "unknown"])
def test_a_model_directory_gives_back_what_was_saved(
    make_bundle: Make, vectors: Vectors, tmp_path: Path, kind: str, oov: str
) -> None:
    """Configuration, weights by name, and where it is."""
    history = {"rows": 12, "curve": [{"epoch": 1, "loss": 0.5}]}
    saved = make_bundle(tmp_path / "model", vectors, kind, oov, labels=("nö", "yes"), training=history)

    loaded = Bundle.load(tmp_path / "model")

    assert loaded.config == saved.config
    assert loaded.config.labels == ("nö", "yes")
    assert loaded.config.oov == oov
    assert loaded.config.training == history
    assert loaded.config.rules == vectors.rules
    assert loaded.path == tmp_path / "model"
    assert loaded.weights.keys() == saved.weights.keys()
    for name, array in saved.weights.items():
        np.testing.assert_array_equal(loaded.weights[name], array)
        assert loaded.weights[name].dtype == array.dtype
    assert loaded.fingerprint == saved.fingerprint


def test_a_model_directory_holds_its_card_and_two_files_without_the_vectors(model: Path, vectors: Vectors) -> None:
    """The overlay is in it, the table is not."""
    assert set(folder_content(model)) == {"README.md", "config.json", "weights.safetensors"}
    weights = Bundle.load(model).weights
    assert OVERLAY in weights
    assert all(len(vectors) not in array.shape for array in weights.values())


def test_the_configuration_can_be_read_by_a_person(model: Path, vectors: Vectors) -> None:
    """JSON, in which labels, oov and vectors stand under their own names."""
    stored = json.loads((model / "config.json").read_text(encoding="utf-8"))

    assert stored["labels"] == ["negative", "neutral", "positive"]
    assert (stored["model"], stored["oov"]) == ("cnn", "unknown")
    assert stored["vectors"] == {"fingerprint": vectors.fingerprint, "path": str(vectors.path), "dim": 3}
    assert stored["tokens"] == vectors.rules.as_dict()
    assert stored["settings"]["widths"] == [1, 2, 4]


# Fingerprint


def changed_weight(bundle: Bundle) -> Bundle:
    """The same bundle, one number of one weight another."""
    name, array = next(iter(bundle.weights.items()))
    other = array.copy()
    other.flat[0] += 1e-3
    return replace(bundle, weights={**bundle.weights, name: other})


def changed_config(**changes: Any) -> Callable[[Bundle], Bundle]:
    """A change of the configuration."""
    return lambda bundle: replace(bundle, config=replace(bundle.config, **changes))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(changed_weight, id="a weight"),
        pytest.param(lambda bundle: replace(bundle, weights=dict(list(bundle.weights.items())[1:])), id="one left out"),
        pytest.param(changed_config(labels=("negative", "positive", "neutral")), id="order of labels"),
        pytest.param(changed_config(labels=("negative", "neutral", "pos")), id="a label"),
        pytest.param(lambda b: changed_config(rules=replace(b.config.rules, lowercase=False))(b), id="token rules"),
        pytest.param(changed_config(oov="zero"), id="oov"),
        pytest.param(changed_config(vectors_fingerprint="0" * 64), id="vectors"),
        pytest.param(changed_config(settings=CnnSettings(widths=(1, 2, 3), filters=3)), id="settings"),
        pytest.param(changed_config(model="average", settings=AverageSettings()), id="model"),
    ],
)
def test_the_fingerprint_changes_with_whatever_answers_depend_on(
    model: Path, change: Callable[[Bundle], Bundle]
) -> None:
    """A run of another model is told apart by it."""
    bundle = Bundle.load(model)

    assert change(bundle).fingerprint != bundle.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(changed_config(training={"rows": 13}), id="training history"),
        pytest.param(changed_config(vectors_path="/elsewhere"), id="place of the vectors"),
        pytest.param(lambda bundle: replace(bundle, path=None), id="place of the model"),
        pytest.param(
            lambda bundle: replace(bundle, weights=dict(reversed(bundle.weights.items()))), id="order of the weights"
        ),
    ],
)
def test_the_fingerprint_does_not_change_with_what_changes_no_answer(
    model: Path, change: Callable[[Bundle], Bundle]
) -> None:
    """A run can go on with a model that was moved."""
    bundle = Bundle.load(model)

    assert change(bundle).fingerprint == bundle.fingerprint


def test_thresholds_are_kept_with_what_they_promise(make_bundle: Make, vectors: Vectors, tmp_path: Path) -> None:
    thresholds = Thresholds(values=(0.5, None, 0.25), precision=0.9, confidence=0.95, kept=0.8, rows=100)
    plain = make_bundle(tmp_path / "plain", vectors)
    promising = make_bundle(tmp_path / "promising", vectors, thresholds=thresholds)
    loaded = Bundle.load(tmp_path / "promising")
    assert loaded.config.thresholds == thresholds
    assert (loaded.config.as_dict()["format_version"], plain.config.as_dict()["format_version"]) == (4, 2)
    assert promising.fingerprint != plain.fingerprint
    card = (tmp_path / "promising" / "README.md").read_text()
    assert "at least 0.9 of each label that is kept are right, with 0.95 confidence, on rows like the 100" in card
    assert "never kept, because the rows did not suffice: `neutral`" in card


# Writing


def test_an_output_that_exists_is_refused_and_left_as_it_is(make_bundle: Make, vectors: Vectors, model: Path) -> None:
    """A model is never overwritten."""
    before = folder_content(model)

    with pytest.raises(BundleError, match=r"model already exists; give another --output"):
        make_bundle(model, vectors, "average")

    assert folder_content(model) == before
    assert [path.name for path in model.parent.iterdir()] == ["model"]


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        pytest.param({"vectors_path": "/nowhere/vectors", "with_vectors": True}, BundleError, id="no vectors to copy"),
        pytest.param({"training": {"rows": object()}}, TypeError, id="history that JSON cannot hold"),
    ],
)
def test_nothing_is_left_of_a_model_directory_that_cannot_be_finished(
    make_bundle: Make, vectors: Vectors, tmp_path: Path, broken: dict[str, Any], error: type[Exception]
) -> None:
    """It is there whole or not at all."""
    with pytest.raises(error):
        make_bundle(tmp_path / "out" / "model", vectors, **broken)

    assert list((tmp_path / "out").iterdir()) == []


def test_an_output_that_cannot_be_written_is_refused_by_its_name(
    make_bundle: Make, vectors: Vectors, tmp_path: Path
) -> None:
    """Its parent is a file."""
    (tmp_path / "file").write_text("a file")

    with pytest.raises(BundleError, match=r"file/model cannot be written"):
        make_bundle(tmp_path / "file" / "model", vectors)


def test_missing_parents_of_the_output_are_made(make_bundle: Make, vectors: Vectors, tmp_path: Path) -> None:
    """Nobody has to make directories first."""
    assert make_bundle(tmp_path / "a" / "b" / "model", vectors).path == tmp_path / "a" / "b" / "model"


# The vectors


def test_a_model_finds_its_vectors_where_they_were(model: Path, vectors: Vectors) -> None:
    """Nothing has to be said about them."""
    assert Bundle.load(model).open_vectors().fingerprint == vectors.fingerprint


def test_a_model_with_its_vectors_inside_can_be_moved(
    make_bundle: Make, write_vectors: Callable[..., Vectors], tmp_path: Path
) -> None:
    """One directory is all there is to move: the original vectors may be gone."""
    vectors = write_vectors(tmp_path / "vectors")
    make_bundle(tmp_path / "model", vectors, "cnn", "unknown", with_vectors=True)
    texts = ["good film", "the unknown one", ""]
    before = TextScorer.load(tmp_path / "model").score(texts).probabilities_NC

    (tmp_path / "elsewhere").mkdir()
    shutil.move(tmp_path / "model", tmp_path / "elsewhere" / "renamed")
    shutil.rmtree(tmp_path / "vectors")

    after = TextScorer.load(tmp_path / "elsewhere" / "renamed").score(texts).probabilities_NC
    np.testing.assert_array_equal(after, before)


def test_a_model_and_its_vectors_may_both_be_moved(
    make_bundle: Make, write_vectors: Callable[..., Vectors], tmp_path: Path
) -> None:
    """--vectors says where they are now."""
    vectors = write_vectors(tmp_path / "vectors")
    make_bundle(tmp_path / "model", vectors)
    (tmp_path / "vectors").rename(tmp_path / "moved")
    (tmp_path / "model").rename(tmp_path / "model-too")

    bundle = Bundle.load(tmp_path / "model-too")

    assert bundle.open_vectors(tmp_path / "moved").fingerprint == vectors.fingerprint
    with pytest.raises(BundleError, match=r"vectors are not at .*/vectors any more; --vectors says where they are now"):
        bundle.open_vectors()


@pytest.mark.parametrize("given", [True, False], ids=["by --vectors", "at the remembered place"])
def test_other_vectors_are_refused_naming_both_fingerprints(
    make_bundle: Make, write_vectors: Callable[..., Vectors], tmp_path: Path, given: bool
) -> None:
    """Answers would be nonsense, and nobody would notice."""
    vectors = write_vectors(tmp_path / "vectors")
    bundle = make_bundle(tmp_path / "model", vectors)
    place = tmp_path / "others"
    if not given:
        shutil.rmtree(tmp_path / "vectors")
        place = tmp_path / "vectors"
    others = write_vectors(place, table_VD=np.array(vectors.table_VD)[::-1])

    with pytest.raises(BundleError) as refused:
        bundle.open_vectors(place if given else None)

    assert others.fingerprint[:16] in str(refused.value)
    assert vectors.fingerprint[:16] in str(refused.value)
    assert "--vectors" in str(refused.value)


def test_a_place_without_vectors_is_refused_by_its_name(model: Path, tmp_path: Path) -> None:
    """What was typed is what the message names."""
    with pytest.raises(VectorsError, match=r"nothing-here is not a vectors directory"):
        Bundle.load(model).open_vectors(tmp_path / "nothing-here")


def test_a_configuration_is_the_same_after_a_round_trip_through_json(vectors: Vectors, tmp_path: Path) -> None:
    """Tuples, rules and settings come back as what they were."""
    config = ModelConfig(
        model="cnn",
        settings=CnnSettings(widths=(2, 7), weight_decay=0.25),
        labels=("0", "1"),
        rules=vectors.rules,
        oov="zero",
        dim=3,
        vectors_fingerprint=vectors.fingerprint,
        vectors_path=str(tmp_path),
    )

    assert ModelConfig.from_dict(json.loads(json.dumps(config.as_dict()))) == config


def test_weights_need_not_lie_in_memory_in_order(model: Path, tmp_path: Path) -> None:
    """A transposed view is stored by its values."""
    config = Bundle.load(model).config
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T

    loaded = save_bundle(tmp_path / "second", config, {"a": array})

    np.testing.assert_array_equal(loaded.weights["a"], array)


def test_what_a_killed_process_leaves_lies_where_it_is_cleared_away(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the folder that is named for it, and not beside the model."""
    loaded, seen = Bundle.load(model), []
    (tmp_path / "training").mkdir()

    def look(weights: Any) -> bytes:
        seen.append(sorted(place.parent.name for place in tmp_path.rglob("partial-*")))
        return save(weights)

    monkeypatch.setattr("w2vray.models.directory.save_weights", look)
    save_bundle(tmp_path / "new", loaded.config, loaded.weights, beside=tmp_path / "training")
    assert seen == [["training"]]
    assert Bundle.load(tmp_path / "new").fingerprint == loaded.fingerprint
    assert list((tmp_path / "training").iterdir()) == []
