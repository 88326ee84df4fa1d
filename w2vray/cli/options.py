"""Settings classes to command-line options: an option is documented where its field is, and nowhere else."""

import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

import click

from w2vray.cli.parsing import DescribedArgument, GroupedOption
from w2vray.errors import ConfigError
from w2vray.models.kinds import option_owners
from w2vray.settings.fields import choices_of, flag, help_of
from w2vray.training.settings import TrainSettings

__all__ = ["model_options", "settings_options"]

_SWITCHED_OFF = frozenset({"balanced", "calibrate", "gpu", "tune_vectors", "with_vectors"})
"""Of a training that is repeated with ``--from``, also these can be undone."""

MODEL_GROUP = "Options of the model"

F = TypeVar("F", bound=Callable[..., Any])


def settings_options(kind: type) -> Callable[[F], F]:
    """Decorate a command with an option, or an argument, for each documented field of a settings class."""

    def decorate(command: F) -> F:
        hints = typing.get_type_hints(kind)
        for item in reversed([item for item in fields(kind) if "help" in item.metadata]):
            command = _parameter(item, hints[item.name])(command)
        return command

    return decorate


def model_options(command: F) -> F:
    """Decorate ``train`` with the options of every model; one that is not given is None and left to the model.

    An option that several models have is there once, with the default of each.

    Raises:
        ConfigError: a model has an option that ``train`` itself has.
    """
    taken = {item.name for item in fields(TrainSettings)}
    for name, owners in reversed(option_owners().items()):
        if name in taken:
            raise ConfigError(f"{flag(name)} is an option of train; the model {next(iter(owners))} cannot have it too")
        command = _model_option(name, owners)(command)
    return command


def _model_option(name: str, owners: Mapping[str, type]) -> Callable[[F], F]:
    items = {model: next(item for item in fields(kind) if item.name == name) for model, kind in owners.items()}
    first = next(iter(items.values()))
    base, several = _base(typing.get_type_hints(next(iter(owners.values())))[name])
    text = f"{', '.join(items)}: {help_of(first)}"
    if base is bool:
        return click.option(
            _switch(name), name, is_flag=True, default=None, help=text, cls=GroupedOption, group=MODEL_GROUP
        )
    models_of: dict[str, list[str]] = {}
    for model, item in items.items():
        models_of.setdefault(_default_told(item, several=several), []).append(model)
    only = len(models_of) == 1
    stated = "; ".join(value if only else f"{value} for {', '.join(models)}" for value, models in models_of.items())
    return click.option(
        flag(name),
        name,
        type=_type(choices_of(first), base),
        multiple=several,
        default=None,
        metavar=first.metadata["metavar"],
        help=f"{text.partition(_DEFAULT)[0]}{_DEFAULT}{stated}.",
        cls=GroupedOption,
        group=MODEL_GROUP,
    )


_DEFAULT = " Default: "
"""What begins the part of a help that tells a default, where it is not simply a value."""


def _default_told(item: Field[Any], *, several: bool) -> str:
    """Return what the help of a model's option says of its default, otherwise the value."""
    told = help_of(item).partition(_DEFAULT)[2]
    if told:
        return told.rstrip(".")
    default: Any = item.default
    return " ".join(map(str, default)) if several else str(default)


def _parameter(item: Field[Any], hint: Any) -> Callable[[F], F]:
    base, several = _base(hint)
    required = item.default is MISSING
    if item.metadata["positional"]:
        metavar = item.name.upper() if required else f"[{item.name.upper()}]"
        return click.argument(
            item.name,
            cls=DescribedArgument,
            help=help_of(item),
            type=base,
            nargs=-1 if several else 1,
            required=required,
            metavar=f"{metavar}..." if several else metavar,
        )
    choices = choices_of(item)
    options: dict[str, Any] = {
        "help": help_of(item),
        "metavar": item.metadata["metavar"],
        "required": required,
        "cls": GroupedOption,
        "group": item.metadata["group"],
    }
    if base is bool:
        name = _switch(item.name) if item.name in _SWITCHED_OFF or item.default is None else flag(item.name)
        del options["metavar"], options["required"]
        return click.option(name, item.name, is_flag=True, default=item.default, **options)
    if not required:
        options |= {"default": item.default, "show_default": item.default not in (None, ())}
    return click.option(
        flag(item.name),
        item.name,
        type=_type(choices, base),
        multiple=several,
        **options,
    )


def _type(choices: Sequence[str], base: type) -> click.ParamType[Any] | type:
    return click.Choice(choices, case_sensitive=False) if choices else base


def _switch(name: str) -> str:
    return f"{flag(name)}/{flag(f'no_{name}')}"


def _base(hint: Any) -> tuple[type, bool]:
    """Return a hint's plain type, and whether several values may be given."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        return arguments[0], True
    if isinstance(hint, types.UnionType):
        return next(kind for kind in arguments if kind is not type(None)), False
    return hint, False
