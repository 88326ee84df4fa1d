"""Where the texts of a tokenizer may be cut, by its own description (``tokenizer.json``).

Most of a text is made of words that came before. Cut at places where no part of a tokenizer looks across, each word is
split into pieces once and remembered. A tokenizer made of parts that are not known here is never cut, and reads each
text whole.
"""

import string
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.text.cutting import ALONE, BLANK, GLUED, HELD, HOLDS, MARK, TABLED, WORD, Cuts

__all__ = ["cuts_of"]

_BLANKS = " \t\n\r"
_IDEOGRAPHS = ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00))  # those that BERT's normalizer sets apart
_PREPENDED = (0xD4E, 0x111C2, 0x111C3, 0x1193F, 0x11941, 0x11A3A, *range(0x11A84, 0x11A8A), 0x11D46, 0x11F02)
"""Letters that make one grapheme with what follows; the others that do are of the category Cf."""

_CHARACTERWISE = {"BertNormalizer", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "StripAccents"}
_LOCAL = {*_CHARACTERWISE, "Precompiled", "Nmt", "Replace", "Strip"}
_COLLAPSING = (" {2,}", r"\s+", " +", r"\s{2,}")
_PARTS_WORDS = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
_SPACE_MARK = "\u2581"

Part = Mapping[str, Any]
Normalize = Callable[[str], str]
Split = Callable[[str], list[str]]


_NO_CUTS = Cuts(np.full(TABLED, GLUED, dtype=np.uint8), drops_blanks=False, marks_apart=False)


def cuts_of(spec: Part, normalize: Normalize, split: Split) -> Cuts:
    """Return where texts may be cut for a tokenizer; nowhere, where it has to read each text whole.

    Args:
        spec: the content of tokenizer.json.
        normalize: what its normalizer does to a text.
        split: into what its pre-tokenizer splits a normalized text.
    """
    added = spec.get("added_tokens") or []
    normalizers = _flat(spec.get("normalizer"), "normalizers")
    splitters = _flat(spec.get("pre_tokenizer"), "pretokenizers")
    alike = not spec["model"].get("dropout") and all(map(_is_local, normalizers))
    if not alike or any(any(map(str.isspace, token["content"])) for token in added):
        return _NO_CUTS
    if _parts_words(splitters):
        return _between_words(normalizers, splitters, added, normalize, split)
    if any(token.get("rstrip") for token in added):
        return _NO_CUTS
    types = [part["type"] for part in splitters]
    if types == ["Metaspace"] and _keeps_spaces(normalizers, splitters[0], spec["model"]):
        return _before_spaces(normalizers, normalize)
    by_characters = all(part["type"] in _CHARACTERWISE - {"BertNormalizer"} for part in normalizers)
    if types == ["ByteLevel"] and splitters[0].get("use_regex", True) and by_characters:
        blanks = [" "] if splitters[0].get("add_prefix_space", True) else list(_BLANKS)
        return Cuts(_kinds(blanks), drops_blanks=False, marks_apart=False)
    return _NO_CUTS


def _between_words(
    normalizers: Sequence[Part], splitters: Sequence[Part], added: Sequence[Part], normalize: Normalize, split: Split
) -> Cuts:
    """Return the cuts of a tokenizer that drops white space."""
    kinds = _kinds(blank for blank in _BLANKS if _is_blank(normalize(f"x{blank}x")))
    if {part["type"] for part in normalizers} <= _CHARACTERWISE:
        _add_marks(kinds, normalize, split)
        if normalizers and normalizers[0].get("handle_chinese_chars"):
            _add_ideographs(kinds)
        _glue(kinds, chain.from_iterable(token["content"] for token in added))
    marks_apart = any(part["type"] in {"BertPreTokenizer", "Punctuation"} for part in splitters)
    return Cuts(kinds, drops_blanks=True, marks_apart=marks_apart)


def _before_spaces(normalizers: Sequence[Part], normalize: Normalize) -> Cuts:
    """Return the cuts of a tokenizer that makes marks of spaces."""
    blanks = [blank for blank in _BLANKS if normalize(f"x{blank}x") == "x x"]
    if " " not in blanks:
        return _NO_CUTS
    kinds = _kinds(blanks)
    kinds[[point for point in range(TABLED) if kinds[point] != BLANK and chr(point).isspace()]] = HELD
    kinds[ord(_SPACE_MARK)] = HELD
    if any(map(_collapses, normalizers)):
        _hold_what_ends_blank(kinds, normalize)
    return Cuts(kinds, drops_blanks=False, marks_apart=False)


def _flat(part: Part | None, inside: str) -> list[Part]:
    if part is None:
        return []
    if part["type"] == "Sequence":
        return [inner for each in part[inside] for inner in _flat(each, inside)]
    return [part]


def _is_local(part: Part) -> bool:
    """Tell whether a normalizer changes what is on one side of a run of blanks by nothing on the other side."""
    if part["type"] != "Replace":
        return part["type"] in _LOCAL
    pattern = part["pattern"]
    if "String" in pattern:
        return not any(map(str.isspace, pattern["String"]))
    return _collapses(part)


def _collapses(part: Part) -> bool:
    return part["type"] == "Replace" and part["pattern"].get("Regex") in _COLLAPSING and part["content"] == " "


def _parts_words(splitters: Sequence[Part]) -> bool:
    """Tell whether white space is dropped before anything else happens to words."""
    types = [part["type"] for part in splitters]
    if (
        not types
        or types[0] not in _PARTS_WORDS
        or not set(types) <= {*_PARTS_WORDS, "Punctuation", "Digits", "Metaspace"}
    ):
        return False
    if any(part.get("behavior", "Isolated") != "Isolated" for part in splitters):
        return False
    return all(_scheme(part) != "first" for part in splitters if part["type"] == "Metaspace")


def _scheme(metaspace: Part) -> str:
    """Return when a mark of a space is put before a word; an older file tells it in another way."""
    return str(metaspace.get("prepend_scheme", "always" if metaspace.get("add_prefix_space", True) else "never"))


def _keeps_spaces(normalizers: Sequence[Part], metaspace: Part, model: Part) -> bool:
    """Tell whether spaces become marks that start words, of which no piece goes on beyond the next one."""
    if metaspace.get("replacement") != _SPACE_MARK:
        return False
    collapsing = any(map(_collapses, normalizers))
    stripping = [part for part in normalizers if part["type"] == "Strip"]
    spacing = any(
        part.get("handle_chinese_chars")
        or (part["type"] == "Replace" and not _collapses(part) and " " in part["content"])
        for part in normalizers
    )
    if stripping and not (collapsing and _scheme(metaspace) == "always"):
        return False
    if collapsing and spacing and not any(part.get("strip_right") for part in stripping):
        return False
    if metaspace.get("split", True):
        return True
    if model["type"] not in ("Unigram", "BPE"):
        return False
    vocabulary = model["vocab"]
    words: Iterable[str] = vocabulary if isinstance(vocabulary, Mapping) else (word for word, _ in vocabulary)
    return not any(_SPACE_MARK in word.lstrip(_SPACE_MARK) for word in words)


def _is_blank(normalized: str) -> bool:
    return normalized[:1] == normalized[-1:] == "x" and len(normalized) > 2 and set(normalized[1:-1]) <= set(_BLANKS)


def _kinds(blanks: Iterable[str]) -> npt.NDArray[np.uint8]:
    kinds = _without_blanks().copy()
    kinds[[ord(blank) for blank in blanks]] = BLANK
    return kinds


@cache
def _without_blanks() -> npt.NDArray[np.uint8]:
    kinds = np.full(TABLED, GLUED, dtype=np.uint8)
    for point, character in enumerate(map(chr, range(TABLED))):
        category = unicodedata.category(character)
        if category in ("Cf", "Cc") or point in _PREPENDED or character.isspace():
            kinds[point] = HOLDS
        elif (category[0] == "L" or category == "Nd") and (point < 0x80 or _stays_word(character)):
            kinds[point] = WORD
    return kinds


def _stays_word(character: str) -> bool:
    """Tell whether no normalizer makes a mark, or part of the character before, of a letter or a number."""
    composed, parted = (unicodedata.normalize(form, character) for form in ("NFKC", "NFKD"))
    return all(each.isalpha() or each.isdecimal() for each in composed) and (
        parted[0].isalpha() or parted[0].isdecimal()
    )


def _hold_what_ends_blank(kinds: npt.NDArray[np.uint8], normalize: Normalize) -> None:
    """Find what may become a blank, which would be one with those that follow."""
    for point in np.flatnonzero(kinds == GLUED).tolist():
        character = chr(point)
        kept = unicodedata.category(character) in ("So", "Sc", "Sm") or unicodedata.category(character)[0] == "P"
        if point >= 0x80 and not (kept and not normalize(character)[-1:].isspace()):
            kinds[point] = HOLDS


def _add_marks(kinds: npt.NDArray[np.uint8], normalize: Normalize, split: Split) -> None:
    """Find the marks that are parted from words."""
    for point in range(0x21, 0x10000):
        character = chr(point)
        if character in string.punctuation or (point >= 0x80 and unicodedata.category(character)[0] == "P"):
            inside = split(normalize(f"a{character}a"))
            if character != "_" and len(inside) > 2 and inside[0].endswith("a") and inside[-1].endswith("a"):
                kinds[point] = MARK


def _add_ideographs(kinds: npt.NDArray[np.uint8]) -> None:
    for first, stop in _IDEOGRAPHS:
        kinds[first:stop][kinds[first:stop] == WORD] = ALONE


def _glue(kinds: npt.NDArray[np.uint8], characters: Iterable[str]) -> None:
    """Keep together what an added token holds, which is looked for before the text is split."""
    for character in characters:
        if ord(character) < TABLED and kinds[ord(character)] in (MARK, ALONE):
            kinds[ord(character)] = GLUED
