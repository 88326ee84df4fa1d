"""What a job takes along beside the code: what that code needs. The cluster compares it with what it has installed.

A job runs the package of the machine that sent it, with the libraries of the cluster. Whether those are new enough is
looked at where they are, before anything else of the package is imported.
"""

import json
import sys
from importlib.metadata import PackageNotFoundError, metadata, version
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

__all__ = ["SENT_VARIABLE", "accepted", "is_enough", "needs"]

SENT_VARIABLE = "W2VRAY_SENT"
"""A job's variable with what was sent, as JSON."""

_PACKAGE = "w2vray"


def needs() -> dict[str, Any]:
    """Return this machine's version of w2vray, and what it needs; nothing where it is not installed."""
    try:
        about = metadata(_PACKAGE)
    except PackageNotFoundError:  # its folder alone is on Python's path
        return {}
    needed = [Requirement(line) for line in about.get_all("Requires-Dist") or []]
    return {
        "version": version(_PACKAGE),
        "python": about["Requires-Python"] or "",
        "packages": {one.name: _spelled(one.specifier) for one in needed if one.marker is None},
    }


def _spelled(specifier: SpecifierSet) -> str:
    """Return it with the lower end first: ``>=2.59,<2.61``."""
    return ",".join(sorted(map(str, specifier), reverse=True))


def is_enough(found: str, needed: str) -> bool:
    """Tell whether a version is not too old; one that is newer than was tried may do as well."""
    least = SpecifierSet(",".join(str(one) for one in SpecifierSet(needed) if one.operator in {">=", ">", "~="}))
    try:
        return least.contains(Version(found), prereleases=True)
    except InvalidVersion:
        return True  # nobody can tell


def accepted(sent: str, arguments: list[str]) -> bool:
    """Compare what was sent with what is installed here, and say on stderr what differs.

    Args:
        sent: what ``needs`` has returned there, as JSON.
        arguments: of the verb; with ``--json`` among them a refusal is told on stdout too.

    Returns:
        Whether the package can run here.
    """
    given = json.loads(sent)
    wanting, install = [], []
    for name, needed in given.get("packages", {}).items():
        try:
            found = version(name)
        except PackageNotFoundError:
            wanting.append(f"{name} is not installed")
        else:
            if is_enough(found, needed):
                continue
            wanting.append(f"{name} is {found}, and it needs {needed}")
        install.append(f"'{name}{needed}'")
    if wanting:
        _refuse(
            f"the cluster cannot run w2vray {given['version']}, which was sent to it: {'; '.join(wanting)}; "
            f"on each node: pip install {' '.join(install)}",
            arguments,
        )
        return False
    try:
        here = version(_PACKAGE)
    except PackageNotFoundError:
        return True
    if given and here != given["version"]:
        sys.stderr.write(f"the cluster has w2vray {here}; this job runs {given['version']}, which was sent to it\n")
    return True


def _refuse(why: str, arguments: list[str]) -> None:
    sys.stderr.write(f"w2vray: {why}\n")
    if "--json" in arguments:
        sys.stdout.write(json.dumps({"error": why, "exit_code": 2}) + "\n")
