"""The verbs: arguments to settings, one library call, a result for people or as JSON.

Each imports what it needs when it is called, so that ``--help`` answers at once.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from rich.table import Table

from w2vray.cli.checking import evaluate_checked
from w2vray.cli.command import GOES_ON, verb
from w2vray.cli.console import Output, counted, table
from w2vray.cli.options import model_options
from w2vray.cli.parsing import GroupedOption
from w2vray.cli.promises import kept_beside_expected
from w2vray.cli.rows_shown import said, tell_damaged, words_found
from w2vray.cli.scoring_shown import show_scoring, spent
from w2vray.cli.training_shown import tell_of_labels, trained_lines
from w2vray.cluster.ahead import start_processes
from w2vray.settings.answering import PredictSettings, ScoreSettings
from w2vray.settings.checks import VerifySettings
from w2vray.settings.labelled import EvaluateSettings
from w2vray.training.settings import TrainSettings

if TYPE_CHECKING:
    from w2vray.cluster.evaluate import EvaluationSummary
    from w2vray.cluster.score import ScoreSummary
    from w2vray.scoring.metrics import Metrics

__all__ = ["evaluate", "predict", "score", "train", "verify"]

_TYPED = frozenset({ParameterSource.COMMANDLINE, ParameterSource.DEFAULT_MAP, ParameterSource.ENVIRONMENT})
"""Where a value comes from that somebody chose: the command line, --config, a variable of the environment."""

_CONFUSIONS_SHOWN = 5
_NEW_FILES_TOLD = 5
"""Of those that came after a run was planned: a store may have got thousands."""


@verb(
    "train",
    TrainSettings,
    on_cluster=True,
    when_stopped=GOES_ON,
    examples=(
        "w2vray train labelled.csv --vectors vectors --output model --test-fraction 0.2",
        "w2vray train labelled.parquet --vectors vectors --output model --model average --where \"split == 'train'\"",
    ),
)
@click.option(
    "--from",
    "repeat",
    metavar="CONFIG",
    help="config.json of a model: train as that model was trained. Options that you give beside it win.",
    cls=GroupedOption,
    group="Model",
)
@model_options
def train(output: Output, /, *, address: str | None, repeat: str | None, **arguments: Any) -> None:
    """Train a classifier on labelled rows."""
    from w2vray.models.kinds import option_owners

    given = {name: arguments.pop(name) for name in option_owners()}
    given = {name: value for name, value in given.items() if value not in (None, ())}
    if repeat is None:
        for name, word in (("labelled", "argument 'LABELLED...'"), ("vectors", "option '--vectors'")):
            if not arguments[name]:
                raise click.UsageError(f"Missing {word}; --from takes it from a model.")
        settings, origin = TrainSettings(**arguments, model_settings=given), None
    else:
        from w2vray.cluster.repeating import repeated

        source = click.get_current_context().get_parameter_source
        typed = {name: value for name, value in arguments.items() if source(name) in _TYPED}
        settings, origin = repeated(repeat, {**typed, "model_settings": given})
    from w2vray.cluster.train import train as train_model

    with output.progress("training") as update:
        summary = train_model(
            settings,
            origin=origin,
            address=address,
            progress=update,
            note=output.note,
        )
    tell_damaged(output, summary.rows_damaged)
    tell_of_labels(output, summary)
    output.result(summary.as_dict(), *trained_lines(summary))


for _parameter in train.params:
    if _parameter.name in {"labelled", "vectors"}:
        _parameter.required = False  # a model that is named with --from tells them


@verb(
    "evaluate",
    EvaluateSettings,
    on_cluster=True,
    when_stopped="nothing was measured",
    examples=(
        "w2vray evaluate test.parquet --model model --output measured",
        "w2vray evaluate test.parquet --model model --model other",
        "w2vray evaluate check.csv --of-run run",
    ),
)
@click.option(
    "--of-run",
    "of_run",
    metavar="RUN",
    help="Estimate the precision of this run instead, from a file of `w2vray sample` that somebody has filled in.",
    cls=GroupedOption,
    group="Data",
)
def evaluate(output: Output, /, *, address: str | None, of_run: str | None, **arguments: Any) -> None:
    """Measure a model on labelled rows: accuracy, F1, confusions."""
    if of_run is not None:
        evaluate_checked(output, of_run, address=address, **arguments)
        return
    if not arguments["model"]:
        raise click.UsageError("Missing option '--model'; or name a run with --of-run.")
    settings = EvaluateSettings(**arguments)
    start_processes(address)
    from w2vray.cluster.evaluate import evaluate as evaluate_model
    from w2vray.scoring.metrics import MultiLabelMetrics

    with output.progress("evaluating") as update:
        summary = evaluate_model(
            settings, address=address, note=output.note, progress=lambda done, total: update(done, total, "units")
        )
    found = summary.metrics
    tell_damaged(output, summary.rows_damaged)
    rows = [(item.label, item.rows, item.precision, item.recall, item.f1) for item in found.classes]
    one_label = None if isinstance(found, MultiLabelMetrics) else found
    output.result(
        summary.as_dict(),
        table("classes", ["class", "rows", "precision", "recall", "F1"], rows),
        *([] if one_label is None else _confusions(one_label)),
        *(_measured(item, named=bool(summary.others)) for item in (summary, *summary.others)),
        *([] if one_label is None else [_beside(one_label)]),
        *(_calibrated(item, named=bool(summary.others)) for item in (summary, *summary.others)),
        *_own_thresholds((summary, *summary.others)),
        *(comparison.sentence for comparison in summary.comparisons),
        *(words_found(item.tokens, item.coverage) for item in (summary, *summary.others)),
    )


for _parameter in evaluate.params:
    if _parameter.name == "model":
        _parameter.required = False  # a run knows its own


def _measured(summary: "EvaluationSummary", *, named: bool) -> str:
    """Say how good a model is."""
    found = summary.metrics.as_dict()
    micro = f" (exact match), micro-F1 {found['micro_f1']:.4f}" if "micro_f1" in found else ""
    rows, silent = counted(found["rows"], "row"), found["rows_no_evidence"]
    name, unknown = f"{summary.model}: " if named else "", summary.rows_unknown_label
    return (
        f"{name}accuracy {found['accuracy']:.4f}{micro}, macro-F1 {found['macro_f1']:.4f} on {rows} "
        f"({silent:,} without a known word or a readable text, {unknown:,} of a label that the model "
        f"does not know; {summary.rows_without_label:,} without a label{said(summary.rows_unlabelled)} left out)"
    )


def _calibrated(summary: "EvaluationSummary", *, named: bool) -> str:
    """Say how far probabilities are from what they say."""
    found, name = summary.calibration, f"{summary.model}: " if named else ""
    if found is None:
        return f"{name}no row got an answer, so that there is no calibration error"
    labels = ", mean of all labels" if hasattr(summary.metrics, "micro_f1") else ""
    return (
        f"{name}calibration error {found.error:.4f} ({found.bins} bins of as many rows each{labels}); a perfectly "
        f"calibrated model would have {found.by_chance:.4f} by chance on {counted(found.rows, 'row')}"
    )


def _own_thresholds(summaries: "Sequence[EvaluationSummary]") -> list[str]:
    """Say what the models' own thresholds come to, beside what they promise; nothing of models without any."""
    several = len(summaries) > 1
    return [
        f"{item.model}: {own.sentence}" if several else own.sentence
        for item in summaries
        if (own := item.own_thresholds) is not None
    ]


def _confusions(found: "Metrics") -> list[Table]:
    rows = [
        ("(not known to the model)" if true is None else true, "(none)" if given is None else given, count)
        for true, given, count in found.confusions(_CONFUSIONS_SHOWN)
    ]
    return [table("commonest confusions", ["label", "given instead", "rows"], rows)] if rows else []


def _beside(found: "Metrics") -> str:
    """Say what accuracy costs nothing: 0.97 is little where 97 % of the rows have one label."""
    commonest = max(found.classes, key=lambda item: item.rows)
    return f"always answering {commonest.label!r} would reach an accuracy of {found.largest_share:.4f}"


@verb(
    "score",
    ScoreSettings,
    on_cluster=True,
    when_stopped=GOES_ON,
    examples=(
        "w2vray score reviews/ --model model --output run --keep id",
        "w2vray score s3://bucket/reviews --model model --output s3://bucket/run --where \"lang == 'en'\"",
    ),
)
def score(output: Output, /, *, address: str | None, **arguments: Any) -> int:
    """Classify every row of a store."""
    settings = ScoreSettings(**arguments)
    start_processes("local" if settings.gpu else address)
    from w2vray.cluster.score import score as score_store

    with output.progress("scoring") as update:
        summary = score_store(
            settings, address=address, progress=lambda now: show_scoring(update, now), note=output.note
        )
    for line in summary.notes:
        output.note(line)
    for file, reason in summary.left_out.items():
        output.note(f"left out: {file}: {reason}")
    for line in summary.warnings:
        output.note(line)
    for name in summary.new_files[:_NEW_FILES_TOLD]:
        output.note(f"new since the run was planned, and not scored: {name}; add it with --new-files")
    if len(summary.new_files) > _NEW_FILES_TOLD:
        output.note(f"and {len(summary.new_files) - _NEW_FILES_TOLD:,} more that are new")
    if settings.max_rejected is not None and summary.rows_rejected > settings.max_rejected:
        output.note(
            f"rejected: {counted(summary.rows_rejected, 'row')}; --max-rejected allows {settings.max_rejected:,}"
        )
    done = summary.units - summary.units_skipped - summary.units_failed
    output.result(
        summary.as_dict(),
        f"{summary.run}: {counted(summary.rows_in, 'row')} in, {summary.rows_scored:,} scored"
        f"{_not_relied_on(summary)}, {summary.rows_rejected:,} rejected{_why(summary.rejected)}",
        f"{counted(done, 'unit')} done now, {summary.units_skipped:,} before, {summary.units_failed:,} failed, "
        + spent(summary.seconds, summary.rows_now, summary.rows_per_second),
        *kept_beside_expected(summary.expected_kept, summary.kept),
        words_found(summary.tokens, summary.coverage),
        *([] if summary.forecast is None else summary.forecast["lines"]),
        *([] if summary.report is None else [f"page: {summary.report}"]),
        _completeness(summary.left_out, accepted=summary.gaps_accepted),
    )
    return summary.exit_code


def _not_relied_on(summary: "ScoreSummary") -> str:
    """Say of how many scored rows the label is not relied on, and whether their row in the file has one."""
    told = [f"{rows:,} {what}" for what, rows in summary.not_relied_on.items()]
    return f" ({', '.join(told)})" if told else ""


def _why(rejected: Mapping[str, int]) -> str:
    """Say why rows were rejected."""
    told = [f"{reason} {rows:,}" for reason, rows in sorted(rejected.items(), key=lambda item: -item[1])]
    return f" ({', '.join(told)})" if told else ""


def _completeness(left_out: object, *, accepted: bool) -> str:
    if not left_out:
        return "complete"
    if accepted:
        return "complete, except for the gaps above"
    return "not complete, see above: run the same command to try again, or accept the gaps with --on-bad skip"


@verb("verify", VerifySettings, when_stopped="nothing was proved, and the run is as it was")
def verify(output: Output, /, **arguments: Any) -> int:
    """Prove that each row of the store is in a run exactly once."""
    settings = VerifySettings(**arguments)
    from w2vray.run.verify import verify as verify_run

    with output.progress("verifying") as update:
        summary = verify_run(settings, progress=lambda done, total: update(done, total, "units"))
    if output.quiet:
        for problem in summary.problems:
            output.note(problem)
    output.result(
        summary.as_dict(),
        *summary.problems,
        *(f"accepted as a gap: {gap}" for gap in summary.gaps),
        *summary.notes,
        *(f"{table['place']}: {table['kind']} table, read at version {table['version']}" for table in summary.tables),
        *(f"in the store, but not in the run: {name}; add it with `score --new-files`" for name in summary.new_files),
        f"{summary.run}: {counted(summary.rows_in, 'row')} in = {summary.rows_scored:,} scored + "
        f"{summary.rows_rejected:,} rejected, {counted(summary.units, 'unit')}; "
        + ("everything is in order" if summary.ok else f"problems: {len(summary.problems):,}"),
    )
    return 0 if summary.ok else 4


@verb(
    "predict",
    PredictSettings,
    json_help="Print errors as JSON too. Answers are always JSON objects, one per text.",
)
def predict(output: Output, /, **arguments: Any) -> None:
    """Classify texts, or the lines of stdin: one JSON object a line."""
    settings = PredictSettings(**arguments)
    from w2vray.cli.predicting import given_lines, is_a_file, predict_lines, waiting_lines

    if not settings.text and sys.stdin.isatty():
        output.note("one text per line; end the input with Ctrl-D")
    for text in settings.text:
        if is_a_file(text):
            output.note(
                f"{text} is classified as a text; to classify the lines of that file: w2vray predict ... < {text}"
            )
    blocks = given_lines(settings.text) if settings.text else waiting_lines(sys.stdin.fileno())
    for answers in predict_lines(settings, blocks):
        output.answers(answers)
