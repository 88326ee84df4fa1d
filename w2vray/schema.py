"""Column names and Arrow schemas at each boundary between stages.

What a person reads in the output of a run is fixed here, but for the columns of an answer: those are in
``scoring/answers.py``.
"""

from enum import StrEnum

import pyarrow as pa

__all__ = [
    "DAMAGE",
    "DAMAGE_COLUMN",
    "EVIDENCE",
    "MANIFEST_SCHEMA",
    "MAY_PASS",
    "NOTHING_AMISS",
    "PLAN_SCHEMA",
    "POSITION",
    "REJECTED_SCHEMA",
    "SOURCE_FILE",
    "SOURCE_ROW",
    "FileReason",
    "Reason",
    "Status",
    "holds_views",
    "without_views",
]

SOURCE_FILE = "source_file"
SOURCE_ROW = "source_row"
EVIDENCE = "evidence"


class Status(StrEnum):
    """What became of a row in ``scores``."""

    SCORED = "scored"
    NO_EVIDENCE = "no_evidence"  # no token has a vector: label and score, or labels and scores, are null
    BELOW_THRESHOLD = "below_threshold"  # label and score are given, but the score is under --threshold


class Reason(StrEnum):
    """Why a row is in ``rejected``; the list is closed."""

    NULL_TEXT = "null_text"
    INVALID_UTF8 = "invalid_utf8"
    TOO_LONG = "too_long"  # more bytes than --max-bytes, or a line of more than are read as one
    DAMAGED_LINE = "damaged_line"  # of JSON Lines or CSV: not what its format calls a record
    WRONG_TYPE = "wrong_type"  # of JSON Lines: a value is of another type than its column in other lines


class FileReason(StrEnum):
    """Why a file, or a part of one, is in no part of the scores; the list is closed."""

    ZERO_BYTES = "zero_bytes"
    UNKNOWN_FORMAT = "unknown_format"  # of no format that is read, or not of the one that its name tells
    ENCRYPTED = "encrypted"
    UNSUPPORTED = "unsupported"  # Arrow cannot read how it is compressed
    TRUNCATED = "truncated"  # it starts as Parquet and does not end as it
    DAMAGED_FOOTER = "damaged_footer"
    DAMAGED_DATA = "damaged_data"  # rows that cannot be decoded, or are not as many as the footer says
    NO_COLUMN = "no_column"
    WRONG_TYPE = "wrong_type"
    AMBIGUOUS = "ambiguous"  # a column is there more than once, or the file and its folder disagree
    NO_PERMISSION = "no_permission"
    VANISHED = "vanished"
    CHANGED = "changed"  # since the run was planned
    UNREADABLE = "unreadable"  # the filesystem says no for another reason
    OUT_OF_MEMORY = "out_of_memory"  # a worker's memory did not hold a unit of it
    KILLED_WORKERS = "killed_workers"  # a unit that ended every worker that tried it
    PACKED = "packed"  # nothing is amiss for certain: an archive or a database, of which nobody knows what it holds
    NOT_DATA = "not_data"  # nothing is amiss: neither content nor name says that it is data
    OTHER_FORMAT = "other_format"  # nothing is amiss: --format names another
    NO_ROWS = "no_rows"  # nothing is amiss
    BEYOND_LIMIT = "beyond_limit"  # nothing is amiss: --limit ends before it
    EXCLUDED = "excluded"  # nothing is amiss: by values that all its rows have, --where leaves them out

    @classmethod
    def _missing_(cls, value: object) -> "FileReason | None":
        """Read what runs of an earlier version say."""
        return cls.UNKNOWN_FORMAT if value == "not_parquet" else None


NOTHING_AMISS = frozenset(
    {
        FileReason.PACKED,
        FileReason.NOT_DATA,
        FileReason.OTHER_FORMAT,
        FileReason.NO_ROWS,
        FileReason.BEYOND_LIMIT,
        FileReason.EXCLUDED,
    },
)
"""Why a file is in no unit although it is as it should be."""

MAY_PASS = frozenset({FileReason.UNREADABLE, FileReason.OUT_OF_MEMORY})
"""What may be otherwise the next time, with the file as it is: such a gap is never accepted for good."""


POSITION = (
    pa.field(SOURCE_FILE, pa.string(), nullable=False),
    pa.field(SOURCE_ROW, pa.int64(), nullable=False),
)
"""Where a row is: the first columns of scores and of rejected rows."""

BELOW_NOT_DRAWN = "below_not_drawn"
"""Rows of a run below its threshold, where a sample was not drawn from these: it does not stand for all rows then."""

CHECKED_COLUMNS = (
    "text",
    "label",
    "score",
    "true_label",
    SOURCE_FILE,
    SOURCE_ROW,
    "stratum",
    "stratum_rows",
    "run",
    BELOW_NOT_DRAWN,
)
"""Of the file that `w2vray sample` writes: ``label`` is the model's, and ``true_label`` the person's."""

SAMPLE_COLUMNS = frozenset(CHECKED_COLUMNS) - {BELOW_NOT_DRAWN}
"""Those by which such a file is known: an earlier version wrote no others."""

DAMAGE_COLUMN = "w2vray.damage"
"""Why a row cannot be read, among the columns that are read; there only where a row cannot."""

DAMAGE = pa.struct([("reason", pa.string()), ("detail", pa.string())])
"""What that column holds: a ``Reason``, and what a person is told; null where nothing is wrong."""


def without_views(kind: pa.DataType) -> pa.DataType:
    """Return the plain type for views of strings or bytes, at any depth: Arrow can neither take nor filter them yet.

    Those inside of list views and dictionaries stay, because Arrow cannot cast these.
    """
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        return pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary()
    fields = _inner_fields(kind)
    plain = [field.with_type(without_views(field.type)) for field in fields]
    return kind if plain == fields or _is_list_view(kind) else _nested_type(kind, plain)


def holds_views(kind: pa.DataType) -> bool:
    """Tell whether a type has views of strings or bytes at any depth."""
    if pa.types.is_dictionary(kind):
        return holds_views(kind.value_type)
    is_view = pa.types.is_string_view(kind) or pa.types.is_binary_view(kind)
    return is_view or any(holds_views(field.type) for field in _inner_fields(kind))


def _inner_fields(kind: pa.DataType) -> list[pa.Field]:
    return [kind.field(index) for index in range(kind.num_fields)]


def _is_list_view(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind))


def _nested_type(kind: pa.DataType, fields: list[pa.Field]) -> pa.DataType:
    """Return a nested type of the same kind with other fields in it."""
    if pa.types.is_struct(kind):
        return pa.struct(fields)
    if pa.types.is_map(kind):
        return pa.map_(*_inner_fields(fields[0].type), keys_sorted=kind.keys_sorted)
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(fields[0], kind.list_size)
    return pa.large_list(fields[0]) if pa.types.is_large_list(kind) else pa.list_(fields[0])


REJECTED_SCHEMA = pa.schema(
    [
        *POSITION,
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
    ]
)

PLAN_SCHEMA = pa.schema(
    [
        pa.field("unit", pa.string()),  # HASH of the unit's own list of pieces; null: the file is in no unit
        pa.field("root", pa.int32(), nullable=False),  # which of the run's corpus arguments the file belongs to
        pa.field("file", pa.string(), nullable=False),  # relative to that root
        pa.field("format", pa.string(), nullable=False),
        pa.field("layout", pa.string()),  # what the format has to know to read the piece
        pa.field("start", pa.int64(), nullable=False),  # as the format counts: row groups; bytes of JSON Lines and CSV
        pa.field("stop", pa.int64(), nullable=False),
        pa.field("row_start", pa.int64(), nullable=False),  # position in the file of the piece's first row
        pa.field("first_line", pa.int64()),  # line of a text file that the piece starts in, from 1
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("read_bytes", pa.int64(), nullable=False),  # of the columns that are read, uncompressed
        pa.field("file_size", pa.int64(), nullable=False),
        pa.field("file_mtime_ns", pa.int64()),
        pa.field("file_etag", pa.string()),  # what an object store calls the file's content
        pa.field("fingerprint", pa.string()),  # of the content: of Parquet, SHA-256 of the footer; else of the piece
        pa.field("view", pa.string()),  # how the table sees the file that it belongs to: a FileView of the store
        pa.field("deleted", pa.string()),  # rows of the piece that the table has deleted, see deletions.py of the store
        pa.field("left_out", pa.string()),  # why the file is in no unit: a FileReason
        pa.field("detail", pa.string()),
    ]
)

MANIFEST_SCHEMA = pa.schema(
    [
        pa.field("unit", pa.string()),  # null: a file that is in no unit
        pa.field("state", pa.string(), nullable=False),  # done; failed; accepted: failed, and --on-bad skip accepts it
        pa.field("file", pa.string()),  # of a unit or a file that failed; null where a unit failed as a whole
        pa.field("reason", pa.string()),  # why it failed: a FileReason
        pa.field("detail", pa.string()),
        pa.field("rows_read", pa.int64()),
        pa.field("rows_in", pa.int64(), nullable=False),
        pa.field("rows_scored", pa.int64(), nullable=False),
        pa.field("rows_rejected", pa.int64(), nullable=False),
        pa.field("rows_abstained", pa.int64(), nullable=False),
        pa.field("rows_truncated", pa.int64(), nullable=False),
        pa.field("rows_deleted", pa.int64(), nullable=False),  # in the files, and deleted by the table: not read
        pa.field("data_sha256", pa.string()),  # of the part but its footer
        pa.field("data_bytes", pa.int64()),
        pa.field("footer_sha256", pa.string()),
        pa.field("rejected_sha256", pa.string()),  # null where the unit rejected nothing
    ]
)
