"""The table of models: a row each, from which ``--model``, its help, building, checking, folding and training read.

A model is a room, which is a folder beside this module, and a row here. Its name stands nowhere else.

A model of your own needs no change here: a module with a network and a row is enough. ::

    # my_models.py
    @dataclass(frozen=True, kw_only=True)
    class BagSettings(StepSettings):  # of w2vray.settings.steps: epochs, dropout, learning rate and so on
        hidden: int = documented("numbers in the hidden layer.", 64)  # of w2vray.settings.fields

    class BagModel(nn.Module):
        def __init__(self, dim: int, classes: int, settings: BagSettings) -> None: ...
        def forward(self, vectors_BTD: Tensor, lengths_B: Tensor) -> Tensor: ...  # logits_BC

    BAG = Kind(name="bag", summary="a hidden layer over the sum", settings=BagSettings, network=BagModel)

    $ W2VRAY_MODELS=my_models:BAG w2vray train ... --model bag --hidden 32

Every verb that opens such a model needs the variable, which may name several rows, with commas between them; in Python
``register(BAG)`` does the same. Ray's workers do not need it: the row travels to them with the model. They import the
module, which has to be installed on every node, or lie on ``PYTHONPATH`` there.

A model directory holds the name of its model, and nothing that is imported: only models that the program knows by one
of these ways are loaded.
"""

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cache
from typing import Any

from w2vray.errors import ConfigError
from w2vray.models.average.settings import AverageSettings, TunedAverageSettings
from w2vray.models.average.weights import average_shapes
from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.cnn.weights import cnn_shapes
from w2vray.models.fasttext.settings import FastTextSettings
from w2vray.models.fasttext.weights import fasttext_shapes
from w2vray.models.kind import Kind, ModelSettings, named_object
from w2vray.models.recurrent.settings import GruSettings, LstmSettings
from w2vray.models.recurrent.weights import recurrent_shapes
from w2vray.settings.fields import flag
from w2vray.settings.steps import StepSettings

__all__ = [
    "AUTO",
    "DEFAULT",
    "MODELS_VARIABLE",
    "Kind",
    "ModelSettings",
    "choices",
    "fitted_at_once",
    "kind_named",
    "kind_of",
    "known",
    "model_settings",
    "names",
    "option_owners",
    "register",
    "settings_class",
    "settled",
    "summaries",
]

_TABLE = (
    Kind(
        name="average",
        summary="logistic regression on the mean of a text's vectors",
        settings=AverageSettings,
        tuned=TunedAverageSettings,
        network="w2vray.models.average.network:AverageModel",
        shapes=average_shapes,
        head="w2vray.models.average.head:AverageHead",
        evidence="w2vray.models.average.evidence:AverageEvidence",
    ),
    Kind(
        name="cnn",
        summary="filters over a few words each, and their maxima over the text",
        settings=CnnSettings,
        network="w2vray.models.cnn.network:CnnModel",
        shapes=cnn_shapes,
        head="w2vray.models.cnn.head:CnnHead",
        evidence="w2vray.models.cnn.evidence:CnnEvidence",
    ),
    Kind(
        name="lstm",
        summary="a recurrent network, whose cells learn what to keep",
        settings=LstmSettings,
        network="w2vray.models.recurrent.network:RecurrentModel",
        shapes=recurrent_shapes,
        head="w2vray.models.recurrent.head:RecurrentHead",
    ),
    Kind(
        name="gru",
        summary="a recurrent network of fewer weights",
        settings=GruSettings,
        network="w2vray.models.recurrent.network:RecurrentModel",
        shapes=recurrent_shapes,
        head="w2vray.models.recurrent.head:RecurrentHead",
    ),
    Kind(
        name="fasttext",
        summary="a supervised model of fastText, imported",
        settings=FastTextSettings,
        network="w2vray.models.fasttext.network:FastTextModel",
        shapes=fasttext_shapes,
        head="w2vray.models.fasttext.head:FastTextHead",
    ),
)

DEFAULT = "cnn"
"""What ``--model`` is where nothing is said."""

AUTO = "auto"
"""What ``--model`` is where several kinds are tried and the best is kept."""

MODELS_VARIABLE = "W2VRAY_MODELS"
"""Environment variable: ``MODULE:NAME`` of rows of the user's own, with commas between them."""

_registered: dict[str, Kind] = {}


def known() -> Mapping[str, Kind]:
    """Return every kind of model by its name: those of this table, of the environment, and those registered.

    Raises:
        ConfigError: the environment names a row that cannot be used.
    """
    kinds = {kind.name: kind for kind in _TABLE}
    for kind in _named(os.environ.get(MODELS_VARIABLE, "")):
        _require_new(kind, kinds)
        kinds[kind.name] = kind
    return kinds | _registered


def register(kind: Kind) -> None:
    """Add a kind of model to those that this process knows.

    Raises:
        ConfigError: another kind has its name, or its settings.
    """
    _require_new(kind, known())
    _registered[kind.name] = kind


@cache
def _named(references: str) -> tuple[Kind, ...]:
    kinds = []
    for reference in filter(None, references.split(",")):
        try:
            kind = named_object(reference)
        except ImportError as error:
            raise ConfigError(f"{MODELS_VARIABLE} names a model that cannot be imported: {error}") from error
        if not isinstance(kind, Kind):
            raise ConfigError(f"{MODELS_VARIABLE} names {reference}, which is a {type(kind).__name__}; expected a Kind")
        kinds.append(kind)
    return tuple(kinds)


def _require_new(kind: Kind, others: Mapping[str, Kind]) -> None:
    """Refuse a second kind of one name, or of the same settings: these say which kind a model is of."""
    if kind.name == AUTO:
        raise ConfigError(f"a model cannot be named {AUTO}, which stands for a choice among all; name yours otherwise")
    for other in others.values():
        if other == kind:
            continue
        if other.name == kind.name:
            raise ConfigError(f"there is a model {kind.name} already; name yours otherwise")
        if shared := set(_classes(kind)) & set(_classes(other)):
            raise ConfigError(
                f"the models {other.name} and {kind.name} have the same settings, {shared.pop().__name__}; derive a "
                "class of its own"
            )


def _classes(kind: Kind) -> tuple[type[ModelSettings], ...]:
    return kind.settings_class(), kind.settings_class(tuned=True)


def names() -> tuple[str, ...]:
    """Return the name of each model that is trained here."""
    return tuple(_trained_here())


def choices() -> tuple[str, ...]:
    """Return what ``--model`` may be."""
    return (*names(), AUTO)


def _trained_here() -> dict[str, Kind]:
    return {name: kind for name, kind in known().items() if kind.trained_here}


def summaries() -> str:
    """Tell a person what each model is."""
    return "; ".join(f"{kind.name}, {kind.summary}" for kind in _trained_here().values())


def fitted_at_once() -> str:
    """Tell a person which models do not learn in steps."""
    at_once = [kind.name for kind in _trained_here().values() if not issubclass(kind.settings, StepSettings)]
    return f"{', '.join(at_once)} without --tune-vectors"


def kind_of(settings: ModelSettings) -> Kind:
    """Return the kind of model that settings are of.

    Raises:
        ConfigError: they are of none that this process knows.
    """
    for kind in known().values():
        if type(settings) in _classes(kind):
            return kind
    raise ConfigError(f"{type(settings).__name__} is not the settings of a model that is known; they are {_all()}")


def kind_named(model: str) -> Kind:
    """Return the kind of model of a name.

    Raises:
        ConfigError: there is none.
    """
    try:
        return known()[model]
    except KeyError:
        raise ConfigError(f"--model is {model!r}; allowed: {_all()}") from None


def _all() -> str:
    return ", ".join(known())


def option_owners() -> dict[str, dict[str, type[ModelSettings]]]:
    """Return who has each option: its name -> model, as a person is told of it -> settings."""
    kinds = _trained_here().values()
    named = {kind.name: kind.settings for kind in kinds}
    tuned = {f"{kind.name} with --tune-vectors": kind.tuned for kind in kinds if kind.tuned is not None}
    owners: dict[str, dict[str, type[ModelSettings]]] = {}
    for model, owner in {**named, **tuned}.items():
        for item in fields(owner):
            owners.setdefault(item.name, {})[model] = owner
    return owners


def settings_class(model: str, *, tuned: bool = False) -> type[ModelSettings]:
    """Return the class of a named model's settings; ``tuned`` where words are tuned.

    Raises:
        ConfigError: there is no such model.
    """
    return kind_named(model).settings_class(tuned=tuned)


def model_settings(model: str, given: dict[str, Any], *, tuned: bool = False) -> ModelSettings:
    """Make the settings of a named model from the options that were given; ``tuned`` where words are tuned.

    Raises:
        ConfigError: there is no such model, or an option belongs to another.
    """
    kind: Any = settings_class(model, tuned=tuned)
    own = {item.name for item in fields(kind)}
    for name in given:
        if name not in own:
            of = f"the model {model}" + (" with --tune-vectors" if tuned else "")
            raise ConfigError(
                f"{flag(name)} is not an option of {of}; it belongs to {', '.join(option_owners().get(name, ()))}"
            )
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    settings: ModelSettings = kind(**values)
    return settings


def settled(settings: ModelSettings, **of_vectors: Any) -> ModelSettings:
    """Return settings in which what was left to the vectors is as these say."""
    open_ = {name: value for name, value in of_vectors.items() if getattr(settings, name, value) is None}
    return replace(settings, **open_)
