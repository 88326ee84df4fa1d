"""What a person should know of labels before a model is made of them: how often each is there, and which look wrong."""

import html
import re
import shlex
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sized

from w2vray.store.label_reading import mended
from w2vray.text.invisible import visible

__all__ = ["label_findings", "listed_labels"]

_ALL, _SOME, _NAMED = 20, 8, 3
_SEPARATORS = (",", "|", ";", "\t", "\n", "\N{FULLWIDTH COMMA}", "\N{IDEOGRAPHIC COMMA}", "\N{FULLWIDTH SEMICOLON}")
_WEAK_SEPARATORS = ("/", "+", "&", " ")
"""Marks that names hold too: they part labels only where a part is a label by itself."""

_NUMBER = re.compile(r"[-+]?[0-9]{1,18}([.]0+)?")
_MISSING = frozenset({"nan", "nat", "null", "n/a", "<na>", "#n/a", "\\n", "?"})
_NOT_YET = frozenset({"unlabeled", "unlabelled", "not labeled", "not labelled", "no label", "todo", "tbd"})
_AS_WRITTEN = frozenset({"None", "NA"})  # by Python and R; "none" and "na" may be labels
_NO_SIGNS = frozenset({"-", "--", "n.a.", "n.a", "#value!", "#ref!", "(null)", "<null>", "[null]", "undefined"})
"""Of other labels too, but for "-" beside "+", none is a name."""

_YES_AND_NO = (("true", "false"), ("t", "f"), ("yes", "no"), ("y", "n"), ("1", "0"))
_BYTES = re.compile(r"""b(['"]).*\1""", re.DOTALL)
_QUOTED = re.compile(r"""(['"]).*\1|“.*”""", re.DOTALL)
_A_LIST = re.compile(r"""[\[({]\s*(['"]).*\1\s*[\])}]""", re.DOTALL)
_ACCENTS = re.compile("[\u0300-\u036f]")
_FOR_A_SHELL = re.compile(r"[\s()<>#!]")
_SHOWN = 60
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
    return ", ".join(f"{_shown(label)} {count:,}" for label, count in labels)


def _shown(label: str) -> str:
    """Quote a label, as far as a line has room for it."""
    return repr(label if len(label) <= _SHOWN else label[: _SHOWN - 1] + "…")


def label_findings(counts: Mapping[str, int], rows: int, *, multi_label: bool) -> list[str]:
    """Return a sentence for each thing that looks wrong, with what to do.

    Args:
        counts: how many rows each label has.
        rows: how many rows have labels.
        multi_label: whether a row may have several.
    """
    if not multi_label and rows >= _FEWEST_ROWS and 2 * len(counts) > rows:
        some = ", ".join(map(_shown, sorted(counts)[:_NAMED]))
        seen = f"{rows:,} rows have {len(counts):,} different labels ({some})"
        return [f"{seen}: they look like ids, or like text. Is --label-column the right one?"]
    found = [
        *_near_equal(counts),
        *_alike_but_for_marks(counts),
        *_dressed(counts),
        *_yes_and_no(counts),
        *_standing_for_none(counts),
        *_blank(counts),
        *_mixed(counts),
    ]
    if not multi_label:
        found += _lists(counts)
    if once := sorted(label for label, count in counts.items() if count == 1):
        found.append(f"{_some_labels(once)} a single row, too few to learn from and to measure: {_named(once)}")
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
    found = []
    for labels in groups[:_NAMED]:
        shown = _with_counts([(label, counts[label]) for label in labels])
        how = _difference(labels)
        found.append(f"these labels differ by {how} alone: {shown}; write those alike that mean the same")
    if len(groups) > _NAMED:
        found.append(f"{len(groups) - _NAMED:,} more groups of labels differ by marks alone")
    return found


def _difference(labels: Iterable[str]) -> str:
    usual = [mended(label).casefold() for label in labels]
    if all(map(_NUMBER.fullmatch, usual)):
        return "how the number is written"
    return "marks" if len({_unaccented(label) for label in usual}) > 1 else "accents"


def _unaccented(usual: str) -> str:
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", usual))


def _bare(usual: str) -> str | None:
    """Return the letters and digits of a label, or its number; None where it has marks that mean something.

    Entities of HTML are what they stand for, and letters are without accents.
    """
    if _NUMBER.fullmatch(usual):
        return str(int(usual.partition(".")[0]))
    if usual.endswith(("+", "-", "#")):  # A+ and A, c# and c
        return None
    usual = _unaccented(html.unescape(usual))
    bare = "".join(letter for letter in usual if letter.isalnum() or unicodedata.category(letter)[0] == "M")
    return None if bare.isdecimal() else bare or None


def _blank(counts: Mapping[str, int]) -> list[str]:
    return [
        f"the label {label!r} ({counts[label]:,} row{'s' * (counts[label] != 1)}) is blank; --label-strip takes such a "
        "row for one without a label"
        for label in sorted(counts)
        if not mended(label)
    ][:1]


def _dressed(counts: Mapping[str, int]) -> list[str]:
    """Find labels with something around them that a model would answer with, and that nobody asks for."""
    edged = [label for label in counts if _bare_edges(label) != label and mended(label)]
    if edged:  # those that differ from another in this alone are told elsewhere
        twins = Counter(mended(label).casefold() for label in counts)
        edged = [label for label in edged if twins[mended(label).casefold()] == 1]
    found = []
    if edged:
        found.append(
            f"{_some_labels(edged)} spaces at an end or invisible characters, and answers would have them too "
            f"({_named(edged)}); --label-strip takes them away"
        )
    if len(counts) > 1 and all(map(_QUOTED.fullmatch, counts)):
        found.append(f"all labels stand in quotes, and answers would, too ({_named(counts)}); write them without")
    return found


def _bare_edges(label: str) -> str:
    return (label if label.isascii() else visible(label, emoji=True)).strip()


def _some_labels(labels: Sized) -> str:
    return "one label has" if len(labels) == 1 else f"{len(labels):,} labels have"


def _yes_and_no(counts: Mapping[str, int]) -> list[str]:
    """Find yes and no in several spellings, where nothing else is a label."""
    spelled = [pair for pair in _YES_AND_NO if any(label.strip().casefold() in pair for label in counts)]
    known = {label for pair in _YES_AND_NO for label in pair}
    if len(spelled) < 2 or not all(label.strip().casefold() in known for label in counts):
        return []
    pairs = " and ".join("/".join(pair) for pair in spelled)
    return [f"labels say yes and no in several ways ({pairs}): {_with_counts(counts.items())}; write them in one"]


def _standing_for_none(counts: Mapping[str, int]) -> list[str]:
    none = _MISSING | _NOT_YET | (_NO_SIGNS if "+" not in counts else frozenset())
    marks = sorted(label for label in counts if label.casefold() in none or mended(label) in _AS_WRITTEN)
    if all(map(_NUMBER.fullmatch, counts)):
        below = [label for label in counts if float(label) < 0]
        marks += below if len(counts) > len(below) and all(float(label) == -1 for label in below) else []
    return [
        f"the label {mark!r} ({counts[mark]:,} row{'s' * (counts[mark] != 1)}) often says that a row has no label; "
        f"--unlabelled {shlex.quote(mark) if _FOR_A_SHELL.search(mark) else mark} leaves such rows out"
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
    if len(bracketed) > 1 or (bracketed and len(bracketed) == len(counts)) or any(map(_A_LIST.fullmatch, bracketed)):
        return [f"labels look like lists written as text ({_named(bracketed)}); store lists, each label a string of it"]
    if all(map(_BYTES.fullmatch, counts)):
        return [f"labels look like Python's bytes written as text ({_named(counts)}); decode them"]
    for separator in (*_SEPARATORS, *_WEAK_SEPARATORS):
        joined = [label for label in counts if separator in label]
        if len(joined) < _FEWEST_JOINED and not any(_all_labels(label, separator, counts) for label in joined):
            continue
        parts = Counter(part.strip() for label in counts for part in set(label.split(separator)) if part.strip())
        some = {part.strip() for label in joined for part in label.split(separator) if parts[part.strip()] > 1}
        if separator == " ":
            joined = [label for label in joined if _all_labels(label, separator, counts)]
            some = some if len(joined) >= _FEWEST_JOINED else set()
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
    return ", ".join(map(_shown, listed[:_NAMED])) + more
