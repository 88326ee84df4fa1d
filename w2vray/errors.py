"""Every error that w2vray raises on purpose, and the exit code each one ends a command with.

::

    W2vrayError                1  anything that went wrong and is ours to tell
    └── UnusableInputError     2  the arguments or the input cannot be used; the message says what to change
        ├── ConfigError           an option has a value that is not allowed, or two options disagree
        ├── VectorsError          a file of word vectors, or a vectors directory
        ├── CorpusError           a store, one of its files, or one of its columns
        │   └── FileError         one file of a store, with the reason as one word
        ├── BundleError           a model directory
        ├── RunError              a directory that holds, or is to hold, a scoring run
        ├── DivergedError         a training's loss is no longer a number
        └── ClusterError          the Ray cluster that was asked for cannot do what was asked

Ray sends errors between processes, so each one survives pickling: its class can be called with the message alone, and
gets back what else the error had (a FileError its ``file`` and ``reason``).
"""

from typing import ClassVar

__all__ = [
    "BundleError",
    "ClusterError",
    "ConfigError",
    "CorpusError",
    "DivergedError",
    "FileError",
    "RunError",
    "UnusableInputError",
    "VectorsError",
    "W2vrayError",
]


class W2vrayError(Exception):
    """Something went wrong, and the message says what."""

    exit_code: ClassVar[int] = 1


class UnusableInputError(W2vrayError):
    """The arguments or the input cannot be used; the message says which and what to change."""

    exit_code = 2


class ConfigError(UnusableInputError):
    """An option has a value that is not allowed, or two options disagree."""


class VectorsError(UnusableInputError):
    """A file of word vectors, or a vectors directory, cannot be used."""


class CorpusError(UnusableInputError):
    """A store, one of its files or one of its columns cannot be used."""


class FileError(CorpusError):
    """One file of a store cannot be read; ``reason`` is one of ``schema.FileReason``."""

    def __init__(self, message: str, file: str = "", reason: str = "unreadable") -> None:
        super().__init__(message)
        self.file, self.reason = file, reason


class BundleError(UnusableInputError):
    """A model directory cannot be used."""


class RunError(UnusableInputError):
    """A directory that holds, or is to hold, a scoring run cannot be used."""


class DivergedError(UnusableInputError):
    """A training's loss is no longer a number: with these options it never will be."""


class ClusterError(UnusableInputError):
    """The Ray cluster that was asked for cannot do what was asked."""
