"""``w2vray submit``: a verb as a Ray job; its arguments are checked before anything is sent."""

import os
from typing import TYPE_CHECKING

import click

from w2vray.cli.command import PLACES
from w2vray.cli.dashboards import following, on_dashboard
from w2vray.models.kinds import MODELS_VARIABLE

if TYPE_CHECKING:
    from w2vray.cluster.dashboard import Dashboard

__all__ = ["submit"]

_ONLY_HERE = frozenset({"submit", "jobs"})
"""Verbs that a job cannot run."""


@click.command(context_settings={"ignore_unknown_options": True})
@on_dashboard
@click.option("--submission-id", help="Name of the job. The same command again follows that job.")
@click.option(
    "--env", "variables", multiple=True, metavar="NAME", help="Hand this variable of the environment on to the job."
)
@click.option("--no-wait", is_flag=True, help="Do not follow the job; print its name.")
@click.argument("verb", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- VERB ...")
def submit(
    dashboard: "Dashboard",
    submission_id: str | None,
    variables: tuple[str, ...],
    verb: tuple[str, ...],
    *,
    no_wait: bool,
) -> int:
    """Run a verb as a job on a Ray cluster and follow it to its end."""
    _require_runnable(verb)
    environment = _environment(variables)
    from w2vray.cluster.submit import submit as submit_job

    with following():
        return submit_job(dashboard, verb, submission_id=submission_id, environment=environment, wait=not no_wait)


def _environment(names: tuple[str, ...]) -> dict[str, str]:
    """Return the variables that a job gets: those that are named, and the models of the user's own."""
    for name in names:
        if name not in os.environ:
            stated = ", without its value" if "=" in name else ""
            raise click.UsageError(
                f"--env {name.partition('=')[0]}: give the name of a variable that is set here{stated}"
            )
    handed = [*names, *([MODELS_VARIABLE] if os.environ.get(MODELS_VARIABLE) else [])]
    return {name: os.environ[name] for name in handed}


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
        if found is None or name in _ONLY_HERE:
            raise click.UsageError(
                f"{name!r} is not a verb that can be submitted; choose from "
                + ", ".join(known for known in command.commands if known not in _ONLY_HERE)
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
