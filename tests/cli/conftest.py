"""Fixtures of the command line's tests."""

from tests.fixtures.commands import run, tiny

__all__ = ["run", "tiny"]
