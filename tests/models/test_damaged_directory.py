"""Model directories that are damaged, foreign or planted: each is refused by name, and nothing of it runs."""

import json
import pickle
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from w2vray.errors import BundleError
from w2vray.models.directory import OVERLAY, Bundle
from w2vray.vectors import Vectors

Make = Callable[..., Bundle]

PROMISE = {"values": [0.5], "precision": 0.9, "confidence": 0.95, "kept": 0.8, "rows": 100}


@pytest.fixture
def model(make_bundle: Make, vectors: Vectors, tmp_path: Path) -> Path:
    """A model directory that may be damaged."""
    make_bundle(tmp_path / "model", vectors, "cnn", "unknown", training={"rows": 12})
    return tmp_path / "model"


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
        "format version of the future": edit(format_version=6),
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


def test_a_configuration_without_history_has_an_empty_one(model: Path) -> None:
    """It changes no answer, so nothing is refused for it."""
    edit(training=None)(model)

    assert Bundle.load(model).config.training == {}
