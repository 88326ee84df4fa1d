"""Files of a store that are not read although nothing is amiss with them."""

from collections.abc import Mapping

from w2vray.schema import FileReason
from w2vray.store.corpus import Corpus, SourceFile
from w2vray.store.failures import Failure
from w2vray.store.filters import Where
from w2vray.store.listing import Ignored

__all__ = ["EXCLUDED", "NOT_READ", "excluded_files", "ignored_files"]

EXCLUDED = "--where leaves out all of its rows, by the table's log"


NOT_READ = {
    FileReason.PACKED: "packed, and may hold rows: unpack what does",
    FileReason.NOT_DATA: "neither content nor name says that it is data",
    FileReason.OTHER_FORMAT: "of another format than --format says",
    FileReason.NO_ROWS: "no rows in it",
    FileReason.EXCLUDED: EXCLUDED,
}
"""Why a file that is as it should be is not read, for a person."""


def excluded_files(corpus: Corpus, where: Where | None) -> list[SourceFile]:
    """Return the files of tables that hold no row for which a condition holds, by what the table's log says of them.

    One file of a store is never among them: what is read of it tells whether the columns are as they were thought.
    """
    if where is None:
        return []
    excluded = [
        file
        for file in corpus.files
        if file.root in corpus.tables and where.excludes(corpus.tables[file.root].files[file.name].constants)
    ]
    return excluded[1:] if len(excluded) == len(corpus.files) else excluded


def ignored_files(left_out: Mapping[SourceFile, Failure]) -> Ignored:
    """Count the files that hold no rows of the store, and were not meant to."""
    ignored = Ignored()
    for file, failure in left_out.items():
        if failure.reason in NOT_READ:
            what = f": {failure.detail}" if failure.reason == FileReason.PACKED else ""
            ignored.add(NOT_READ[failure.reason], file.name + what)
    return ignored
