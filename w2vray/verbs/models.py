"""The verbs that make, measure and explain models."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from w2vray.settings.explaining import ExplainSettings
from w2vray.settings.labelled import CalibrateSettings, EvaluateSettings
from w2vray.settings.models import ImportModelSettings
from w2vray.training.settings import TrainSettings
from w2vray.verbs.arguments import Names, Place, Places, helped, settings_of, silent, with_model_options

if TYPE_CHECKING:
    from w2vray.cluster.calibrate import CalibrationSummary
    from w2vray.cluster.evaluate import EvaluationSummary
    from w2vray.cluster.train import TrainSummary
    from w2vray.models.directory import Bundle
    from w2vray.scoring.spoken_words import Explanation

__all__ = [
    "calibrate",
    "evaluate",
    "explain",
    "import_model",
    "train",
]


@helped(TrainSettings)
def train(
    labelled: Places,
    *,
    vectors: Place,
    output: Place,
    model: str = TrainSettings.model,
    time_limit: float | None = None,
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
    ngrams: int | None = None,
    buckets: int = TrainSettings.buckets,
    prune: float = 0.0,
    balanced: bool = False,
    class_weight: Names = (),
    oov: str = "skip",
    calibrate: bool = True,
    target_precision: float | None = None,
    per_label: bool = False,
    confidence: float | None = None,
    workers: str | int = 1,
    shared_filesystem: bool = False,
    gpu: bool = False,
    precision: str = "float32",
    seed: int = 0,
    with_vectors: bool = False,
    scratch: Place | None = None,
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
    settings = with_model_options(settings_of(TrainSettings, locals()), model_options)
    from w2vray.cluster.train import train as train_model

    return train_model(settings, address=address, progress=progress or silent, note=note or silent)


@helped(EvaluateSettings)
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
    shared_filesystem: bool = False,
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
    settings = settings_of(EvaluateSettings, locals())
    from w2vray.cluster.evaluate import evaluate as evaluate_model

    return evaluate_model(settings, address=address, progress=progress or silent, note=note or silent)


@helped(CalibrateSettings)
def calibrate(
    labelled: Places,
    *,
    model: Place,
    output: Place,
    target_precision: float | None = None,
    per_label: bool = False,
    confidence: float | None = None,
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
    shared_filesystem: bool = False,
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
    settings = settings_of(CalibrateSettings, locals())
    from w2vray.cluster.calibrate import calibrate as calibrate_model

    return calibrate_model(settings, address=address, note=note or silent)


@helped(ImportModelSettings)
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
    settings = settings_of(ImportModelSettings, locals())
    from w2vray.models.fasttext.importing import import_model as import_file

    return import_file(settings, progress)


@helped(ExplainSettings)
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
    settings = settings_of(ExplainSettings, locals())
    from w2vray.scoring.spoken_words import explain_model

    return explain_model(settings)
