"""Text to tokens: the rules that a family of word vectors was made with.

The rules belong to the vectors, not to the corpus: a text is split the way the text was split that the vectors were
trained on. A family is a named set of rules; the whole set is stored with the vectors and with each model, so that a
model reads text in the same way for ever.

``plain``
    Lower-cased runs of letters, marks and digits, with apostrophes inside words; punctuation is dropped. For vectors
    trained here, and for vectors whose rules nobody remembers.
``glove``
    As the published GloVe vectors: lower-cased, every punctuation mark a token, ``'s`` and ``n't`` tokens of their own,
    ``u.s.``, ``1,000`` and ``e-mail`` whole.
``googlenews``
    As the published GoogleNews vectors, and for cased word2vec vectors in general: case is kept, ``don't``, ``U.S.``
    and ``10th`` are whole, curly quotes and dashes are made plain, of the marks only ``$ % & @`` are tokens. In text
    that is split already (``they 've``) ``'ve`` is a token, and not the word ``ve``. A word that has no row is looked
    for under other spellings (``10th`` as ``##th``, ``Film`` as ``film``, ``John's`` as ``John``, ``e-mail`` as
    ``e_mail``), see ``resolution.py``.
``fasttext``
    As fastText reads its files: what ASCII white space parts, and nothing else; case and marks are kept. Text from
    elsewhere is composed first (NFC), a no-break space is a space, and a line's end is one too.
``cased``
    As vectors whose text was split into words and marks, and kept its case: those that fastText publishes
    (``crawl-300d-2M``, ``wiki-news-300d-1M``, ``cc.de.300`` and the like) and GloVe 840B. Publishers split in different
    ways, so the vectors' own words decide: a word that has no row is looked for in other spellings, and then in parts
    (``don't`` as ``do`` and ``n't``, ``l'eau`` as ``l'`` and ``eau``, ``film-maker`` as two words). Scripts that are
    written without spaces, such as Chinese, Japanese and Thai, are split into the words that the vectors have, see
    ``segmentation.py``; no other family splits them. A mark that has no row is left out, as it was when the vectors
    were made.
``uncased``
    The same for vectors in lower case, such as ``wiki.en.vec``.
``twitter``
    As ``glove``, with the placeholders of its Twitter vectors: ``@name`` is ``<user>``, see ``tweets.py``. A mark that
    has no row is left out.

Invisible characters (soft hyphens, zero-width spaces, direction marks and the like) are neither words nor parts of
words, and families whose marks are words read an emoji of several characters as one token, see ``invisible.py``.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from itertools import chain
from typing import Any, Literal, Self

from w2vray.errors import BundleError
from w2vray.settings.choices import FAMILIES
from w2vray.text.invisible import JOINERS, emoji_sequence, ranges, visible
from w2vray.text.markup import without_markup
from w2vray.text.tracing import T, Traced, normalized
from w2vray.text.tweets import with_placeholders

__all__ = [
    "FEATURES",
    "PIECES",
    "TokenRules",
    "family",
    "placed_tokens",
    "prepared",
    "rewriter",
    "rewritten",
    "straightened",
    "tokenizer",
    "word_character",
]

_STRAIGHT_APOSTROPHES = {0x2018: "'", 0x2019: "'", 0x02BC: "'"}
_STRAIGHT_MARKS = {
    **dict.fromkeys((0x201C, 0x201D, 0x201E, 0x2033), '"'),  # double quotes
    **dict.fromkeys((0x201A, 0x201B, 0x2032), "'"),  # more single ones
    **dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2212), "-"),  # hyphens, en dash, minus
    **dict.fromkeys((0x2014, 0x2015), "--"),  # em dash: it parts words
    0x2026: "...",
}
_NOT_WHITESPACE = r"[^ \t\n\v\f\r\0]"  # what fastText's reader does not part words at
_NO_BREAK_SPACE = "\u00a0"
_CLITICS = "(?:[sSmMdD]|[rRvV][eE]|[lL][lL])"


@dataclass(frozen=True, kw_only=True)
class TokenRules:
    """The rules of a family, each one stated, none left to code that reads only the family's name."""

    family: str
    normalization: Literal["NFC"] = "NFC"
    lowercase: bool = True
    straighten_apostrophes: bool = True  # U+2018, U+2019 and U+02BC become '
    straighten_marks: bool = False  # curly double quotes become ", dashes - or --
    whitespace_only: bool = False  # split at ASCII white space, a no-break space being one; no rule on marks applies
    punctuation: bool = False  # each mark is a token; otherwise marks are dropped
    kept_marks: str = ""  # marks that are tokens even so
    clitics: bool = False  # 's 'm 'd 're 've 'll n't are tokens of their own
    lone_clitics: bool = False  # 's 'm 'd 're 've 'll are so only where they stand alone
    acronyms: bool = False  # u.s. is one token
    joiners: str = ""  # marks that may stand inside a word
    number_joiners: str = ""  # marks that may stand between digits
    drop_invisible: bool = False  # characters that nobody sees are neither words nor parts of words
    emoji: bool = False  # an emoji of several characters is one token, or stays inside of one
    # A word that has no row of its own is looked for in other ways (see resolution.py), in this order:
    mask_digits: bool = False  # two or more digits: each of them as #
    other_case: bool = False  # lower-cased, capitalised, upper-cased
    closed_class: str = ""  # words, parted by spaces, that are never looked for with a capital
    strip_possessive: bool = False  # without 's
    hyphen_as: str = ""  # hyphens as this mark
    split_unknown: str = ""  # in parts, split at these marks
    usual_form: bool = False  # full-width and half-width forms, ligatures and curly marks as what they stand for
    split_apostrophes: bool = False  # in the parts around an apostrophe that have most rows
    by_vocabulary: bool = False  # where its script has no spaces, into the words that the table has
    drop_unknown_marks: bool = False  # a mark that has no row is not a token
    pieces: bool = False  # split by the tokenizer that came with the vectors; no rule but the next applies
    tweets: bool = False  # users, addresses, numbers, smiles and the like become placeholders (tweets.py)
    features: bool = False  # read as a fastText classifier reads, n-grams and all (features.py)
    strip_html: bool = False  # tags, comments and entities of HTML are gone before anything else is done (markup.py)

    def as_dict(self) -> dict[str, Any]:
        """Return the rules as JSON can hold them.

        A later rule that is off is left out, as it was before it was there: what is made of this stays the same.
        """
        return {name: value for name, value in asdict(self).items() if value or name not in _OFF_BEFORE}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Rebuild stored rules; those of an earlier version read texts as they did in that version.

        Raises:
            BundleError: a rule is missing, unknown or of another type, so that texts would be read differently.
        """
        expected = {item.name: item.type for item in fields(cls)}
        if not isinstance(stored, Mapping) or set(stored) | set(_OFF_BEFORE) != set(expected):
            raise BundleError(
                f"the stored token rules are {stored!r}; this version of w2vray knows exactly the rules "
                f"{', '.join(expected)}. Use the version that wrote them"
            )
        stored = {**_OFF_BEFORE, **stored}
        for name, declared in expected.items():
            kind = bool if declared in (bool, "bool") else str
            if not isinstance(stored[name], kind):
                raise BundleError(f"the stored token rule {name} is {stored[name]!r}; expected a {kind.__name__}")
        if stored["normalization"] != "NFC":
            raise BundleError(f"the stored token rule normalization is {stored['normalization']!r}; expected 'NFC'")
        return cls(**stored)

    @property
    def name(self) -> str:
        """The family's name, whether these are its rules of an earlier version, and whether HTML is stripped."""
        of_today = replace(self, strip_html=False) in (_FAMILIES.get(self.family), PIECES, FEATURES)
        return self.family + " of an earlier version" * (not of_today) + ", without HTML" * self.strip_html


_OFF_BEFORE = {
    "lone_clitics": False,
    "drop_invisible": False,
    "emoji": False,
    "usual_form": False,
    "split_apostrophes": False,
    "by_vocabulary": False,
    "drop_unknown_marks": False,
    "pieces": False,
    "tweets": False,
    "features": False,
    "strip_html": False,
}
"""Rules that stored ones may lack: they came later, and were not in force before."""


# Words without a meaning of their own: in another case they are headlines' (And, Of) or other words (US, May, IT).
_CLOSED_CLASS = (
    "a about after all am an and any are as at be been before but by can could did do does for from had has have he "
    "her hers him his how if in into is it its may me might must my no nor not of off on or our ours out over shall "
    "she should so some than that the their theirs them then there these they this those to too under up us was we "
    "were what when where which who whom whose why will with would you your yours"
)

_CASED = TokenRules(
    family="cased",
    lowercase=False,
    punctuation=True,
    lone_clitics=True,
    acronyms=True,
    joiners="-/&'",
    number_joiners=".,:",
    drop_invisible=True,
    emoji=True,
    mask_digits=True,
    other_case=True,
    closed_class=_CLOSED_CLASS,
    hyphen_as="_",
    split_unknown="-/&",
    usual_form=True,
    split_apostrophes=True,
    by_vocabulary=True,
    drop_unknown_marks=True,
)

_FAMILIES = {
    "plain": TokenRules(family="plain", joiners="'", drop_invisible=True),
    "glove": TokenRules(
        family="glove",
        punctuation=True,
        clitics=True,
        acronyms=True,
        joiners="-/&'",
        number_joiners=".,:",
        drop_invisible=True,
        emoji=True,
        split_unknown="-/&",
    ),
    "googlenews": TokenRules(
        family="googlenews",
        lowercase=False,
        straighten_marks=True,
        kept_marks="$%&@",
        lone_clitics=True,
        acronyms=True,
        joiners="-/&'",
        number_joiners=".,:",
        drop_invisible=True,
        mask_digits=True,
        other_case=True,
        closed_class=_CLOSED_CLASS,
        strip_possessive=True,
        hyphen_as="_",
        split_unknown="-/&",
    ),
    "fasttext": TokenRules(
        family="fasttext",
        lowercase=False,
        straighten_apostrophes=False,
        whitespace_only=True,
        drop_invisible=True,
        emoji=True,
    ),
    "cased": _CASED,
    "uncased": replace(_CASED, family="uncased", lowercase=True, other_case=False, closed_class=""),
}
_FAMILIES["twitter"] = replace(_FAMILIES["glove"], family="twitter", tweets=True, drop_unknown_marks=True)
assert tuple(_FAMILIES) == FAMILIES

PIECES = TokenRules(family="pieces", lowercase=False, straighten_apostrophes=False, pieces=True)
"""Rules of vectors that came with a tokenizer (see ``pieces.py``): its own."""


FEATURES = TokenRules(
    family="features", lowercase=False, straighten_apostrophes=False, whitespace_only=True, features=True
)
"""Rules of a fastText classifier (see ``features.py``): what fastText's own reader does."""


def family(name: str, *, strip_html: bool = False) -> TokenRules:
    """Return the rules of a named family."""
    return replace(_FAMILIES[name], strip_html=strip_html)


@cache
def _marks() -> str:
    """Return the combining marks as the inside of a character class: ``re`` counts them to no word."""
    some = chain(range(0x300, 0x20000), range(0xE0100, 0xE01F0))  # what lies between are ideographs, or not given yet
    return ranges(point for point in some if unicodedata.category(chr(point))[0] == "M")


def word_character(rules: TokenRules, *, ascii_only: bool) -> str:
    """Return the expression for one character that words are made of."""
    if rules.whitespace_only:
        return _NOT_WHITESPACE
    if ascii_only:
        return "[a-zA-Z0-9]"
    return rf"(?:[^\W_]|[{_marks()}{JOINERS if rules.drop_invisible else ''}])"


@cache
def _pattern(rules: TokenRules, *, ascii_only: bool) -> re.Pattern[str]:
    """Build the expression that finds the tokens in a prepared text, longest rule first."""
    W = word_character(rules, ascii_only=ascii_only)
    if rules.whitespace_only:
        return re.compile(f"{W}+")
    joiners = re.escape(rules.joiners.replace("'", ""))
    inner = [f"[{joiners}]"] if joiners else []
    if "'" in rules.joiners:
        inner.append(f"'(?!{_CLITICS}(?!{W}))" if rules.clitics else "'")
    if rules.number_joiners:
        inner.append(rf"(?<=[0-9])[{re.escape(rules.number_joiners)}](?=[0-9])")
    word = f"{W}+(?:(?:{'|'.join(inner)}){W}+)*" if inner else f"{W}+"
    choices = [emoji_sequence()] if rules.emoji and not ascii_only else []
    if rules.acronyms:
        choices.append(r"(?:[a-zA-Z]\.){2,}")
    if rules.clitics:
        choices += [f"{W}+?(?=n't(?!{W}))", f"n't(?!{W})", f"'{_CLITICS}(?!{W})"]
    if rules.lone_clitics:
        choices.append(f"'{_CLITICS}(?!{_going_on(rules)}{W})")
    choices.append(word)
    if rules.punctuation:
        choices += [r"\.{3}", "--", "''", "``", r"[^\s]"]
    elif rules.kept_marks:
        choices.append(f"[{re.escape(rules.kept_marks)}]")
    return re.compile("|".join(choices))


def _going_on(rules: TokenRules) -> str:
    """Return the expression for the mark, or none, over which what looks like a clitic may be more than that.

    So ``'re-elected'``, ``'D.C.'`` and ``'d've`` are read as they are without the apostrophe before them.
    """
    return f"[{re.escape(rules.joiners + '.' * rules.acronyms)}]?" if rules.joiners or rules.acronyms else ""


@cache
def tokenizer(rules: TokenRules) -> Callable[[str], list[str]]:
    """Return the function that splits a text by these rules; the plain model of every faster path.

    Example:
        >>> tokenizer(family("glove"))("The U.S. don't e-mail.")
        ['the', 'u.s.', 'do', "n't", 'e-mail', '.']
    """
    if (rewrite := rewriter(rules)) is not None:
        split = tokenizer(replace(rules, strip_html=False, tweets=False))
        return lambda text: split(rewrite(text))
    find_ascii = _pattern(rules, ascii_only=True).findall
    find_any: Callable[[str], list[str]] | None = None

    def tokenize(text: str) -> list[str]:
        nonlocal find_any
        if text.isascii():
            return find_ascii(prepared(rules, text))
        if find_any is None:
            find_any = _pattern(rules, ascii_only=False).findall
        return find_any(prepared(rules, text))

    return tokenize


def placed_tokens(rules: TokenRules, text: str) -> tuple[Traced, list[tuple[int, int]]]:
    """Return a text as it is split, traced to how it was written, and where in it each token starts and ends.

    Example:
        >>> text, (first, second) = placed_tokens(family("plain", strip_html=True), "A&amp;B")
        >>> text.text[slice(*second)], text.span(*second)
        ('b', (6, 7))
    """
    traced = rewritten(rules, Traced.of(text))
    pattern = _pattern(rules, ascii_only=traced.isascii())
    traced = prepared(rules, traced)
    return traced, [found.span() for found in pattern.finditer(traced.text)]


def rewriter(rules: TokenRules) -> Callable[[str], str] | None:
    """Return what the rules do to a text before all else; None where that is nothing."""
    return (lambda text: rewritten(rules, text)) if rules.strip_html or rules.tweets else None


def rewritten(rules: TokenRules, text: T) -> T:
    """Do to a text what ``rewriter`` does."""
    if rules.strip_html:
        text = without_markup(text)
    return with_placeholders(_seen(rules, text)) if rules.tweets else text


def _seen(rules: TokenRules, text: T) -> T:
    """Return a text normalised, and without its invisible characters where the rules drop them."""
    if text.isascii():
        return text
    text = normalized(rules.normalization, text)
    if rules.drop_invisible:
        text = visible(text, emoji=rules.emoji, apart=not rules.whitespace_only)
        text = normalized(rules.normalization, text)
    return text


def prepared(rules: TokenRules, text: T) -> T:
    """Return a text as the rules read it, before it is split; what ``rewriter`` does is done to it already."""
    if text.isascii():
        return text.lower() if rules.lowercase else text
    text = _seen(rules, text)
    if rules.whitespace_only:
        text = text.replace(_NO_BREAK_SPACE, " ")
    if rules.straighten_apostrophes:
        text = text.translate(_STRAIGHT_APOSTROPHES)
    if rules.straighten_marks:
        text = text.translate(_STRAIGHT_MARKS)
    if rules.lowercase:  # J and a caron are one character as a small letter only: normalise again
        text = normalized(rules.normalization, text.lower())
    return text


def straightened(text: str) -> str:
    """Return a text with plain apostrophes, quotes and dashes."""
    return text.translate(_STRAIGHT_APOSTROPHES).translate(_STRAIGHT_MARKS)
