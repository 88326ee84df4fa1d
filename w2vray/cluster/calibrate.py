"""``calibrate``: temperatures, and thresholds where they are asked for, of a model that exists, by other rows.

Shape letters: CONTRIBUTING.md.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from w2vray.cluster.calibrate_summary import CalibrationSummary
from w2vray.cluster.connecting import connected
from w2vray.cluster.evaluate_notes import near_labels
from w2vray.cluster.logits_of_rows import LogitsJob, RowsSaid, logits_of_rows
from w2vray.cluster.measuring import UNKNOWN_NAMED
from w2vray.cluster.opened_models import OpenedModel, labelled_as_read
from w2vray.cluster.refitting import Refitted, answers_alone, probabilities_of, refitted, temperatures_suit
from w2vray.cluster.seen_places import require_seen
from w2vray.cluster.sharing import share
from w2vray.cluster.waiting import Note
from w2vray.errors import BundleError, ConfigError, CorpusError
from w2vray.models.directory import ModelConfig, save_bundle
from w2vray.models.files import CONFIG, VECTORS
from w2vray.models.thresholds import Thresholds
from w2vray.models.trained_texts import ONLY_CALIBRATION, knows_training, saw
from w2vray.places.sending import require_new, written_at
from w2vray.places.uris import absolute, without_secrets
from w2vray.scoring.promises import choose_thresholds
from w2vray.settings.choices import DEFAULT_CONFIDENCE
from w2vray.settings.labelled import CalibrateSettings
from w2vray.stages import stage
from w2vray.store.drawn_rows import drawn_rows
from w2vray.store.label_reading import mended
from w2vray.store.labelled import Labelled
from w2vray.text.keys import TextSample

__all__ = ["CalibrationSummary", "calibrate"]

LEAST_ROWS = 20
"""Fewer tell nothing of a temperature."""


def calibrate(
    settings: CalibrateSettings, *, address: str | None = None, note: Note = lambda _: None
) -> CalibrationSummary:
    """Fit temperatures of a model on labelled rows that its training did not see, and write it as a new one.

    Raises:
        UnusableInputError: the arguments, the store or the model cannot be used, or the rows do not suffice for the
            precision that is wanted.
    """
    require_new(absolute(settings.output), BundleError)
    model = OpenedModel.open(settings.model, settings)
    if not temperatures_suit(model.bundle.config) and settings.target_precision is None:
        raise ConfigError(
            f"{model.name} asks of each label by itself and gives the best one, so no temperature suits it; give "
            "--target-precision to choose thresholds"
        )
    for line in model.bundle.config.reading.told(settings):
        note(line)
    said = _said(model, settings, address, note)
    for line in [*_odd(said, model, settings), *_left_behind(model, settings)]:
        note(line)
    seen = _leave_out_trained(said, model, note)
    _require_rows(said, model, seen)
    stage("fitting")
    found = refitted(said, model.bundle.config)
    config = replace(model.bundle.config, temperatures=found.temperatures)
    config = replace(config, thresholds=_thresholds(said, config, settings))
    summary = _summary(said, seen, found, config, without_secrets(absolute(settings.output)))
    stage("writing the model")
    _save(model, config, settings, said, summary)
    return summary


def _said(model: OpenedModel, settings: CalibrateSettings, address: str | None, note: Note) -> RowsSaid:
    """Have the model classify the labelled rows."""
    labelled, reading = labelled_as_read(settings, model)
    for line in [*labelled.notes, *_drawn(labelled)]:
        note(line)
    with connected(address, units=labelled.units, workers=settings.workers):
        require_seen({"LABELLED": labelled.corpus}, {}, shared=settings.shared_filesystem, note=note)
        job = LogitsJob(
            bundle=model.bundle,
            shared=share(model.vectors),
            text_columns=model.read_by.text_column,
            roots=labelled.corpus.roots,
            reading=reading,
            where=settings.where,
            schema=labelled.schema,
        )
        stage("classifying the rows")
        return logits_of_rows(labelled, job, workers=settings.workers, note=note)


def _thresholds(said: RowsSaid, config: ModelConfig, settings: CalibrateSettings) -> Thresholds | None:
    """Choose thresholds for the precision that is wanted; None where none is.

    Raises:
        CorpusError: the rows do not suffice for it.
    """
    if settings.target_precision is None:
        return None
    return choose_thresholds(
        probabilities_of(said.answers, config.temperatures, alone=answers_alone(config)),
        said.answers.labels,
        config.labels,
        precision=settings.target_precision,
        confidence=settings.confidence or DEFAULT_CONFIDENCE,
        per_label=settings.per_label,
    )


def _summary(said: RowsSaid, seen: int | None, found: Refitted, config: ModelConfig, output: str) -> CalibrationSummary:
    """Say what the calibration came to."""
    thresholds = config.thresholds
    return CalibrationSummary(
        model=output,
        rows=len(said.answers),
        rows_trained_on=seen,
        rows_without_label=said.without_label,
        rows_without_evidence=said.without_evidence,
        rows_unlabelled=dict(said.unlabelled),
        rows_damaged=dict(said.damaged),
        labels_unknown=dict(said.unknown.most_common(UNKNOWN_NAMED)),
        temperatures=found.temperatures,
        fitted=temperatures_suit(config),
        changed=found.changed,
        before=found.before,
        after=found.after,
        thresholds=thresholds,
        labels_without_promise=[] if thresholds is None else thresholds.without_promise(config.labels),
    )


def _save(
    model: OpenedModel, config: ModelConfig, settings: CalibrateSettings, said: RowsSaid, summary: CalibrationSummary
) -> None:
    """Write the model with what it was calibrated on; its texts are none that it could be measured on any more."""
    bundle = model.bundle
    history: dict[str, Any] = {
        "labelled": [without_secrets(absolute(place)) for place in settings.labelled],
        "where": settings.where,
        "rows": summary.rows,
        "before": summary.before.as_dict(),
        "after": summary.after.as_dict(),
    }
    trained = bundle.trained_texts()
    if not knows_training(config, trained):
        history[ONLY_CALIBRATION] = True
    inside = None if bundle.path is None else bundle.path / VECTORS
    with written_at(absolute(settings.output), CONFIG, BundleError) as output:
        save_bundle(
            output,
            replace(config, training={**config.training, "calibrated": history}),
            bundle.weights,
            with_vectors=inside if inside is not None and inside.is_dir() else None,
            trained=(trained or TextSample.of([])).joined(np.unique(said.keys_N)),
            runs=bundle.named_runs(),
        )


def _drawn(labelled: Labelled) -> Iterator[str]:
    """Say that rows were drawn by chances that differ, where they are a sample of a run.

    Raises:
        CorpusError: they were drawn only from rows above a threshold: the model would seem to be that sure of all rows.
    """
    drawn = drawn_rows(labelled)
    if drawn is None:
        return
    if drawn.below_not_drawn:
        raise CorpusError(
            f"{drawn.named} was drawn only from rows at or above the run's threshold; {drawn.below_not_drawn:,} rows "
            "are below it. A calibration needs rows of every score: score with --no-threshold, and draw from that run"
        )
    if drawn.strata > 1:
        yield (
            f"{drawn.named} has {drawn.strata:,} strata, and rows of some were drawn more often than of others; a "
            "calibration does not weigh its rows, so `w2vray sample --by random` suits it better"
        )


def _odd(said: RowsSaid, model: OpenedModel, settings: CalibrateSettings) -> Iterator[str]:
    """Say what is odd about the rows."""
    unknown = dict(said.unknown.most_common(UNKNOWN_NAMED))
    yield from near_labels(unknown, model.bundle.config.labels)
    if unknown:
        some = ", ".join(f"{label!r} {count:,}" for label, count in list(unknown.items())[:5])
        more = f" and {len(said.unknown) - 5:,} more" if len(said.unknown) > 5 else ""
        yield f"labels that the model does not know: {some}{more}; rows of a single one count as wrong"
    left_out = {mended(value) for value in said.unlabelled}
    for value in settings.unlabelled:
        if value and mended(value) not in left_out:
            yield f"--unlabelled {value!r}: no row has this label"


def _left_behind(model: OpenedModel, settings: CalibrateSettings) -> Iterator[str]:
    """Say that the new model does not have the thresholds of the old one: they were chosen for its probabilities."""
    had = model.bundle.config.thresholds
    if had is not None and settings.target_precision is None:
        yield (
            f"the new model has no thresholds: those of {model.name} hold only for its own probabilities. Give "
            f"--target-precision {had.precision} to choose new ones by these rows"
        )


def _leave_out_trained(said: RowsSaid, model: OpenedModel, note: Note) -> int | None:
    """Leave out rows whose text the training saw, and return how many; None where the model does not tell."""
    trained = model.bundle.trained_texts()
    if not knows_training(model.bundle.config, trained):
        note(f"{model.name} does not tell which texts it was trained on; calibrate only on rows that it was not")
    if trained is None:
        return None
    seen_N = trained.has(said.keys_N)
    told_N = trained.tells_of(said.keys_N)
    seen, untold = int(seen_N.sum()), int((~told_N).sum())
    said.only(told_N & ~seen_N)
    if seen:
        what = saw(model.bundle.config)
        note(f"left out: {seen:,} rows whose text the {what} of {model.name} saw; on them it is too sure of itself")
    if untold:
        note(f"left out: {untold:,} rows of which {model.name} does not tell whether its training saw them")
    return seen


def _require_rows(said: RowsSaid, model: OpenedModel, seen: int | None) -> None:
    """Refuse what nothing can be fitted on.

    Raises:
        CorpusError: too few rows are left, or none has a label that the model knows.
    """
    column, rows = model.read_by.label_column, len(said.answers)
    known = rows if said.answers.multi_label else int((said.answers.labels >= 0).sum())
    if rows and not known:
        some = ", ".join(model.bundle.config.labels[:10])
        raise CorpusError(
            f"no row of {column!r} has a label that the model knows ({some}); name another --label-column or another "
            "--model"
        )
    if known < LEAST_ROWS:
        raise CorpusError(
            f"{known:,} rows can be calibrated on, and {LEAST_ROWS} are the least: {seen or 0:,} more are left out "
            f"because the training saw their texts, {said.without_label:,} because they have no label in {column!r}, "
            f"{said.without_evidence:,} because they have no known word; name rows that the model was not trained on"
        )
