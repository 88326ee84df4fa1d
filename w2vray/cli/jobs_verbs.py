"""The verbs for jobs of a cluster: ``w2vray jobs VERB``. They need no Ray on this machine."""

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from w2vray.cli.command import JSON_HELP
from w2vray.cli.console import Output, counted, table
from w2vray.cli.dashboards import following, on_dashboard
from w2vray.cli.parsing import Verbs

if TYPE_CHECKING:
    from w2vray.cluster.dashboard import Dashboard

__all__ = ["jobs"]


@click.group(cls=Verbs)
def jobs() -> None:
    """List, follow and stop the jobs of a Ray cluster."""


@jobs.command("list")
@on_dashboard
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def jobs_list(dashboard: "Dashboard", *, as_json: bool) -> None:
    """List the jobs that were submitted to a cluster, the newest first."""
    from w2vray.cluster.jobs import list_jobs

    with following():
        found, now = list_jobs(dashboard), time.time()
    rows = [(job.id, job.status, job.title, _moment(job.started), _spell(job.seconds(now))) for job in found]
    shown = table(counted(len(found), "job"), ["job", "status", "verb", "started", "ran for"], rows)
    Output(as_json).result(
        {"jobs": [job.as_dict(now) for job in found]}, shown if rows else "no job was submitted there"
    )


@jobs.command("follow")
@on_dashboard
@click.argument("job")
def jobs_follow(dashboard: "Dashboard", job: str) -> int:
    """Print what a job says, from its start, and end with its exit code."""
    from w2vray.cluster.jobs import follow_job

    with following():
        return follow_job(dashboard, job)


@jobs.command("stop")
@on_dashboard
@click.argument("job")
@click.option("--json", "as_json", is_flag=True, help=JSON_HELP)
def jobs_stop(dashboard: "Dashboard", job: str, *, as_json: bool) -> None:
    """Stop a job, and tell how to go on with it."""
    from w2vray.cluster.jobs import stop_job

    with following():
        stopped = stop_job(dashboard, job)
    result = {"job": stopped.job.id, "status": stopped.job.status, "was_running": stopped.was_running}
    Output(as_json).result({**result, "again": stopped.again}, *stopped.lines)


def _moment(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _spell(seconds: float | None) -> str:
    return "" if seconds is None else str(timedelta(seconds=int(seconds)))
