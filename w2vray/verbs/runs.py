"""The verbs that score a store, and what is done with a run."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from w2vray.settings.answering import ScoreSettings
from w2vray.settings.checks import EvaluateRunSettings, ReportSettings, SampleSettings, StatusSettings, VerifySettings
from w2vray.settings.forecasts import PlanSettings
from w2vray.verbs.arguments import Names, Place, Places, helped, settings_of, silent

if TYPE_CHECKING:
    from w2vray.cluster.score import ScoreSummary
    from w2vray.run.forecast import Forecast
    from w2vray.run.judging import RunEstimate
    from w2vray.run.progress import ScoreProgress
    from w2vray.run.sampling import SampleSummary
    from w2vray.run.status import RunStatus
    from w2vray.run.verify import VerifySummary
    from w2vray.run.writing_reports import ReportSummary

__all__ = [
    "evaluate_run",
    "plan",
    "report",
    "sample",
    "score",
    "status",
    "verify",
]


@helped(PlanSettings)
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
    projection_cache: int = 512,
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
    settings = settings_of(PlanSettings, locals())
    from w2vray.run.forecast import forecast

    return forecast(settings)


@helped(ScoreSettings)
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
    shared_filesystem: bool = False,
    gpu: bool = False,
    cpus_per_gpu: int = 4,
    precision: str = "float32",
    batch_tokens: int = 1 << 18,
    projection_cache: int = 512,
    plan: Place | None = None,
    max_rejected: int | None = None,
    address: str | None = None,
    progress: "Callable[[ScoreProgress], None] | None" = None,
    note: Callable[[str], None] | None = None,
) -> "ScoreSummary":
    """Classify every row of a store, on Ray.

    ``progress`` is called when a unit is done, on whichever machine, with units, rows, speed and the time that is left.
    ``address`` and ``note`` are as for ``train``. After a KeyboardInterrupt, and after any other end, the same call
    finishes what is missing.

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
    settings = settings_of(ScoreSettings, locals())
    from w2vray.cluster.score import score as score_store

    return score_store(settings, address=address, progress=progress, note=note or silent)


@helped(VerifySettings)
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
    settings = settings_of(VerifySettings, locals())
    from w2vray.run.verify import verify as verify_run

    return verify_run(settings, progress=progress)


@helped(StatusSettings)
def status(run: Place) -> "RunStatus":
    """Tell how far a run is, while it goes on and afterwards, from its files alone: on any machine that sees them.

    Returns:
        Whether it is complete, units and rows that are done, the speed of the last minutes, the time that is left, and
        when it was last written.

    Raises:
        RunError: there is no run.

    Examples:
        ```python
        w2vray.status("s3://bucket/run").units_done  # 24
        ```
    """
    settings = settings_of(StatusSettings, locals())
    from w2vray.run.status import status as status_of

    return status_of(settings)


@helped(ReportSettings)
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
    settings = settings_of(ReportSettings, locals())
    from w2vray.run.writing_reports import make_report

    return make_report(settings)


@helped(SampleSettings)
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
    settings = settings_of(SampleSettings, locals())
    from w2vray.run.sampling import sample_run

    return sample_run(settings)


@helped(EvaluateRunSettings)
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
    settings = settings_of(EvaluateRunSettings, locals())
    from w2vray.run.judging import evaluate_run as estimate

    return estimate(settings)
