"""Words to entries of a table: the other ways in which a word that has no row of its own is looked for.

The table decides: one written word may be another entry (``1999`` is ``####`` in GoogleNews, ``John's`` is ``John``),
or several. The ways are tried in one fixed order, each only for words that none before it found, and each only where
the token rules name it:

``exact``       as it is written
``bare``        a placeholder as tables write it; without what is invisible in it, an emoji without skin tones or as its
                first symbol, accents apart (NFD)
``form``        in its usual form: full-width and half-width letters, ligatures, curly marks as what they stand for
``number``      with each digit as ``#``, where there are two or more (``10th``: ``##th``; ``7`` and ``1st`` stay)
``case``        lower-cased, capitalised, upper-cased; a closed-class word never gets a capital (``and`` is not the
                headlines' ``And``, but ``The`` is ``the``)
``possessive``  without ``'s``
``joined``      with hyphens as the table writes them (``e-mail``: ``e_mail``)
``split``       in parts, each looked for in the ways before; at an apostrophe, in those parts that have most rows, so
                that the table decides between ``do`` and ``n't``, ``film`` and ``'s``, ``l'`` and ``eau``; and in
                the table's own words where a script has no spaces (``segmentation.py``)

``possessive``, ``joined`` and ``split`` look for what they make in the ways before them too (``PARIS's``: ``Paris``).
Where the rules say so, a mark that has no row in any way is left out.

Shape letters: CONTRIBUTING.md.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, compress

import numpy as np
import numpy.typing as npt

from w2vray.kernels.compiling import why_no_kernels
from w2vray.text import segmentation
from w2vray.text.fast import segmenting
from w2vray.text.invisible import spellings
from w2vray.text.rules import TokenRules
from w2vray.text.scripts import has_unspaced
from w2vray.text.tokens import straightened
from w2vray.text.tweets import PLACEHOLDERS, spelled
from w2vray.text.vocabulary import MISSING, Vocabulary

__all__ = ["NOT_FOUND", "WAYS", "Resolution", "resolve"]

WAYS = ("exact", "bare", "form", "number", "case", "possessive", "joined", "split")
NOT_FOUND = -1
"""Way of an entry that no way found."""

_DIGIT = re.compile("[0-9]")


@dataclass(frozen=True, eq=False)
class Resolution:
    """The entries of W words, one word after another.

    ``entries`` are the words of the table that were found, and what has no row as it was looked for last: whole, or a
    part. ``written`` are the words, or the parts of words, that these were looked for. ``rows_E`` are their rows, or
    ``MISSING``; ``ways_E`` index ``WAYS``.
    """

    entries: list[str]
    written: list[str]
    rows_E: npt.NDArray[np.int64]
    ways_E: npt.NDArray[np.int8]
    offsets_W1: npt.NDArray[np.int64]


def resolve(vocabulary: Vocabulary, rules: TokenRules, words: Sequence[str]) -> Resolution:
    """Find the entries of words.

    Example:
        >>> table = Vocabulary.build(["John", "e_mail", "film", "##th"])
        >>> from w2vray.text.rules import family
        >>> resolve(table, family("googlenews"), ["John's", "E-mail", "10th", "film-maker"]).entries
        ['John', 'e_mail', '##th', 'film', 'maker']
    """
    whole = _whole(vocabulary, rules, words)
    missing = np.flatnonzero(whole.rows_E == MISSING).tolist()
    parts = _parts(vocabulary, rules, [words[index] for index in missing])
    split = {index: some for index, some in zip(missing, parts, strict=True) if some != [words[index]]}
    resolved = _with_parts(whole, split, _whole(vocabulary, rules, list(chain.from_iterable(split.values()))))
    return _without_marks(resolved) if rules.drop_unknown_marks else resolved


def _with_parts(whole: Resolution, split: Mapping[int, list[str]], inside: Resolution) -> Resolution:
    """Put the entries of parts in the places of the words that were split into them."""
    if not split:
        return whole
    counts = np.ones(len(whole.entries), dtype=np.int64)
    counts[list(split)] = [len(parts) for parts in split.values()]
    part_of_split = np.repeat(np.isin(np.arange(len(counts)), list(split)), counts)
    rows, ways = np.repeat(whole.rows_E, counts), np.repeat(whole.ways_E, counts)
    rows[part_of_split] = inside.rows_E
    ways[part_of_split] = np.where(inside.rows_E == MISSING, NOT_FOUND, WAYS.index("split"))
    entries, written = (
        _in_place(of_words, split, of_parts)
        for of_words, of_parts in ((whole.entries, inside.entries), (whole.written, inside.written))
    )
    return Resolution(entries, written, rows, ways, np.concatenate(([0], np.cumsum(counts))))


def _in_place(of_words: Sequence[str], split: Mapping[int, list[str]], of_parts: Sequence[str]) -> list[str]:
    """Return one thing a word, but for words that were split as many as parts; ``split`` goes up."""
    made: list[str] = []
    words, parts = 0, 0
    for index, some in split.items():
        made += of_words[words:index]
        made += of_parts[parts : parts + len(some)]
        words, parts = index + 1, parts + len(some)
    made += of_words[words:]
    return made


def _without_marks(resolved: Resolution) -> Resolution:
    """Leave out the marks that have no row."""
    kept_E = np.ones(len(resolved.entries), dtype=np.bool_)
    missing = np.flatnonzero(resolved.rows_E == MISSING).tolist()
    kept_E[[index for index in missing if _is_mark(resolved.entries[index])]] = False
    if kept_E.all():
        return resolved
    kept_before = np.concatenate(([0], np.cumsum(kept_E)))
    entries, written = list(compress(resolved.entries, kept_E)), list(compress(resolved.written, kept_E))
    rows, ways = resolved.rows_E[kept_E], resolved.ways_E[kept_E]
    return Resolution(entries, written, rows, ways, kept_before[resolved.offsets_W1])


def _is_mark(word: str) -> bool:
    """Tell whether a word is of punctuation and signs alone; pictures, such as emoji, are words."""
    return all(unicodedata.category(each) in _MARK_CATEGORIES or each in PLACEHOLDERS for each in word)


_MARK_CATEGORIES = frozenset({"Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk"})


def _whole(vocabulary: Vocabulary, rules: TokenRules, words: Sequence[str]) -> Resolution:
    """Look for words in every way but ``split``: one entry for each."""
    entries = list(words)
    rows_W = vocabulary.rows(words)
    ways_W = np.where(rows_W == MISSING, NOT_FOUND, WAYS.index("exact")).astype(np.int8)
    missing = np.flatnonzero(rows_W == MISSING).tolist()
    if rules.by_vocabulary:  # a run of words has no other spelling: its pieces may
        missing = [index for index in missing if not has_unspaced(words[index])]
    for way, may_change, respell in _ways(rules):
        tried = [
            (index, spelling) for index in missing if may_change(words[index]) for spelling in respell(words[index])
        ]
        found_rows = vocabulary.rows([spelling for _, spelling in tried])
        hits = np.flatnonzero(found_rows != MISSING).tolist()
        for hit in hits:
            index, spelling = tried[hit]
            if rows_W[index] == MISSING:  # of several spellings the first counts
                rows_W[index], ways_W[index], entries[index] = found_rows[hit], WAYS.index(way), spelling
        if hits:
            found = {tried[hit][0] for hit in hits}
            missing = [index for index in missing if index not in found]
    return Resolution(entries, list(words), rows_W, ways_W, np.arange(len(words) + 1))


def _parts(vocabulary: Vocabulary, rules: TokenRules, words: Sequence[str]) -> list[list[str]]:
    """Return the parts in which each word is looked for: the word alone where it cannot be split."""
    if not rules.split_unknown:
        split = [[word] for word in words]
    else:
        marks = re.compile(f"[{re.escape(rules.split_unknown)}]")
        split = [_split(marks, word) if marks.search(word) else [word] for word in words]
    parts = set(chain.from_iterable(split))
    apart: dict[str, list[str]] = {}
    if rules.split_apostrophes:
        apart |= _around_apostrophes(vocabulary, rules, sorted(part for part in parts if "'" in part[1:-1]))
    if rules.by_vocabulary:
        runs = sorted(part for part in parts if part not in apart and has_unspaced(part))
        apart |= zip(runs, _segment(vocabulary, rules, runs), strict=True)
    return [list(chain.from_iterable(apart.get(part, [part]) for part in parts)) for parts in split] if apart else split


def _split(marks: re.Pattern[str], word: str) -> list[str]:
    parts = [part for part in marks.split(word) if part]
    return parts if len(parts) > 1 else [word]


def _segment(vocabulary: Vocabulary, rules: TokenRules, runs: Sequence[str]) -> list[list[str]]:
    segment = segmentation.segment if why_no_kernels() else segmenting.segment
    return segment(vocabulary, [segmentation.usual_widths(run) for run in runs], stacked=rules.stacked)


def _around_apostrophes(vocabulary: Vocabulary, rules: TokenRules, words: Sequence[str]) -> dict[str, list[str]]:
    """Choose for each word the split of which the largest share has rows; of equal ones the first."""
    tried = [(word, parts) for word in words for parts in _splits(word)]
    found_E = _whole(vocabulary, rules, [part for _, parts in tried for part in parts]).rows_E != MISSING
    chosen: dict[str, tuple[float, list[str]]] = {}
    start = 0
    for word, parts in tried:
        share = float(found_E[start : start + len(parts)].mean())
        start += len(parts)
        if word not in chosen or share > chosen[word][0]:
            chosen[word] = share, parts
    return {word: parts for word, (_, parts) in chosen.items()}


def _splits(word: str) -> Iterable[list[str]]:
    """Yield the ways to split a word around its apostrophes, as publishers of vectors do it; first not at all."""
    yield [word]
    if word[-3:].lower() == "n't" and len(word) > 3:
        yield [word[:-3], word[-3:]]
    first, *others = word.split("'")
    *before, last = word.split("'")
    bare = [part for part in (first, *others) if part]
    yield [part for part in (first, *(f"'{other}" for other in others)) if part]
    yield [part for part in (*(f"{other}'" for other in before), last) if part]
    yield [part for part in re.split("(')", word) if part]
    yield bare
    if (stem := _stem(word)) and "'" not in stem:
        yield [stem]


Respell = Callable[[str], list[str]]
"""A word to the spellings under which it may be in the table, the likeliest first."""

MayChange = Callable[[str], bool]
"""Tells of most words that a way has no other spelling for them, sooner than the way does."""


@cache
def _ways(rules: TokenRules) -> list[tuple[str, MayChange, Respell]]:
    """Return the ways between ``exact`` and ``split`` that the rules name, in order, with the words they may change."""
    closed = frozenset(rules.closed_class.split())

    def bare(word: str) -> list[str]:
        written = spelled(word) if rules.tweets else ()
        return [*written] or (spellings(word, chillus=rules.chillus) if rules.drop_invisible else [])

    def form(word: str) -> list[str]:
        usual = straightened(unicodedata.normalize("NFKC", word)) if rules.usual_form and not word.isascii() else word
        return [usual] if usual != word else []

    def number(word: str) -> list[str]:
        if word.isalpha() and word.isascii():
            return []
        usual = (form(word) or [word])[0]
        return [_DIGIT.sub("#", usual)] if rules.mask_digits and len(_DIGIT.findall(usual)) > 1 else []

    def case(word: str) -> list[str]:
        if not rules.other_case:
            return []
        plain = word.isalpha() and word.isascii()
        masked = word if plain else (number(word) or form(word) or [word])[0]
        lower = masked.lower()
        cases = [lower] if lower in closed else [lower, masked[:1].upper() + masked[1:].lower(), masked.upper()]
        return [spelling for spelling in cases if spelling != masked]

    def alike(word: str) -> list[str]:
        return [word, *bare(word), *form(word), *number(word), *case(word)]

    def possessive(word: str) -> list[str]:
        return alike(stem) if (stem := _stem(word)) else []

    def joined(word: str) -> list[str]:
        if "-" not in word:
            return []
        spelled = word.replace("-", rules.hyphen_as)
        stem = _stem(spelled) if rules.strip_possessive else ""
        return alike(spelled) + (alike(stem) if stem else [])

    ways: list[tuple[str, MayChange, Respell]] = []
    if rules.drop_invisible or rules.tweets:
        ways.append(("bare", _any if rules.tweets else _has_other_letters, bare))
    if rules.usual_form:
        ways.append(("form", _has_other_letters, form))
    if rules.mask_digits:
        ways.append(("number", _any, number))
    if rules.other_case:
        ways.append(("case", _any, case))
    if rules.strip_possessive:
        ways.append(("possessive", lambda word: word[-2:-1] == "'", possessive))
    if rules.hyphen_as:
        ways.append(("joined", lambda word: "-" in word, joined))
    return ways


def _any(_: str) -> bool:
    return True


def _has_other_letters(word: str) -> bool:
    """Tell whether a word is not ASCII."""
    return not word.isascii()


def _stem(word: str) -> str:
    """Return a possessive without its 's; nothing where it is none."""
    return word[:-2] if word[-2:].lower() == "'s" else ""
