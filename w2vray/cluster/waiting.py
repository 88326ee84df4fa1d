"""What a run waits for, told to a person: while others hold the CPUs, Ray waits for them and says nothing."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

import ray
import ray.exceptions
from ray.util import placement_group_table

from w2vray.cluster.ray_internals import have_no_cpus, pool_has_no_cpus

__all__ = ["Note", "pool_waits_for", "process_waits_for", "told_of_waiting", "training_waits_for"]

Note = Callable[[str], None]
"""Called with a line for a person."""

PATIENCE_SECONDS = 10.0
"""So long nothing is said: to start takes a while even where everything is free."""

AGAIN_SECONDS = 600.0
LOOK_SECONDS = 1.0


@contextmanager
def told_of_waiting(waits_for: Callable[[], str], note: Note) -> Iterator[None]:
    """Tell what the work inside waits for, after some seconds and then rarely.

    Args:
        waits_for: asked each second; it returns nothing where there is no waiting.
        note: is called with it.
    """
    done = threading.Event()

    def watch() -> None:
        waited, silent = 0.0, AGAIN_SECONDS
        while not done.wait(LOOK_SECONDS):
            what = ""
            with suppress(ray.exceptions.RayError):  # the work itself will meet it, and tell it
                what = waits_for()
            waited, silent = waited + LOOK_SECONDS if what else 0.0, silent + LOOK_SECONDS
            if waited >= PATIENCE_SECONDS and silent >= AGAIN_SECONDS:
                note(what)
                silent = 0.0

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def pool_waits_for(each: Mapping[str, float]) -> str:
    """Say what a pool of this driver waits for whose workers take ``each``; nothing where it has one."""
    return _lacking(1, each) if pool_has_no_cpus() else ""


def process_waits_for(kind: str, each: Mapping[str, float]) -> str:
    """Say what a process of a kind waits for, which takes ``each``; nothing where it has that."""
    return _lacking(1, each) if have_no_cpus(kind) else ""


def training_waits_for(least: int, each: Mapping[str, float]) -> str:
    """Say what a training of this driver waits for whose workers take ``each``; nothing where it has them.

    Ray Train puts its workers into a placement group, which ends with them. Where ``least`` workers are more than the
    cluster has room for, an elastic training does not even ask for one.
    """
    job = ray.get_runtime_context().get_job_id()  # the end of the names of what the driver has made
    groups = [group for name, group in placement_group_table().items() if name.endswith(job)]
    states = {group["state"]: len(group["bundles"]) for group in groups}
    if "CREATED" in states:
        return ""
    total = ray.cluster_resources()
    too_small = any(total.get(name, 0) < least * amount for name, amount in each.items())
    workers = states.get("PENDING", states.get("RESCHEDULING", least if too_small else 0))
    return _lacking(workers, each) if workers else ""


def _lacking(workers: int, each: Mapping[str, float]) -> str:
    total, free = ray.cluster_resources(), ray.available_resources()
    needed = " and ".join(f"{amount:g} {name}" for name, amount in each.items())
    there = ", ".join(f"{free.get(name, 0):g} of {total.get(name, 0):g} {name} free" for name in each)
    return f"waiting for {workers} {'worker' if workers == 1 else 'workers'} of {needed} each; {there} now"
