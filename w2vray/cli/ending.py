"""The end of the program, with the exit code that was meant."""

import atexit
import os
import sys
from contextlib import suppress

__all__ = ["Ending"]


class Ending:
    """End the process once all that was registered for its end has run, and leave the interpreter as it is.

    To take it down is of no use to anybody, and threads of native libraries that want its lock meanwhile (Arrow's, when
    they give back memory of Python's) abort the process: the result would be there, and the exit code 134. Made before
    anything that registers something for the end, because the first to come is the last to be called.
    """

    def __init__(self) -> None:
        self.code = 1  # of an error that nobody has caught
        atexit.register(self._end)

    def _end(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(self.code)
