"""What all verbs have in common: options out of settings, ``--json``, and an answer to being told to stop."""

import signal
from collections.abc import Callable, Mapping
from functools import wraps
from threading import Event
from types import FrameType
from typing import Any, NoReturn

import click

from w2vray.cli.console import Output
from w2vray.cli.options import settings_options
from w2vray.errors import W2vrayError

__all__ = ["GOES_ON", "PLACES", "Stopped", "Terminated", "terminate", "verb"]

GOES_ON = "the same command goes on with what is missing"

JSON_HELP = "Print one JSON object, and only that, on stdout."

PLACES = ("source", "corpus", "labelled", "validation", "vectors", "repeat", "model", "output", "run")
"""Parameters whose values are paths or URIs, in every verb that has them."""

Verb = Callable[..., int | None]


_told_to_end = Event()
"""Whether SIGTERM came: where Ray waits, what is raised at a signal becomes a plain KeyboardInterrupt."""


class Terminated(KeyboardInterrupt):
    """SIGTERM: whatever knows how to tidy up after Ctrl-C does so."""


class Stopped(Exception):  # noqa: N818 - it is no error
    """A verb was told to stop; the message says how things stand, and ``exit_code`` which signal it was."""

    def __init__(self, stop: KeyboardInterrupt, stands: str = "") -> None:
        terminated = isinstance(stop, Terminated) or _told_to_end.is_set()
        _told_to_end.clear()
        how, number = ("terminated", signal.SIGTERM) if terminated else ("interrupted", signal.SIGINT)
        super().__init__(f"{how}; {stands}" if stands else how)
        self.exit_code = 128 + number


def terminate(_: int, __: FrameType | None) -> NoReturn:
    """Answer SIGTERM."""
    _told_to_end.set()
    raise Terminated


def verb(
    name: str, settings: type, *, on_cluster: bool = False, when_stopped: str = "", json_help: str = JSON_HELP
) -> Callable[[Verb], click.Command]:
    """Make a command of a verb: its settings' options, ``--json`` and, where it uses Ray, ``--address``.

    Args:
        name: as it is typed.
        settings: the class that documents its options.
        on_cluster: whether it uses Ray.
        when_stopped: how things stand where it was told to stop.
        json_help: what ``--json`` does.
    """

    def decorate(function: Verb) -> click.Command:
        @wraps(function)
        def run(**arguments: Any) -> int | None:
            output = Output(arguments.pop("json"))
            _refuse_empty_places(arguments)
            try:
                return function(output, **arguments)
            except KeyboardInterrupt as stop:
                raise Stopped(stop, when_stopped) from None
            except (BrokenPipeError, EOFError) as error:  # click would end without a word: it takes them for a person's
                raise W2vrayError(f"a file or a connection has ended too early ({error!r})") from error

        command = click.option("--json", "json", is_flag=True, help=json_help)(run)
        if on_cluster:
            text = "Ray cluster to use, such as HEAD:6379 or auto. Default: RAY_ADDRESS, or Ray on this machine."
            command = click.option("--address", help=text)(command)
        return click.command(name)(settings_options(settings)(command))

    return decorate


def _refuse_empty_places(arguments: Mapping[str, Any]) -> None:
    """An empty path is a shell's variable that nobody has set, and not the folder one is in."""
    for name in PLACES:
        value = arguments.get(name)
        if value == "" or (isinstance(value, tuple) and "" in value):
            raise click.UsageError(f"{name.upper()} is empty; give a path or a URI")
