"""What the verbs that talk to a cluster's dashboard have in common: how it is named, and an answer to Ctrl-C."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import click

from w2vray.cli.command import Stopped
from w2vray.cli.console import ReaderGone

__all__ = ["following", "on_dashboard"]

_ADDRESS = "The cluster's dashboard, such as http://HEAD:8265. Default: RAY_API_SERVER_ADDRESS or RAY_ADDRESS."
_HEADER = "Send this HTTP header with each request, for a proxy in front of the cluster. May be repeated."
_VERIFY = "File or folder of certificates to trust, for an https address; no: trust any server."

_NO, _YES = ("no", "false", "0"), ("yes", "true", "1")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def on_dashboard(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that name a dashboard; the function gets it as ``dashboard``."""

    @wraps(function)
    def run(*, address: str | None, headers: tuple[str, ...], verify: str | None, **arguments: Any) -> Any:
        _require_url(address)
        given, checked = _headers(headers), _verification(verify)
        from w2vray.cluster.dashboard import Dashboard

        return function(Dashboard(address=str(address).rstrip("/"), headers=given, verify=checked), **arguments)

    variables = ["RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"]
    command: Callable[..., Any] = click.option("--verify", metavar="PATH|no", help=_VERIFY)(run)
    command = click.option("--header", "headers", multiple=True, metavar="NAME=VALUE", help=_HEADER)(command)
    return click.option("--address", metavar="URL", envvar=variables, help=_ADDRESS)(command)


@contextmanager
def following() -> Iterator[None]:
    """Answer Ctrl-C, and a reader that has gone, as every verb does."""
    try:
        yield
    except KeyboardInterrupt as stop:
        raise Stopped(stop) from None
    except BrokenPipeError:
        raise ReaderGone from None


def _require_url(address: str | None) -> None:
    """Ray would take what has no scheme for a cluster's own port, and wait there."""
    if not address:
        raise click.UsageError("Missing option '--address': http://HOST:8265, the URL of the cluster's dashboard")
    if re.match("https?://[^/]", address):
        return
    source = click.get_current_context().get_parameter_source("address")
    named = (
        "--address" if source == click.core.ParameterSource.COMMANDLINE else "--address is not given, and RAY_ADDRESS"
    )
    raise click.UsageError(f"{named} is {address!r}; write http://HOST:8265, the URL of the cluster's dashboard")


def _headers(given: tuple[str, ...]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise click.UsageError(f"--header {name!r}: write NAME=VALUE, such as Authorization='Bearer ...'")
        if name.lower() in {known.lower() for known in headers}:
            raise click.UsageError(f"--header {name} is given twice")
        if not value.isprintable():
            raise click.UsageError(f"--header {name}: its value has characters that a header cannot have")
        headers[name] = value
    return headers


def _verification(given: str | None) -> bool | str:
    if given is None or given.lower() in _YES:
        return True
    if given.lower() in _NO:
        return False
    if not Path(given).exists():
        raise click.UsageError(f"--verify {given}: there is no such file or folder of certificates; or write no")
    return given
