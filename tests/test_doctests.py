"""The examples in docstrings are true."""

import doctest
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from w2vray.models.directory import OVERLAY
from w2vray.vectors import Vectors

PACKAGE = Path(__file__).parents[1] / "w2vray"
WITH_EXAMPLES = [
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)
    for file in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in file.read_text(encoding="utf-8")
]


@pytest.fixture
def _with_a_model(
    make_bundle: Callable[..., Any], vectors: Vectors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work in a folder that has a model, ``model``, to which ``film`` is positive."""
    weights = {
        "model.dense.weight": np.array([[0, 0, -1], [0, 0, 1]], dtype=np.float32),
        "model.dense.bias": np.zeros(2, dtype=np.float32),
        OVERLAY: np.zeros((0, 3), dtype=np.float32),
    }
    make_bundle(tmp_path / "model", vectors, weights=weights, labels=("negative", "positive"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_with_a_model")
@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_give_what_is_written_below_them(name: str) -> None:
    """Also those that ``pytest --doctest-modules`` skips because they need a model."""
    runner = doctest.DocTestRunner()
    for found in doctest.DocTestFinder().find(importlib.import_module(name)):
        for example in found.examples:
            example.options.pop(doctest.SKIP, None)
        runner.run(found)
    assert runner.failures == 0
    assert runner.tries > 0


def test_modules_whose_examples_explain_them_have_some() -> None:
    """A search that finds no module would let every test pass."""
    expected = {"scoring.scorer", "store.filters", "text.resolution", "text.tokens", "vectors.ngrams"}
    assert {f"w2vray.{name}" for name in expected} <= set(WITH_EXAMPLES)
