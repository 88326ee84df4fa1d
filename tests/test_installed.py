"""How the package is installed: as type checkers look for it, which run no code of it."""

import os
import subprocess
import sys
from pathlib import Path


def test_type_checkers_find_the_package_where_it_is_installed(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from importlib.machinery import PathFinder\n"
        "from pathlib import Path\n"
        "found = PathFinder.find_spec('w2vray', [place for place in sys.path if place])\n"
        "assert found is not None and found.origin is not None, 'an import hook finds w2vray, and no path does'\n"
        "print((Path(found.origin).parent / 'py.typed').is_file())\n"
    )
    without = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, cwd=tmp_path, env=without, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.strip()) == (0, "True"), done.stderr
