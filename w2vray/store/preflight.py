"""What is checked before any work: that the columns asked for are there and can be used."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from w2vray.errors import CorpusError
from w2vray.schema import DAMAGE_COLUMN, NOTHING_AMISS, FileReason, without_views
from w2vray.store.column_notes import alike, column_notes
from w2vray.store.common_types import common_type, stored_type
from w2vray.store.corpus import Corpus, SourceFile, find_corpus, one_version
from w2vray.store.describing import describe_files
from w2vray.store.description import ANY, Description, ReadAs
from w2vray.store.failures import Failure
from w2vray.store.filters import Where
from w2vray.store.folders import folder_types, planned_type, repeated_keys
from w2vray.store.labels import holds_lists, require_label_type
from w2vray.store.not_read import EXCLUDED, NOT_READ, excluded_files, ignored_files
from w2vray.store.one_format import header_hint, how_read, require_one_format
from w2vray.store.reading import FILE_COLUMN, ROW_COLUMN
from w2vray.text.columns import is_text_type

__all__ = ["Columns", "Found", "fit_files", "whole_store"]


OWN_COLUMNS = frozenset({FILE_COLUMN, ROW_COLUMN, DAMAGE_COLUMN})


@dataclass(frozen=True)
class Columns:
    """Columns that are read: ``texts`` must be of a text type, ``others`` of types that have one in common.

    ``labels`` must all hold labels, or all lists of them; each file may have a type of its own.
    """

    texts: tuple[str, ...]
    kept: tuple[str, ...] = ()  # of --keep
    labels: tuple[str, ...] = ()
    filtered: tuple[str, ...] = ()  # of --where

    @property
    def others(self) -> tuple[str, ...]:
        """Those that are neither texts nor labels."""
        return (*self.kept, *self.filtered)

    @property
    def all(self) -> list[str]:
        """All columns, each once."""
        return list(dict.fromkeys([*self.texts, *self.labels, *self.others]))

    @property
    def required(self) -> list[str]:
        """Those that every file must have; others are null where a file has none."""
        return list(dict.fromkeys([*self.texts, *self.labels]))


@dataclass(frozen=True)
class Found:
    """The files of a store that have the columns asked for, the others with the reason, and the columns' types.

    ``schema`` has a type for each of ``Columns.others``, in which every file's values are read without a loss.
    """

    files: list[Description]
    bad: dict[SourceFile, Failure]
    schema: pa.Schema
    multi_label: bool  # the label column holds lists
    notes: list[str]  # for a person: what is null because a file does not have it


def fit_files(
    described: Sequence[Description],
    columns: Columns,
    corpus: Corpus,
    planned: pa.Schema | None = None,
    unreadable: Mapping[SourceFile, Failure] | None = None,
) -> Found:
    """Hold files against the columns asked for.

    Args:
        described: files of the store.
        columns: that are asked for.
        corpus: the store; its roots' own folders are no columns.
        planned: the types, where they were fixed before; None to find them.
        unreadable: other files of the store: what is told where a column is nowhere.

    Raises:
        CorpusError: no file has a column, or one has it twice; the message lists the columns that there are. Or the
            files are not all of one format.
    """
    require_one_format(corpus, ((item.file, item.format) for item in described))
    folders = folder_types(file.file.name for file in described if file.view is None)
    schemas = _with_folders(described, folders, planned)
    distinct = _distinct(schemas.values())
    hint = header_hint(described) + _above(columns.all, distinct, corpus.roots) + _unread(unreadable or {})
    _require_columns(distinct, columns, hint)
    schema = planned or pa.schema([_common(name, described, schemas) for name in dict.fromkeys(columns.others)])
    lists = _most_hold_lists(described, schemas, columns)
    good: list[Description] = []
    bad: dict[SourceFile, Failure] = {}
    known: dict[tuple[int, str], tuple[FileReason, str] | None] = {}  # most files have one schema
    for file in described:
        found = schemas[file.file]
        if (kind := (id(found), file.format)) not in known:
            known[kind] = _unfit(file, found, columns, schema, lists)
        empty = file.format == "parquet" and not file.rows  # whoever wrote no row knew no types either
        unfit = None if empty else known[kind]
        if unfit is None:
            good.append(file)
        else:
            bad[file.file] = Failure(reason=unfit[0], detail=unfit[1], file=file.file.name)
    notes = [*how_read(good), *column_notes(good, schemas, schema, columns.all)]
    return Found(good, bad, schema, any(lists.values()), notes)


def whole_store(
    arguments: Sequence[str],
    columns: Columns,
    *,
    where: Where | None = None,
    read_as: ReadAs = ANY,
    table_version: int | None = None,
) -> tuple[Corpus, Found]:
    """List a store of which every file is needed, and describe all of them.

    Args:
        arguments: what the store is named by.
        columns: that will be read.
        where: condition of the rows that will be read: files of a table that have none are left out.
        read_as: what somebody says of its files.
        table_version: of the table that is the store; None for its current one.

    Raises:
        CorpusError: a file cannot be read or used; the message names the first, and says how many there are.
    """
    corpus = find_corpus(arguments, one_version(arguments, table_version))
    excluded = set(excluded_files(corpus, where))
    for file in excluded:
        corpus.ignored.add(EXCLUDED, file.name)
    wanted = [file for file in corpus.files if file not in excluded]
    described, unreadable = describe_files(corpus, wanted, columns.all, replace(read_as, plain=columns.required))
    if described:
        found = fit_files(described, columns, corpus, unreadable=unreadable)
        every = unreadable | found.bad
        bad = {file: failure for file, failure in every.items() if failure.reason not in NOTHING_AMISS}
    else:
        bad = unreadable
    if bad:
        (file, failure), *others = bad.items()
        more = f", and {len(others):,} more like it" if others else ""
        raise CorpusError(f"{corpus.place(file)}: {failure.detail}{more}; repair the file, or leave it out")
    corpus.ignored.add_all(ignored_files(unreadable))
    for empty in (each for each in described if not each.rows):
        corpus.ignored.add(NOT_READ[FileReason.NO_ROWS], empty.file.name)
    return corpus, found


def _distinct(schemas: Iterable[pa.Schema]) -> list[pa.Schema]:
    """Return each object once, in order."""
    return list({id(schema): schema for schema in schemas}.values())


def _require_columns(schemas: Sequence[pa.Schema], columns: Columns, hint: str) -> None:
    counts = {name: {schema.names.count(name) for schema in schemas} - {0} for name in columns.all}
    if ours := [name for name in columns.all if name in OWN_COLUMNS]:
        raise CorpusError(
            f"a column cannot be called {ours[0]!r}: w2vray uses that name itself; rename it in the store"
        )
    if twice := [name for name in columns.all if counts[name] and 1 not in counts[name]]:
        where = "in a file, or in the names of its folders"
        raise CorpusError(f"column {twice[0]!r} is there more than once {where}; rename one of them")
    seen = dict.fromkeys(name for schema in schemas for name in schema.names)
    if missing := [name for name in columns.all if name not in seen]:
        what = f"no column {', '.join(map(repr, missing))} in the store; its columns are {', '.join(seen)}{hint}"
        raise CorpusError(_with_options(what, missing, columns))


def _with_options(what: str, missing: Sequence[str], columns: Columns) -> str:
    """Say which options name the missing columns: that of texts or labels may have been named by nobody."""
    options = {
        "--text-column": columns.texts,
        "--label-column": columns.labels,
        "--keep": columns.kept,
        "--where": columns.filtered,
    }
    named = " and ".join(option for option, names in options.items() if {*names} & {*missing})
    return f"{what}. Name yours with {named}" if {*columns.required} & {*missing} else f"{named}: {what}"


def _with_equals(missing: Sequence[str], schemas: Iterable[pa.Schema]) -> str | None:
    """Return a column whose name goes on with an ``=`` where one of the missing ones ends."""
    there = (name for schema in schemas for name in schema.names)
    return next((name for name in there if "=" in name and name.partition("=")[0] in missing), None)


def _above(names: Sequence[str], schemas: Sequence[pa.Schema], roots: Sequence[str]) -> str:
    """Say where a column that is missing is a folder that was named, or one above it."""
    missing = [name for name in names if not any(name in schema.names for schema in schemas)]
    if (longer := _with_equals(missing, schemas)) is not None:
        return f'. To keep {longer!r}, write its = twice: --keep "{longer.replace("=", "==")}"'
    folders = (folder for root in roots for folder in root.partition("?")[0].split("/"))
    found = next((folder for folder in folders if "=" in folder and folder.partition("=")[0] in missing), None)
    if found is None:
        return ""
    return f". Only folders below the one that is named are columns: name the one above {found} to have it"


def _unread(unreadable: Mapping[SourceFile, Failure]) -> str:
    """Say that a column may be in a file that cannot be read."""
    amiss = [(file, failure) for file, failure in unreadable.items() if failure.reason not in NOTHING_AMISS]
    if not amiss:
        return ""
    file, failure = amiss[0]
    others = f", nor can {len(amiss) - 1:,} more" if len(amiss) > 1 else ""
    return f". {file.name} cannot be read{others}: {failure.detail}"


def _common(name: str, files: Sequence[Description], schemas: Mapping[SourceFile, pa.Schema]) -> pa.Field:
    """Return a column with the type that most rows can have; a rarer type that does not go with it is left out."""
    rows: Counter[pa.DataType] = Counter()
    for schema, count in _counted(files, schemas, lambda file: file.rows + 1):
        if (kind := _type_of(schema, name)) is not None:
            rows[without_views(kind)] += count
    kinds = [kind for kind, _ in rows.most_common()]
    found = kinds[0]
    for kind in kinds[1:]:
        found = common_type(found, kind) or (pa.string() if _written_alike(files, found, kind) else found)
    return pa.field(name, found)


def _written_alike(files: Sequence[Description], *kinds: pa.DataType) -> bool:
    """Tell whether values of these types can all be had as they are written: of JSON Lines, all but lists."""
    return all(file.format == "jsonl" for file in files) and not any(map(holds_lists, kinds))


def _most_hold_lists(
    files: Sequence[Description], schemas: Mapping[SourceFile, pa.Schema], columns: Columns
) -> dict[str, bool]:
    """Return for each label column whether its rows hold lists, as most files have it."""
    lists = {}
    for name in columns.labels:
        kinds = [
            (kind, count)
            for schema, count in _counted(files, schemas, lambda _: 1)
            if (kind := _type_of(schema, name)) is not None and not pa.types.is_null(kind)
        ]
        lists[name] = sum(count for kind, count in kinds if holds_lists(kind)) * 2 > sum(count for _, count in kinds)
    return lists


def _counted(
    files: Sequence[Description], schemas: Mapping[SourceFile, pa.Schema], count: Callable[[Description], int]
) -> list[tuple[pa.Schema, int]]:
    """Return each schema once, in order, with the sum of ``count`` of the files that have it."""
    sums: dict[int, tuple[pa.Schema, int]] = {}
    for file in files:
        schema = schemas[file.file]
        sums[id(schema)] = schema, sums.get(id(schema), (schema, 0))[1] + count(file)
    return list(sums.values())


def _type_of(schema: pa.Schema, name: str) -> pa.DataType | None:
    """Return a column's type where it is there once."""
    return schema.field(name).type if schema.names.count(name) == 1 else None


def _unfit(
    file: Description, found: pa.Schema, columns: Columns, schema: pa.Schema, lists: Mapping[str, bool]
) -> tuple[FileReason, str] | None:
    for name in columns.all:
        if (count := found.names.count(name)) > 1:
            return FileReason.AMBIGUOUS, f"column {name!r} is there {count} times, in it or in its folders' names"
        if not count and name in columns.required:
            return FileReason.NO_COLUMN, f"it has no column {name!r}{alike(name, found)}"
        if not count:
            continue
        kind = found.field(name).type
        as_written = _written_alike([file], kind)
        if wrong := _wrong_type(name, kind, columns, schema, lists, as_written=as_written):
            return FileReason.WRONG_TYPE, wrong
    return None


def _wrong_type(
    name: str, kind: pa.DataType, columns: Columns, schema: pa.Schema, lists: Mapping[str, bool], *, as_written: bool
) -> str:
    """Say why a column of a file cannot be used; nothing where it can. ``as_written``: it can be had as strings."""
    if name in columns.texts and not is_text_type(stored_type(kind)):
        return f"column {name!r} is {kind}; expected strings or UTF-8 bytes"
    if name in columns.labels:
        try:
            require_label_type(kind, name)
        except CorpusError as error:
            return str(error)
        if holds_lists(kind) != lists[name] and not pa.types.is_null(kind):
            others = "lists of labels" if lists[name] else "one label a row"
            return f"column {name!r} is {kind}; the other files have {others}"
    if name in columns.others:
        common = schema.field(name).type
        if common_type(without_views(kind), common) != common and not (as_written and pa.types.is_string(common)):
            return f"column {name!r} is {kind}; the other files have {common}, and no type holds both without a loss"
    return ""


def _with_folders(
    described: Sequence[Description], folders: Mapping[str, pa.DataType], planned: pa.Schema | None
) -> dict[SourceFile, pa.Schema]:
    """Return the schema of each file with the columns of its folders; files of a folder share the object."""
    made: dict[tuple[int, str], pa.Schema] = {}
    schemas: dict[SourceFile, pa.Schema] = {}
    for item in described:
        if item.view is not None:
            schemas[item.file] = item.schema  # a table's columns are those that its log tells of
            continue
        kind = id(item.schema), item.file.name.rpartition("/")[0]
        if kind not in made:
            made[kind] = _with_folders_of(item, folders, planned)
        schemas[item.file] = made[kind]
    return schemas


def _with_folders_of(
    described: Description, folders: Mapping[str, pa.DataType], planned: pa.Schema | None
) -> pa.Schema:
    stored = described.schema
    repeated = repeated_keys(described.file.name)
    own = {name: value for name, value in described.file.partition_values.items() if name not in stored.names}
    kinds = {
        name: planned_type(value, planned.field(name).type) if planned and name in planned.names else folders[name]
        for name, value in own.items()
    }
    twice = [pa.field(name, pa.string()) for name in sorted(repeated)]
    return pa.schema([*stored, *(pa.field(name, kind) for name, kind in kinds.items()), *twice])
