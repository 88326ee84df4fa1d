"""How a settings class declares its fields, and how it checks their values."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, Field, field, fields
from typing import Any

from w2vray.artefacts import no_path_because
from w2vray.errors import ConfigError

__all__ = [
    "choices_of",
    "documented",
    "flag",
    "help_of",
    "require",
    "require_choices",
    "require_delimiter",
    "require_paths",
    "require_places",
    "require_promise",
    "require_text_columns",
    "require_version",
]


def documented(
    help: str | Callable[[], str],  # noqa: A002 - the field's own word, as in click and argparse
    default: Any = MISSING,
    *,
    metavar: str | None = None,
    choices: Sequence[str] | Callable[[], Sequence[str]] = (),
    positional: bool = False,
    group: str = "",
) -> Any:
    """Declare a field together with the text that ``--help`` shows for it.

    What may change while the program runs, as the models do, is given as a function: see ``help_of``, ``choices_of``.
    ``group`` is the heading that ``--help`` shows it under.
    """
    metadata = {"help": help, "metavar": metavar, "choices": choices, "positional": positional, "group": group}
    return field(default=default, metadata=metadata)


def help_of(item: Field[Any]) -> str:
    """Return the text that ``--help`` shows for a field that was declared with one."""
    text: str | Callable[[], str] = item.metadata["help"]
    return text() if callable(text) else text


def choices_of(item: Field[Any]) -> tuple[str, ...]:
    """Return the values that a field allows; none where it allows any."""
    choices: Sequence[str] | Callable[[], Sequence[str]] = item.metadata.get("choices", ())
    return tuple(choices() if callable(choices) else choices)


def flag(name: str) -> str:
    """Spell a field's name as a person types it: ``text_column`` -> ``--text-column``."""
    return "--" + name.replace("_", "-")


def require(condition: bool, name: str, value: object, allowed: str) -> None:
    """Raise a ConfigError that names the option, the value given and what is allowed."""
    if not condition:
        raise ConfigError(f"{flag(name)} is {value!r}; allowed: {allowed}")


def require_paths(settings: Any, *names: str) -> None:
    """Check places that have to be paths of this machine: a URI would become a folder of that name."""
    for name, place in _places(settings, names):
        if "://" in place:
            why = "its files are opened by their path, so it has to be on this machine"
            raise ConfigError(f"{name.upper()} is {_without_key(place)!r}: {why}")
    require_places(settings, *names)


def require_places(settings: Any, *names: str) -> None:
    """Check places that may be paths or URIs: what only looks like one of the two is neither."""
    for name, place in _places(settings, names):
        if "://" not in place and (why := no_path_because(place)):
            raise ConfigError(f"{name.upper()} is {_without_key(place)!r}: {why}")


def _places(settings: Any, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        value = getattr(settings, name)
        for place in value if isinstance(value, tuple) else (value,):
            if place is not None:
                yield name, str(place)


def _without_key(place: str) -> str:
    return re.sub("//[^/]*@", "//", place.partition("?")[0])


def require_choices(settings: Any) -> None:
    """Check each field that declares choices against them."""
    for item in fields(settings):
        value = getattr(settings, item.name)
        choices = choices_of(item)
        if choices and value is not None:
            require(value in choices, item.name, value, ", ".join(choices))


def require_delimiter(settings: Any) -> None:
    """Check what is said of the cells of CSV."""
    value = settings.delimiter
    if value is None:
        return
    plain = value in {"tab", "\\t"} or (len(value) == 1 and value.isascii() and value not in '"\r\n\0')
    require(plain, "delimiter", value, "one ASCII character other than a quote or a line end, or tab")
    if settings.format not in {None, "csv"}:
        raise ConfigError(f"--delimiter is for CSV, and --format is {settings.format}; leave out one of them")


def require_text_columns(columns: tuple[str, ...], *, remembered: bool = False) -> None:
    """Check that there is a column of texts, unless a model remembers it, and each once."""
    require(remembered or bool(columns), "text_column", columns, "the name of at least one column")
    require(len(set(columns)) == len(columns), "text_column", columns, "each column once")


def require_version(version: int | None) -> None:
    """Check that a table can have such a version."""
    require(version is None or version >= 0, "table_version", version, "0 or more")


def require_promise(precision: float | None, confidence: float | None, *, per_label: bool) -> None:
    """Check what is said of a wanted precision."""
    require(precision is None or 0 < precision < 1, "target_precision", precision, "above 0, below 1")
    require(confidence is None or 0 < confidence < 1, "confidence", confidence, "above 0, below 1")
    if precision is None and (per_label or confidence is not None):
        name = "--per-label" if per_label else "--confidence"
        raise ConfigError(f"{name} is used only with --target-precision; add it, or leave {name} out")
