"""The rules by which a family of word vectors splits text into tokens; ``tokens.py`` follows them.

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

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Self

from w2vray.errors import BundleError
from w2vray.settings.choices import FAMILIES

__all__ = ["FEATURES", "PIECES", "TokenRules", "family"]


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
    chillus: bool = False  # letters of Malayalam and Bengali that were once written with a joiner are one character
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
    stacked: bool = False  # a consonant below another stays with it there
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
    "stacked": False,
    "chillus": False,
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
    chillus=True,
    emoji=True,
    mask_digits=True,
    other_case=True,
    closed_class=_CLOSED_CLASS,
    hyphen_as="_",
    split_unknown="-/&",
    usual_form=True,
    split_apostrophes=True,
    by_vocabulary=True,
    stacked=True,
    drop_unknown_marks=True,
)

_FAMILIES = {
    "plain": TokenRules(family="plain", joiners="'", drop_invisible=True, chillus=True),
    "glove": TokenRules(
        family="glove",
        punctuation=True,
        clitics=True,
        acronyms=True,
        joiners="-/&'",
        number_joiners=".,:",
        drop_invisible=True,
        chillus=True,
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
        chillus=True,
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
        chillus=True,
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
