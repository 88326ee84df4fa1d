"""What is checked before any work: that the columns asked for are there and can be used."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from w2vray.errors import ConfigError, CorpusError
from w2vray.schema import RESERVED_COLUMNS, FileReason
from w2vray.store.corpus import Corpus, find_corpus
from w2vray.store.footer_process import read_footers
from w2vray.store.footers import BadFile, Footer
from w2vray.store.labels import holds_lists, require_label_type
from w2vray.text.columns import is_text_type

__all__ = ["Columns", "check_footers", "kept_columns", "store_schema", "whole_store"]


@dataclass(frozen=True)
class Columns:
    """Columns that are read: ``texts`` must be of a text type, ``others`` of the same type in each file.

    ``labels`` must all hold labels, or all lists of them; each file may have a type of its own.
    """

    texts: tuple[str, ...]
    others: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def all(self) -> list[str]:
        """All columns, each once."""
        return list(dict.fromkeys([*self.texts, *self.labels, *self.others]))


def store_schema(footers: Sequence[Footer], columns: Columns, roots: Sequence[str]) -> pa.Schema:
    """Return the schema of the columns asked for, as the first file that has them all gives it.

    Args:
        footers: of the store's files.
        columns: that are asked for.
        roots: of the store: their own folders are no columns.

    Raises:
        CorpusError: no file has them all; the message lists the columns that there are.
    """
    for footer in footers:
        schema = _with_folders(footer)
        if all(schema.names.count(name) == 1 for name in columns.all):
            return pa.schema([schema.field(name) for name in columns.all])
    seen = Counter(name for footer in footers for name in _with_folders(footer).names)
    if twice := [name for name in columns.all if any(_with_folders(one).names.count(name) > 1 for one in footers)]:
        raise CorpusError(f"column {twice[0]!r} is there more than once in a file; rename one of them")
    missing = [name for name in columns.all if not seen[name]] or columns.all
    raise CorpusError(
        f"no column {', '.join(map(repr, missing))} in the store; its columns are {', '.join(seen)}"
        + _above(missing, roots)
    )


def _above(missing: Sequence[str], roots: Sequence[str]) -> str:
    """Say where a column that is missing is a folder that was named, or one above it."""
    folders = (folder for root in roots for folder in root.partition("?")[0].split("/"))
    found = next((folder for folder in folders if "=" in folder and folder.partition("=")[0] in missing), None)
    if found is None:
        return ""
    return f". Only folders below the one that is named are columns: name the one above {found} to have it"


def whole_store(
    arguments: Sequence[str], columns: Columns, check: Callable[[pa.Schema], None] = lambda _: None
) -> tuple[Corpus, list[Footer], pa.Schema]:
    """List a store of which every file is needed, and read the footers of all.

    Args:
        arguments: that name its files.
        columns: that each file has to have.
        check: looks at the columns' schema before any file is held against it.

    Returns:
        The store, its footers, and the schema of the columns.

    Raises:
        CorpusError: a file cannot be read or used; the message names the first, and says how many there are.
    """
    corpus = find_corpus(arguments)
    footers, bad = read_footers(corpus, corpus.files, columns.texts)
    if footers:
        schema = store_schema(footers, columns, corpus.roots)
        check(schema)
        footers, unfit = check_footers(footers, columns, schema)
        bad = [*bad, *unfit]
    if bad:
        more = f", and {len(bad) - 1:,} more like it" if len(bad) > 1 else ""
        raise CorpusError(f"{corpus.place(bad[0].file)}: {bad[0].detail}{more}; mend or leave out the file")
    return corpus, footers, schema


def check_footers(footers: Iterable[Footer], columns: Columns, schema: pa.Schema) -> tuple[list[Footer], list[BadFile]]:
    """Part the files into those that have the columns, in a type that can be used, and the others with the reason."""
    good, bad = [], []
    for footer in footers:
        unfit = _unfit(footer, columns, schema)
        if unfit is None:
            good.append(footer)
        else:
            bad.append(unfit)
    return good, bad


def _unfit(footer: Footer, columns: Columns, schema: pa.Schema) -> BadFile | None:
    found = _with_folders(footer)
    for name in columns.all:
        if found.names.count(name) != 1:
            count = found.names.count(name)
            detail = f"column {name!r} is there {count} times" if count else f"it has no column {name!r}"
            return BadFile(footer.file, FileReason.NO_COLUMN, detail)
        kind = found.field(name).type
        if name in columns.texts and not is_text_type(kind):
            detail = f"column {name!r} is {kind}; expected strings or UTF-8 bytes"
            return BadFile(footer.file, FileReason.WRONG_TYPE, detail)
        if name in columns.labels:
            try:
                require_label_type(kind, name)
            except CorpusError as error:
                return BadFile(footer.file, FileReason.WRONG_TYPE, str(error))
            if holds_lists(kind) != holds_lists(schema.field(name).type):
                detail = f"column {name!r} is {kind}; in the files before it is {schema.field(name).type}"
                return BadFile(footer.file, FileReason.WRONG_TYPE, detail)
        if name in columns.others and kind != schema.field(name).type:
            detail = f"column {name!r} is {kind}; in the files before it is {schema.field(name).type}"
            return BadFile(footer.file, FileReason.WRONG_TYPE, detail)
    return None


def _with_folders(footer: Footer) -> pa.Schema:
    fields = list(footer.schema)
    return pa.schema(
        [
            *fields,
            *(pa.field(k, pa.string()) for k in footer.file.partition_values if k not in footer.schema.names),
        ]
    )


def kept_columns(keep: Sequence[str]) -> dict[str, str]:
    """Parse ``--keep COLUMN`` and ``--keep OLD=NEW``.

    Returns:
        Output name -> name in the store.

    Raises:
        ConfigError: a name is one of ours, or comes twice.
    """
    names: dict[str, str] = {}
    for item in keep:
        old, _, new = item.partition("=")
        name = new or old
        if name in RESERVED_COLUMNS:
            raise ConfigError(
                f"--keep {item}: {name!r} is a column of the scores; rename it, as --keep {old}={old}_in_store"
            )
        if name in names:
            raise ConfigError(f"--keep {item}: {name!r} is kept already; each name may be there once")
        names[name] = old
    return names
