"""Record a terminal for the README: train, score, Ctrl-C, the same command again, verify. Real commands, real output.

::

    make demo
    python jobs/docs/recording.py demo-output docs/recording.svg
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 100
PROMPT = "[bold green]$[/bold green] "
SCORE = "w2vray score store --model model --output run --keep service"
STEPS = (
    ("w2vray train labelled/train.parquet --vectors vectors --output model --model average", None),
    (SCORE, "scoring: "),
    (SCORE, None),
    ("w2vray verify run", None),
)
"""Commands, and the words after whose first line of results Ctrl-C is pressed."""


def main(demo: Path, output: Path) -> None:
    """Run the commands on the demo's store, and write what they print as an SVG."""
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115, PTH123
    with tempfile.TemporaryDirectory() as folder:
        for name in ("store", "labelled", "vectors"):
            (Path(folder) / name).symlink_to((demo / name).resolve())
        for command, interrupt in STEPS:
            console.print(PROMPT + f"[bold]{command}[/bold]", highlight=False)
            for line in printed(command, Path(folder), interrupt):
                console.print(Text(line.replace(f"{Path(folder).resolve()}/", "")), soft_wrap=False)
    console.save_svg(str(output), title="w2vray")


def printed(command: str, folder: Path, interrupt: str | None) -> list[str]:
    """Run a command in a folder, press Ctrl-C at a line of its progress if asked to, and return what it prints."""
    program = [sys.executable, "-m", *shlex.split(command)]
    running = subprocess.Popen(  # noqa: S603 - the commands of this file
        program,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": str(WIDTH)},
        start_new_session=True,
    )
    assert running.stdout is not None
    lines = []
    for line in running.stdout:
        lines.append(line.rstrip("\n"))
        if interrupt is not None and "starting the workers" in line:
            threading.Timer(_SECONDS_OF_WORK, running.send_signal, [signal.SIGINT]).start()
            interrupt = None
    running.wait()
    return lines


_SECONDS_OF_WORK = 6.0
"""Between the workers' start and Ctrl-C: some units are done by then, and not all."""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path, help="the folder that `make demo` made")
    parser.add_argument("output", type=Path, help="the SVG to write")
    given = parser.parse_args()
    main(given.demo, given.output)
