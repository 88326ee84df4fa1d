"""What the verbs in Python are given, as their settings hold it, and the docstrings that say what may be given."""

import inspect
import operator
import os
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, replace
from numbers import Real
from typing import Any, TypeVar

from w2vray.errors import ConfigError
from w2vray.models.kinds import option_owners, settings_class
from w2vray.training.settings import TrainSettings

__all__ = ["Names", "Place", "Places", "helped", "settings_of", "silent", "with_model_options"]

Place = str | os.PathLike[str]
"""A path, or a URI as a str."""
Places = Place | Iterable[Place]
Names = str | Iterable[str]

S = TypeVar("S")
F = TypeVar("F", bound=Callable[..., Any])

_PLACES = frozenset({"DIR", "MODEL", "PATH", "RUN", "VECTORS"})
"""What the settings call a value that is a path or a URI."""
_BROKEN_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/[^/]")


def helped(kind: type) -> Callable[[F], F]:
    """Add the help of a settings class's fields to a function's docstring, as far as it is the same every time."""

    def decorate(function: F) -> F:
        lines = [inspect.cleandoc(function.__doc__ or ""), "", "Args:"]
        for item in fields(kind):
            if "help" in item.metadata:
                text, choices = item.metadata["help"], item.metadata["choices"]
                stated = text if isinstance(text, str) else "`--help` on the command line says it."
                one_of = f" One of: {', '.join(choices)}." if choices and isinstance(choices, tuple) else ""
                lines.append(f"    {item.name}: {stated}{one_of}")
        function.__doc__ = "\n".join(lines)
        return function

    return decorate


def silent(*_: object) -> None:
    """Take what is told, and do nothing."""


def settings_of(kind: type[S], given: Mapping[str, Any]) -> S:
    """Make settings from a function's arguments.

    Raises:
        ConfigError: an argument has the wrong type, or a value that is not allowed.
    """
    hints = typing.get_type_hints(kind)
    values = {}
    for item in fields(kind):  # type: ignore[arg-type]
        if "help" not in item.metadata:
            continue
        place = item.metadata["positional"] or item.metadata["metavar"] in _PLACES
        value = values[item.name] = _value(item.name, given[item.name], hints[item.name], place=place)
        if item.metadata["positional"] and value == ():
            raise ConfigError(f"{item.name} is empty; name at least one file, directory, glob or URI")
    return kind(**values)


def with_model_options(settings: TrainSettings, given: Mapping[str, Any]) -> TrainSettings:
    """Add a model's own options, of the right types; an option of another model is left to be refused by name.

    Raises:
        TypeError: no model has such an option.
        ConfigError: an option has the wrong type.
    """
    hints = typing.get_type_hints(settings_class(settings.model, tuned=settings.tune_vectors))
    owners = option_owners()
    for name in given:
        if name not in owners:
            known = f"the model {settings.model} has the options {', '.join(sorted(hints))}"
            raise TypeError(f"train() got an unexpected keyword argument {name!r}; {known}")
    values = {name: _value(name, value, hints[name]) if name in hints else value for name, value in given.items()}
    return replace(settings, model_settings=values)


def _value(name: str, value: Any, hint: Any, *, place: bool = False) -> Any:
    """Return an argument as its field holds it: a plain str, int, float or bool, or a tuple of them.

    Raises:
        ConfigError: it is of another type.
    """
    if typing.get_origin(hint) is tuple:
        base = typing.get_args(hint)[0]
        return tuple(_plain(name, one, base, place=place) for one in _several(name, value))
    kinds = typing.get_args(hint) if typing.get_origin(hint) in {types.UnionType, typing.Union} else (hint,)
    if value is None and type(None) in kinds:
        return None
    plain = [kind for kind in kinds if kind is not type(None)]
    return _plain(name, value, str if str in plain and isinstance(value, str) else plain[-1], place=place)


def _several(name: str, value: Any) -> Iterable[Any]:
    """Return the single values of an argument that may be one or several."""
    if isinstance(value, str | os.PathLike | int):
        return (value,)
    if isinstance(value, AbstractSet):
        raise ConfigError(f"{name} is {value!r}, which has no order; give a list")
    if isinstance(value, bytes | bytearray | Mapping) or not isinstance(value, Iterable):
        raise ConfigError(f"{name} is {value!r}; give one value, or a list of them")
    return value


def _plain(name: str, value: Any, kind: type, *, place: bool) -> Any:
    if place:
        return _place(name, value)
    if kind not in _EXPECTED:
        return value  # of a type that only its settings know how to check
    if isinstance(value, bool):
        if kind is bool:
            return value
    elif kind is str and isinstance(value, str):
        return str(value)
    elif kind is int and hasattr(value, "__index__"):
        return operator.index(value)
    elif kind is float and isinstance(value, Real):
        return float(value)  # as the command line has it: 10 and 10.0 are the same training
    raise ConfigError(f"{name} is {value!r}; expected {_EXPECTED[kind]}, got {type(value).__name__}")


_EXPECTED: dict[type, str] = {
    str: "a string",
    bool: "True or False",
    int: "a whole number",
    float: "a number",
}


def _place(name: str, value: Any) -> str:
    """Return a path or a URI as a str."""
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(path, str):
        raise ConfigError(f"{name} is {value!r}; expected a path or a URI, as str or os.PathLike")
    if not path:
        raise ConfigError(f"{name} is empty; give a path or a URI")
    if path is not value and _BROKEN_URI.match(path):
        raise ConfigError(f"{name} is {value!r}, which has lost a slash of the URI; give a URI as str, not as Path")
    return path
