"""A model's card: what a person has to know before trusting it, in Markdown. It is README.md of a model directory."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from w2vray.models.thresholds import spelled_share

if TYPE_CHECKING:
    from w2vray.models.directory import ModelConfig

__all__ = ["model_card", "promise_of"]

_LABELS_SHOWN = 20
USE = """## Use it

```
w2vray predict --model MODEL "some text"
w2vray score STORE --model MODEL --output RUN
```"""


def model_card(config: "ModelConfig") -> str:
    """Return the card of a model."""
    history = config.training
    settings = _mapping(history.get("settings"))
    sections = [
        f"# Text classifier: {config.model}, {len(config.labels):,} labels",
        _lines(
            "What it is",
            {
                "Kind": f"{config.model}, {_origin(history)}",
                "Answers": "any number of labels a text" if config.multi_label else "one label a text",
                "Labels": _labels(config.labels),
                "Word vectors": f"{config.dim:,} numbers a word, from `{config.vectors_path}`"
                + (", tuned for the words of the training set" if config.tuned_vectors else ", frozen")
                if config.kind.trained_here
                else f"{config.dim:,} numbers a word or n-gram, in `vectors/`",
                "Vectors' fingerprint": f"`{config.vectors_fingerprint[:16]}`",
                "Token rules": config.rules.name,
                "Words without a vector": config.oov,
                "N-grams of words": _ngrams(config),
                "Chosen among": _tried(history),
            },
        ),
        _lines(
            "What it was trained on",
            {
                "Data": ", ".join(f"`{place}`" for place in settings.get("labelled", ())),
                "Rows": _rows(_mapping(history.get("rows"))),
                "Condition": _code(settings.get("where")),
                "Text": ", ".join(f"`{name}`" for name in settings.get("text_column", ())),
                "Label": _code(settings.get("label_column")),
                "Options": _options(config),
                "Versions": ", ".join(f"{name} {number}" for name, number in _mapping(history.get("versions")).items()),
            },
        ),
        _lines("How good it is", {**_measured(config), "Probabilities": _calibration(config), **promise_of(config)}),
        USE,
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _origin(history: Mapping[str, Any]) -> str:
    imported = _mapping(history.get("imported"))
    return f"imported from `{imported['from']}`" if "from" in imported else "made by w2vray"


def _mapping(value: object) -> Mapping[str, Any]:
    """Return what a history tells as trainings tell it; a model that was made otherwise may keep anything there."""
    return value if isinstance(value, Mapping) else {}


def _lines(title: str, facts: Mapping[str, str]) -> str:
    lines = [f"- **{name}**: {fact}" for name, fact in facts.items() if fact]
    return "\n".join([f"## {title}", "", *lines]) if lines else ""


def _labels(labels: tuple[str, ...] | list[str]) -> str:
    shown = ", ".join(f"`{label}`" for label in labels[:_LABELS_SHOWN])
    return f"{shown} and {len(labels) - _LABELS_SHOWN:,} more" if len(labels) > _LABELS_SHOWN else shown


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def _rows(rows: Mapping[str, int]) -> str:
    if not {"train", "validation"} <= rows.keys():
        return ""
    told = [f"{rows['train']:,} to learn from", f"{rows['validation']:,} to stop by"]
    told += [f"{rows['test']:,} kept for the test"] if "test" in rows else []
    told += [f"{rows[name]:,} left out {why}" for name, why in _LEFT_OUT.items() if rows.get(name)]
    return ", ".join(told)


_LEFT_OUT = {"without_label": "without a label", "without_evidence": "without a known word"}


def _options(config: "ModelConfig") -> str:
    stored = config.as_dict()["settings"]
    return ", ".join(f"{name} {value}" for name, value in stored.items())


def _ngrams(config: "ModelConfig") -> str:
    wide = config.wide
    if wide is None:
        return ""
    return (
        f"up to {wide.longest}, in {1 << wide.bits:,} buckets; the logits are those of {config.model} times "
        f"{wide.main:.3g} and of the n-grams times {wide.wide:.3g}"
    )


def _tried(history: Mapping[str, Any]) -> str:
    """Return what each kind that was tried came to, the best first."""
    trials = history.get("tried")
    lines = [_mapping(line) for line in trials] if isinstance(trials, list) else []
    found = sorted(
        (line for line in lines if {"model", "loss", "accuracy"} <= line.keys()), key=lambda line: line["loss"]
    )
    return ", ".join(
        f"{line['model']}{' with tuned words' if line.get('tune_vectors') else ''} (loss {line['loss']:.4f}, accuracy "
        f"{line['accuracy']:.4f}{_scoring(line)})"
        for line in found
    )


def _scoring(line: Mapping[str, Any]) -> str:
    return f", {line['scoring']:,.0f} ns a word to score" if "scoring" in line else ""


def _calibration(config: "ModelConfig") -> str:
    """Return what the probabilities are worth."""
    if not config.temperatures:
        by_weights = "calibrated on rows that were not learnt from, by the weights of both parts"
        return "not calibrated" if config.wide is None else by_weights
    least, most = min(config.temperatures), max(config.temperatures)
    told = f"temperature {least:.3g}" if least == most else f"temperatures {least:.3g} to {most:.3g}"
    return f"calibrated on rows that were not learnt from ({told})"


def promise_of(config: "ModelConfig") -> dict[str, str]:
    """Return what the model's thresholds promise."""
    found = config.thresholds
    if found is None:
        return {}
    of_each = "of each label that is kept" if len(found.values) > 1 else "of the labels that are kept"
    missing = found.without_promise(config.labels)
    told = f"; never kept, because the rows did not suffice: {_labels(missing)}" if missing else ""
    sure = f"with {spelled_share(found.confidence)} confidence"
    return {
        "Thresholds": f"at least {spelled_share(found.precision)} {of_each} are right, {sure}, on rows like the "
        f"{found.rows:,} that they were chosen on; {found.kept:.1%} of those kept a label{told}"
    }


def _measured(config: "ModelConfig") -> dict[str, str]:
    """Return what is known of its quality; rows that a training stops by flatter a model a little."""
    history = config.training
    test = _mapping(history.get("test"))
    on_test = {}
    if {"accuracy", "macro_f1", "rows"} <= test.keys():
        share = test.get("largest_class_share")
        beside = "" if share is None else f"; always answering the commonest label would reach {share:.4f}"
        on_test["Accuracy on the rows kept for the test"] = (
            f"{test['accuracy']:.4f} on {test['rows']:,} rows, macro-F1 {test['macro_f1']:.4f}{beside}. Nothing learnt "
            "from these rows"
        )
    curve = history.get("curve")
    lines = [_mapping(line) for line in curve] if isinstance(curve, list) else []
    found = [line for line in lines if line.get("validation_loss") is not None]
    if not found:
        not_measured = "not measured in the training; `w2vray evaluate` measures it on rows that you name"
        return on_test or {"Accuracy": not_measured}
    best = min(found, key=lambda line: line["validation_loss"])
    alone = "" if config.wide is None else f", of {config.model} without its n-grams"
    return {
        **on_test,
        "Accuracy on the rows to stop by": f"{best['validation_accuracy']:.4f}, after epoch {best['epoch']} of "
        f"{len(lines)}{alone}. The training stopped by these rows, so it is slightly optimistic",
        **({} if on_test else {"Elsewhere": "measure it on rows that were not trained on: `w2vray evaluate`"}),
    }
