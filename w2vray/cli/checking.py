"""``w2vray sample``, ``evaluate --of-run`` and ``report``: rows of a run for people, what they tell, and its page."""

from typing import Any

import click

from w2vray.cli.command import verb
from w2vray.cli.console import Output, counted, table
from w2vray.settings.checks import EvaluateRunSettings, ReportSettings, SampleSettings

__all__ = ["evaluate_checked", "report", "sample"]

_BESIDE = frozenset({"labelled", "of_run"})
"""What ``evaluate`` is given together with ``--of-run``, beside what every verb has."""


@verb(
    "sample",
    SampleSettings,
    when_stopped="nothing was written",
    examples=(
        "w2vray sample run --rows 200 --output check.csv",
        "w2vray evaluate check.csv --of-run run",
    ),
)
def sample(output: Output, /, **arguments: Any) -> None:
    """Draw rows of a run for a person to check."""
    settings = SampleSettings(**arguments)
    from w2vray.run.sampling import sample_run

    with output.progress("sampling"):
        drawn = sample_run(settings)
    rows = [(name, counts["drawn"], counts["rows"]) for name, counts in drawn.strata.items()]
    output.result(
        drawn.as_dict(),
        *([table("strata", ["stratum", "drawn", "labels of the run"], rows)] if len(rows) > 1 else []),
        f"{drawn.file}: {counted(drawn.rows, 'row')}. Fill in true_label with the right label, or yes or no; then "
        f"`w2vray evaluate {settings.output} --of-run {settings.run}`",
    )


@verb(
    "report",
    ReportSettings,
    when_stopped="the page is as it was, or not there",
    examples=("w2vray report run", "w2vray report model"),
)
def report(output: Output, /, **arguments: Any) -> None:
    """Make the page of a run or a model again."""
    settings = ReportSettings(**arguments)
    from w2vray.run.writing_reports import make_report

    with output.progress("reporting"):
        made = make_report(settings)
    if made.drifted:
        output.note(f"the store is not like the training set in {', '.join(made.drifted)}; the page says how far")
    output.result(made.as_dict(), f"page: {made.page}")


def evaluate_checked(output: Output, run: str, /, **arguments: Any) -> None:
    """Estimate a run's precision from a file that somebody has filled in.

    Raises:
        click.UsageError: something else of ``evaluate`` is asked for, or not one file is named.
    """
    source = click.get_current_context().get_parameter_source
    asked = [name for name in arguments if name not in _BESIDE and _is_given(source(name))]
    if asked:
        option = f"--{asked[0].replace('_', '-')}"
        raise click.UsageError(f"{option} is not used with --of-run; leave it out")
    labelled = arguments["labelled"]
    if len(labelled) != 1:
        raise click.UsageError(f"--of-run takes one file that `w2vray sample` wrote; {len(labelled)} are named")
    from w2vray.run.judging import evaluate_run

    with output.progress("evaluating"):
        found = evaluate_run(EvaluateRunSettings(labelled=labelled[0], run=run))
    for line in found.notes:
        output.note(line)
    rows = [(label, one.rows, one.share, one.low, one.high) for label, one in found.labels.items()]
    below = found.below_threshold
    output.result(
        found.as_dict(),
        *([table("precision", ["label", "rows checked", "precision", "from", "to"], rows)] if rows else []),
        *([table("wrong labels", ["label", "true label", "rows"], found.confusions)] if found.confusions else []),
        "no row was checked whose label the run stands for"
        if found.precision is None
        else f"{found.run}: {found.precision.spelled} of the labels"
        f"{' at or above the threshold' * found.has_threshold} are right, with 95% confidence, by "
        f"{counted(found.precision.rows, 'row')} that were checked",
        *([] if below is None else [f"below the threshold, {below.spelled} would be right"]),
        f"{counted(found.rows_not_filled_in, 'row')} of the file not filled in",
    )


def _is_given(source: object) -> bool:
    return source not in {None, click.core.ParameterSource.DEFAULT}
