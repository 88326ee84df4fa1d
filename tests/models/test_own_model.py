"""A model that only the tests have: a torch network and a row of the table are enough for every verb."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from tests.models.own_model import MEAN_MAX, MeanMaxSettings
from w2vray.cluster.score import score
from w2vray.errors import BundleError, ConfigError
from w2vray.models import kinds
from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.directory import Bundle, ModelConfig, save_bundle
from w2vray.models.kinds import Kind, kind_named, kind_of, model_settings, names, option_owners, register
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.logistic import LogisticSettings
from w2vray.settings.steps import StepSettings
from w2vray.training.fit import BEST, CURVE
from w2vray.training.settings import TrainSettings
from w2vray.vectors import Vectors

ROOT = Path(__file__).parents[2]
ROW = "tests.models.own_model:MEAN_MAX"
QUICK: dict[str, Any] = {"epochs": 12, "learning_rate": 0.01, "averaging": 0.5}
LABELS = ("high", "low", "mid")
BUILT_IN = names()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave what a test registers to it alone."""
    monkeypatch.setattr(kinds, "_registered", {})
    monkeypatch.delenv(kinds.MODELS_VARIABLE, raising=False)


@pytest.fixture
def own(alone: None) -> Kind:
    """The test's model, known to this process."""
    del alone
    register(MEAN_MAX)
    return MEAN_MAX


def environment(**added: str) -> dict[str, str]:
    """What a process needs to import the test's model, which it does not know."""
    there = {name: value for name, value in os.environ.items() if name != kinds.MODELS_VARIABLE}
    return {**there, "PYTHONPATH": str(ROOT), **added}


def call(*command: str, cwd: Path, **added: str) -> str:
    """Run Python in another process and return what it prints."""
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=cwd, env=environment(**added), check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def trained(
    own: Kind,
    fit_here: Callable[..., Mapping[str, Any]],
    make_store: Callable[..., Path],
    word_vectors: Vectors,
    tmp_path: Path,
) -> tuple[Path, Mapping[str, Any]]:
    """A model directory of the test's model, trained in this process, and the last state."""
    settings = MeanMaxSettings(**QUICK)
    state = fit_here(make_store(), settings)
    config = ModelConfig(
        model=own.name,
        settings=settings,
        labels=LABELS,
        rules=word_vectors.rules,
        oov="skip",
        dim=word_vectors.dim,
        vectors_fingerprint=word_vectors.fingerprint,
        vectors_path=str(word_vectors.path),
    )
    save_bundle(tmp_path / "model", config, {name: value.numpy() for name, value in state[BEST].items()})
    return tmp_path / "model", state


def texts_of(store: Path) -> tuple[list[str], list[str]]:
    """The texts of a store, and their labels."""
    table = pq.read_table(store)
    return table["text"].to_pylist(), table["label"].to_pylist()


# Training, saving, loading, scoring


def test_a_plain_network_learns_and_its_saved_model_answers_as_the_network_does(
    trained: tuple[Path, Mapping[str, Any]], make_store: Callable[..., Path]
) -> None:
    """Nothing is given but ``forward``: torch trains it padded, and scores it."""
    model, state = trained
    texts, labels = texts_of(make_store(files=1, rows=200, words=9))

    scorer = TextScorer.load(model)
    scores = scorer.score(texts)

    assert state[CURVE][-1]["train_loss"] < state[CURVE][0]["train_loss"] / 2
    assert np.mean([LABELS[label] == true for label, true in zip(scores.label_N, labels, strict=True)]) > 0.95
    assert scorer.folded is None
    for name, value in scorer.classifier.state_dict().items():
        assert torch.equal(value, state[BEST][name])


def test_a_text_has_the_probabilities_alone_that_it_has_among_others(trained: tuple[Path, Mapping[str, Any]]) -> None:
    """Within what is promised for another batch, texts without a word included."""
    scorer = TextScorer.load(trained[0])
    texts = ["bab", "", "qqq", "bab bad dob dob", *(" ".join(["bab", "gug", "dob"] * count) for count in range(1, 40))]

    together = scorer.score(texts)

    for row, text in enumerate(texts):
        one = scorer.score([text])
        np.testing.assert_allclose(one.probabilities_NC[0], together.probabilities_NC[row], atol=1e-5)
        assert one.label_N[0] == together.label_N[row]


def test_the_same_texts_have_the_same_bytes_whatever_was_scored_before(
    trained: tuple[Path, Mapping[str, Any]], make_store: Callable[..., Path]
) -> None:
    """Batches are made of the texts alone."""
    texts, _ = texts_of(make_store(files=1, rows=200, words=9))
    fresh, used = TextScorer.load(trained[0]), TextScorer.load(trained[0])
    used.score(texts[:37])

    assert used.score(texts).probabilities_NC.tobytes() == fresh.score(texts).probabilities_NC.tobytes()


@pytest.mark.usefixtures("in_process")
def test_a_store_is_scored_with_it(
    trained: tuple[Path, Mapping[str, Any]],
    make_store: Callable[..., Path],
    read_parts: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """The rows of a run have the answers that the texts have."""
    store = make_store(files=1, rows=200, words=9)

    summary = score(ScoreSettings(corpus=(str(store),), model=str(trained[0]), output=str(tmp_path / "run")))

    assert (summary.rows_in, summary.rows_scored, summary.exit_code) == (200, 200, 0)
    expected = TextScorer.load(trained[0]).score(texts_of(store)[0])
    assert read_parts(tmp_path / "run")["label"].to_pylist() == [LABELS[label] for label in expected.label_N]


def test_the_shapes_of_its_weights_are_asked_of_the_network(trained: tuple[Path, Mapping[str, Any]]) -> None:
    """A directory whose weights are of other settings is refused."""
    loaded = Bundle.load(trained[0])
    settings = replace(loaded.config.settings, units=17)  # type: ignore[call-arg]  # of the test's settings
    wrong = Bundle(replace(loaded.config, settings=settings), loaded.weights)

    assert loaded.config.kind.weight_shapes(loaded.config.settings, 3, 2) == {
        "hidden.weight": (16, 6),
        "hidden.bias": (16,),
        "out.weight": (2, 16),
        "out.bias": (2,),
    }
    with pytest.raises(BundleError, match=r"hidden\.weight is \(16, 32\), not \(17, 32\)"):
        TextScorer(wrong, loaded.open_vectors())


def test_a_process_that_does_not_know_the_model_scores_with_what_it_is_sent(
    trained: tuple[Path, Mapping[str, Any]], tmp_path: Path
) -> None:
    """The row travels with the model, as it does to Ray's workers."""
    bundle = Bundle.load(trained[0])
    (tmp_path / "sent").write_bytes(pickle.dumps(bundle))
    program = (
        "import pickle, pathlib; from w2vray.models.kinds import names; from w2vray.scoring.scorer import TextScorer; "
        "bundle = pickle.loads(pathlib.Path('sent').read_bytes()); assert 'mean-max' not in names(); "
        "print(TextScorer(bundle, bundle.open_vectors()).score(['bab gug dob']).probabilities_NC.tolist())"
    )

    found = json.loads(call("-c", program, cwd=tmp_path))

    np.testing.assert_allclose(found, TextScorer.load(trained[0]).score(["bab gug dob"]).probabilities_NC, atol=1e-6)


# Being known


@pytest.mark.usefixtures("alone")
def test_a_model_that_is_not_known_is_refused_naming_those_that_are(trained: tuple[Path, Mapping[str, Any]]) -> None:
    """And the way to make it known."""
    kinds._registered.clear()

    with pytest.raises(
        BundleError, match=r"model 'mean-max'; this version of w2vray knows average, cnn, .*W2VRAY_MODELS"
    ):
        Bundle.load(trained[0])


def test_what_a_model_directory_names_is_never_imported(
    trained: tuple[Path, Mapping[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading a model runs no code that its maker chose."""
    (tmp_path / "planted.py").write_text("from pathlib import Path; Path('trace').touch()")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    file = trained[0] / "config.json"
    stored = json.loads(file.read_text())
    for name in ("planted:KIND", "planted"):
        file.write_text(json.dumps({**stored, "model": name}))
        with pytest.raises(BundleError, match="this version of w2vray knows"):
            Bundle.load(trained[0])
    assert not (tmp_path / "trace").exists()
    assert "planted" not in sys.modules


@pytest.mark.usefixtures("own")
def test_its_name_and_options_stand_beside_those_of_the_others() -> None:
    """In the order of the table, its own last."""
    assert names() == (*BUILT_IN, "mean-max")
    assert option_owners()["units"] == {"mean-max": MeanMaxSettings}
    assert model_settings("mean-max", {"units": 3}) == MeanMaxSettings(units=3)
    assert kind_of(MeanMaxSettings()) is kind_named("mean-max") is MEAN_MAX
    assert TrainSettings(labelled=("l",), vectors="v", output="o", model="mean-max").model == "mean-max"
    with pytest.raises(ConfigError, match="--units is not an option of the model cnn; it belongs to mean-max"):
        model_settings("cnn", {"units": 3})


def test_the_environment_makes_it_known_and_help_tells_its_options(tmp_path: Path) -> None:
    """As ``MODULE:NAME``."""
    text = " ".join(call("-m", "w2vray", "train", "--help", cwd=tmp_path, W2VRAY_MODELS=ROW).split())

    assert f"--model [{'|'.join(BUILT_IN)}|mean-max|auto]" in text
    assert "mean-max, a hidden layer over the mean and the maximum of a text's vectors; auto, the best of" in text
    assert "--units INTEGER mean-max: numbers in the hidden layer. Default: 16." in text


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param("w2vray_nowhere:KIND", "cannot be imported: No module named 'w2vray_nowhere'", id="no module"),
        pytest.param("json:KIND", "'json:KIND' is not the MODULE:NAME of an object", id="no such name"),
        pytest.param("json", "'json' is not the MODULE:NAME of an object", id="no name"),
        pytest.param("json:loads", "names json:loads, which is a function; expected a Kind", id="not a row"),
    ],
)
def test_a_row_that_the_environment_names_in_vain_is_told(
    row: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what it is called there."""
    monkeypatch.setenv(kinds.MODELS_VARIABLE, row)

    with pytest.raises(ConfigError, match=f"W2VRAY_MODELS .*{message}"):
        names()


@dataclass(frozen=True, kw_only=True)
class Others(StepSettings):
    """Settings of yet another model."""


@dataclass(frozen=True, kw_only=True)
class AtOnce(LogisticSettings):
    """Settings of a model without steps."""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"name": "cnn", "settings": Others}, "there is a model cnn already", id="name of a model"),
        pytest.param({"name": "mean-max", "settings": Others}, "there is a model mean-max already", id="its own name"),
        pytest.param({"name": "max"}, "the models mean-max and max have the same settings", id="settings of another"),
        pytest.param({"name": "max", "settings": CnnSettings}, "the models cnn and max have the same", id="of the cnn"),
        pytest.param({"name": "Mean max", "settings": Others}, "is named 'Mean max'; allowed", id="not a plain name"),
        pytest.param({"settings": AtOnce}, "mean-max lacks settings for --tune-vectors", id="cannot tune words"),
        pytest.param({"settings": dict}, "the settings of the model mean-max are dict; derive", id="not settings"),
    ],
)
@pytest.mark.usefixtures("own")
def test_a_row_that_cannot_be_told_from_another_or_used_is_refused(changes: dict[str, Any], message: str) -> None:
    """When it is made or registered, and not in the middle of a training."""
    with pytest.raises(ConfigError, match=message):
        register(replace(MEAN_MAX, **changes))
    assert names() == (*BUILT_IN, "mean-max")


@pytest.mark.usefixtures("own")
def test_the_same_row_may_be_registered_again() -> None:
    """A module that does so may be imported under two names, or again."""
    register(replace(MEAN_MAX))
    assert names()[-1] == "mean-max"


# On Ray


@pytest.mark.ray
@pytest.mark.long
def test_every_verb_works_with_it_on_ray(
    word_vectors: Vectors, make_store: Callable[..., Path], tmp_path: Path
) -> None:
    """Trained by two workers from the command line; evaluated and scored by workers that no variable tells of it."""
    store = str(make_store())
    options = ["--epochs", "12", "--learning-rate", "0.01", "--averaging", "0.5", "--units", "8", "--workers", "2"]
    command = ["train", store, "--vectors", str(word_vectors.path), "--output", "model", "--model", "mean-max"]

    summary = json.loads(call("-m", "w2vray", *command, *options, "--json", cwd=tmp_path, W2VRAY_MODELS=ROW))
    program = (
        "import json, sys; from tests.models.own_model import MEAN_MAX; from w2vray.models.kinds import register; "
        "from w2vray.settings.answering import ScoreSettings; from w2vray.settings.labelled import EvaluateSettings; "
        "from w2vray.cluster.evaluate import evaluate; from w2vray.cluster.score import score; register(MEAN_MAX); "
        "measured = evaluate(EvaluateSettings(labelled=(sys.argv[1],), model=('model',))); "
        "scored = score(ScoreSettings(corpus=(sys.argv[1],), model='model', output='run')); "
        "print(json.dumps([measured.as_dict()['accuracy'], scored.rows_scored, scored.exit_code]))"
    )
    accuracy, rows, code = json.loads(call("-c", program, store, cwd=tmp_path))

    assert summary["curve"][0]["workers"] == 2
    assert accuracy > 0.95
    assert (rows, code) == (900, 0)
    call("-m", "w2vray", "verify", "run", cwd=tmp_path)
