"""What figures were measured with: the revision of the code, the machine and the day.

Scripts that measure put it into their JSON.
"""

import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["measured"]

ROOT = Path(__file__).resolve().parents[1]


def measured() -> dict[str, str]:
    """Return the revision (with "+" if files were changed since), the machine, and today's date in UTC."""
    return {"revision": _revision(), "machine": _machine(), "date": f"{datetime.now(UTC):%Y-%m-%d}"}


def _revision() -> str:
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--exclude=*"],  # noqa: S607 - the git of whoever runs it
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()


def _machine() -> str:
    """Return the CPUs that this process may use, by their name: ``2 cores of AMD EPYC ..., AVX-512``."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    name = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    wide = "AVX-512" if " avx512f" in text else "AVX2" if " avx2" in text else "without AVX2"
    return f"{len(os.sched_getaffinity(0))} cores of {name[1] if name else 'an unknown CPU'}, {wide}"
