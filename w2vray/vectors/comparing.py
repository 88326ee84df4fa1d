"""Token rules compared: which family finds most of some texts in a vocabulary, and what to do where few are found."""

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from w2vray.settings.choices import FAMILIES
from w2vray.text.coverage import Coverage, measure_coverage
from w2vray.text.rules import TokenRules, family
from w2vray.vectors.directory import JOINED, Vectors
from w2vray.vectors.families import FIRST_WORDS, guess_family

__all__ = [
    "LOW_SHARE",
    "FamilyCoverage",
    "compare_families",
    "coverage_warnings",
    "made_anew",
    "recommended",
    "share_found",
]

LOW_SHARE = 0.6
"""Of tokens with a vector: where there are fewer, a person is told."""

_MUCH_BETTER = 2.0
_ALIKE = 0.01  # shares that differ by less are alike
_ALIKE_FOUND = 0.97  # of tokens found: so large a part of the most
_WORTH_WHILE = 0.1  # a share that is higher by as much is worth new vectors
_NAMED = 5


@dataclass(frozen=True)
class FamilyCoverage:
    """What a family's rules find of some texts."""

    family: str
    found: Coverage

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        found = self.found
        return {
            "family": self.family,
            "tokens": found.tokens,
            "found": found.found,
            "coverage": found.coverage,
            "missing": found.missing,
        }


def compare_families(
    vectors: Vectors, texts: Sequence[pa.LargeStringArray], stored: TokenRules
) -> list[FamilyCoverage]:
    """Measure every family on some texts, those with the largest share first; of ``stored`` as it was stored.

    Pieces of a tokenizer are found by that alone.
    """
    names = [] if stored.pieces or stored.features else [name for name in FAMILIES if name != stored.family]
    others = [family(name, strip_html=stored.strip_html) for name in names]
    found = []
    for rules in (stored, *others):
        pieces = vectors.pieces if rules.pieces else None
        measured = measure_coverage(vectors.vocabulary, rules, texts, pieces=pieces, words=_NAMED)
        found.append(FamilyCoverage(rules.family, measured))
    return sorted(found, key=lambda one: -one.found.coverage)


def recommended(compared: Sequence[FamilyCoverage], vectors: Vectors, stored: TokenRules) -> FamilyCoverage:
    """Return the family that finds most: the stored one, or that of the words, where no other is better by much.

    Families split texts into different numbers of tokens, so of those whose share is much like the largest the one
    counts that finds most tokens: it makes use of most of the text.
    """
    highest = max(one.found.coverage for one in compared)
    alike = [one for one in compared if one.found.coverage >= highest - _ALIKE]
    best = max(alike, key=lambda one: one.found.found)
    good = {one.family: one for one in alike if one.found.found >= _ALIKE_FOUND * best.found.found}
    words = [vectors.vocabulary.word(row) for row in range(min(len(vectors), FIRST_WORDS))]
    return next((good[name] for name in (stored.family, guess_family(words).family) if name in good), best)


def share_found(tokens: int, found: int) -> float | None:
    """Return the share of tokens that have a vector; None where there are no tokens."""
    return found / tokens if tokens else None


def coverage_warnings(
    tokens: int, found: int, vectors: Vectors, rules: TokenRules, sample: Callable[[], Iterable[pa.LargeStringArray]]
) -> list[str]:
    """Say where few tokens have a vector, and what may be done; nothing where most have one.

    Args:
        tokens: of all texts that were read.
        found: those of them that have a vector.
        vectors: where they were looked for.
        rules: by which.
        sample: gives some of the texts; it is asked only where few tokens were found, since only then can another
            family find twice as many.
    """
    if not tokens or found >= LOW_SHARE * tokens:
        return []
    share = found / tokens
    if rules.pieces:
        return [f"only {share:.1%} of the pieces are known to the vectors' tokenizer: are they of another language?"]
    if rules.features:
        return [f"only {share:.1%} of the tokens are known to the classifier: are the texts of another language?"]
    told = f"only {share:.1%} of the tokens have a vector; the texts are read as {rules.name}"
    texts = list(sample())
    best = recommended(compare_families(vectors, texts, rules), vectors, rules) if texts else None
    better_by = 0.0 if best is None else best.found.coverage / max(share, 1e-9)
    if vectors.ngrams is not None and better_by < _MUCH_BETTER:
        return []  # the others have vectors made of n-grams
    if best is None or best.found.coverage < share + _WORTH_WHILE:
        return [f"{told}, and no other family of token rules finds many more: are these vectors of another language?"]
    better = f"Read as {best.family}, {best.found.coverage:.1%} of the tokens of a sample have one"
    return [f"{told}. {better}: {made_anew(vectors, best.family)}, and train the model on those"]


def made_anew(vectors: Vectors, family: str) -> str:
    """Say how vectors of another family are made."""
    source: Mapping[str, Any] = vectors.source
    if source.get("format") == "trained":
        stripped = " --strip-html" * vectors.rules.strip_html
        return f"train the vectors anew with `w2vray vectors train CORPUS --output NEW --family {family}{stripped}`"
    if source.get("format") == JOINED:
        return f"join the vectors anew with `w2vray vectors join VECTORS VECTORS --output NEW --family {family}`"
    path = shlex.quote(str(source.get("path", "SOURCE")))
    return f"import the vectors anew with `w2vray vectors import {path} --output NEW --family {family}`"
