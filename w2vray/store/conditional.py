"""Copies inside of an object store that replace nothing: Arrow's own copies have no condition.

Such a copy is one step of the store. It fails where its source is gone, and where its target is there. How a store is
asked for one is in ``copies_s3.py`` and ``copies_gcs.py``, by a library that goes where Arrow goes for the same URI.
"""

import time
import uuid
from contextlib import suppress
from functools import cache
from typing import Protocol

import pyarrow as pa
from pyarrow import fs

from w2vray.errors import RunError
from w2vray.places.uris import first_line, open_store
from w2vray.store.copies_gcs import GcsClient
from w2vray.store.copies_s3 import S3Client

__all__ = ["ConditionalCopies", "conditional_copies", "may_have_condition", "no_condition_because"]

_ATTEMPTS = 4
_PAUSE = 0.2


class Client(Protocol):
    """What asks a store for a copy on the condition that there is no target yet."""

    def ask(self, source: str, target: str) -> tuple[int, str]:
        """Ask for a copy, and return the status of the answer (200, 412, ...) and what it says; 0 where none came."""
        ...


class ConditionalCopies:
    """Copies that replace nothing; paths are Arrow's, ``bucket/key``."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def copy(self, source: str, target: str) -> bool:
        """Copy an object to a key that has none.

        Returns:
            False where the key has one. Where an answer was lost and the copy was asked for again, that may be ours.

        Raises:
            FileNotFoundError: the source is gone.
            OSError: it cannot be copied.
        """
        for attempt in range(_ATTEMPTS):
            status, why = self._client.ask(source, target)
            if status in {200, 412}:
                return status == 200
            if status == 404:
                raise FileNotFoundError(why)
            if status != 409:
                raise OSError(why)
            time.sleep(_PAUSE * 2**attempt)  # another copy to the key is under way
        raise OSError(why)

    def trouble(self, store: fs.FileSystem, folder: str) -> str | None:
        """Try it in a folder of a store: say why the store makes no copies on a condition, None where it does."""
        paths = source, target = [f"{folder}/condition-{uuid.uuid4().hex}-{name}" for name in "ab"]
        try:
            store.open_output_stream(source).close()
            for expected in ({200, 412}, {412}):  # a first one that was asked for twice finds itself
                status, why = self._client.ask(source, target)
                if status == 200 and status not in expected:
                    return "the store copies, and does not heed the condition that there is no target"
                if status not in expected:
                    return f"the store does not copy on the condition that there is no target ({why})"
        except (OSError, pa.ArrowException) as error:
            return f"the condition cannot be tried there ({first_line(error)})"
        finally:
            for path in paths:
                with suppress(OSError, pa.ArrowException):  # the next run removes what is left
                    store.delete_file(path)
        return None


def may_have_condition(store: fs.FileSystem) -> bool:
    """Tell whether this is a store whose copies may have a condition: S3 or one with its interface, or GCS."""
    return store.type_name in {"s3", "gcs"}


def conditional_copies(place: str, store: fs.FileSystem) -> ConditionalCopies:
    """Return the copies of the store of a URI, which ``store`` was opened for.

    Raises:
        RunError: this machine lacks what they need.
    """
    client: Client = GcsClient(place) if store.type_name == "gcs" else S3Client(place, store.region)
    return ConditionalCopies(client)


@cache
def no_condition_because(place: str, folder: str) -> str | None:
    """Say why copies in the store of a URI cannot have a condition, None where they can.

    They are tried in ``folder``, once in a process.
    """
    store, _ = open_store(place)
    try:
        return conditional_copies(place, store).trouble(store, folder)
    except RunError as error:
        return str(error)
