"""Words of scripts without spaces: a run of such characters is split into the words that a vocabulary has.

Publishers split Chinese, Japanese or Thai by a dictionary before they train vectors; their vocabulary is what is left
of it. The best path through a run is taken: the pieces whose ranks make the run likeliest, by Zipf's law (a word's
frequency is the inverse of its rank, and vectors list the commonest words first). So, in vectors of Chinese,
``我爱北京天安门`` is ``我 爱 北京 天安门``. What no word covers is one piece, and a word without a row.

A run may be mixed (``iPhone手机``). Letters and digits of other scripts stay together: they are split only from their
neighbours, unless the vocabulary has them as one word (``T恤``). A combining mark stays with what it is on, and what
Khmer and Burmese write below a consonant stays with it (``stacked``).

This is the plain model of ``text/fast/segmenting.py``. Shape letters: CONTRIBUTING.md.
"""

import re
import unicodedata
from collections.abc import Sequence

from w2vray.text.scripts import has_unspaced
from w2vray.text.vocabulary import MISSING, Vocabulary

__all__ = [
    "FIRST_RANK",
    "LONGEST",
    "PIECE_COST",
    "STACKING",
    "UNKNOWN_COST",
    "continues",
    "segment",
    "usual_widths",
    "word_cost",
]

LONGEST = 32
"""Units (characters of such a script, or words of another) of a vocabulary's word that may be found inside a run."""

PIECE_COST, UNKNOWN_COST, FIRST_RANK = 512, 1 << 14, 10
"""In 256ths of a bit. A unit without a word costs more than any word does."""

STACKING = "\u17d2\u1039"
"""Signs of Khmer and Burmese that set the next consonant below: no word ends with one."""

_OTHER_WIDTHS = re.compile("[\u3300-\u33ff\uf900-\ufaff\uff00-\uffef]+")
_VOICING = "\uff9e\uff9f"  # half-width voiced marks, which are letters to Unicode


def usual_widths(word: str) -> str:
    """Return a word with full-width, half-width and compatibility characters as the usual ones."""
    return _OTHER_WIDTHS.sub(lambda found: unicodedata.normalize("NFKC", found[0]), word)


def word_cost(row: int) -> int:
    """Return what it costs to take the word of a row: the logarithm of its rank, in whole numbers."""
    rank = row + FIRST_RANK
    exponent = rank.bit_length() - 1
    return PIECE_COST + (exponent << 8) + ((rank << 8 >> exponent) - 256)


def continues(character: str) -> bool:
    """Tell whether a character stays with the one before it."""
    return character in _VOICING or unicodedata.category(character)[0] == "M"


def _units(word: str, *, stacked: bool) -> list[int]:
    """Return where the units of a word begin, and its end."""
    joining = STACKING if stacked else ""
    inside = [
        place
        for place in range(1, len(word))
        if not continues(word[place])
        and word[place - 1] not in joining
        and (has_unspaced(word[place - 1]) or has_unspaced(word[place]))
    ]
    return [0, *inside, len(word)]


def segment(vocabulary: Vocabulary, words: Sequence[str], *, stacked: bool) -> list[list[str]]:
    """Split words that hold characters of scripts without spaces into pieces.

    ``stacked`` says that a consonant that is written below another is not parted from it.

    Example:
        >>> table = Vocabulary.build(["我", "北京", "天安门", "爱", "北"])
        >>> segment(table, ["我爱北京天安门", "iPhone手机"], stacked=True)
        [['我', '爱', '北京', '天安门'], ['iPhone', '手机']]
    """
    return [_best_path(vocabulary, word, stacked=stacked) for word in words]


def _best_path(vocabulary: Vocabulary, word: str, *, stacked: bool) -> list[str]:
    places = _units(word, stacked=stacked)
    units = len(places) - 1
    spans = [(a, b) for a in range(units) for b in range(a + 1, min(a + LONGEST, units) + 1)]
    rows = vocabulary.rows([word[places[a] : places[b]] for a, b in spans]).tolist()
    best: list[tuple[int, int, bool]] = [(0, 0, False)] + [(units * UNKNOWN_COST + 1, 0, False)] * units
    for (a, b), row in zip(spans, rows, strict=True):
        if row == MISSING and b > a + 1:
            continue
        cost = best[a][0] + (UNKNOWN_COST if row == MISSING else word_cost(row))
        if cost < best[b][0]:
            best[b] = cost, a, row != MISSING
    pieces: list[tuple[str, bool]] = []  # from the last to the first, and whether more of the unknown may join it
    end = units
    while end:
        _, start, known = best[end]
        piece = word[places[start] : places[end]]
        joins = not known and has_unspaced(piece[0])
        if joins and pieces and pieces[-1][1]:
            pieces[-1] = piece + pieces[-1][0], True
        else:
            pieces.append((piece, joins))
        end = start
    return [piece for piece, _ in reversed(pieces)]
