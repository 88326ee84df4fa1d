"""Help that options of several verbs share."""

__all__ = [
    "CONFIDENCE_HELP",
    "CORPUS_HELP",
    "DELIMITER_HELP",
    "FORMAT_HELP",
    "LABEL_COLUMN_HELP",
    "LABEL_SEPARATOR_HELP",
    "LABEL_STRIP_HELP",
    "MOVED_VECTORS_HELP",
    "PER_LABEL_HELP",
    "REMEMBERED",
    "SHARED_FILESYSTEM_HELP",
    "STRIP_HTML_HELP",
    "TABLE_VERSION_HELP",
    "TARGET_PRECISION_HELP",
    "TEXT_COLUMN_HELP",
    "UNLABELLED_HELP",
]

CORPUS_HELP = (
    "Parquet, JSON Lines or CSV: files, directories (searched recursively), globs or URIs; or Delta Lake and Iceberg "
    "tables."
)
FORMAT_HELP = (
    "Read only files of this format. Needed if a store has several, or if neither content nor name shows the format."
)
DELIMITER_HELP = (
    "Character between the cells of CSV; write tab for a tab. Default: what the header has: comma, semicolon, tab or |."
)
TABLE_VERSION_HELP = (
    "Read this version of the table instead of the current one: Delta Lake's number, or the id or sequence number of a "
    "snapshot of Iceberg."
)
TEXT_COLUMN_HELP = "Column that holds the text; repeat it to join several by a newline."
SHARED_FILESYSTEM_HELP = (
    "Paths are the same folders on all hosts of the cluster: do not ask each host whether it sees them. Buckets are "
    "still looked at."
)
MOVED_VECTORS_HELP = "Where the vectors are now, if they were moved: a path or a URI."

REMEMBERED = " Default: as the model was trained."
LABEL_COLUMN_HELP = (
    "Column with the label: strings, whole numbers or booleans; or lists of them, for any number of labels per row."
)
LABEL_STRIP_HELP = (
    "Treat labels as the same if they differ only in spaces around or inside them, in invisible characters or in "
    "Unicode form (NFKC)."
)
LABEL_SEPARATOR_HELP = (
    "Text between the labels in a string of several, such as a comma (\\t for a tab): any number of labels per row."
)
UNLABELLED_HELP = (
    "Value that means that a row has no label, such as -1 or unknown; such rows are left out. May be repeated."
)
STRIP_HTML_HELP = (
    "Read texts without their HTML: leave out tags and comments, and turn entities into characters. This is kept in "
    "the {0}: every verb that uses the {0} reads texts that way."
)
TARGET_PRECISION_HELP = (
    "Choose thresholds so that at least this share of the labels that are kept is right, with --confidence, on rows "
    "like these; score and predict apply them. With several labels per row, it holds for each label."
)
PER_LABEL_HELP = (
    "With --target-precision: a threshold for each label, so that it holds for each. A label with too few rows for "
    "that is named, and never kept."
)
CONFIDENCE_HELP = "With --target-precision: how sure the promise is. Default: 0.95."
