"""``train``: data-parallel training on Ray Train, over examples that Ray Data has looked up once.

What is asked for is checked here, before Ray starts; ``one_training.py`` does the work.
"""

from dataclasses import replace
from functools import partial

from w2vray.cluster.one_training import OneTraining
from w2vray.cluster.repeating import Origin
from w2vray.cluster.train_storage import only_training, storage_of
from w2vray.cluster.train_summary import TrainSummary
from w2vray.cluster.trainer import Progress
from w2vray.cluster.trainings import own_settings
from w2vray.cluster.waiting import Note
from w2vray.errors import BundleError, ConfigError, CorpusError
from w2vray.models.kinds import AUTO, DEFAULT, ModelSettings, settled
from w2vray.places.sending import require_new
from w2vray.settings.steps import StepSettings
from w2vray.stages import detail, stage
from w2vray.store.corpus import shared_files
from w2vray.store.description import ReadAs
from w2vray.store.labelled import Labelled, labelled_units
from w2vray.training.settings import TrainSettings
from w2vray.vectors import Vectors

__all__ = ["TrainSummary", "train"]

NGRAMS_OF_AUTO = 2
"""Words of the longest runs that ``--model auto`` reads, where nobody says another number."""


def train(
    settings: TrainSettings,
    *,
    origin: Origin | None = None,
    address: str | None = None,
    progress: Progress = lambda *_: None,
    note: Note = lambda _: None,
) -> TrainSummary:
    """Train a classifier and write the model directory.

    Args:
        settings: what is asked for.
        origin: what a repeated training was given.
        address: of a Ray cluster.
        progress: told of the units of labelled rows read, then of the epochs done: how many, of how many, and a few
            words, which begin with what is counted.
        note: told where the workers have to wait for CPUs.

    Raises:
        UnusableInputError: the arguments, the labelled store, the vectors or the output cannot be used.
    """
    if settings.model == AUTO and settings.ngrams is None:
        settings = replace(settings, ngrams=NGRAMS_OF_AUTO)
    model = _own_model(settings)
    storage = storage_of(settings)
    require_new(settings.output, BundleError)
    vectors = _opened_vectors(settings)
    stores = _listed(settings, note)
    if origin:
        origin.require_vectors(settings, vectors.fingerprint)
    for store in stores:
        detail(f"labelled rows: files {len(store.corpus.files):,}, units {len(store.units):,}")
    detail(f"vectors {vectors.place}: {len(vectors):,} words x {vectors.dim}, family {vectors.rules.name}")
    detail(f"until the model is written, {storage} holds what this training has done")
    training = OneTraining(
        settings=settings,
        model=settled(model, unit_length=vectors.unit_length),
        stores=stores,
        vectors=vectors,
        storage=storage,
        origin=origin,
        progress=progress,
        note=note,
    )
    with only_training(storage):
        return training.run(address)


def _own_model(settings: TrainSettings) -> ModelSettings:
    """Return the settings of the model that is asked for; for ``--model auto``, those of any.

    Raises:
        ConfigError: it is to learn from rows that are not kept.
    """
    model = own_settings(settings if settings.model != AUTO else replace(settings, model=DEFAULT, time_limit=None))
    if isinstance(model, StepSettings) and model.refit and settings.validation:
        raise ConfigError(
            "--refit trains again with the rows of LABELLED that were kept for validation, and with --validation "
            "none are kept; leave out one of the two"
        )
    return model


def _opened_vectors(settings: TrainSettings) -> Vectors:
    """Open the vectors as the training reads them."""
    vectors = Vectors.open(settings.vectors).for_oov(settings.oov)
    vectors.require_words()
    return vectors.without_html() if settings.strip_html else vectors


def _listed(settings: TrainSettings, note: Note) -> list[Labelled]:
    """List the labelled rows: LABELLED, and --validation where it is given.

    Raises:
        CorpusError: they cannot be used, or not together.
    """
    columns = (settings.text_column, settings.label_column, settings.where, ReadAs.of(settings))
    planned = partial(labelled_units, label_separator=settings.label_separator)
    stage("listing the labelled rows")
    stores = [planned(settings.labelled, *columns, table_version=settings.table_version)]
    stores += [planned(settings.validation, *columns)] if settings.validation else []
    if len(stores) > 1 and (shared := shared_files(stores[0].corpus, stores[1].corpus)):
        raise CorpusError(
            f"{min(shared)} is in LABELLED and in --validation: the model would be measured on rows that it learnt "
            "from. Name another --validation, or leave it out for a share of LABELLED"
        )
    for line in [line for store in stores for line in store.notes]:
        note(line)
    if len({store.multi_label for store in stores}) > 1:
        raise CorpusError(f"column {settings.label_column!r} holds lists in only one of LABELLED and --validation")
    return stores
