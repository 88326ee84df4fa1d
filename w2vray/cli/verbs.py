"""The verbs: arguments to settings, one library call, a result for people or as JSON.

Each imports what it needs when it is called, so that ``--help`` answers at once.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from click.core import ParameterSource

from w2vray import config, vectors_config
from w2vray.cli.console import Output, progress_bar, table
from w2vray.cli.options import model_options, settings_options

__all__ = ["w2vray"]

Verb = Callable[..., int | None]


def _verb(
    group: click.Group, name: str, settings: type, *, on_cluster: bool = False
) -> Callable[[Verb], click.Command]:
    """Make a command of a verb: its settings' options, ``--json`` and, where it uses Ray, ``--address``."""

    def decorate(function: Verb) -> click.Command:
        @wraps(function)
        def run(**arguments: Any) -> None:
            output = Output(arguments.pop("json"))
            code = function(output, **arguments)
            if code:
                sys.exit(code)

        command = click.option("--json", "json", is_flag=True, help="Print one JSON object, and only that, on stdout.")(
            run
        )
        if on_cluster:
            text = "Ray cluster to use, such as HEAD:6379 or auto. Default: RAY_ADDRESS, or Ray on this machine."
            command = click.option("--address", help=text)(command)
        return group.command(name)(settings_options(settings)(command))

    return decorate


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="w2vray")
def w2vray() -> None:
    """Train text classifiers on word vectors, then classify whole Parquet stores with them."""


@w2vray.group()
def vectors() -> None:
    """Import, train and look into word vectors."""


@_verb(vectors, "import", vectors_config.ImportSettings)
def vectors_import(output: Output, /, **arguments: Any) -> None:
    """Make a vectors directory of a file of word2vec, GloVe, fastText or gensim."""
    from w2vray.vectors import import_vectors

    with progress_bar("words") as update:
        made = import_vectors(vectors_config.ImportSettings(**arguments), lambda done, total: update(done, total, ""))
    _vectors_result(output, made)


@_verb(vectors, "train", vectors_config.FitVectorsSettings)
def vectors_train(output: Output, /, **arguments: Any) -> None:
    """Train word2vec or fastText vectors on the text of a Parquet store."""
    from w2vray.cluster.corpus_texts import corpus_texts
    from w2vray.vectors.fitting import fit_vectors

    settings = vectors_config.FitVectorsSettings(**arguments)
    texts = corpus_texts(settings.corpus, settings.text_column)
    with progress_bar(settings.algorithm) as update:
        made = fit_vectors(settings, texts, update)
    if texts.rejected:
        output.note(f"{texts.rejected:,} rows have no readable text and were left out")
    _vectors_result(output, made)


@_verb(vectors, "join", vectors_config.JoinVectorsSettings)
def vectors_join(output: Output, /, **arguments: Any) -> None:
    """Put vectors side by side: the union of their words, zeros where one has no such word."""
    from w2vray.vectors.joining import join_vectors

    with progress_bar("words") as update:
        made = join_vectors(
            vectors_config.JoinVectorsSettings(**arguments), lambda done, total: update(done, total, "")
        )
    _vectors_result(output, made)


@_verb(vectors, "info", vectors_config.VectorsInfoSettings)
def vectors_info(output: Output, /, **arguments: Any) -> None:
    """Show a vectors directory, and how much of a corpus it covers."""
    from w2vray.cluster.corpus_texts import corpus_texts
    from w2vray.lookup import measure_coverage
    from w2vray.tokens import family
    from w2vray.vectors import Vectors

    settings = vectors_config.VectorsInfoSettings(**arguments)
    opened = Vectors.open(settings.vectors)
    if not settings.corpus:
        _vectors_result(output, opened)
        return
    rules = family(settings.family) if settings.family else opened.rules
    found = measure_coverage(opened.vocabulary, rules, corpus_texts(settings.corpus, settings.text_column))
    value = {**_vectors_value(opened), **found.as_dict(), "measured_with": rules.family}
    share = f"{found.found:,} of {found.tokens:,} tokens have a vector ({found.coverage:.2%}), read as {rules.family}"
    ways = [(way, number, f"{number / found.tokens:.2%}") for way, number in found.found_by.items()]
    output.result(
        value,
        *_vectors_lines(opened),
        share,
        table("how they were found", ["way", "tokens", "share"], ways),
        table("commonest words without a vector", ["word", "times"], list(found.missing.items())),
    )


def _vectors_value(opened: Any) -> dict[str, Any]:
    return {
        "path": str(opened.path),
        "words": len(opened),
        "dim": opened.dim,
        "dtype": str(opened.table_VD.dtype),
        "family": opened.rules.family,
        "ngrams": None if opened.ngrams is None else len(opened.ngrams.table_GD),
        "fingerprint": opened.fingerprint,
        "source": dict(opened.source),
    }


def _vectors_lines(opened: Any) -> list[str]:
    duplicates = opened.source.get("duplicates", 0)
    lines = [
        f"{opened.path}: {len(opened):,} words x {opened.dim}, {opened.table_VD.dtype}, family {opened.rules.family}",
        f"fingerprint {opened.fingerprint[:16]}",
    ]
    if opened.ngrams is not None:
        lengths = f"{opened.ngrams.shortest} to {opened.ngrams.longest}"
        lines.append(f"{len(opened.ngrams.table_GD):,} buckets of n-grams, {lengths} characters long")
    if duplicates:
        lines.append(f"{duplicates:,} duplicate words left out")
    return lines


def _vectors_result(output: Output, opened: Any) -> None:
    output.result(_vectors_value(opened), *_vectors_lines(opened))


@_verb(w2vray, "train", config.TrainSettings, on_cluster=True)
@click.option(
    "--from",
    "repeat",
    metavar="CONFIG",
    help="config.json of a model: train as it was trained, but for the options given beside it.",
)
@model_options
def train(output: Output, /, *, address: str | None, repeat: str | None, **arguments: Any) -> None:
    """Train a classifier on labelled Parquet."""
    from w2vray.models.settings import model_settings, option_owners

    given = {name: arguments.pop(name) for name in option_owners()}
    given = {name: value for name, value in given.items() if value not in (None, ())}
    if repeat is None:
        for name, word in (("labelled", "argument 'LABELLED...'"), ("vectors", "option '--vectors'")):
            if not arguments[name]:
                raise click.UsageError(f"Missing {word}; --from takes it from a model.")
        settings, origin = config.TrainSettings(**arguments, model_settings=given), None
    else:
        from w2vray.cluster.repeating import repeated

        source = click.get_current_context().get_parameter_source
        typed = {name: value for name, value in arguments.items() if source(name) is ParameterSource.COMMANDLINE}
        settings, origin = repeated(repeat, {**typed, "model_settings": given})
    model_settings(
        settings.model, given, tuned=settings.tune_vectors
    )  # a wrong option is told before anything is started
    from w2vray.cluster.train import train as train_model

    with progress_bar("training") as update:
        summary = train_model(
            settings, origin=origin, address=address, progress=lambda done, text: update(done, None, text)
        )
    best = min(summary.curve, key=lambda line: line["validation_loss"] or 0.0)
    rows = f"{summary.rows:,} rows trained on, {summary.rows_validation:,} kept for validation"
    unlabelled, unknown = summary.rows_without_label, summary.rows_without_evidence
    lines = [
        f"{summary.model}: {settings.model}, {len(summary.labels)} classes, {rows}",
        f"left out: {unlabelled:,} rows without a label, {unknown:,} without a known word",
    ]
    if best["validation_loss"] is not None:
        lines.append(
            f"epoch {best['epoch']} of {summary.epochs} was best: validation loss {best['validation_loss']:.4f}, "
            f"accuracy {best['validation_accuracy']:.4f}"
        )
    output.result(summary.as_dict(), *lines)


for _parameter in train.params:
    if _parameter.name in {"labelled", "vectors"}:
        _parameter.required = False  # a model that is named with --from tells them


@_verb(w2vray, "evaluate", config.EvaluateSettings, on_cluster=True)
def evaluate(output: Output, /, *, address: str | None, **arguments: Any) -> None:
    """Measure a model on labelled Parquet: accuracy, F1, a row per class."""
    settings = config.EvaluateSettings(**arguments)
    from w2vray.cluster.evaluate import evaluate as evaluate_model
    from w2vray.metrics import MultiLabelMetrics

    summary = evaluate_model(settings, address=address)
    found = summary.metrics
    rows = [(item.label, item.rows, item.precision, item.recall, item.f1) for item in found.classes]
    micro = f"micro-F1 {found.micro_f1:.4f}, " if isinstance(found, MultiLabelMetrics) else ""
    output.result(
        summary.as_dict(),
        table("classes", ["class", "rows", "precision", "recall", "F1"], rows),
        f"accuracy {found.accuracy:.4f}, {micro}macro-F1 {found.macro_f1:.4f} on {found.rows:,} rows "
        f"({found.rows_no_evidence:,} without a known word, {summary.rows_unknown_label:,} of a label that the model "
        f"does not know; {summary.rows_without_label:,} without a label left out)",
    )


@_verb(w2vray, "score", config.ScoreSettings, on_cluster=True)
def score(output: Output, /, *, address: str | None, **arguments: Any) -> int:
    """Classify every row of a Parquet store."""
    settings = config.ScoreSettings(**arguments)
    from w2vray.cluster.score import score as score_store

    started = time.monotonic()

    def show(done: int, total: int, rows: int) -> None:
        update(done, total, f"units, {rows:,} rows, {rows / (time.monotonic() - started):,.0f} rows/s")

    with progress_bar("scoring") as update:
        summary = score_store(settings, address=address, progress=show)
    for file, reason in summary.left_out.items():
        output.note(f"left out: {file}: {reason}")
    for name in summary.new_files[:5]:
        output.note(f"not part of this run, it came later: {name}; add it with --new-files")
    if settings.max_rejected is not None and summary.rows_rejected > settings.max_rejected:
        output.note(f"{summary.rows_rejected:,} rows are rejected; --max-rejected allows {settings.max_rejected:,}")
    done = summary.units - summary.units_skipped - summary.units_failed
    output.result(
        summary.as_dict(),
        f"{summary.run}: {summary.rows_in:,} rows in, {summary.rows_scored:,} scored "
        f"({summary.rows_abstained:,} of them abstained), {summary.rows_rejected:,} rejected",
        f"{done:,} units done now, {summary.units_skipped:,} before, {summary.units_failed:,} failed, "
        f"in {summary.seconds:.1f} s",
        _completeness(summary.left_out, accepted=summary.gaps_accepted),
    )
    return summary.exit_code


def _completeness(left_out: object, *, accepted: bool) -> str:
    if not left_out:
        return "complete"
    if accepted:
        return "complete, but for the gaps above"
    return "not complete: see above; the same command tries again what is missing"


@_verb(w2vray, "verify", config.VerifySettings)
def verify(output: Output, /, **arguments: Any) -> int:
    """Prove from a run's files that each row of the store is in it exactly once."""
    settings = config.VerifySettings(**arguments)
    from w2vray.cluster.verify import verify as verify_run

    with progress_bar("verifying") as update:
        summary = verify_run(settings, progress=lambda done, total: update(done, total, "units"))
    output.result(
        summary.as_dict(),
        *summary.problems,
        *(f"accepted as a gap: {gap}" for gap in summary.gaps),
        *(f"in the store, and not in the run: {name}; add it with `score --new-files`" for name in summary.new_files),
        f"{summary.run}: {summary.rows_in:,} rows in = {summary.rows_scored:,} scored + "
        f"{summary.rows_rejected:,} rejected, {summary.units:,} units; "
        + ("everything is in order" if summary.ok else f"{len(summary.problems):,} problems"),
    )
    return 0 if summary.ok else 4


@_verb(w2vray, "predict", config.PredictSettings)
def predict(_: Output, /, **arguments: Any) -> None:
    """Classify texts, or the lines of stdin: one JSON object a line."""
    settings = config.PredictSettings(**arguments)
    from w2vray.cli.predicting import predict_lines

    lines = (text.encode("utf-8", "surrogateescape") for text in settings.text) if settings.text else sys.stdin.buffer
    for answer in predict_lines(settings, lines):
        sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
        sys.stdout.flush()


@w2vray.command(context_settings={"ignore_unknown_options": True})
@click.option("--address", required=True, metavar="URL", help="The cluster's dashboard, such as http://HEAD:8265.")
@click.option("--submission-id", help="Name of the job; the same name is refused twice.")
@click.argument("verb", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- VERB ...")
def submit(address: str, submission_id: str | None, verb: tuple[str, ...]) -> None:
    """Run a verb as a Ray job: ship the code, follow the logs, return the exit code."""
    _require_runnable(verb)
    from w2vray.cluster.submit import submit as submit_job

    sys.exit(submit_job(address, verb, submission_id=submission_id))


_PLACES = ("source", "corpus", "labelled", "validation", "vectors", "repeat", "model", "output", "run")


def _require_runnable(verb: tuple[str, ...]) -> None:
    """Check a verb's arguments here, before anything is sent: usage, and places that mean something elsewhere."""
    command: click.Command = w2vray
    words = list(verb)
    while isinstance(command, click.Group):
        name = words.pop(0) if words else ""
        found = command.commands.get(name)
        if found is None or found is submit:
            raise click.UsageError(
                f"{name!r} is not a verb that can be submitted; choose from {', '.join(command.commands)}"
            )
        command = found
    values = command.make_context(command.name, words).params
    for parameter in command.params:
        if parameter.name not in _PLACES or isinstance(parameter.type, click.Choice):
            continue
        value = values[parameter.name]
        for place in value if isinstance(value, tuple) else [value] if value else []:
            if "@" in place.partition("://")[2].partition("/")[0]:
                raise click.UsageError(
                    f"{parameter.name}: a URI with a user or a key in it would be told to everybody who sees the "
                    "cluster's jobs; let the cluster's machines have the key"
                )
            if "://" not in place and not place.startswith("/"):
                raise click.UsageError(
                    f"{place!r} is a relative path; a job runs elsewhere: give a whole path or a URI"
                )
