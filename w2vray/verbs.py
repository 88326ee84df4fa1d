"""The verbs in Python: what ``w2vray VERB`` does on the command line, as a function with typed keywords.

Each function takes the fields of its settings class and returns the summary that the verb prints with ``--json``. Help
on an option is written in the settings class alone; it is added to the functions' docstrings when this module is
imported, so ``help(w2vray.score)`` shows it.

Each imports what it needs when it is called, so that ``import w2vray`` starts nothing.
"""

import inspect
import operator
import os
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeVar

from w2vray.errors import ConfigError
from w2vray.models.kinds import option_owners, settings_class
from w2vray.settings.checks import EvaluateRunSettings, ReportSettings, SampleSettings
from w2vray.settings.explaining import ExplainSettings
from w2vray.settings.forecasts import PlanSettings
from w2vray.settings.models import ImportModelSettings
from w2vray.settings.vectors import FitVectorsSettings, ImportSettings, JoinVectorsSettings
from w2vray.settings.verbs import CalibrateSettings, EvaluateSettings, ScoreSettings, VerifySettings
from w2vray.training.settings import TrainSettings

if TYPE_CHECKING:
    from w2vray.cluster.calibrate import CalibrationSummary
    from w2vray.cluster.evaluate import EvaluationSummary
    from w2vray.cluster.score import ScoreSummary
    from w2vray.cluster.train import TrainSummary
    from w2vray.models.directory import Bundle
    from w2vray.run.forecast import Forecast
    from w2vray.run.judging import RunEstimate
    from w2vray.run.sampling import SampleSummary
    from w2vray.run.verify import VerifySummary
    from w2vray.run.writing_reports import ReportSummary
    from w2vray.scoring.spoken_words import Explanation
    from w2vray.vectors import Vectors

__all__ = [
    "Names",
    "Place",
    "Places",
    "calibrate",
    "evaluate",
    "evaluate_run",
    "explain",
    "import_model",
    "import_vectors",
    "join_vectors",
    "plan",
    "report",
    "sample",
    "score",
    "train",
    "train_vectors",
    "verify",
]

Place = str | os.PathLike[str]
"""A path, or a URI as a str."""
Places = Place | Iterable[Place]
Names = str | Iterable[str]

S = TypeVar("S")
F = TypeVar("F", bound=Callable[..., Any])

_PLACES = frozenset({"DIR", "MODEL", "PATH", "RUN", "VECTORS"})
"""What the settings call a value that is a path or a URI."""
_BROKEN_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/[^/]")


def _helped(kind: type) -> Callable[[F], F]:
    """Add the help of a settings class's fields to a function's docstring, as far as it is the same every time."""

    def decorate(function: F) -> F:
        lines = [inspect.cleandoc(function.__doc__ or ""), "", "Args:"]
        for item in fields(kind):
            if "help" in item.metadata:
                text, choices = item.metadata["help"], item.metadata["choices"]
                stated = text if isinstance(text, str) else "`--help` on the command line says it."
                one_of = f" One of: {', '.join(choices)}." if choices and isinstance(choices, tuple) else ""
                lines.append(f"    {item.name}: {stated}{one_of}")
        function.__doc__ = "\n".join(lines)
        return function

    return decorate


# Word vectors


@_helped(ImportSettings)
def import_vectors(
    source: Place,
    *,
    output: Place,
    format: str = "auto",  # noqa: A002 - the option's name
    trust_pickle: bool = False,
    member: str | None = None,
    on_bad: str = "fail",
    limit: int | None = None,
    dtype: str = "float32",
    family: str | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> "Vectors":
    """Make a vectors directory from a file of word2vec, GloVe, fastText or gensim, and open it.

    ``progress`` is called with the rows read so far and, where the file says, the rows it has.

    Raises:
        VectorsError: the file cannot be used, or the directory cannot be written.
        ConfigError: an option has a value that is not allowed.

    Examples:
        ```python
        vectors = w2vray.import_vectors("glove.6B.300d.txt.gz", output="vectors")
        len(vectors), vectors.dim  # (400000, 300)
        ```
    """
    settings = _settings(ImportSettings, locals())
    from w2vray.vectors.importing import import_vectors as import_file

    return import_file(settings, progress)


@_helped(FitVectorsSettings)
def train_vectors(
    corpus: Places,
    *,
    output: Place,
    text_column: Names = ("text",),
    format: str | None = None,  # noqa: A002 - the option's name
    delimiter: str | None = None,
    table_version: int | None = None,
    algorithm: str = "word2vec",
    dim: int = 100,
    epochs: int = 5,
    window: int = 5,
    min_count: int = 5,
    negative: int = 5,
    skip_gram: bool = False,
    shortest: int | None = None,
    longest: int | None = None,
    buckets: int | None = None,
    threads: int | None = None,
    seed: int = 0,
    dtype: str = "float32",
    family: str = "plain",
    strip_html: bool = False,
    progress: Callable[[int, int | None, str], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> "Vectors":
    """Train word2vec or fastText vectors on the text of a store, and open them.

    ``progress`` is called with what is done, what there is to do, and what that counts. ``note`` is told how many rows
    had no readable text.

    Raises:
        CorpusError: the store cannot be used.
        VectorsError: no word is frequent enough, or the directory cannot be written.
        ConfigError: an option has a value that is not allowed.

    Examples:
        ```python
        vectors = w2vray.train_vectors("reviews/", output="vectors", dim=50)
        ```
    """
    settings = _settings(FitVectorsSettings, locals())
    from w2vray.store.corpus_texts import corpus_texts
    from w2vray.store.description import ReadAs
    from w2vray.vectors.gensim_training import fit_vectors

    texts = corpus_texts(
        settings.corpus, settings.text_column, ReadAs.of(settings), table_version=settings.table_version
    )
    made = fit_vectors(settings, texts, progress or _silent)
    if texts.rejected and note is not None:
        note(f"rows left out because they have no readable text: {texts.rejected:,}")
    return made


@_helped(JoinVectorsSettings)
def join_vectors(
    vectors: Places,
    *,
    output: Place,
    dtype: str | None = None,
    family: str | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> "Vectors":
    """Put vectors side by side, and open the result: it has each word that any of them has, and no n-grams.

    ``progress`` is called with the words done and the words there are.

    Raises:
        VectorsError: one of them cannot be used, their token rules differ, or the directory cannot be written.
        ConfigError: an option has a value that is not allowed.

    Examples:
        ```python
        both = w2vray.join_vectors(["glove", "news"], output="both", family="googlenews")
        ```
    """
    settings = _settings(JoinVectorsSettings, locals())
    from w2vray.vectors.joining import join_vectors as join

    return join(settings, progress or _silent)


# Models


@_helped(TrainSettings)
def train(
    labelled: Places,
    *,
    vectors: Place,
    output: Place,
    model: str = TrainSettings.model,
    text_column: Names = ("text",),
    strip_html: bool = False,
    label_column: str = "label",
    label_strip: bool = False,
    label_separator: str | None = None,
    unlabelled: Names = (),
    where: str | None = None,
    format: str | None = None,  # noqa: A002 - the option's name
    delimiter: str | None = None,
    table_version: int | None = None,
    validation: Places = (),
    validation_fraction: float | None = None,
    test_fraction: float | None = None,
    tune_vectors: bool = False,
    balanced: bool = False,
    class_weight: Names = (),
    oov: str = "skip",
    calibrate: bool = True,
    target_precision: float | None = None,
    per_label: bool = False,
    confidence: float | None = None,
    workers: str | int = 1,
    gpu: bool = False,
    precision: str = "float32",
    seed: int = 0,
    with_vectors: bool = False,
    address: str | None = None,
    progress: Callable[[int, int | None, str], None] | None = None,
    note: Callable[[str], None] | None = None,
    **model_options: Any,
) -> "TrainSummary":
    """Train a classifier on labelled rows, on Ray, and write the model directory.

    ``model_options`` are the options of the model itself, such as ``filters=200``; ``w2vray train --help`` says which
    model has which. ``address`` is that of a Ray cluster: without it, the function uses the Ray of this process, the
    cluster in RAY_ADDRESS, or a Ray that it starts on this machine and ends again. ``progress`` is called with
    what is done, what there is to do (None: unknown), and a few words that begin with what is counted: units of
    labelled rows, then epochs. ``note`` is told what a person should know, such as that workers wait for CPUs.

    After a KeyboardInterrupt, and after any other end, the same call goes on from the last epoch.

    Returns:
        What was trained on, what was left out, and the learning curve.

    Raises:
        UnusableInputError: the arguments, the labelled store, the vectors or the output cannot be used.
        TypeError: no model has an option of such a name.

    Examples:
        ```python
        summary = w2vray.train("labelled.parquet", vectors="vectors", output="model", epochs=10)
        summary.labels  # ('negative', 'positive')
        ```
    """
    settings = _settings(TrainSettings, locals())
    settings = replace(settings, model_settings=_model_options(settings, model_options))
    from w2vray.cluster.train import train as train_model

    return train_model(settings, address=address, progress=progress or _silent, note=note or _silent)


@_helped(EvaluateSettings)
def evaluate(
    labelled: Places,
    *,
    model: Places,
    output: Place | None = None,
    vectors: Place | None = None,
    text_column: Names = (),
    label_column: str | None = None,
    label_strip: bool | None = None,
    label_separator: str | None = None,
    unlabelled: Names = (),
    where: str | None = None,
    format: str | None = None,  # noqa: A002 - the option's name
    delimiter: str | None = None,
    table_version: int | None = None,
    workers: int | None = None,
    address: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> "EvaluationSummary":
    """Measure a model on labelled rows, on Ray; ``address`` and ``note`` are as for ``train``.

    ``progress`` is called with the units done and the units there are.

    Returns:
        ``metrics`` (accuracy, macro-F1, a row per class), and how many rows have no label, or one that the model does
        not know.

    Raises:
        UnusableInputError: the arguments, the labelled store or the model cannot be used.

    Examples:
        ```python
        w2vray.evaluate("test.parquet", model="model").metrics.accuracy  # 0.915
        ```
    """
    settings = _settings(EvaluateSettings, locals())
    from w2vray.cluster.evaluate import evaluate as evaluate_model

    return evaluate_model(settings, address=address, progress=progress or _silent, note=note or _silent)


@_helped(CalibrateSettings)
def calibrate(
    labelled: Places,
    *,
    model: Place,
    output: Place,
    vectors: Place | None = None,
    target_precision: float | None = None,
    per_label: bool = False,
    confidence: float | None = None,
    text_column: Names = (),
    label_column: str | None = None,
    label_strip: bool | None = None,
    label_separator: str | None = None,
    unlabelled: Names = (),
    where: str | None = None,
    format: str | None = None,  # noqa: A002 - the option's name
    delimiter: str | None = None,
    table_version: int | None = None,
    workers: int | None = None,
    address: str | None = None,
    note: Callable[[str], None] | None = None,
) -> "CalibrationSummary":
    """Fit a model's probabilities to labelled rows that its training did not see, on Ray, and write a new model.

    ``address`` and ``note`` are as for ``train``.

    Returns:
        The temperatures, the calibration error before and after, and the thresholds where a precision was asked for.

    Raises:
        UnusableInputError: the arguments, the labelled store or the model cannot be used, or the rows do not suffice
            for the precision that is wanted.

    Examples:
        ```python
        summary = w2vray.calibrate("checked.csv", model="model", output="calibrated", target_precision=0.95)
        summary.before.error, summary.after.error, summary.thresholds.kept  # (0.061, 0.018, 0.83)
        ```
    """
    settings = _settings(CalibrateSettings, locals())
    from w2vray.cluster.calibrate import calibrate as calibrate_model

    return calibrate_model(settings, address=address, note=note or _silent)


@_helped(ImportModelSettings)
def import_model(
    source: Place,
    *,
    output: Place,
    label_prefix: str = "__label__",
    dtype: str = "float32",
    progress: Callable[[int, int | None], None] | None = None,
) -> "Bundle":
    """Make a model directory from a supervised model of fastText, and open it.

    ``progress`` is called with the rows read so far and those there are.

    Raises:
        VectorsError: the file is no such model, or is damaged.
        BundleError: the directory is there already, or cannot be written.

    Examples:
        ```python
        w2vray.import_model("lid.176.ftz", output="languages")
        w2vray.TextScorer.load("languages").score(["Guten Tag"]).columns()["label"].to_pylist()  # ["de"]
        ```
    """
    settings = _settings(ImportModelSettings, locals())
    from w2vray.models.fasttext.importing import import_model as import_file

    return import_file(settings, progress)


# Runs


@_helped(PlanSettings)
def plan(
    corpus: Places,
    *,
    model: Place,
    sample: int = 20_000,
    seed: int = 0,
    price_per_core_hour: float | None = None,
    output: Place | None = None,
    vectors: Place | None = None,
    text_column: Names = (),
    keep: Names = (),
    probabilities: bool = False,
    top_k: int | None = None,
    threshold: float | None = None,
    no_threshold: bool = False,
    where: str | None = None,
    limit: int | None = None,
    table_version: int | None = None,
    max_bytes: int = 64 << 20,
    truncate: bool = False,
    null_as_empty: bool = False,
    format: str | None = None,  # noqa: A002 - the option's name
    delimiter: str | None = None,
    projection_cache: int = 128,
    workers: int | None = None,
) -> "Forecast":
    """Forecast a run of ``score``, from a sample of rows that is scored in this process, without Ray.

    Returns:
        Rows, bytes and units; the share of each label, of rejected rows and of rows below the threshold, with intervals
        of 95 % confidence; time, cost, memory, and the size of the output.

    Raises:
        UnusableInputError: the arguments, the store or the model cannot be used.

    Examples:
        ```python
        w2vray.plan("reviews/", model="model", workers=32, price_per_core_hour=0.04).cost  # 1.7
        ```
    """
    settings = _settings(PlanSettings, locals())
    from w2vray.run.forecast import forecast

    return forecast(settings)


@_helped(ScoreSettings)
def score(
    corpus: Places,
    *,
    model: Place,
    output: Place,
    vectors: Place | None = None,
    text_column: Names = (),
    keep: Names = (),
    probabilities: bool = False,
    top_k: int | None = None,
    threshold: float | None = None,
    no_threshold: bool = False,
    evidence: int | None = None,
    evidence_sample: int | None = None,
    explain_method: str = "model",
    where: str | None = None,
    limit: int | None = None,
    table_version: int | None = None,
    max_bytes: int = 64 << 20,
    truncate: bool = False,
    null_as_empty: bool = False,
    format: str | None = None,  # noqa: A002 - the option's name
    delimiter: str | None = None,
    on_bad: str = "record",
    new_files: bool = False,
    workers: int | None = None,
    gpu: bool = False,
    cpus_per_gpu: int = 4,
    precision: str = "float32",
    batch_tokens: int = 1 << 18,
    projection_cache: int = 128,
    plan: Place | None = None,
    max_rejected: int | None = None,
    address: str | None = None,
    progress: Callable[[int, int, int], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> "ScoreSummary":
    """Classify every row of a store, on Ray.

    ``progress`` is called with the units done, the units to do, and the rows in those done. ``address`` and ``note``
    are as for ``train``. After a KeyboardInterrupt, and after any other end, the same call finishes what is missing.

    Returns:
        What the run came to. A file or a unit that cannot be read raises nothing (unless ``on_bad`` is "fail"):
        ``left_out`` names each with its reason, and ``exit_code`` is what the command would have ended with, 0 or 3.
        It is 3 where something was left out and ``on_bad`` is "record", or more than ``max_rejected`` rows were
        rejected. Look at it before you rely on the run.

    Raises:
        UnusableInputError: the arguments, the store, the model or the run's directory cannot be used.

    Examples:
        ```python
        summary = w2vray.score("reviews/", model="model", output="run", keep=["id", "year"], threshold=0.8)
        summary.rows_scored, summary.rows_abstained, summary.exit_code  # (120000, 431, 0)
        ```
    """
    settings = _settings(ScoreSettings, locals())
    from w2vray.cluster.score import score as score_store

    return score_store(settings, address=address, progress=progress, note=note or _silent)


@_helped(VerifySettings)
def verify(
    run: Place,
    *,
    deep: bool = False,
    corpus: Places = (),
    progress: Callable[[int, int], None] | None = None,
) -> "VerifySummary":
    """Prove from a run's files that each row of the store is in it exactly once.

    ``progress`` is called with the units checked and the units there are.

    Returns:
        ``ok``, the counts, and ``problems``: a sentence for each thing that is wrong. A problem raises nothing.

    Raises:
        RunError: there is no run.
        CorpusError: with ``deep``, the store cannot be listed.

    Examples:
        ```python
        w2vray.verify("run").ok  # True
        ```
    """
    settings = _settings(VerifySettings, locals())
    from w2vray.run.verify import verify as verify_run

    return verify_run(settings, progress=progress)


@_helped(ReportSettings)
def report(path: Place, *, model: Place | None = None, corpus: Places = ()) -> "ReportSummary":
    """Make the page of a finished run, or of a model, again: ``report.html`` and ``report.json`` in its directory.

    Returns:
        Where the page is, and in what a run's store is not like the training set.

    Raises:
        UnusableInputError: there is neither a run nor a model, or it cannot be read or written.

    Examples:
        ```python
        w2vray.report("run").page  # 'run/report.html'
        ```
    """
    settings = _settings(ReportSettings, locals())
    from w2vray.run.writing_reports import make_report

    return make_report(settings)


@_helped(SampleSettings)
def sample(
    run: Place,
    *,
    rows: int,
    output: Place,
    by: str = "random",
    seed: int = 0,
    corpus: Places = (),
) -> "SampleSummary":
    """Draw rows of a finished run, and write them into a CSV file for a person to check.

    Returns:
        How many rows were drawn, and of which strata.

    Raises:
        RunError: the run is not finished, or none of its rows has a label.
        ConfigError: the file is there already, or an option has a value that is not allowed.
        CorpusError: the store cannot be read, or was changed.

    Examples:
        ```python
        w2vray.sample("run", rows=200, by="label", output="check.csv")
        ```
    """
    settings = _settings(SampleSettings, locals())
    from w2vray.run.sampling import sample_run

    return sample_run(settings)


@_helped(EvaluateRunSettings)
def evaluate_run(labelled: Place, *, run: Place) -> "RunEstimate":
    """Estimate a run's precision from a file of ``sample`` in which a person has filled in ``true_label``.

    Returns:
        The precision of all labels and of each one, with intervals of 95 % confidence, and how many rows were not
        filled in.

    Raises:
        RunError: the run is not finished, or the file's rows are not of it.
        CorpusError: the file cannot be read, or nothing is filled in.

    Examples:
        ```python
        w2vray.evaluate_run("check.csv", run="run").precision  # Share(rows=200, share=0.93, low=0.886, high=0.961)
        ```
    """
    settings = _settings(EvaluateRunSettings, locals())
    from w2vray.run.judging import evaluate_run as estimate

    return estimate(settings)


@_helped(ExplainSettings)
def explain(model: Place, *, vectors: Place | None = None, label: Names = (), top: int = 10) -> "Explanation":
    """Tell which words speak for each label of a model, and which against it.

    Returns:
        The words of each label with their weights in logits, and which words were looked at.

    Raises:
        BundleError: the model directory, or the vectors for it, cannot be used.
        ConfigError: the model has no such label, or does not tell what it weighs.

    Examples:
        ```python
        w2vray.explain("model", label="positive", top=2).labels[0].words_for  # [("superb", 7.1), ("moving", 6.4)]
        ```
    """
    settings = _settings(ExplainSettings, locals())
    from w2vray.scoring.spoken_words import explain_model

    return explain_model(settings)


# Arguments to settings


def _silent(*_: object) -> None:
    """Take what is told, and do nothing."""


def _settings(kind: type[S], given: Mapping[str, Any]) -> S:
    """Make settings from a function's arguments.

    Raises:
        ConfigError: an argument has the wrong type, or a value that is not allowed.
    """
    hints = typing.get_type_hints(kind)
    values = {}
    for item in fields(kind):  # type: ignore[arg-type]
        if "help" not in item.metadata:
            continue
        place = item.metadata["positional"] or item.metadata["metavar"] in _PLACES
        value = values[item.name] = _value(item.name, given[item.name], hints[item.name], place=place)
        if item.metadata["positional"] and value == ():
            raise ConfigError(f"{item.name} is empty; name at least one file, directory, glob or URI")
    return kind(**values)


def _model_options(settings: TrainSettings, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check the types of a model's own options; what is an option of another model is left to be refused by name.

    Raises:
        TypeError: no model has such an option.
        ConfigError: an option has the wrong type.
    """
    hints = typing.get_type_hints(settings_class(settings.model, tuned=settings.tune_vectors))
    owners = option_owners()
    for name in given:
        if name not in owners:
            known = f"the model {settings.model} has the options {', '.join(sorted(hints))}"
            raise TypeError(f"train() got an unexpected keyword argument {name!r}; {known}")
    return {name: _value(name, value, hints[name]) if name in hints else value for name, value in given.items()}


def _value(name: str, value: Any, hint: Any, *, place: bool = False) -> Any:
    """Return an argument as its field holds it: a plain str, int, float or bool, or a tuple of them.

    Raises:
        ConfigError: it is of another type.
    """
    if typing.get_origin(hint) is tuple:
        base = typing.get_args(hint)[0]
        return tuple(_plain(name, one, base, place=place) for one in _several(name, value))
    kinds = typing.get_args(hint) if typing.get_origin(hint) in {types.UnionType, typing.Union} else (hint,)
    if value is None and type(None) in kinds:
        return None
    plain = [kind for kind in kinds if kind is not type(None)]
    return _plain(name, value, str if str in plain and isinstance(value, str) else plain[-1], place=place)


def _several(name: str, value: Any) -> Iterable[Any]:
    """Return the single values of an argument that may be one or several."""
    if isinstance(value, str | os.PathLike | int):
        return (value,)
    if isinstance(value, AbstractSet):
        raise ConfigError(f"{name} is {value!r}, which has no order; give a list")
    if isinstance(value, bytes | bytearray | Mapping) or not isinstance(value, Iterable):
        raise ConfigError(f"{name} is {value!r}; give one value, or a list of them")
    return value


def _plain(name: str, value: Any, kind: type, *, place: bool) -> Any:
    if place:
        return _place(name, value)
    if kind not in _EXPECTED:
        return value  # of a type that only its settings know how to check
    if isinstance(value, bool):
        if kind is bool:
            return value
    elif kind is str and isinstance(value, str):
        return str(value)
    elif kind is int and hasattr(value, "__index__"):
        return operator.index(value)
    elif kind is float and isinstance(value, Real):
        return float(value)  # as the command line has it: 10 and 10.0 are the same training
    raise ConfigError(f"{name} is {value!r}; expected {_EXPECTED[kind]}, got {type(value).__name__}")


_EXPECTED: dict[type, str] = {
    str: "a string",
    bool: "True or False",
    int: "a whole number",
    float: "a number",
}


def _place(name: str, value: Any) -> str:
    """Return a path or a URI as a str."""
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(path, str):
        raise ConfigError(f"{name} is {value!r}; expected a path or a URI, as str or os.PathLike")
    if not path:
        raise ConfigError(f"{name} is empty; give a path or a URI")
    if path is not value and _BROKEN_URI.match(path):
        raise ConfigError(f"{name} is {value!r}, which has lost a slash of the URI; give a URI as str, not as Path")
    return path
