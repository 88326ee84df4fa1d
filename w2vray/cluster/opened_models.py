"""Models that labelled rows are held against, opened, and the rows as they read them."""

from collections.abc import Sequence
from dataclasses import dataclass

from w2vray.cluster.measuring import ModelAtWork
from w2vray.cluster.sharing import SharedVectors, share
from w2vray.errors import ConfigError, CorpusError
from w2vray.models.directory import Bundle
from w2vray.models.reading import Reading
from w2vray.places.uris import without_secrets
from w2vray.settings.labelled import CalibrateSettings, EvaluateSettings
from w2vray.stages import stage
from w2vray.store.description import ReadAs
from w2vray.store.label_reading import LabelReading
from w2vray.store.labelled import Labelled, labelled_units
from w2vray.vectors import Vectors

__all__ = ["OpenedModel", "at_work", "labelled_as_read", "require_alike"]


@dataclass(frozen=True)
class OpenedModel:
    """A model that labelled rows are held against: its name, and what was opened of it."""

    name: str
    bundle: Bundle
    vectors: Vectors
    read_by: Reading

    @classmethod
    def open(cls, name: str, settings: EvaluateSettings | CalibrateSettings) -> "OpenedModel":
        """Open a model and its vectors.

        Raises:
            BundleError: the model, or the vectors for it, cannot be used.
        """
        bundle = Bundle.load(name)
        vectors = bundle.open_vectors(settings.vectors)
        return cls(without_secrets(name), bundle, vectors, bundle.config.reading.with_options(settings))


def at_work(models: Sequence[OpenedModel]) -> tuple[ModelAtWork, ...]:
    """Share the vectors of the models, each set of them once."""
    shared: dict[str, SharedVectors] = {}
    for model in models:
        if model.vectors.fingerprint not in shared:
            shared[model.vectors.fingerprint] = share(model.vectors)
    return tuple(
        ModelAtWork(
            bundle=model.bundle,
            shared=shared[model.vectors.fingerprint],
            text_columns=model.read_by.text_column,
            trained=model.bundle.trained_texts(),
        )
        for model in models
    )


def labelled_as_read(
    settings: EvaluateSettings | CalibrateSettings, model: OpenedModel
) -> tuple[Labelled, LabelReading]:
    """Plan the labelled rows, which are read as a model says.

    Raises:
        CorpusError: they cannot be used, or have several labels each where the model gives one, or the other way.
    """
    read_by = model.read_by
    stage("listing the labelled rows")
    labelled = labelled_units(
        settings.labelled,
        read_by.text_column,
        read_by.label_column,
        settings.where,
        ReadAs.of(settings),
        table_version=settings.table_version,
        label_separator=read_by.label_separator,
        separator_given=settings.label_separator is not None,
    )
    if labelled.multi_label != model.bundle.config.multi_label:
        raise CorpusError(
            f"column {read_by.label_column!r} holds {_kind(labelled.multi_label)}, and the model gives "
            f"{_kind(model.bundle.config.multi_label)}; name another --label-column or another --model"
            + ("" if labelled.multi_label else "; --label-separator reads several labels from a string")
        )
    reading = LabelReading(
        column=read_by.label_column,
        multi_label=labelled.multi_label,
        strip=read_by.label_strip,
        separator=labelled.label_separator,
        unlabelled=read_by.unlabelled,
    )
    return labelled, reading


def require_alike(models: Sequence[OpenedModel]) -> None:
    """Refuse to compare what gives one label with what gives several."""
    first = models[0]
    for other in models[1:]:
        if other.bundle.config.multi_label != first.bundle.config.multi_label:
            raise ConfigError(
                f"{first.name} gives {_kind(first.bundle.config.multi_label)}, and {other.name} "
                f"{_kind(other.bundle.config.multi_label)}; compare models that answer alike"
            )


def _kind(multi_label: bool) -> str:
    return "lists of labels" if multi_label else "one label a row"
