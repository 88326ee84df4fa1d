import json
import pickle
import re
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
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


# Damage


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


class Planted:
    """Pickled, it would write a file when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.trace,)


def edit(**changes: Any) -> Callable[[Path], None]:
    """Change keys of config.json; the value None takes one away."""

    def damage(model: Path) -> None:
        file = model / "config.json"
        stored = json.loads(file.read_text(encoding="utf-8"))
        for key, value in changes.items():
            if value is None:
                del stored[key]
            else:
                stored[key] = value
        file.write_text(json.dumps(stored), encoding="utf-8")

    return damage


def edit_inside(key: str, **changes: Any) -> Callable[[Path], None]:
    """Change keys of an object inside config.json; the value None takes one away."""

    def damage(model: Path) -> None:
        stored = json.loads((model / "config.json").read_text(encoding="utf-8"))
        inner = {**stored[key], **changes}
        edit(**{key: {name: value for name, value in inner.items() if value is not None}})(model)

    return damage


def overwrite(name: str, data: bytes) -> Callable[[Path], None]:
    """Put other bytes into a file."""

    def damage(model: Path) -> None:
        (model / name).write_bytes(data)

    return damage


def one_tensor(dtype: str, data: bytes) -> bytes:
    """A safetensors file of one tensor of two numbers, by the format's definition."""
    header = json.dumps({"a": {"dtype": dtype, "shape": [2], "data_offsets": [0, len(data)]}}).encode()
    return struct.pack("<Q", len(header)) + header + data


def truncate(model: Path) -> None:
    """Cut the last byte of the weights off."""
    file = model / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-1])


def damages() -> list[Any]:
    """What can be wrong with a model directory, and the file that the message must name."""
    config = {
        "not JSON": overwrite("config.json", b'{"format_version": 2'),
        "not UTF-8": overwrite("config.json", b'{"format_version": "\xff"}'),
        "empty": overwrite("config.json", b""),
        "a list": overwrite("config.json", b"[1]"),
        "format version of the future": edit(format_version=5),
        "a temperature of zero": edit(temperatures=[0.0]),
        "a temperature that is no number": edit(temperatures=["warm"]),
        "a temperature that is a truth value": edit(temperatures=[True]),
        "two temperatures for one answer": edit(temperatures=[1.0, 2.0]),
        "two thresholds for three labels": edit(thresholds=PROMISE | {"values": [0.5, 0.5]}),
        "a threshold above 1": edit(thresholds=PROMISE | {"values": [1.5]}),
        "a threshold that is a truth value": edit(thresholds=PROMISE | {"values": [True]}),
        "only thresholds that nothing reaches": edit(thresholds=PROMISE | {"values": [None, None, None]}),
        "thresholds of which nothing is promised": edit(thresholds={"values": [0.5]}),
        "no format version": edit(format_version=None),
        "no model": edit(model=None),
        "unknown model": edit(model="transformer"),
        "model of another type": edit(model=["cnn"]),
        "no labels": edit(labels=None),
        "one label": edit(labels=["only"]),
        "labels of another type": edit(labels=["a", 1]),
        "no oov": edit(oov=None),
        "unknown oov": edit(oov="guess"),
        "no token rules": edit(tokens=None),
        "token rule missing": edit_inside("tokens", lowercase=None),
        "token rule unknown": edit_inside("tokens", stemming=True),
        "token rule of another type": edit_inside("tokens", lowercase="yes"),
        "token rule of another value": edit_inside("tokens", normalization="NFKC"),
        "no vectors": edit(vectors=None),
        "no fingerprint": edit_inside("vectors", fingerprint=None),
        "no width": edit_inside("vectors", dim=None),
        "width zero": edit_inside("vectors", dim=0),
        "width of another type": edit_inside("vectors", dim="3"),
        "setting of another model": edit_inside("settings", C=1.0),
        "setting out of bounds": edit_inside("settings", dropout=2.0),
        "setting of another type": edit_inside("settings", filters="many"),
        "setting not whole": edit_inside("settings", filters=1.5),
        "settings of another type": edit(settings=3),
    }
    weights = {
        "truncated": truncate,
        "empty": overwrite("weights.safetensors", b""),
        "text": overwrite("weights.safetensors", b"these are no weights at all, but text"),
        "unknown dtype": overwrite("weights.safetensors", one_tensor("F31", b"\0" * 8)),
        "dtype that numpy has not": overwrite("weights.safetensors", one_tensor("BF16", b"\0" * 4)),
    }
    missing = {
        "config.json": lambda model: (model / "config.json").unlink(),
        "weights.safetensors": lambda model: (model / "weights.safetensors").unlink(),
    }
    return [
        *(pytest.param(damage, "config.json", id=f"config: {name}") for name, damage in config.items()),
        *(pytest.param(damage, "weights.safetensors", id=f"weights: {name}") for name, damage in weights.items()),
        *(pytest.param(damage, name, id=f"missing: {name}") for name, damage in missing.items()),
    ]


@pytest.mark.parametrize(("damage", "named"), damages())
def test_a_damaged_model_directory_is_refused_naming_the_file(
    model: Path, damage: Callable[[Path], None], named: str
) -> None:
    """Whatever is wrong is found when the model is opened, and said where."""
    damage(model)

    with pytest.raises(BundleError) as refused:
        Bundle.load(model)

    assert re.match(
        rf"{re.escape(str(model / named))}|{re.escape(str(model))} .*{re.escape(named)}", str(refused.value)
    )


@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_a_pickle_planted_as_weights_is_refused_and_runs_nothing(model: Path, tmp_path: Path, how: str) -> None:
    """Loading a model cannot run code."""
    trace, planted = tmp_path / "trace", tmp_path / "planted.pt"
    if how == "pickle":
        planted.write_bytes(pickle.dumps(Planted(trace)))
        pickle.loads(planted.read_bytes())
    else:
        torch.save({OVERLAY: Planted(trace)}, planted)
        torch.load(planted, weights_only=False)
    assert trace.exists(), "it would have worked"
    trace.unlink()
    shutil.copy(planted, model / "weights.safetensors")

    with pytest.raises(BundleError, match=r"weights\.safetensors cannot be used"):
        Bundle.load(model)

    assert not trace.exists()


@pytest.mark.parametrize(
    ("version", "remedy"), [(1, "train the model again"), (7, "install the version of w2vray that made it")]
)
def test_a_foreign_format_version_is_named_with_the_one_that_is_read(model: Path, version: int, remedy: str) -> None:
    """And what to do, which depends on which of the two is the newer."""
    edit(format_version=version)(model)

    with pytest.raises(BundleError, match=rf"format version {version}; this version of w2vray reads 2 to 4: {remedy}"):
        Bundle.load(model)


@pytest.mark.parametrize("what", ["nothing", "file", "empty"])
def test_what_is_no_model_directory_is_refused_by_its_name(tmp_path: Path, what: str) -> None:
    """A wrong --model is the commonest mistake."""
    place = tmp_path / "no-model"
    if what == "file":
        place.write_text("a file")
    elif what == "empty":
        place.mkdir()

    with pytest.raises(BundleError, match=r"no-model is not a model directory"):
        Bundle.load(place)


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


def test_a_configuration_without_history_has_an_empty_one(model: Path) -> None:
    """It changes no answer, so nothing is refused for it."""
    edit(training=None)(model)

    assert Bundle.load(model).config.training == {}


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
