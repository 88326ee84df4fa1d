"""What all verbs have in common: options out of settings, ``--json``, and an answer to being told to stop."""

import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from threading import Event
from types import FrameType
from typing import Any, NoReturn

import click

from w2vray.cli.configuring import shown_config
from w2vray.cli.console import Output
from w2vray.cli.options import settings_options
from w2vray.cli.parsing import Command, GroupedOption, config_table
from w2vray.errors import W2vrayError

__all__ = ["GOES_ON", "PLACES", "Stopped", "Terminated", "terminate", "verb"]

GOES_ON = "run the same command again to finish what is missing"

JSON_HELP = "Print one JSON object on stdout, and nothing else there."

QUIET_HELP = "Show no progress and no summary; warnings and errors are still shown."
VERBOSE_HELP = "Show each step on a line of its own, with its time, and paths, sizes and versions; -vv: Ray's log too."
CONFIG_HELP = "TOML file with options, in a table for each verb. The command line wins over it."
SHOW_CONFIG_HELP = "Print the options in effect as such a file, and do nothing else."

PLACES = (
    "path",
    "source",
    "corpus",
    "labelled",
    "validation",
    "vectors",
    "repeat",
    "model",
    "output",
    "run",
    "of_run",
    "config",
)
"""Parameters whose values are paths or URIs, in every verb that has them."""

Verb = Callable[..., int | None]


_told_to_end = Event()
"""Whether SIGTERM came: where Ray waits, what is raised at a signal becomes a plain KeyboardInterrupt."""


class Terminated(KeyboardInterrupt):
    """SIGTERM: whatever knows how to tidy up after Ctrl-C does so."""


class Stopped(Exception):  # noqa: N818 - it is no error
    """A verb was told to stop; the message says how things stand, and ``exit_code`` which signal it was."""

    def __init__(self, stop: BaseException, stands: str = "") -> None:
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
    name: str,
    settings: type,
    *,
    on_cluster: bool = False,
    when_stopped: str = "",
    json_help: str = JSON_HELP,
    examples: Sequence[str] = (),
) -> Callable[[Verb], click.Command]:
    """Make a command of a verb: its settings' options, ``--json`` and, where it uses Ray, ``--address``.

    Args:
        name: as it is typed.
        settings: the class that documents its options.
        on_cluster: whether it uses Ray.
        when_stopped: how things stand where it was told to stop.
        json_help: what ``--json`` does.
        examples: commands that ``--help`` ends with.
    """

    def decorate(function: Verb) -> click.Command:
        @wraps(function)
        def run(**arguments: Any) -> int | None:
            output = Output(arguments.pop("json"), quiet=arguments.pop("quiet"), verbose=arguments.pop("verbose"))
            if output.quiet and output.verbose:
                raise click.UsageError("-q and -v exclude each other; choose one")
            arguments.pop("config")
            if arguments.pop("show_config"):
                context = click.get_current_context()
                values = {str(item.name): arguments.get(str(item.name)) for item in context.command.params}
                sys.stdout.write(shown_config(config_table(context), values))
                return 0
            _refuse_empty_places(arguments)
            try:
                return function(output, **arguments)
            except KeyboardInterrupt as stop:
                raise Stopped(stop, when_stopped) from None
            except (BrokenPipeError, EOFError) as error:  # click would end without a word: it takes them for a person's
                raise W2vrayError(f"a file or a connection ended too early ({error!r})") from error

        command: Any = run
        for names, options in reversed(_shared_options(json_help, on_cluster=on_cluster)):
            command = click.option(*names, cls=GroupedOption, **options)(command)
        return click.command(name, cls=Command, examples=examples)(settings_options(settings)(command))

    return decorate


def _shared_options(json_help: str, *, on_cluster: bool) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    """Return the options that every verb has, each with its names."""
    address = "Ray cluster to use, such as HEAD:6379 or auto. Default: RAY_ADDRESS, or Ray on this machine."
    options: list[tuple[tuple[str, ...], dict[str, Any]]] = [
        (("--json", "json"), {"is_flag": True, "help": json_help, "group": "This command"}),
        (("-q", "--quiet", "quiet"), {"is_flag": True, "help": QUIET_HELP, "group": "This command"}),
        (("-v", "--verbose", "verbose"), {"count": True, "help": VERBOSE_HELP, "group": "This command"}),
        (("--config", "config"), {"metavar": "FILE", "help": CONFIG_HELP, "group": "This command"}),
        (("--show-config", "show_config"), {"is_flag": True, "help": SHOW_CONFIG_HELP, "group": "This command"}),
    ]
    if on_cluster:
        options.insert(0, (("--address", "address"), {"help": address, "group": "Where it runs"}))
    return options


def _refuse_empty_places(arguments: Mapping[str, Any]) -> None:
    """An empty path is a shell's variable that nobody has set, and not the folder one is in."""
    for name in PLACES:
        value = arguments.get(name)
        if value == "" or (isinstance(value, tuple) and "" in value):
            raise click.UsageError(f"{name.upper()} is empty; give a path or a URI")
