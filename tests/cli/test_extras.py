"""The scripts in ``jobs/`` that need more than the package does say what to install."""

import subprocess
import sys
from pathlib import Path

import pytest

JOBS = Path(__file__).parents[2] / "jobs"
WITHOUT_PSUTIL = """
import runpy, sys
script = sys.argv[1]
sys.path.insert(0, script.rpartition("/")[0])
sys.modules["psutil"] = None
runpy.run_path(script, run_name="__main__")
"""


@pytest.mark.parametrize("script", ["chaos.py", "benchmark/run.py"])
def test_a_library_that_is_not_there_is_told_in_one_line_with_its_extra(script: str) -> None:
    command = [sys.executable, "-c", WITHOUT_PSUTIL, str(JOBS / script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "the library psutil is not installed; in the folder of w2vray's source: pip install '.[bench]'\n"
    )
