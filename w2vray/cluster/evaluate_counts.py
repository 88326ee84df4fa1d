"""What was counted of a model on labelled rows, as a summary."""

from collections.abc import Iterator, Sequence
from functools import partial

from w2vray.cluster.counting import OneLabel
from w2vray.cluster.evaluate_summary import EvaluationSummary
from w2vray.cluster.measuring import UNKNOWN_NAMED, MeasuredModel, MeasuredSet
from w2vray.cluster.opened_models import OpenedModel
from w2vray.errors import CorpusError
from w2vray.models.trained_texts import knows_training, saw
from w2vray.scoring.kept_labels import OwnThresholds
from w2vray.scoring.metrics import NO_LABEL, Metrics, MultiLabelMetrics, metrics, multi_label_metrics
from w2vray.store.filters import parse_where
from w2vray.store.labelled import Labelled
from w2vray.store.sampling import sample_texts
from w2vray.vectors.comparing import coverage_warnings

__all__ = ["measured_summary", "metrics_of"]


def metrics_of(counted: MeasuredModel, labels: Sequence[str]) -> Metrics | MultiLabelMetrics:
    """Compute the metrics of what was counted of a model."""
    counts = counted.counts
    if isinstance(counts, OneLabel):
        return metrics(counts.total, labels)
    return multi_label_metrics(counts.total, labels)


def measured_summary(
    model: OpenedModel, counted: MeasuredModel, found: MeasuredSet, labelled: Labelled, condition: str | None
) -> EvaluationSummary:
    """Compute the metrics of a model, and what a person has to know of them."""
    labels = model.bundle.config.labels
    _require_rows(model, counted, found, condition)
    measured = metrics_of(counted, labels)
    where = parse_where(condition).fitted(labelled.schema) if condition is not None else None
    sample = partial(
        sample_texts, labelled.units, labelled.corpus.roots, model.read_by.text_column, where, labelled.schema
    )
    warnings = coverage_warnings(counted.tokens, counted.tokens_found, model.vectors, model.bundle.config.rules, sample)
    trained_on, elsewhere, estimated = _trained_on(model, counted, measured.rows)
    return EvaluationSummary(
        model=model.name,
        metrics=measured,
        calibration=counted.answered.calibration(),
        own_thresholds=OwnThresholds.of(model.bundle.config.thresholds, counted.kept),
        rows_without_label=found.without_label,
        rows_unknown_label=counted.counts.unknown_rows,
        rows_unlabelled=dict(found.unlabelled),
        rows_damaged=dict(found.damaged),
        labels_unknown=dict(counted.unknown.most_common(UNKNOWN_NAMED)),
        rows_trained_on=trained_on,
        accuracy_elsewhere=elsewhere,
        trained_on_estimated=estimated,
        repeats=found.repeats,
        tokens=counted.tokens,
        tokens_found=counted.tokens_found,
        warnings=[*_flattered(model, trained_on, elsewhere, measured.rows, estimated=estimated), *warnings],
        reading=model.read_by,
    )


def _require_rows(model: OpenedModel, counted: MeasuredModel, found: MeasuredSet, where: str | None) -> None:
    column = model.read_by.label_column
    and_where = f", or another --where: {where!r} holds for no other row" if where else ""
    counts, without = counted.counts, found.without_label
    if not isinstance(counts, OneLabel):
        if not counts.total.rows:
            raise CorpusError(f"no row of {column!r} has a list of labels; {without:,} rows have none{and_where}")
    elif (counts.total.true_Y == NO_LABEL).all():
        labels = model.bundle.config.labels
        some = ", ".join(labels[:10]) + (f" and {len(labels) - 10:,} others" if len(labels) > 10 else "")
        raise CorpusError(
            f"no row of {column!r} has a label that the model knows ({some}); {without:,} rows have none, "
            f"{counts.unknown_rows:,} another; name another --label-column or another --model{and_where}"
        )


def _trained_on(model: OpenedModel, counted: MeasuredModel, rows: int) -> tuple[int | None, float | None, bool]:
    """Return how many rows the training saw, the accuracy on the others, and whether both are estimated."""
    trained = model.bundle.trained_texts()
    if trained is None or (not counted.seen and not knows_training(model.bundle.config, trained)):
        return None, None, False
    if not counted.told_of:
        return 0, None, not trained.is_whole
    others = counted.told_of - counted.seen
    trained_on = counted.seen if trained.is_whole else round(rows * counted.seen / counted.told_of)
    elsewhere = counted.unseen_right / others if counted.seen and others else None
    return trained_on, elsewhere, not trained.is_whole


def _flattered(
    model: OpenedModel, trained_on: int | None, elsewhere: float | None, rows: int, *, estimated: bool
) -> Iterator[str]:
    """Say that a model is measured on rows that its training saw."""
    if not trained_on:
        return
    about = "about " if estimated else ""
    also = "" if elsewhere is None else f" On the other rows it is {elsewhere:.4f}."
    yield (
        f"the {saw(model.bundle.config)} of {model.name} saw the text of {about}{trained_on:,} of these {rows:,} rows "
        f"({trained_on / rows:.0%}): the accuracy is overstated.{also} Measure on rows that it did not see; `train "
        "--test-fraction` keeps some"
    )
