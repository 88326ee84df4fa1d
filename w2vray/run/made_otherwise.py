"""In what a run was made otherwise than a call asks for, in the words of the command line."""

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from w2vray.settings.answering import ScoreSettings
from w2vray.settings.fields import flag

__all__ = ["made_otherwise", "options_differing"]

_VERSIONS = {"format": "run format", "scoring_version": "scoring version"}
_DEFAULTS = {item.name: item.default for item in fields(ScoreSettings)}


def made_otherwise(name: str, was: Any, now: Any) -> str:
    """Say how a run was made, and what to do, where this part of its identity is another one now."""
    if name in _VERSIONS:
        found = "not told" if was is None else was
        return (
            f"was made by another version of w2vray (its {_VERSIONS[name]} is {found}, here it is {now}): finish it "
            "with that version, or score the store into another --output"
        )
    if name == "options" and isinstance(was, Mapping):
        differing = options_differing(was, now)
        return f"was made with other options: {differing}; give the same options again, or another --output"
    if name == "labels":
        return (
            "was made with other labels, or with them in another order; give the same model again, or another --output"
        )
    return (
        f"was made with another {name} (fingerprint {str(was)[:16]}, now {str(now)[:16]}); give the same one again, or "
        "another --output"
    )


def options_differing(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say of each option that differs what it was and what it is.

    Example:
        >>> options_differing({"threshold": None, "top_k": 2, "limit": 9}, {"threshold": 0.5, "top_k": 3, "limit": 9})
        '--threshold was not given before, and is 0.5 now; --top-k was 2 before, and is 3 now'
    """
    names = [name for name in {**now, **was} if was.get(name) != now.get(name)]
    return "; ".join(_differing(name, was.get(name), now.get(name)) for name in names)


def _differing(name: str, was: Any, now: Any) -> str:
    if was is True or now is True:  # it is typed without a value
        return f"{flag(name)} {'was given before, and is not' if was is True else 'was not given before, and is'} now"
    before = "not given" if _is_default(name, was) else _typed(was)
    here = "not given" if _is_default(name, now) else _typed(now)
    return f"{flag(name)} was {before} before, and is {here} now"


def _is_default(name: str, value: Any) -> bool:
    return value is None or (tuple(value) if isinstance(value, list) else value) == _DEFAULTS.get(name)


def _typed(value: Any) -> str:
    """Spell a value as it is typed, several of them with commas.

    Example:
        >>> _typed(["id", "film name"]), _typed(0.5)
        ('id, "film name"', '0.5')
    """
    if isinstance(value, list):
        return ", ".join(map(_typed, value))
    plain = not isinstance(value, str) or re.fullmatch(r"[\w=./+-]+", value)
    return str(value) if plain else json.dumps(value, ensure_ascii=False)
