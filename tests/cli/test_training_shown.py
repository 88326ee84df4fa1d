"""What a training came to, in lines for people."""

from typing import Any

from w2vray.cli.training_shown import trained_lines
from w2vray.cluster.train_summary import NgramSummary, TrainSummary

NGRAMS = NgramSummary(longest=2, buckets=40, kept=30, main=0.5, wide=1.25)


def summary(**changes: Any) -> TrainSummary:
    counts = dict.fromkeys(("rows_without_label", "rows_without_evidence", "rows_test", "tokens", "tokens_found"), 0)
    nothing: dict[str, Any] = dict.fromkeys(
        ("test", "chosen", "refit", "ngrams", "thresholds", "coverage", "temperatures", "labels_without_promise")
    )
    names = ("rows_unlabelled", "rows_damaged", "label_counts", "labels_unknown", "labels_not_learnt")
    maps: dict[str, Any] = {name: {} for name in names}
    curve = [
        {"epoch": epoch, "validation_loss": loss, "validation_accuracy": 0.75} for epoch, loss in ((1, 0.9), (2, 0.4))
    ]
    known = {
        "model": "m",
        "model_kind": "cnn",
        "tried": [],
        "labels": ("a", "b"),
        "rows": 100,
        "rows_validation": 10,
        "epochs": 2,
        "curve": curve,
        "label_findings": [],
        "warnings": [],
    }
    return TrainSummary(**{**counts, **nothing, **maps, **known, **changes})


def test_the_accuracy_of_the_epochs_is_told_as_that_of_the_part_without_n_grams() -> None:
    """That of the whole model is another one, and both stand in the lines of --model auto."""
    best = "epoch 2 of 2 was best: validation loss 0.4000, accuracy 0.7500"
    assert best in list(trained_lines(summary()))
    kept = {"model": "cnn", "tune_vectors": True, "loss": 0.3, "accuracy": 0.8}
    lines = list(trained_lines(summary(ngrams=NGRAMS, tried=[kept, {**kept, "tune_vectors": False}], chosen=kept)))
    assert f"{best} of cnn alone, before the n-grams were added" in lines
    assert (
        "chosen from 2 models: cnn with tuned words, loss 0.3000, accuracy 0.8000 on rows that it did not learn from, "
        "with its n-grams"
    ) in lines
    assert (
        "n-grams of up to 2 words: 30 of 40 buckets kept; the model adds 1.25 times their logits to 0.5 times those of "
        "cnn"
    ) in lines


def test_a_second_fit_is_on_the_rows_for_validation_too_and_not_on_those_for_the_test() -> None:
    told = next(trained_lines(summary(refit=[{}], test={"rows": 20, "accuracy": 0.5, "macro_f1": 0.5}, rows_test=20)))
    assert told == (
        "m: cnn, 2 classes, 100 rows trained on, 10 kept for validation, 20 for the test; then once more, on those for "
        "validation too"
    )
