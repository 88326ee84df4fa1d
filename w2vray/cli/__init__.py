"""``w2vray VERB``: one contract, used by people and by jobs. Exit codes are those of the error tree, and 3 and 4."""

import json
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import click

from w2vray.cli.verbs import w2vray
from w2vray.errors import W2vrayError

__all__ = ["main"]

_INTERRUPTED = 128


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a verb and exit: 0 done, 1 failed, 2 unusable input, 3 something left out, 4 verify found a problem."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        w2vray.main(args=arguments, prog_name="w2vray", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except W2vrayError as error:
        sys.stderr.write(f"w2vray: {error}\n")
        if "--json" in arguments:
            sys.stdout.write(json.dumps({"error": str(error), "exit_code": error.exit_code}) + "\n")
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        sys.stderr.write("w2vray: interrupted; the same command goes on with what is missing\n")
        sys.exit(_INTERRUPTED + signal.SIGINT)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(_INTERRUPTED + signal.SIGPIPE)
    sys.exit(0)


def _terminated(number: int, _: FrameType | None) -> NoReturn:
    sys.stderr.write("w2vray: terminated; the same command goes on with what is missing\n")
    sys.exit(_INTERRUPTED + number)
