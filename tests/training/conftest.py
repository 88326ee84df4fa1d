"""Fixtures of the tests of trainings."""

from tests.fixtures.steps import cnn

__all__ = ["cnn"]
