"""``python -m w2vray VERB``, and ``w2vray VERB``."""

import os
import sys
from typing import NoReturn

from w2vray.cluster.ahead import start_for

__all__ = ["main"]


def main() -> NoReturn:
    """Run the program."""
    if sent := os.environ.get("W2VRAY_SENT"):
        from w2vray.sent import accepted  # noqa: PLC0415 - only a job needs it

        if not accepted(sent, sys.argv[1:]):
            sys.exit(2)
    start_for(sys.argv[1:])

    from w2vray.cli import main as run  # noqa: PLC0415 - after that, for it takes a while

    run()


if __name__ == "__main__":
    main()
