"""What a training came to, in lines for people."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2vray.cli.console import Output, counted
from w2vray.cli.promises import promised, tell_without_promise
from w2vray.cli.rows_shown import said, words_found

if TYPE_CHECKING:
    from w2vray.cluster.train import TrainSummary

__all__ = ["tell_of_labels", "trained_lines"]


def tell_of_labels(output: Output, summary: "TrainSummary") -> None:
    """Name labels that were not learnt, and those that nothing can be promised of."""
    for label, count in _commonest(summary.labels_unknown):
        output.note(f"only in --validation, and left out: {label}, {counted(count, 'row')}")
    for label, count in _commonest(summary.labels_not_learnt):
        rows = counted(count, "row")
        output.note(f"only in rows kept for validation: {label}, {rows}; give another --seed, or --validation")
    tell_without_promise(output, summary.labels_without_promise)


def trained_lines(summary: "TrainSummary") -> Iterator[str]:
    """Yield the lines: what was trained on what, how good it is, and where its page is."""
    yield f"{summary.model}: {summary.model_kind}, {len(summary.labels)} classes, {_rows(summary)}"
    unlabelled, unusable = counted(summary.rows_without_label, "row"), summary.rows_without_evidence
    yield (
        f"left out: {unlabelled} without a label{said(summary.rows_unlabelled)}, {unusable:,} without a known word or "
        "a readable text"
    )
    yield from _chosen(summary)
    yield from _best_epoch(summary)
    if (found := summary.ngrams) is not None:
        yield (
            f"n-grams of up to {counted(found.longest, 'word')}: {found.kept:,} of {found.buckets:,} buckets kept; the "
            f"model adds {found.wide:.3g} times their logits to {found.main:.3g} times those of {summary.model_kind}"
        )
    if summary.test is not None:
        yield _on_test(summary.test)
    if summary.thresholds is not None:
        yield promised(summary.thresholds)
        if summary.test is not None and (own := summary.test.get("own_thresholds")):
            yield f"on the rows kept for the test, {own['sentence']}"
    yield words_found(summary.tokens, summary.coverage)
    if (page := Path(summary.model, "report.html")).exists():
        yield f"page: {page}"


def _rows(summary: "TrainSummary") -> str:
    """Say how many rows were used for what."""
    rows = f"{counted(summary.rows, 'row')} trained on, {summary.rows_validation:,} kept for validation"
    rows += "" if summary.test is None else f", {summary.rows_test:,} for the test"
    return f"{rows}; then once more, on those for validation too" if summary.refit else rows


def _chosen(summary: "TrainSummary") -> Iterator[str]:
    """Say how good the kind that ``--model auto`` has chosen was, as a whole, when the kinds were compared."""
    if (kept := summary.chosen) is None:
        return
    tuned = " with tuned words" if kept["tune_vectors"] else ""
    added = "" if summary.ngrams is None else ", with its n-grams"
    yield (
        f"chosen from {counted(len(summary.tried), 'model')}: {kept['model']}{tuned}, loss {kept['loss']:.4f}, "
        f"accuracy {kept['accuracy']:.4f} on rows that it did not learn from{added}"
    )


def _best_epoch(summary: "TrainSummary") -> Iterator[str]:
    """Say after which epoch the training was best; n-grams come after the epochs, so their part is not in it."""
    best = min(summary.curve, key=lambda line: line["validation_loss"] or 0.0)
    if best["validation_loss"] is None:
        return
    alone = "" if summary.ngrams is None else f" of {summary.model_kind} alone, before the n-grams were added"
    yield (
        f"epoch {best['epoch']} of {summary.epochs} was best: validation loss {best['validation_loss']:.4f}, accuracy "
        f"{best['validation_accuracy']:.4f}{alone}"
    )


def _on_test(test: Mapping[str, Any]) -> str:
    """Say how good a model is on the rows that were kept for the test."""
    exact = " (exact match)" if "micro_f1" in test else ""
    share = test.get("largest_class_share")
    beside = "" if share is None else f"; always answering the commonest label would reach {share:.4f}"
    return (
        f"on {counted(test['rows'], 'row')} kept for the test, which nothing learnt from: accuracy "
        f"{test['accuracy']:.4f}{exact}, macro-F1 {test['macro_f1']:.4f}{beside}"
    )


def _commonest(labels: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Yield a few labels, the commonest first, then how many others there are with their rows."""
    ordered = sorted(labels.items(), key=lambda item: -item[1])
    yield from ((repr(label), count) for label, count in ordered[:5])
    if len(ordered) > 5:
        yield f"each of {len(ordered) - 5:,} more", sum(count for _, count in ordered[5:])
