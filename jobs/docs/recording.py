"""Record a terminal for the README: train, score, Ctrl-C, the same command again, verify. Real commands, real output.

::

    make demo
    python jobs/docs/recording.py demo-output docs/figures/recording.svg
"""

import argparse
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Thread

from rich.console import Console
from rich.text import Text

WIDTH = 100
PROMPT = "[bold green]$[/bold green] "
SCORE = "w2vray score store --model model --output run --keep service"
STEPS = (
    ("w2vray train labelled/train.parquet --vectors vectors --output model --model average", False),
    (SCORE, True),
    (SCORE, False),
    ("w2vray verify run", False),
)
"""Commands, and whether Ctrl-C is pressed once some parts of the run are there."""


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
    drawn = console.export_svg(title="w2vray")
    output.write_text(re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL), encoding="utf-8")  # fetch nothing


def printed(command: str, folder: Path, interrupt: bool) -> list[str]:
    """Run a command in a folder, press Ctrl-C when it has written some parts if asked to, and return what it prints."""
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
    if interrupt:
        Thread(target=press_ctrl_c, args=(running, folder / "run" / "scores"), daemon=True).start()
    printed_lines: list[str] = []
    for line in running.stdout:
        if line.startswith("w2vray: interrupted"):
            printed_lines.append("^C")  # what a terminal shows of it
        printed_lines.append(line.rstrip("\n"))
    running.wait()
    return printed_lines


def press_ctrl_c(running: "subprocess.Popen[str]", parts: Path) -> None:
    """Do it when there are some parts; never, if the command ends before."""
    while running.poll() is None:
        if parts.is_dir() and len(list(parts.glob("part-*"))) >= _PARTS:
            running.send_signal(signal.SIGINT)
            return
        time.sleep(0.05)


_PARTS = 5


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path, help="the folder that `make demo` made")
    parser.add_argument("output", type=Path, help="the SVG to write")
    given = parser.parse_args()
    main(given.demo, given.output)
