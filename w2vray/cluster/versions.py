"""The versions of a cluster beside those of this machine, before a job is sent to it."""

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from w2vray.cluster.dashboard import Dashboard
from w2vray.errors import ClusterError
from w2vray.sent import is_enough, needs

__all__ = ["compared"]


def compared(dashboard: Dashboard, found: Mapping[str, str]) -> Iterator[str]:
    """Yield what is not the same there, as warnings.

    Args:
        dashboard: of the cluster.
        found: the cluster's versions, by ``python`` and ``ray``.

    Raises:
        ClusterError: what the cluster has is too old for this installation of w2vray.
    """
    here = {"python": platform.python_version(), "ray": version("ray")}
    given = needs()
    needed = {"python": given.get("python", ""), "ray": given.get("packages", {}).get("ray", "")}
    for name, word in (("python", "Python"), ("ray", "Ray")):
        there = found.get(name)
        if there is None:
            continue
        if not is_enough(there, needed[name]):
            raise ClusterError(
                f"{dashboard.address} has {word} {there}, and w2vray {given['version']} needs {needed[name]}; start "
                f"the cluster with {word} {here[name]}, as it is on this machine"
            )
        if _counts(name, there) == _counts(name, here[name]):
            continue
        untried = (
            "" if _was_tried(there, needed[name]) else f"; w2vray {given['version']} was tried with {needed[name]}"
        )
        yield (
            f"{dashboard.address} has {word} {there}, and this machine {here[name]}: the job runs with the cluster's"
            f"{untried}"
        )


def _counts(name: str, found: str) -> str:
    """Return the part of a version that makes a difference: of Python not the third number."""
    return ".".join(found.split(".")[:2]) if name == "python" else found


def _was_tried(found: str, needed: str) -> bool:
    try:
        return SpecifierSet(needed).contains(Version(found), prereleases=True)
    except InvalidVersion:
        return False
