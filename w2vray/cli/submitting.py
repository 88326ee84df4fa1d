"""``w2vray submit``: a verb as a Ray job; its arguments are checked before anything is sent."""

import re

import click

from w2vray.cli.command import PLACES, Stopped
from w2vray.cli.console import ReaderGone

__all__ = ["submit"]


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--address", required=True, metavar="URL", help="The cluster's dashboard, such as http://HEAD:8265.")
@click.option("--submission-id", help="Name of the job. A name that is in use is refused.")
@click.argument("verb", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- VERB ...")
def submit(address: str, submission_id: str | None, verb: tuple[str, ...]) -> int:
    """Run a verb as a job on a Ray cluster and follow it to its end."""
    _require_url(address)
    _require_runnable(verb)
    from w2vray.cluster.submit import submit as submit_job

    try:
        return submit_job(address, verb, submission_id=submission_id)
    except KeyboardInterrupt as stop:
        raise Stopped(stop) from None
    except BrokenPipeError:
        raise ReaderGone from None


def _require_url(address: str) -> None:
    """Ray would take what has no scheme for a cluster's own port, and wait there."""
    if not re.match("https?://[^/]", address):
        raise click.UsageError(f"--address is {address!r}; write http://HOST:8265, the URL of the cluster's dashboard")


def _require_runnable(verb: tuple[str, ...]) -> None:
    """Check a verb's arguments here, before anything is sent: usage, and places that mean something elsewhere."""
    try:
        "".join(verb).encode()
    except UnicodeEncodeError as error:
        raise click.UsageError(f"{error.object!r} is not UTF-8; a job's arguments have to be") from error
    command: click.Command = click.get_current_context().find_root().command
    words = list(verb)
    while isinstance(command, click.Group):
        name = words.pop(0) if words else ""
        found = command.commands.get(name)
        if found is None or name == "submit":
            raise click.UsageError(
                f"{name!r} is not a verb that can be submitted; choose from "
                + ", ".join(known for known in command.commands if known != "submit")
            )
        command = found
    values = command.make_context(f"w2vray submit ... -- {' '.join(verb[: len(verb) - len(words)])}", words).params
    if command.name == "predict" and not values["text"]:
        raise click.UsageError("a job has no stdin: give predict its texts as arguments, or use score")
    for parameter in command.params:
        if parameter.name not in PLACES or isinstance(parameter.type, click.Choice):
            continue
        value = values[parameter.name]
        for place in value if isinstance(value, tuple) else [value] if value else []:
            if "@" in place.partition("://")[2].partition("/")[0]:
                raise click.UsageError(
                    f"{parameter.name}: the URI contains a user name or a key, which everybody who may list the "
                    "cluster's jobs would see; give the key to the cluster's machines instead"
                )
            if "://" not in place and not place.startswith("/"):
                raise click.UsageError(
                    f"{place!r} is a relative path, and a job runs elsewhere; give an absolute path or a URI"
                )
