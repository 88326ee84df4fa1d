"""``w2vray VERB``: one contract, used by people and by jobs. Exit codes are those of the error tree, and 3 and 4."""

import errno
import io
import json
import os
import platform
import re
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import NoReturn

import click

from w2vray.cli.command import Stopped, terminate
from w2vray.cli.console import ReaderGone
from w2vray.cli.ending import Ending
from w2vray.cli.parsing import Verbs
from w2vray.errors import W2vrayError
from w2vray.other_process import end_ahead
from w2vray.sent import SENT_VARIABLE

__all__ = ["main", "run", "with_verbs"]


_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""With 0, the Ray that is started in this process listens on the loopback only; Ray reads it when it is imported. A
cluster is joined in the same way with it: the address of this machine comes from there."""


@click.group(
    cls=Verbs,
    epilog="`w2vray VERB --help` says more about each, with examples.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110, "auto_envvar_prefix": "W2VRAY"},
)
@click.version_option(None, "-V", "--version", package_name="w2vray")
def w2vray() -> None:
    """Train text classifiers on word vectors, then classify whole document stores with them."""


@cache
def with_verbs() -> click.Group:
    """Return the program with its verbs.

    They are imported when one is called, and not before: their options are those of all models, and a model of the
    user's own that cannot be used is then an error as any other.
    """
    from w2vray.cli.calibrating import calibrate
    from w2vray.cli.checking import report, sample
    from w2vray.cli.explaining import explain
    from w2vray.cli.info import info
    from w2vray.cli.jobs_verbs import jobs
    from w2vray.cli.models_verbs import models
    from w2vray.cli.planning import plan
    from w2vray.cli.status import status
    from w2vray.cli.submitting import submit
    from w2vray.cli.vectors_verbs import vectors
    from w2vray.cli.verbs import evaluate, predict, score, train, verify

    for command in (
        vectors,
        models,
        train,
        evaluate,
        calibrate,
        plan,
        score,
        verify,
        status,
        report,
        sample,
        predict,
        explain,
        info,
        submit,
        jobs,
    ):
        w2vray.add_command(command)
    return w2vray


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a verb and end the process: 0 done, 1 failed, 2 unusable input, 3 something left out, 4 verify's problems."""
    ending = Ending()
    os.environ.setdefault(_LOOPBACK, "0")
    signal.signal(signal.SIGTERM, terminate)
    _open_streams()
    ending.code = run(sys.argv[1:] if arguments is None else arguments)
    sys.exit(ending.code)


def run(arguments: Sequence[str]) -> int:
    """Run a verb in this process and return its exit code; errors are told on stderr, with ``--json`` on stdout too."""
    try:
        verbs = with_verbs()
        _tell_of_kernel_cache()
        code = verbs.main(args=list(arguments), prog_name="w2vray", standalone_mode=False)
        sys.stdout.flush()  # --help and --version
    except click.ClickException as error:
        error.show()
        return _failed(arguments, error.format_message(), 2)
    except (W2vrayError, Stopped) as error:
        message = f"{error}{_remedy(str(error))}"
        sys.stderr.write(f"w2vray{_where()}: {message}\n")
        return _failed(arguments, message, error.exit_code)
    except (KeyboardInterrupt, click.Abort) as stop:  # before a verb has begun, or after it has ended
        return Stopped(stop).exit_code
    except (ReaderGone, BrokenPipeError):
        return 128 + signal.SIGPIPE
    except Exception as error:  # noqa: BLE001 - told in full, and the end of it
        if (lacking := _lacking(error)) is None:
            traceback.print_exc()
        else:
            sys.stderr.write(f"w2vray{_where()}: {lacking}\n")
        return _failed(arguments, lacking or f"{type(error).__name__}: {error}", 1)
    finally:
        end_ahead()
    return code or 0


def _tell_of_kernel_cache() -> None:
    """Say where the folder that somebody has named for machine code cannot be used."""
    from w2vray.kernels.compiling import CACHE_VARIABLE, cache_folder

    if (named := os.environ.get(CACHE_VARIABLE)) and cache_folder() is None:
        sys.stderr.write(
            f"w2vray: {CACHE_VARIABLE}={named} cannot be used: it must be a folder that you, and nobody else, can "
            "write to. Until then each process compiles anew, which takes 10 to 20 s\n"
        )


def _lacking(error: Exception) -> str | None:
    """Say what the machine, or its limits, did not let this process have, if that is what an error tells."""
    if "can't start new thread" in str(error) or getattr(error, "errno", None) == errno.EAGAIN:
        return (
            f"there is no room for another thread or process ({error}): raise the limit of processes (ulimit -u, or "
            "the pids of the container), or of memory (ulimit -v)"
        )
    if getattr(error, "errno", None) in {errno.EMFILE, errno.ENFILE}:
        return f"too many files are open ({error}): raise their limit (ulimit -n)"
    return None


def _where() -> str:
    """Say on which host this is, where it is a job: its paths are those of another machine than the user's."""
    return f" on host {platform.node()}" if os.environ.get(SENT_VARIABLE) else ""


_OF_KEYS = re.compile("ACCESS_DENIED|AccessDenied|NETWORK_CONNECTION|Could not resolve host|InvalidAccessKeyId")


def _remedy(message: str) -> str:
    """Say how a job gets the keys of a bucket, if it seems to lack them: its user has them at home."""
    if os.environ.get(SENT_VARIABLE) and _OF_KEYS.search(message):
        return "; a job gets keys and endpoint from `submit --env NAME`, or from a role of the cluster's machines"
    return ""


def _failed(arguments: Sequence[str], message: str, code: int) -> int:
    if "--json" in arguments:
        with suppress(OSError):  # who does not read it has the exit code
            sys.stdout.write(json.dumps({"error": message, "exit_code": code}) + "\n")
            sys.stdout.flush()
    return code


def _open_streams() -> None:
    """Give stdin, stdout and stderr something to be where they are closed, and let stdout take any text."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)  # has the lowest number that is free: the closed one's
            os.set_inheritable(descriptor, True)
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(
            encoding="utf-8", errors="backslashreplace"
        )  # a name that is not UTF-8 is told all the same
