"""Measure speed in some ten minutes, and say where it fell: what ``make speed`` runs.

The table of ``run.py`` for look-up, models and whole jobs is printed, and kept as JSON in a folder, with machine,
revision and date. Other machines, and other work beside it, change all figures alike; so what is compared with the
last kept file of the same kind of machine is how many times as fast as fastText, or as ``re.findall``, each step is.

Example::

    python jobs/benchmark/speed.py --corpus reviews.parquet
    python jobs/benchmark/speed.py --compare kept.json new.json

It ends with exit code 1 where a ratio fell by more than 15 %.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["fallen", "last_kept"]

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "build" / "speed"
FALL = 0.15
YARDSTICKS = ("fastText", "re.findall")
SHORT = ("--only", "look-up", "models", "job", "--megabytes", "8", "--runs", "3", "--job-megabytes", "400")

Measured = Mapping[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, keep and compare; return the exit code."""
    options = _options(arguments)
    if options.compare:
        kept, new = (json.loads(Path(file).read_text(encoding="utf-8")) for file in options.compare)
        return _told(kept, new)
    import run  # noqa: PLC0415 - what is only compared needs no fastText

    options.kept.mkdir(parents=True, exist_ok=True)
    output = options.kept / "new.json"
    corpora = ["--corpus", *options.corpus, "--text-column", options.text_column] if options.corpus else []
    run.main([*SHORT, *corpora, "--output", str(output)])
    new = json.loads(output.read_text(encoding="utf-8"))
    code = _told(last_kept(options.kept, new), new)
    about = new["measured"]
    output.rename(options.kept / f"{about['date']}-{about['revision']}.json")
    return code


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure speed in about ten minutes, and say where it fell.")
    parser.add_argument("--corpus", nargs="+", default=[], help="any Parquet, beside botocore's descriptions")
    parser.add_argument("--text-column", default="text", help="of each corpus (default: text)")
    parser.add_argument("--kept", type=Path, default=KEPT, help=f"folder of what was measured (default: {KEPT})")
    parser.add_argument(
        "--compare", nargs=2, metavar="FILE", help="compare two files, the older first; measure nothing"
    )
    return parser.parse_args(arguments)


def last_kept(folder: Path, new: Measured) -> Measured | None:
    """Return what was measured last on the same kind of machine; None where nothing was."""
    found = [
        (file.stat().st_mtime_ns, kept)
        for file in folder.glob("*.json")
        if (kept := json.loads(file.read_text(encoding="utf-8"))) != new
        and kept["measured"]["machine"] == new["measured"]["machine"]
    ]
    return max(found, key=lambda each: each[0])[1] if found else None


def fallen(kept: Measured, new: Measured) -> Iterator[str]:
    """Tell each ratio to a yardstick that fell by more than ``FALL``; what only one of them has is left out."""
    before = _ratios(kept)
    for key, ratio in _ratios(new).items():
        if key in before and ratio < before[key] * (1 - FALL):
            corpus, section, what, rival = key
            was = before[key]
            yield f"{section} {what} on {corpus}: {ratio:.2f} times {rival}, it was {was:.2f} ({ratio / was - 1:+.0%})"


def _ratios(measured: Measured) -> dict[tuple[str, ...], float]:
    return {
        (row["corpus"], row["section"], row["what"], rival): ratio
        for row in measured["rows_measured"]
        for rival, ratio in row["against"].items()
        if rival.startswith(YARDSTICKS)
    }


def _told(kept: Measured | None, new: Measured) -> int:
    if kept is None:
        sys.stderr.write("nothing was kept of such a machine: there is nothing to compare with\n")
        return 0
    about = kept["measured"]
    slower = list(fallen(kept, new))
    sys.stderr.write(f"compared with revision {about['revision']} of {about['date']}: ")
    sys.stderr.write("\n  ".join([f"{len(slower)} ratios fell by more than {FALL:.0%}", *slower]) + "\n")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
