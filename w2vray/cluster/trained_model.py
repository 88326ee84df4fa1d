"""What a training writes into the model directory: what the model is, and how it came to be."""

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy.typing as npt

from w2vray.cluster.refitting import answers_alone, probabilities_of
from w2vray.cluster.train_summary import NgramSummary
from w2vray.errors import CorpusError
from w2vray.models.directory import ModelConfig
from w2vray.models.kinds import ModelSettings
from w2vray.models.reading import Reading
from w2vray.models.thresholds import Thresholds
from w2vray.models.wide.named_runs import NamedRun
from w2vray.models.wide.part import WIDE
from w2vray.models.wide.settings import WideSettings
from w2vray.places.uris import absolute, without_secrets
from w2vray.scoring.promises import choose_thresholds
from w2vray.settings.choices import DEFAULT_CONFIDENCE
from w2vray.store.labelled import Labelled
from w2vray.training.example_files import ExampleCounts, ExampleFile
from w2vray.training.fit import BEST
from w2vray.training.fit import WIDE as WIDE_STATE
from w2vray.training.held_out_answers import HeldOutAnswers
from w2vray.training.naming_runs import named_runs
from w2vray.training.settings import TrainSettings
from w2vray.training.two_parts import SEEN, wide_state
from w2vray.vectors import Vectors
from w2vray.vectors.comparing import share_found

__all__ = [
    "fingerprint_of",
    "history_of",
    "keeps_held_out",
    "model_config",
    "ngram_summary",
    "runs_named",
    "thresholds_of",
    "with_weights",
]


def model_config(
    settings: TrainSettings,
    model: ModelSettings,
    labels: tuple[str, ...],
    vectors: Vectors,
    training: Mapping[str, Any],
    *,
    multi_label: bool,
) -> ModelConfig:
    """Say what the model is; ``training`` is its history."""
    return ModelConfig(
        model=settings.model,
        settings=model,
        tuned_vectors=settings.tune_vectors,
        labels=labels,
        multi_label=multi_label,
        rules=vectors.rules,
        oov=settings.oov,
        dim=vectors.dim,
        vectors_fingerprint=vectors.fingerprint,
        vectors_path=vectors.place,
        reading=Reading.of(settings),
        training=training,
    )


def with_weights(
    settings: TrainSettings, config: ModelConfig, state: Mapping[str, Any]
) -> tuple[ModelConfig, dict[str, npt.NDArray[Any]]]:
    """Return the model of a training's last state: its description, with a wide part where it has one, and weights."""
    weights = {name: value.numpy() for name, value in state[BEST].items()}
    if WIDE_STATE not in state:
        return config, weights
    assert settings.ngrams is not None, "it was asked for"
    arrays, (main, wide) = wide_state(state[WIDE_STATE])
    described = WideSettings(longest=settings.ngrams, bits=settings.bucket_bits, main=main, wide=wide)
    return replace(config, wide=described), {**weights, **{WIDE + name: array for name, array in arrays.items()}}


def ngram_summary(
    config: ModelConfig, weights: Mapping[str, npt.NDArray[Any]], state: Mapping[str, Any]
) -> NgramSummary | None:
    """Tell what the wide part of a model is; None where it has none."""
    wide = config.wide
    if wide is None:
        return None
    seen, kept = state[WIDE_STATE].get(SEEN, 0), len(weights[f"{WIDE}rows_RC"])
    return NgramSummary(longest=wide.longest, buckets=max(seen, kept), kept=kept, main=wide.main, wide=wide.wide)


def runs_named(
    config: ModelConfig,
    weights: Mapping[str, npt.NDArray[Any]],
    files: Sequence[Sequence[Path]],
    vectors: Vectors,
) -> list[NamedRun]:
    """Name the strongest runs of words of a model by the examples of its training; none where it reads no runs."""
    if config.wide is None:
        return []
    parts = (
        part
        for store in files
        for path in store
        for part in ExampleFile(path).parts(config.labels, multi_label=config.multi_label)
    )
    return named_runs(config.wide, weights, parts, vectors.vocabulary)


def thresholds_of(settings: TrainSettings, config: ModelConfig, held_out: Mapping[str, Any] | None) -> Thresholds:
    """Choose the thresholds for the precision that is wanted, by rows that were not learnt from.

    Raises:
        CorpusError: these rows do not suffice for it, or there are none.
    """
    assert settings.target_precision is not None, "it is asked for"
    if held_out is None:
        raise CorpusError(
            f"--target-precision {settings.target_precision}: there are too few rows to leave any out of the "
            "training, and those that it learnt from tell nothing; give more rows, or leave it out"
        )
    answers = HeldOutAnswers.from_state(held_out)
    try:
        return choose_thresholds(
            probabilities_of(answers, config.temperatures, alone=answers_alone(config)),
            answers.labels,
            config.labels,
            precision=settings.target_precision,
            confidence=settings.confidence or DEFAULT_CONFIDENCE,
            per_label=settings.per_label,
        )
    except CorpusError as error:
        raise CorpusError(
            f"{error}. The rows are those that the training kept for validation; `w2vray calibrate` can choose "
            "thresholds by others. What was learnt is kept: the same command with another --target-precision, or "
            "without one, goes on from there"
        ) from error


def keeps_held_out(settings: TrainSettings) -> bool:
    """Tell whether a training keeps what it says of rows that it did not learn from: for thresholds and its page."""
    return settings.calibrate or settings.target_precision is not None


_OF_THIS_CLUSTER = frozenset({"scratch", "shared_filesystem"})
"""Settings that say where a training runs, and are not repeated elsewhere."""


_LEARNING = 2
"""Raised when the same settings and rows are learnt from in another way: what was begun before is then begun again."""


def fingerprint_of(settings: TrainSettings, stores: list[Labelled], vectors: Vectors) -> str:
    """Name the training by all that it depends on, so that only the same one is gone on with.

    It does not depend on how many workers there are: after any epoch another number of them may go on. Nor on which
    precision is wanted: where one cannot be promised, the same training may promise another.
    """
    left_out = {
        "vectors",
        "output",
        "scratch",
        "shared_filesystem",
        "with_vectors",
        "workers",
        "target_precision",
        "per_label",
        "confidence",
    }
    stated = {
        **{name: value for name, value in asdict(settings).items() if name not in left_out},
        "vectors": vectors.fingerprint,
        "stores": [store.corpus.fingerprint for store in stores],
        "held_out": keeps_held_out(settings),
        "learning": _LEARNING,
    }
    return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()[:16]


def history_of(
    settings: TrainSettings, vectors: Vectors, sources: Sequence[str], of_stores: Sequence[ExampleCounts]
) -> dict[str, Any]:
    """Return what the model directory tells of how the model came to be: where the data is, without any key."""
    labelled, validation = (
        [without_secrets(absolute(place)) for place in places] for places in (settings.labelled, settings.validation)
    )
    counts = sum(of_stores, ExampleCounts())
    packages = ("w2vray", "ray", "torch", "numpy", "pyarrow")
    return {
        "settings": {
            **{name: value for name, value in asdict(settings).items() if name not in _OF_THIS_CLUSTER},
            "labelled": labelled,
            "validation": validation,
            "vectors": vectors.place,
            "output": without_secrets(settings.output),
        },
        "data": list(sources),
        "tokens": counts.tokens,
        "tokens_found": counts.tokens_found,
        "coverage": share_found(counts.tokens, counts.tokens_found),
        "rows": {
            **{name: getattr(counts, name) for name in ("train", "validation", "without_label", "without_evidence")},
            **({} if settings.test_fraction is None else {"test": of_stores[0].test}),
        },
        "versions": {"python": sys.version.split()[0], **{name: version(name) for name in packages}},
    }
