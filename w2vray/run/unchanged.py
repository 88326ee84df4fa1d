"""``verify --deep``: is the store still the one that was scored?"""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from w2vray.errors import RunError
from w2vray.run.planning import recorded_versions
from w2vray.run.request import kept_columns
from w2vray.schema import FileReason
from w2vray.store.corpus import SourceFile, find_corpus
from w2vray.store.describing import describe_files
from w2vray.store.description import Description, ReadAs
from w2vray.store.failures import Failure
from w2vray.store.filters import parse_where
from w2vray.store.listing import Ignored
from w2vray.store.not_read import NOT_READ, ignored_files
from w2vray.store.preflight import Columns
from w2vray.store.units import Piece, Unit, unit_pieces

__all__ = ["store_problems"]


def store_problems(
    identity: Mapping[str, Any],
    units: Sequence[Unit],
    left_out: Mapping[SourceFile, Failure],
    places: Sequence[str],
) -> tuple[list[str], list[str], Ignored]:
    """Compare each planned file with what is there now: size, time, etag, fingerprint, rows.

    Args:
        identity: run.json; its ``corpus`` says where the store was.
        units: of the plan.
        left_out: files that are in no unit.
        places: where the store is now; empty for where it was.

    Returns:
        What is not as it was, the files that are in the store and not in the plan, and how many are no part of it.

    Raises:
        RunError: there are not as many places as the store had.
    """
    roots = list(identity["corpus"])
    if places and len(places) != len(roots):
        raise RunError(f"--corpus names {len(places)} places; the run was made from {len(roots)}: {', '.join(roots)}")
    corpus = find_corpus(places or identity.get("named", roots), recorded_versions(identity))
    pieces = unit_pieces(units)
    present = {(file.root, file.name): file for file in corpus.files if not corpus.is_gone(file)}
    options = identity["options"]
    columns = _columns(options)
    read_as = ReadAs.of(SimpleNamespace(**{"format": None, "delimiter": None, **options}), columns.required)
    wanted = [file for place, file in present.items() if place in pieces]
    files, bad = describe_files(corpus, wanted, columns.all, read_as)
    found = {(described.file.root, described.file.name): described for described in files}
    problems = [f"{item.name}: {item.detail}; it could be read when it was scored" for item in bad.values()]
    limited = options.get("limit") is not None
    for place, of_file in pieces.items():
        planned = of_file[0]
        if place not in present:
            problems.append(f"{planned.file} is gone from the store")
        elif place in found:
            rows = found[place].rows
            problems += _differences(of_file, present[place], found[place])
            if not limited and rows != sum(piece.rows for piece in of_file):
                problems.append(f"{planned.file} has {rows:,} rows; the plan has {sum(p.rows for p in of_file):,}")
    known = {*pieces, *((file.root, file.name) for file in left_out)}
    corpus.ignored.add_all(ignored_files(left_out))
    for file, failure in left_out.items():
        now = present.get((file.root, file.name), file)
        if failure.reason in {FileReason.NOT_DATA, FileReason.NO_ROWS} and now != file:
            problems.append(
                f"{file.name} was left out ({NOT_READ[failure.reason]}) and has changed since: it had {file.size:,} "
                f"bytes, and has {now.size:,}"
            )
    return problems, [file.name for place, file in present.items() if place not in known], corpus.ignored


def _columns(options: Mapping[str, Any]) -> Columns:
    """Return the columns that were read: by them a text is known whose name says no format."""
    where = options.get("where")
    filtered = parse_where(where).columns if where is not None else ()
    return Columns(tuple(options["text_column"]), tuple(kept_columns(options["keep"]).values()), filtered=filtered)


def _differences(of_file: Sequence[Piece], now: SourceFile, found: Description) -> list[str]:
    planned = of_file[0]
    pieces = [(piece.fingerprint, _fingerprint(piece, found)) for piece in of_file]
    fingerprints = next((pair for pair in pieces if pair[0] != pair[1]), pieces[0])
    pairs = {
        "size": (planned.file_size, now.size),
        "modification time in ns": (planned.file_mtime_ns, now.mtime_ns),
        "etag": (planned.file_etag, found.etag),
        "fingerprint": fingerprints,
    }
    return [
        f"{planned.file} has changed since it was scored: its {what} was {was}, and is {is_now}"
        for what, (was, is_now) in pairs.items()
        if was != is_now
    ]


def _fingerprint(piece: Piece, found: Description) -> str:
    """Return what a piece would be known by today: by its stretches, where they are known by their content."""
    stretches = [stretch for stretch in found.stretches if piece.start <= stretch.start < piece.stop]
    own = " ".join(stretch.fingerprint for stretch in stretches if stretch.fingerprint)
    return own or ("" if any(stretch.fingerprint for stretch in found.stretches) else found.fingerprint)
