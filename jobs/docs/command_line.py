"""The program with all its verbs, as the page of the command line reads it."""

from w2vray.cli import with_verbs

__all__ = ["program"]

program = with_verbs()
