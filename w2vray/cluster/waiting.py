"""What a run waits for, told to a person: while others hold the CPUs, Ray waits for them and says nothing."""

import math
import time
from collections.abc import Callable, Mapping

from w2vray.cluster.lazy_ray import ray
from w2vray.cluster.ray_internals import have_no_cpus, pool_has_no_cpus

__all__ = ["Note", "Waiting", "pool_waits_for", "process_waits_for", "training_waits_for"]

Note = Callable[[str], None]
"""Called with a line for a person."""

PATIENCE_SECONDS = 10.0
"""So long nothing is said: to start takes a while even where everything is free."""

AGAIN_SECONDS = 600.0


class Waiting:
    """A look that tells what is waited for, after some seconds and then rarely.

    Args:
        waits_for: asked at each look; it returns nothing where there is no waiting.
        note: is called with it.
    """

    def __init__(self, waits_for: Callable[[], str], note: Note) -> None:
        self._waits_for, self._note = waits_for, note
        self._since: float | None = None
        self._told: float | None = None

    def __call__(self) -> None:
        """Look."""
        what, now = self._waits_for(), time.monotonic()
        if not what:
            self._since = None
            return
        self._since = now if self._since is None else self._since
        is_due = self._told is None or now - self._told >= AGAIN_SECONDS
        if is_due and now - self._since >= PATIENCE_SECONDS:
            self._note(what)
            self._told = now


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
    groups = [group for name, group in ray.util.placement_group_table().items() if name.endswith(job)]
    states = {group["state"]: len(group["bundles"]) for group in groups}
    if "CREATED" in states:
        return ""
    total = ray.cluster_resources()
    too_small = any(total.get(name, 0) < least * amount for name, amount in each.items())
    workers = states.get("PENDING", states.get("RESCHEDULING", least if too_small else 0))
    return _lacking(workers, each) if workers else ""


def _lacking(workers: int, each: Mapping[str, float]) -> str:
    total, free = ray.cluster_resources(), ray.available_resources()
    # a worker reserves a little less than its CPU: that is between us and Ray
    needed = " and ".join(f"{math.ceil(amount) if name == 'CPU' else amount:g} {name}" for name, amount in each.items())
    there = ", ".join(f"{free.get(name, 0):g} of {total.get(name, 0):g} {name} free" for name in each)
    return f"waiting for {workers} {'worker' if workers == 1 else 'workers'} of {needed} each; {there} now"
