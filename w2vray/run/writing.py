"""A unit's part while it is made: written as its batches come, seen by nobody before it is published."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Self

import pyarrow as pa

from w2vray.errors import RunError
from w2vray.run.drafts import Draft, Drafts
from w2vray.run.parts import CommittedPart, UnitRecord, part_name
from w2vray.run.sealed import SealedWriter
from w2vray.schema import REJECTED_SCHEMA

__all__ = ["PartWriter"]


class _SealedDraft:
    """A sealed file that is a draft."""

    def __init__(self, drafts: Drafts, name: str, schema: pa.Schema) -> None:
        self.draft: Draft = drafts.new(name)
        self.writer = SealedWriter(self.draft, schema)

    def discard(self) -> None:
        self.writer.abandon()
        self.draft.discard()


class PartWriter:
    """Drafts of a unit's scores, and of its rejected rows where it has any.

    Use it as a context manager: what is not published when it is left is removed.
    """

    def __init__(self, drafts: Drafts, place: str, unit: str, schema: pa.Schema) -> None:
        self.name = part_name(unit)
        self._drafts, self._place = drafts, place
        with self._told():
            self._scores = _SealedDraft(drafts, self.name, schema)
        self._rejected: _SealedDraft | None = None

    def write(self, scores: pa.RecordBatch, rejected: pa.RecordBatch) -> None:
        """Append scores and rejected rows.

        Raises:
            RunError: they cannot be written.
        """
        with self._told():
            self._scores.writer.write(scores)
            if len(rejected):
                if self._rejected is None:
                    self._rejected = _SealedDraft(self._drafts, f"rejected-{self.name}", REJECTED_SCHEMA)
                self._rejected.writer.write(rejected)

    def finish_rejected(self) -> tuple[Draft, str] | None:
        """Close the draft of the rejected rows.

        Returns:
            It, and the SHA-256 of the whole file; None where no row was rejected.
        """
        if self._rejected is None:
            return None
        with self._told():
            self._rejected.writer.close()
            self._rejected.draft.close()
        return self._rejected.draft, self._rejected.writer.file_sha256

    def finish_scores(self, record: UnitRecord) -> tuple[Draft, CommittedPart]:
        """Close the draft of the scores, with the unit's record, and return both."""
        with self._told():
            seal = self._scores.writer.close(asdict(record))
            self._scores.draft.close()
        return self._scores.draft, CommittedPart(record, seal)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._drafts.require_open()  # a draft that is gone was taken away
            raise RunError(f"{self._place}: {self.name} cannot be written ({error})") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._scores.discard()
        if self._rejected is not None:
            self._rejected.discard()
