"""How much of a text without spaces is found by the words of some vectors, and how its pieces agree with ICU's.

::

    pip install 'w2vray[peers]'
    python jobs/accuracy/segmentation.py --words words.txt --text text.txt --locale th

WORDS has a word a line, commonest first, as vectors have them; counts behind them are passed over. Two shares are
printed: of tokens with a vector, read as fastText reads (between spaces), and as ``cased`` does. Then the F1 of the
pieces of each run of such characters against the words of ICU's break iterator, which has a dictionary of its own.
"""

import argparse
import json
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pyarrow as pa

from w2vray.text.coverage import measure_coverage
from w2vray.text.fast.segmenting import segment
from w2vray.text.rules import family
from w2vray.text.scripts import UNSPACED
from w2vray.text.vocabulary import Vocabulary

_MARKS = [",", ".", "!", "?", "(", ")", '"', ":", "-", "'"]
_RUN = re.compile("[" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in UNSPACED) + "\u200b]+")


def read_words(path: Path) -> list[str]:
    """Return the words of a list, each once, behind the commonest marks."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    words = [line.split("\t")[0].strip() for line in lines if line and not line.startswith("#")]
    return list(dict.fromkeys([*_MARKS, *filter(None, words)]))


def icu_words(run: str, locale: str) -> list[str]:
    """Split a run as ICU does."""
    import icu  # noqa: PLC0415 - an extra

    breaks = icu.BreakIterator.createWordInstance(icu.Locale(locale))
    breaks.setText(run)
    places = [0, *breaks]  # in UTF-16 units: no such script is beyond the first plane
    return [run[start:end] for start, end in pairwise(places) if run[start:end] != "\u200b"]


def spans(pieces: Sequence[str]) -> set[tuple[int, int]]:
    """Return where pieces begin and end, zero-width spaces not counted."""
    found, at = set(), 0
    for piece in pieces:
        size = len(piece.replace("\u200b", ""))
        found.add((at, at + size))
        at += size
    return found


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--locale", required=True, help="of ICU: th, lo, my, km, zh, ja")
    given = parser.parse_args()
    vocabulary = Vocabulary.build(read_words(given.words))
    text = given.text.read_text(encoding="utf-8")
    lines = pa.array([line for line in text.splitlines() if line.strip()], pa.large_string())
    runs = [part for run in _RUN.findall(text) for part in run.split("\u200b") if part]
    ours, theirs = segment(vocabulary, runs, stacked=True), [icu_words(run, given.locale) for run in runs]
    both = [(spans(mine), spans(other)) for mine, other in zip(ours, theirs, strict=True)]
    alike = sum(len(mine & other) for mine, other in both)
    pieces, words = (sum(len(pair[side]) for pair in both) for side in (0, 1))
    shares = {name: measure_coverage(vocabulary, family(name), [lines]).coverage for name in ("fasttext", "cased")}
    shown = {"words": len(vocabulary), "runs": len(runs), "pieces": pieces, "icu": words, **shares}
    print(json.dumps({**shown, "f1": 2 * alike / (pieces + words)}))


if __name__ == "__main__":
    main()
