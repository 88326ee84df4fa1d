from dataclasses import replace
from typing import Any

import pytest

from w2vray.errors import BundleError
from w2vray.settings.choices import FAMILIES
from w2vray.text.rules import TokenRules, family
from w2vray.text.tokens import tokenizer

PLAIN, GOOGLE_NEWS = family("plain"), family("googlenews")


def test_the_families_are_those_that_the_options_offer() -> None:
    """Each name that an option takes has rules, and the rules know the name."""
    assert tuple(family(name).family for name in FAMILIES) == FAMILIES


def test_rules_that_were_stored_before_a_rule_was_there_read_texts_as_they_did() -> None:
    """A model of an earlier version gives the answers that it gave; and is told to be one of those."""
    stored = {rule: value for rule, value in GOOGLE_NEWS.as_dict().items() if rule != "lone_clitics"}
    earlier = TokenRules.from_dict(stored)
    assert earlier == replace(GOOGLE_NEWS, lone_clitics=False)
    assert tokenizer(earlier)("they 've John 's") == ["they", "ve", "John", "s"]
    assert earlier.as_dict() == stored
    assert (earlier.name, GOOGLE_NEWS.name) == ("googlenews of an earlier version", "googlenews")


@pytest.mark.parametrize("name", FAMILIES)
def test_rules_of_before_invisible_characters_were_dropped_are_kept(name: str) -> None:
    """A soft hyphen parts words for them, except where only white space does."""
    rules = family(name).as_dict()
    earlier = TokenRules.from_dict({rule: rules[rule] for rule in rules if rule not in {"drop_invisible", "emoji"}})
    assert tokenizer(earlier)("aw\u00adful") == {
        "plain": ["aw", "ful"],
        "glove": ["aw", "\u00ad", "ful"],
        "googlenews": ["aw", "ful"],
        "fasttext": ["aw\u00adful"],
    }.get(name, tokenizer(earlier)("aw\u00adful"))
    assert earlier.name == f"{name} of an earlier version"


def without(name: str) -> dict[str, Any]:
    """The stored rules of plain, one rule short."""
    return {rule: value for rule, value in PLAIN.as_dict().items() if rule != name}


@pytest.mark.parametrize(
    ("stored", "pieces"),
    [
        pytest.param(without("clitics"), ["punctuation", "clitics", "number_joiners"], id="missing"),
        pytest.param({**PLAIN.as_dict(), "stemming": True}, ["stemming", "exactly the rules"], id="unknown"),
        pytest.param({**PLAIN.as_dict(), "lowercase": 1}, ["lowercase is 1", "expected a bool"], id="number-for-bool"),
        pytest.param({**PLAIN.as_dict(), "clitics": "no"}, ["clitics is 'no'", "a bool"], id="text-for-bool"),
        pytest.param({**PLAIN.as_dict(), "joiners": None}, ["joiners is None", "expected a str"], id="null-for-text"),
        pytest.param({**PLAIN.as_dict(), "family": ["plain"]}, ["family is ['plain']", "a str"], id="list-for-text"),
        pytest.param({**PLAIN.as_dict(), "normalization": True}, ["normalization is True"], id="bool-for-text"),
        pytest.param({}, ["{}", "exactly the rules"], id="empty"),
        pytest.param(["family"], ["['family']", "exactly the rules"], id="list"),
        pytest.param(None, ["None", "exactly the rules"], id="null"),
    ],
)
def test_stored_rules_that_would_read_texts_differently_are_refused(stored: Any, pieces: list[str]) -> None:
    """A rule is never guessed; the message names what is wrong."""
    with pytest.raises(BundleError) as raised:
        TokenRules.from_dict(stored)
    assert [piece for piece in pieces if piece not in str(raised.value)] == []
