"""``w2vray info PATH``: what stands at a path, whatever it is."""

from typing import Any

from w2vray.cli.command import verb
from w2vray.cli.console import Output, counted, table
from w2vray.settings.checks import InfoSettings
from w2vray.standing import RUN_KIND, made_by_us

__all__ = ["info"]

_COLUMNS_SHOWN = 50
_FILES_LOOKED_AT = 10
"""Of a store, until one tells its columns: a card or a licence may come first."""


@verb("info", InfoSettings, examples=("w2vray info model", "w2vray info run", "w2vray info reviews/"))
def info(output: Output, /, *, path: str) -> None:
    """Say what a path is: vectors, a model, a run or a store."""
    from w2vray.places.fetching import made_there
    from w2vray.places.uris import is_uri

    kind = made_there(path) if is_uri(path) else made_by_us(path)
    show = {
        "a vectors directory": _vectors,
        "a model directory": _model,
        RUN_KIND: _run,
    }.get(kind, _store)
    show(output, path)


def _vectors(output: Output, path: str) -> None:
    from w2vray.cli.vectors_verbs import vectors_result
    from w2vray.vectors import Vectors

    vectors_result(output, Vectors.open(path))


def _model(output: Output, path: str) -> None:
    from w2vray.models.card import model_card
    from w2vray.models.directory import Bundle

    bundle = Bundle.load(path)
    value = {"kind": "model", "path": bundle.uri or path, **bundle.config.as_dict()}
    output.result(value, model_card(bundle.config).rstrip())


def _run(output: Output, path: str) -> None:
    from w2vray.places.uris import absolute
    from w2vray.run.directory import RunDirectory
    from w2vray.run.run_files import MANIFEST, RUN, SUCCESS, TOTALS

    run = RunDirectory(absolute(path))
    identity, (units, left_out) = run.read_json(RUN), run.plan()
    done, rows = len(run.finished() & {unit.id for unit in units}), sum(unit.rows for unit in units)
    totals = run.read_json(TOTALS) if run.exists(TOTALS) else {}
    state = (
        "finished"
        if run.exists(SUCCESS)
        else "finished, with gaps"
        if run.exists(MANIFEST)
        else "not finished: run the same `w2vray score` again to finish it"
    )
    value = {"kind": "run", "path": path, "state": state, "units": len(units), "units_done": done, "rows": rows}
    output.result(
        {**value, "files_left_out": len(left_out), "totals": totals, "identity": identity},
        f"{path}: a scoring run, {state}",
        f"{done:,} of {counted(len(units), 'unit')} done, {counted(rows, 'row')} planned, "
        f"{counted(len(left_out), 'file')} left out",
        *(f"{name}: {number:,}" for name, number in totals.items() if name.startswith("rows_")),
    )


def _store(output: Output, path: str) -> None:
    from w2vray.store.corpus import find_corpus
    from w2vray.store.describing import describe_files

    corpus = find_corpus((path,))
    described, unreadable = describe_files(corpus, corpus.files[:_FILES_LOOKED_AT], ())
    columns = [(field.name, str(field.type)) for field in described[0].schema] if described else []
    size = sum(file.size for file in corpus.files)
    value = {"kind": "store", "path": path, "files": len(corpus.files), "bytes": size, "ignored": corpus.ignored.files}
    value["tables"] = [table.as_json() for table in corpus.tables.values()]
    lines: list[Any] = [f"{path}: {counted(len(corpus.files), 'file')}, {size:,} bytes", *corpus.notes]
    lines += [f"not readable as data: {failure.detail}" for failure in unreadable.values()]
    if described:
        of = f", the first {_COLUMNS_SHOWN} of {len(columns):,}" if len(columns) > _COLUMNS_SHOWN else ""
        title = f"columns of {described[0].file.name} ({described[0].format}, {counted(described[0].rows, 'row')}){of}"
        lines.append(table(title, ["column", "type"], columns[:_COLUMNS_SHOWN]))
    output.result({**value, "columns": dict(columns)}, *lines)
