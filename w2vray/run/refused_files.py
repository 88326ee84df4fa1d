"""Files of which no row could be scored: what is wrong is most likely the file's, and not its rows'."""

from collections.abc import Mapping, Sequence

from w2vray.store.units import Unit

__all__ = ["Refused", "refused_files", "refused_notes"]

Refused = Mapping[str, tuple[int, str]]
"""File of which a unit scored no row -> the rows, and why the first of them was rejected."""

_NAMED = 5


def refused_files(units: Sequence[Unit], refused: Mapping[str, Refused | None]) -> dict[str, str]:
    """Return the files of which all rows were rejected, and why the first one was.

    Args:
        units: of a run.
        refused: what the record of each finished unit says.
    """
    suspected = {file for of_unit in refused.values() for file in of_unit or ()}
    units_of: dict[str, list[str]] = {}
    for unit in units if suspected else ():
        for file in {piece.file for piece in unit.pieces} & suspected:
            units_of.setdefault(file, []).append(unit.id)
    whole: dict[str, str] = {}
    for file, within in sorted(units_of.items()):
        told = [(refused.get(unit) or {}).get(file) for unit in within]
        if all(told):
            rows = sum(item[0] for item in told if item)
            first = next(item[1] for item in told if item)
            counted = (
                "its only row was rejected as" if rows == 1 else f"all of its {rows:,} rows were rejected, the first as"
            )
            whole[file] = f"{counted} {first}"
    return whole


def refused_notes(refused: Mapping[str, str]) -> list[str]:
    """Say it to a person, of a few files."""
    notes = [f"{file}: {why}" for file, why in list(refused.items())[:_NAMED]]
    more = len(refused) - _NAMED
    return [*notes, f"and of {more:,} more files all rows were rejected: see manifest.json"] if more > 0 else notes
