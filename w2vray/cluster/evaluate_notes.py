"""What a person is told of labelled rows: what is odd about them, and what the accuracy hides."""

from collections.abc import Iterator, Mapping, Sequence

from w2vray.cluster.evaluate_summary import EvaluationSummary
from w2vray.cluster.opened_models import OpenedModel
from w2vray.cluster.waiting import Note
from w2vray.scoring.repeats import Repeats
from w2vray.settings.labelled import EvaluateSettings
from w2vray.store.drawn_rows import drawn_rows
from w2vray.store.label_reading import mended
from w2vray.store.labelled import Labelled

__all__ = ["drawn_notes", "near_labels", "tell"]


def tell(summary: EvaluationSummary, models: Sequence[OpenedModel], settings: EvaluateSettings, note: Note) -> None:
    """Tell what is odd about the rows, and what the accuracy hides."""
    of_models = zip([summary, *summary.others], models, strict=True)
    lines = [
        line for of_one, model in of_models for line in near_labels(of_one.labels_unknown, model.bundle.config.labels)
    ]
    left_out = {mended(value) for value in summary.rows_unlabelled}
    lines += [
        f"--unlabelled {value!r}: no row has this label"
        for value in settings.unlabelled
        if value and mended(value) not in left_out
    ]
    lines += _repeated(summary.repeats)
    lines += [line for of_one in (summary, *summary.others) for line in of_one.warnings]
    for line in dict.fromkeys(lines):
        note(line)


def drawn_notes(labelled: Labelled) -> Iterator[str]:
    """Say for which rows the metrics do not speak, where they are of a sample of a run."""
    drawn = drawn_rows(labelled)
    if drawn is None:
        return
    if drawn.below_not_drawn:
        yield (
            f"{drawn.named} was drawn only from rows at or above the run's threshold: what is measured does not hold "
            f"for the {drawn.below_not_drawn:,} rows below it, on which the model is less often right"
        )
    if drawn.strata > 1:
        yield (
            f"{drawn.named} has {drawn.strata:,} strata, and rows of some were drawn more often than of others; here "
            "each row counts the same, and `evaluate --of-run` weighs them"
        )


def near_labels(unknown: Mapping[str, int], labels: Sequence[str]) -> Iterator[str]:
    """Say which labels the model does not know though it knows nearly the same."""
    known = {mended(label).casefold(): label for label in labels}
    near = [(label, known[key]) for label in unknown if (key := mended(label).casefold()) in known]
    for label, own in near[:3]:
        remedy = "--label-strip makes them one" if mended(label) == own else "write them alike"
        yield f"the model has no label {label!r} ({unknown[label]:,} rows), but {own!r}; {remedy}"


def _repeated(repeats: Repeats) -> Iterator[str]:
    """Say which texts are there more than once."""
    if not repeats.rows_repeated:
        return
    about = "about " if repeats.estimated else ""
    yield (
        f"{about}{repeats.texts_repeated:,} texts are there more than once, so that {repeats.rows_repeated:,} rows "
        f"repeat an earlier one; {repeats.texts_of_two_labels:,} of these texts have different labels"
        + (", and no model is right on all of their rows" if repeats.texts_of_two_labels else "")
    )
