from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from w2vray.errors import ConfigError
from w2vray.models import kinds
from w2vray.settings import answering as answering_config
from w2vray.settings import checks as checks_config
from w2vray.settings import forecasts as forecasts_config
from w2vray.settings import labelled as labelled_config
from w2vray.settings import models as models_config
from w2vray.settings import vectors as vectors_config
from w2vray.settings.answering import PredictSettings, ScoreSettings
from w2vray.settings.checks import (
    EvaluateRunSettings,
    InfoSettings,
    ReportSettings,
    SampleSettings,
    StatusSettings,
    VerifySettings,
)
from w2vray.settings.fields import choices_of, flag, help_of
from w2vray.settings.forecasts import PlanSettings
from w2vray.settings.labelled import CalibrateSettings, EvaluateSettings
from w2vray.settings.models import ImportModelSettings
from w2vray.settings.vectors import FitVectorsSettings, ImportSettings, JoinVectorsSettings, VectorsInfoSettings
from w2vray.training import settings as training_config
from w2vray.training.settings import TrainSettings

NAN = float("nan")
NO_DEFAULT: dict[type[Any], dict[str, Any]] = {
    ImportSettings: {"source": "vectors.bin", "output": "vectors"},
    ImportModelSettings: {"source": "quality.bin", "output": "model"},
    FitVectorsSettings: {"corpus": ("store",), "output": "vectors"},
    JoinVectorsSettings: {"vectors": ("one", "two"), "output": "vectors"},
    InfoSettings: {"path": "store"},
    VectorsInfoSettings: {"vectors": "vectors"},
    TrainSettings: {"labelled": ("store",), "vectors": "vectors", "output": "model"},
    EvaluateSettings: {"labelled": ("store",), "model": ("model",)},
    CalibrateSettings: {"labelled": ("store",), "model": "model", "output": "calibrated"},
    ScoreSettings: {"corpus": ("store",), "model": "model", "output": "run"},
    VerifySettings: {"run": "run"},
    PredictSettings: {"model": "model"},
    PlanSettings: {"corpus": ("store",), "model": "model"},
    SampleSettings: {"run": "run", "rows": 10, "output": "check.csv"},
    ReportSettings: {"path": "run"},
    StatusSettings: {"run": "run"},
    EvaluateRunSettings: {"labelled": "check.csv", "run": "run"},
}
WHOLE = "a whole number above 0"
WORKERS = "a whole number above 0, or MIN:MAX of two such"
SEED = "0 to 4294967295"
LABEL_WEIGHTS = "LABEL=W with W from 1e-06 to 1e+06, each label once"

BAD_VALUES: list[tuple[type[Any], str, Any, str]] = [
    (
        ImportSettings,
        "format",
        "fasttext",
        "auto, word2vec-binary, word2vec-text, glove, fasttext-binary, gensim, model2vec",
    ),
    (ImportModelSettings, "dtype", "int8", "float32, float16"),
    (ImportSettings, "limit", 0, WHOLE),
    (ImportSettings, "limit", -3, WHOLE),
    (ImportSettings, "dtype", "float64", "float32, float16"),
    (ImportSettings, "family", "googlenews2", "plain, glove, googlenews, fasttext, cased, uncased, twitter"),
    (FitVectorsSettings, "text_column", (), "the name of at least one column"),
    (FitVectorsSettings, "text_column", ("title", "title"), "each column once"),
    (FitVectorsSettings, "dim", 0, WHOLE),
    (FitVectorsSettings, "epochs", 0, WHOLE),
    (FitVectorsSettings, "window", -1, WHOLE),
    (FitVectorsSettings, "min_count", 0, WHOLE),
    (FitVectorsSettings, "negative", 0, WHOLE),
    (FitVectorsSettings, "threads", 0, WHOLE),
    (FitVectorsSettings, "seed", -1, SEED),
    (FitVectorsSettings, "seed", 2**32, SEED),
    (FitVectorsSettings, "family", "", "plain, glove, googlenews, fasttext, cased, uncased, twitter"),
    (FitVectorsSettings, "algorithm", "glove", "word2vec, fasttext"),
    (JoinVectorsSettings, "dtype", "float64", "float32, float16"),
    (JoinVectorsSettings, "family", "fastText", "plain, glove, googlenews, fasttext, cased, uncased, twitter"),
    (VectorsInfoSettings, "text_column", (), "the name of at least one column"),
    (VectorsInfoSettings, "text_column", ("text", "text"), "each column once"),
    (TrainSettings, "model", "transformer", ", ".join((*kinds.names(), kinds.AUTO))),
    (TrainSettings, "text_column", (), "the name of at least one column"),
    (TrainSettings, "text_column", ("a", "b", "a"), "each column once"),
    (TrainSettings, "validation_fraction", 0.0, "above 0, below 1"),
    (TrainSettings, "validation_fraction", 1.0, "above 0, below 1"),
    (TrainSettings, "validation_fraction", -0.5, "above 0, below 1"),
    (TrainSettings, "validation_fraction", NAN, "above 0, below 1"),
    (TrainSettings, "class_weight", ("a",), LABEL_WEIGHTS),
    (TrainSettings, "class_weight", ("a=0",), LABEL_WEIGHTS),
    (TrainSettings, "class_weight", ("a=x",), LABEL_WEIGHTS),
    (TrainSettings, "class_weight", ("a=1e300",), LABEL_WEIGHTS),
    (TrainSettings, "class_weight", ("a=1e-300",), LABEL_WEIGHTS),
    (TrainSettings, "class_weight", ("=2",), LABEL_WEIGHTS),
    (TrainSettings, "class_weight", ("a=1", "a=2"), LABEL_WEIGHTS),
    (TrainSettings, "precision", "float16", "float32, bfloat16"),
    (TrainSettings, "oov", "drop", "skip, zero, unknown, subword"),
    *[
        (TrainSettings, "workers", value, WORKERS)
        for value in (0, -1, "none", "2:1", "0:2", "1:2:3", "1:", ":2", "1.5")
    ],
    (TrainSettings, "seed", -1, SEED),
    (TrainSettings, "seed", 2**32, SEED),
    (EvaluateSettings, "workers", 0, WHOLE),
    (EvaluateSettings, "model", (), "at least one model directory, each once"),
    (EvaluateSettings, "model", ("m", "m"), "at least one model directory, each once"),
    (EvaluateSettings, "model", "m", "at least one model directory, each once"),
    (TrainSettings, "test_fraction", 0.0, "above 0, below 1"),
    (TrainSettings, "test_fraction", 1, "above 0, below 1"),
    (TrainSettings, "test_fraction", NAN, "above 0, below 1"),
    (ScoreSettings, "text_column", ("text", "text"), "each column once"),
    (ScoreSettings, "top_k", 0, WHOLE),
    (ScoreSettings, "limit", 0, WHOLE),
    (ScoreSettings, "workers", -2, WHOLE),
    (ScoreSettings, "threshold", -0.01, "0 to 1"),
    (ScoreSettings, "threshold", 1.01, "0 to 1"),
    (ScoreSettings, "threshold", NAN, "0 to 1"),
    (ScoreSettings, "max_rejected", -1, "0 or more"),
    (PredictSettings, "top_k", 0, WHOLE),
    (PlanSettings, "sample", 0, WHOLE),
    (PlanSettings, "workers", 0, WHOLE),
    (PlanSettings, "seed", -1, SEED),
    (PlanSettings, "price_per_core_hour", -0.1, "0 or more"),
    (PlanSettings, "price_per_core_hour", NAN, "0 or more"),
    (PlanSettings, "threshold", 1.01, "0 to 1"),
    (PlanSettings, "top_k", 0, WHOLE),
    (SampleSettings, "rows", 0, WHOLE),
    (SampleSettings, "by", "score", "random, label, uncertain"),
    (SampleSettings, "seed", -1, SEED),
    (SampleSettings, "seed", 2**32, SEED),
]

AT_THE_BOUND: list[tuple[type[Any], str, Any]] = [
    (ImportSettings, "limit", 1),
    (ImportSettings, "family", "glove"),
    (FitVectorsSettings, "dim", 1),
    (FitVectorsSettings, "threads", 1),
    (FitVectorsSettings, "seed", 2**32 - 1),
    (TrainSettings, "seed", 0),
    (TrainSettings, "seed", 2**32 - 1),
    (TrainSettings, "validation_fraction", 0.999),
    (TrainSettings, "workers", 1),
    (TrainSettings, "workers", "1:1"),
    (TrainSettings, "workers", "2:16"),
    (EvaluateSettings, "workers", 1),
    (ScoreSettings, "threshold", 0.0),
    (ScoreSettings, "threshold", 1.0),
    (ScoreSettings, "top_k", 1),
    (ScoreSettings, "limit", 1),
    (ScoreSettings, "max_rejected", 0),
    (PredictSettings, "top_k", 1),
    (PlanSettings, "sample", 1),
    (PlanSettings, "price_per_core_hour", 0.0),
    (SampleSettings, "rows", 1),
    (SampleSettings, "seed", 2**32 - 1),
]

each_kind = pytest.mark.parametrize("kind", NO_DEFAULT, ids=lambda kind: kind.__name__)


def make(kind: type[Any], **given: Any) -> Any:
    """Settings of a kind, all of them allowed but for what is given."""
    return kind(**{**NO_DEFAULT[kind], **given})


def test_every_settings_class_is_covered_here() -> None:
    """A verb that is added gets its cases in this file."""
    names = [
        *answering_config.__all__,
        *labelled_config.__all__,
        *vectors_config.__all__,
        *models_config.__all__,
        *checks_config.__all__,
        *forecasts_config.__all__,
        *training_config.__all__,
    ]
    assert {kind.__name__ for kind in NO_DEFAULT} == {name for name in names if name.endswith("Settings")}


@pytest.mark.parametrize(
    ("kind", "name", "value", "allowed"), BAD_VALUES, ids=lambda part: getattr(part, "__name__", repr(part))
)
def test_a_bad_value_is_refused_with_its_option_the_value_and_what_is_allowed(
    kind: type[Any], name: str, value: Any, allowed: str
) -> None:
    """The message alone is enough to mend the command."""
    with pytest.raises(ConfigError) as raised:
        make(kind, **{name: value})
    assert str(raised.value) == f"{flag(name)} is {value!r}; allowed: {allowed}"


@pytest.mark.parametrize(
    ("kind", "name", "value"), AT_THE_BOUND, ids=lambda part: getattr(part, "__name__", repr(part))
)
def test_a_value_just_inside_the_bound_is_kept(kind: type[Any], name: str, value: Any) -> None:
    """What the messages call allowed is allowed."""
    assert getattr(make(kind, **{name: value}), name) == value


@pytest.mark.parametrize(
    ("kind", "given", "pieces"),
    [
        pytest.param(
            TrainSettings,
            {"validation": ("held-out",), "validation_fraction": 0.1},
            ["--validation", "--validation-fraction", "exclude each other"],
            id="validation",
        ),
        pytest.param(
            ScoreSettings,
            {"probabilities": True, "top_k": 3},
            ["--probabilities", "--top-k", "exclude each other"],
            id="probabilities",
        ),
        pytest.param(
            FitVectorsSettings,
            {"buckets": 1000},
            ["--buckets", "--algorithm fasttext"],
            id="n-grams-of-word2vec",
        ),
        pytest.param(
            FitVectorsSettings,
            {"algorithm": "fasttext", "shortest": 5, "longest": 4},
            ["--shortest is 5", "--longest", "which is 4"],
            id="no-n-gram-is-so-long",
        ),
        pytest.param(
            JoinVectorsSettings, {"vectors": ("one",)}, ["join needs at least two", "got 1"], id="one-to-join"
        ),
        pytest.param(VectorsInfoSettings, {"family": "glove"}, ["--family", "--corpus"], id="family-without-corpus"),
        pytest.param(ScoreSettings, {"batch_tokens": 5000}, ["--batch-tokens 5000", "--gpu"], id="batch without a GPU"),
        pytest.param(ScoreSettings, {"cpus_per_gpu": 9}, ["--cpus-per-gpu 9", "--gpu"], id="threads without a GPU"),
        pytest.param(
            ScoreSettings, {"gpu": True, "projection_cache": 9}, ["--projection-cache", "--gpu"], id="cache on a GPU"
        ),
        pytest.param(
            TrainSettings,
            {"precision": "bfloat16"},
            ["--precision bfloat16", "GPUs", "--gpu"],
            id="precision without a GPU",
        ),
        pytest.param(
            TrainSettings,
            {"text_column": ("title", "body"), "label_column": "body"},
            ["--label-column", "'body'", "--text-column"],
            id="label-is-text",
        ),
    ],
)
def test_options_that_disagree_are_refused_by_name(kind: type[Any], given: dict[str, Any], pieces: list[str]) -> None:
    """Both options are named, so that one of them can be dropped."""
    with pytest.raises(ConfigError) as raised:
        make(kind, **given)
    assert [piece for piece in pieces if piece not in str(raised.value)] == []


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        pytest.param(TrainSettings, {"validation": ("held-out",)}, id="validation-alone"),
        pytest.param(TrainSettings, {"validation_fraction": 0.1}, id="fraction-alone"),
        pytest.param(ScoreSettings, {"probabilities": True}, id="probabilities-alone"),
        pytest.param(ScoreSettings, {"top_k": 3}, id="top-k-alone"),
        pytest.param(TrainSettings, {"text_column": ("title", "body"), "label_column": "topic"}, id="label-apart"),
        pytest.param(
            FitVectorsSettings, {"algorithm": "fasttext", "shortest": 7}, id="longer-than-the-default-longest"
        ),
        pytest.param(VectorsInfoSettings, {"family": "glove", "corpus": ("store",)}, id="family-with-corpus"),
    ],
)
def test_either_of_two_exclusive_options_is_allowed(kind: type[Any], given: dict[str, Any]) -> None:
    """Each is fine without the other."""
    settings = make(kind, **given)
    assert {name: getattr(settings, name) for name in given} == given


@each_kind
def test_settings_cannot_be_changed_nor_given_by_position(kind: type[Any]) -> None:
    """Settings stay as they were checked, and read the same wherever they are made."""
    settings = make(kind)
    name = fields(kind)[0].name
    with pytest.raises(FrozenInstanceError):
        setattr(settings, name, "other")
    with pytest.raises(TypeError, match="positional"):
        kind(*NO_DEFAULT[kind].values())


@each_kind
def test_every_option_has_its_own_help(kind: type[Any]) -> None:
    """The command line's help is made from the fields."""
    options = [item for item in fields(kind) if item.name != "model_settings"]
    assert [item.name for item in options if not help_of(item).endswith(".")] == []


@each_kind
def test_a_default_is_among_its_own_choices(kind: type[Any]) -> None:
    """A default passes the check that a given value must pass."""
    settings = make(kind)
    wrong = [
        item.name
        for item in fields(kind)
        if choices_of(item) and getattr(settings, item.name) not in {*choices_of(item), None}
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("name", "expected"), [("limit", "--limit"), ("text_column", "--text-column"), ("top_k", "--top-k")]
)
def test_a_flag_is_spelled_as_a_person_types_it(name: str, expected: str) -> None:
    """Messages name options in the way that a command line takes them."""
    assert flag(name) == expected
