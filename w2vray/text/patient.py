"""Texts to ids, of few texts or many: what reads little does not wait for a compiler."""

from typing import TYPE_CHECKING

import pyarrow as pa

from w2vray.text.lookup import Ids, Lookup

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PatientLookup"]


class PatientLookup:
    """Look up as ``lookup`` does: the first ``LITTLE`` bytes as they are, all others in compiled code.

    A process that reads a small labelled set is done before anything would have been compiled.
    """

    LITTLE = 1 << 22

    def __init__(self, lookup: Lookup) -> None:
        self._lookup: Callable[[pa.LargeStringArray], Ids] = lookup
        self._read = 0

    def __call__(self, texts: pa.LargeStringArray) -> Ids:
        """Look up texts (no nulls)."""
        if self._read >= self.LITTLE and isinstance(self._lookup, Lookup):
            from w2vray.text.fast.looking_up import fastest  # noqa: PLC0415 - importing a compiler takes seconds

            self._lookup = fastest(self._lookup)
        self._read += texts.nbytes
        return self._lookup(texts)
