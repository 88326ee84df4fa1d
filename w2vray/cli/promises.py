"""What thresholds promise, and what came of it, in words."""

from collections.abc import Sequence

from w2vray.cli.console import Output, counted
from w2vray.models.thresholds import Thresholds, spelled_share

__all__ = ["kept_beside_expected", "promised", "tell_without_promise"]


def tell_without_promise(output: Output, labels: Sequence[str]) -> None:
    """Name the labels that are never kept."""
    if labels:
        some = ", ".join(map(repr, labels[:10])) + (f" and {len(labels) - 10:,} more" if len(labels) > 10 else "")
        output.note(f"the rows do not suffice for a promise of {some}: these labels are never kept")


def promised(thresholds: Thresholds) -> str:
    """Say what thresholds promise."""
    values = [value for value in thresholds.values if value is not None]
    one = len(thresholds.values) == 1
    least, most = min(values), max(values)
    which = (
        f"threshold {spelled_share(least)}"
        if least == most
        else f"thresholds {spelled_share(least)} to {spelled_share(most)}"
    )
    of_them = "the labels that are kept" if one else "the rows of each label that are kept"
    return (
        f"{which}: {thresholds.kept:.1%} of {counted(thresholds.rows, 'row')} kept a label; at least "
        f"{spelled_share(thresholds.precision)} of {of_them} are right, with {spelled_share(thresholds.confidence)} "
        "confidence, on rows like these"
    )


def kept_beside_expected(expected: float | None, kept: float | None) -> list[str]:
    """Say how many rows kept a label, beside what the model expected; nothing where its thresholds were not used."""
    if expected is None or kept is None:
        return []
    return [f"{kept:.1%} of the rows with a known word kept a label; {expected:.1%} were expected to"]
