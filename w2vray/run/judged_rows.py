"""The rows of a run that a person has checked, as ``evaluate --of-run`` reads them back."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from w2vray.errors import CorpusError, RunError
from w2vray.run.answers import FinishedRun
from w2vray.schema import CHECKED_COLUMNS, SAMPLE_COLUMNS, SOURCE_FILE, SOURCE_ROW

__all__ = ["Judged", "read_judged"]


@dataclass(frozen=True)
class Judged:
    """A line of the file. ``true`` is what a person wrote; empty where nobody did."""

    line: int
    file: str
    row: int
    label: str
    stratum: str
    stratum_rows: int
    true: str
    run: str


def read_judged(name: str, run: FinishedRun) -> list[Judged]:
    """Read the file, as spreadsheets write it: parted by a comma, a semicolon or a tab.

    Raises:
        CorpusError: it is not CSV, a column is missing, or a number is none.
        RunError: it is of another run.
    """
    try:
        text = Path(name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8; save it as CSV UTF-8"
        raise CorpusError(f"{name} cannot be read ({why})") from error
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    reader.fieldnames = _heads(reader.fieldnames or ())
    before = csv.field_size_limit(len(text) + 1)  # a text may be longer than what the module allows
    try:
        needed = [column for column in CHECKED_COLUMNS if column in SAMPLE_COLUMNS - {"text", "score"}]
        if missing := [column for column in needed if column not in (reader.fieldnames or ())]:
            raise CorpusError(
                f"{name} has no column {', '.join(missing)}; it has {', '.join(reader.fieldnames)}. It has to be a "
                "file that `w2vray sample` wrote, with all its columns and their names"
            )
        lines = [_line(row, name, reader.line_num) for row in reader if any(row.values())]
    except csv.Error as error:
        raise CorpusError(f"{name} is not CSV: line {reader.line_num}: {error}") from error
    finally:
        csv.field_size_limit(before)
    _require_same_run(lines, name, run)
    return lines


def _heads(names: Sequence[str]) -> list[str]:
    """Return the names of the columns: one that differs by case or spaces alone is that of ``sample``."""
    spelled = [name.strip().casefold() for name in names]
    return [
        known if (known := name.strip().casefold()) in CHECKED_COLUMNS and spelled.count(known) == 1 else name
        for name in names
    ]


def _require_same_run(lines: Sequence[Judged], name: str, run: FinishedRun) -> None:
    """Hold what the lines say of their sample against one another and against the run.

    Raises:
        RunError: they are of another run.
        CorpusError: a row is there twice, or a stratum has fewer rows than are here, or now so many and now others.
    """
    runs = {line.run for line in lines}
    if runs and runs != {run.fingerprint[:16]}:
        raise RunError(
            f"{name} was drawn from another run than {run.name}: its column run is {', '.join(sorted(runs)[:3])}, "
            f"expected {run.fingerprint[:16]}; name the run that it was drawn from"
        )
    places = Counter((line.file, line.row, line.label) for line in lines)
    if twice := next((place for place, times in places.items() if times > 1), None):
        raise CorpusError(f"{name}: row {twice[1]} of {twice[0]} is there {places[twice]} times; remove the copies")
    sizes: dict[str, int] = {}
    for line in lines:
        size = sizes.setdefault(line.stratum, line.stratum_rows)
        if line.stratum_rows != size:
            raise CorpusError(
                f"{name}: line {line.line}: stratum_rows is {line.stratum_rows:,}, and {size:,} in another row of "
                f"{line.stratum!r}; only true_label may be changed, so restore the cell"
            )
    for stratum, rows in Counter(line.stratum for line in lines).items():
        if sizes[stratum] < rows:
            raise CorpusError(
                f"{name}: stratum_rows is {sizes[stratum]:,} in {rows:,} rows of {stratum!r}, which has to have as "
                "many at the least; only true_label may be changed, so restore the cells"
            )


def _line(row: Mapping[str, str | None], name: str, number: int) -> Judged:
    values = {column: row.get(column) for column in CHECKED_COLUMNS}
    if any(values[column] is None for column in CHECKED_COLUMNS if column in row) or None in row:
        raise CorpusError(f"{name}: line {number} has another number of cells than the header; repair it")
    try:
        return Judged(
            line=number,
            file=str(values[SOURCE_FILE]),
            row=int(str(values[SOURCE_ROW])),
            label=str(values["label"]),
            stratum=str(values["stratum"]),
            stratum_rows=int(str(values["stratum_rows"])),
            true=str(values["true_label"]).strip(),
            run=str(values["run"]).strip(),
        )
    except ValueError as error:
        raise CorpusError(
            f"{name}: line {number}: {SOURCE_ROW} and stratum_rows have to be numbers ({error})"
        ) from error
