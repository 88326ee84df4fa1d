"""What a person should know of labels before a model is made of them: how often each is there, and which look wrong."""

import re
import shlex
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from w2vray.store.label_reading import mended

__all__ = ["label_findings", "listed_labels"]

_ALL, _SOME, _NAMED = 20, 8, 3
_SEPARATORS = (",", "|", ";", "\t", "\n", "\N{FULLWIDTH COMMA}", "\N{IDEOGRAPHIC COMMA}", "\N{FULLWIDTH SEMICOLON}")
_WEAK_SEPARATORS = ("/", "+", "&")
"""Marks that names hold too: they part labels only where a part is a label by itself."""

_WHOLE = re.compile(r"-?[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?[0-9]{1,18}([.]0+)?")
_MISSING = frozenset({"nan", "nat", "null", "n/a", "<na>", "#n/a", "\\n", "?"})
_NOT_YET = frozenset({"unlabeled", "unlabelled", "not labeled", "not labelled", "no label", "todo", "tbd"})
_AS_WRITTEN = frozenset({"None", "NA"})  # by Python and R; "none" and "na" may be labels
_BYTES = re.compile(r"""b(['"]).*\1""", re.DOTALL)
_ALPHABETS = ("LATIN", "CYRILLIC", "GREEK")
"""They have letters that look alike."""

_FEWEST_JOINED = 2
_FEWEST_ROWS = 10
"""Of fewer rows, nobody can tell labels from ids."""


def listed_labels(counts: Mapping[str, int]) -> str:
    """Return labels with how many rows each has, the commonest first; where they are many, some of both ends.

    Example:
        >>> listed_labels({"neg": 3, "pos": 1200})
        "2 labels: 'pos' 1,200, 'neg' 3"
    """
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if len(ordered) <= _ALL:
        return f"{len(ordered):,} label{'s' * (len(ordered) != 1)}: {_with_counts(ordered)}"
    first, last = _with_counts(ordered[:_SOME]), _with_counts(ordered[-_SOME:])
    return f"{len(ordered):,} labels; the commonest: {first}; the rarest: {last}"


def _with_counts(labels: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{label!r} {count:,}" for label, count in labels)


def label_findings(counts: Mapping[str, int], rows: int, *, multi_label: bool) -> list[str]:
    """Return a sentence for each thing that looks wrong, with what to do.

    Args:
        counts: how many rows each label has.
        rows: how many rows have labels.
        multi_label: whether a row may have several.
    """
    if not multi_label and rows >= _FEWEST_ROWS and 2 * len(counts) > rows:
        some = ", ".join(map(repr, sorted(counts)[:_NAMED]))
        seen = f"{rows:,} rows have {len(counts):,} different labels ({some})"
        return [f"{seen}: they look like ids, or like text. Is --label-column the right one?"]
    found = [
        *_near_equal(counts),
        *_alike_but_for_marks(counts),
        *_standing_for_none(counts),
        *_blank(counts),
        *_mixed(counts),
    ]
    if not multi_label:
        found += _lists(counts)
    if once := sorted(label for label, count in counts.items() if count == 1):
        has = "one label has" if len(once) == 1 else f"{len(once):,} labels have"
        found.append(f"{has} a single row, too few to learn from and to measure: {_named(once)}")
    return found


def _near_equal(counts: Mapping[str, int]) -> list[str]:
    alike: dict[str, list[str]] = defaultdict(list)
    for label in counts:
        alike[mended(label).casefold()].append(label)
    groups = [sorted(labels, key=lambda label: (-counts[label], label)) for labels in alike.values() if len(labels) > 1]
    groups.sort(key=lambda labels: -sum(counts[label] for label in labels))
    found = []
    for labels in groups[:_NAMED]:
        by_case = len({mended(label) for label in labels}) > 1
        by_form = len({mended(label) for label in labels}) < len(labels)
        how = " and ".join(["case"] * by_case + ["spaces, invisible characters or Unicode form"] * by_form)
        remedy = ["--label-strip makes those one that differ by space or form"] * by_form
        remedy += ["write those alike that differ by case"] * by_case
        shown = _with_counts([(label, counts[label]) for label in labels])
        found.append(f"these labels differ by {how} alone: {shown}; {', and '.join(remedy)}")
    if len(groups) > _NAMED:
        found.append(f"{len(groups) - _NAMED:,} more groups of labels differ by case, spaces or Unicode form alone")
    return found


def _alike_but_for_marks(counts: Mapping[str, int]) -> list[str]:
    """Find labels that are the same without their marks and spaces, or as numbers: only their writer can mend them."""
    alike: dict[str, dict[str, str]] = defaultdict(dict)
    for label in sorted(counts, key=lambda label: (-counts[label], label)):
        usual = mended(label).casefold()
        if (bare := _bare(usual)) is not None:
            alike[bare].setdefault(usual, label)  # those that differ in another way alone are told elsewhere
    groups = [list(labels.values()) for labels in alike.values() if len(labels) > 1]
    groups.sort(key=lambda labels: -sum(counts[label] for label in labels))
    found = [
        f"these labels differ by {'how the number is written' if _NUMBER.fullmatch(mended(labels[0])) else 'marks'} "
        f"alone: {_with_counts([(label, counts[label]) for label in labels])}; write those alike that mean the same"
        for labels in groups[:_NAMED]
    ]
    if len(groups) > _NAMED:
        found.append(f"{len(groups) - _NAMED:,} more groups of labels differ by marks alone")
    return found


def _bare(usual: str) -> str | None:
    """Return the letters and digits of a label, or its number; None where it has marks that mean something."""
    if _NUMBER.fullmatch(usual):
        return str(int(usual.partition(".")[0]))
    if usual.endswith(("+", "-", "#")):  # A+ and A, c# and c
        return None
    bare = "".join(letter for letter in usual if letter.isalnum() or unicodedata.category(letter)[0] == "M")
    return None if bare.isdecimal() else bare or None


def _blank(counts: Mapping[str, int]) -> list[str]:
    return [
        f"the label {label!r} ({counts[label]:,} row{'s' * (counts[label] != 1)}) is blank; --label-strip takes such a "
        "row for one without a label"
        for label in sorted(counts)
        if not mended(label)
    ][:1]


def _standing_for_none(counts: Mapping[str, int]) -> list[str]:
    marks = sorted(label for label in counts if label.casefold() in _MISSING | _NOT_YET or mended(label) in _AS_WRITTEN)
    if "-1" in counts and all(_WHOLE.fullmatch(label) for label in counts):
        others = [int(label) for label in counts if label != "-1"]
        marks += ["-1"] * (bool(others) and min(others) >= 0)
    return [
        f"the label {mark!r} ({counts[mark]:,} row{'s' * (counts[mark] != 1)}) often says that a row has no label; "
        f"--unlabelled {shlex.quote(mark) if ' ' in mark else mark} leaves such rows out"
        for mark in marks
    ]


def _mixed(counts: Mapping[str, int]) -> list[str]:
    """Find words of letters of several alphabets: one of them was typed on the wrong keyboard, and looks the same."""
    found = []
    for label in sorted(counts):
        for word in re.findall(r"[^\W\d_]+", label):
            alphabets = [name for name in _ALPHABETS if any(name in unicodedata.name(letter, "") for letter in word)]
            if len(alphabets) > 1:
                of_them = " and ".join(name.capitalize() for name in alphabets)
                rows = f"{counts[label]:,} row{'s' * (counts[label] != 1)}"
                found.append(f"the label {label!r} ({rows}) has letters of {of_them} in one word, which look alike")
                break
    more = f"; so have {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
    return [*found[: _NAMED - 1], found[_NAMED - 1] + more] if more else found


def _lists(counts: Mapping[str, int]) -> list[str]:
    bracketed = [label for label in counts if label.strip()[:1] + label.strip()[-1:] in {"[]", "{}", "()"}]
    if len(bracketed) > 1 or (bracketed and len(bracketed) == len(counts)):
        return [f"labels look like lists written as text ({_named(bracketed)}); store lists, each label a string of it"]
    if all(map(_BYTES.fullmatch, counts)):
        return [f"labels look like Python's bytes written as text ({_named(counts)}); decode them"]
    for separator in (*_SEPARATORS, *_WEAK_SEPARATORS):
        joined = [label for label in counts if separator in label]
        if len(joined) < _FEWEST_JOINED and not any(_all_labels(label, separator, counts) for label in joined):
            continue
        parts = Counter(part.strip() for label in counts for part in set(label.split(separator)) if part.strip())
        some = {part.strip() for label in joined for part in label.split(separator) if parts[part.strip()] > 1}
        if some & set(counts) if separator in _WEAK_SEPARATORS else some:
            remedy = f"--label-separator {_quoted(separator)} reads them as several"
            return [f"labels look like several in one string ({_named(joined)}); {remedy}"]
    return []


def _all_labels(joined: str, separator: str, counts: Mapping[str, int]) -> bool:
    """Tell whether all parts of a label are labels by themselves."""
    return all(part.strip() in counts for part in joined.split(separator))


def _quoted(separator: str) -> str:
    """Write a separator as a shell takes it."""
    if not separator.isprintable():
        return repr(separator)  # '\\t' and '\\n' are read as what they mean
    return separator if separator in ",/+" else f"'{separator}'"


def _named(labels: Iterable[str]) -> str:
    listed = list(labels)
    more = f" and {len(listed) - _NAMED:,} more" if len(listed) > _NAMED else ""
    return ", ".join(map(repr, listed[:_NAMED])) + more
