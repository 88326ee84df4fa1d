"""The one copy of the vectors in Ray's object store, which all workers of a machine see; without Ray, their files."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from w2vray.cluster.lazy_ray import is_running, ray
from w2vray.errors import ClusterError, VectorsError
from w2vray.stages import stage
from w2vray.text.rules import TokenRules
from w2vray.vectors import Vectors

__all__ = ["SharedVectors", "share"]


@dataclass(frozen=True)
class SharedVectors:
    """The one copy of the vectors in Ray's object store, and what is needed to use it; without Ray, where they are."""

    reference: "ray.ObjectRef[Any] | None"
    rules: TokenRules
    fingerprint: str
    path: Path | None = None
    with_ngrams: bool = True

    def get(self) -> Vectors:
        """Return the vectors in this process, without copying them: a view of memory that all workers share.

        Raises:
            VectorsError: without Ray: they are not at their path any more.
        """
        if self.reference is None:
            return self._opened()
        arrays: dict[str, npt.NDArray[Any]] = ray.get(self.reference)
        return Vectors.from_arrays(arrays, self.rules, self.fingerprint)

    def _opened(self) -> Vectors:
        assert self.path is not None
        found = Vectors.open(self.path)
        if found.fingerprint != self.fingerprint:
            raise VectorsError(f"{self.path} holds other vectors than a moment ago; run it again")
        return replace(found, rules=self.rules, ngrams=found.ngrams if self.with_ngrams else None)


def share(vectors: Vectors) -> SharedVectors:
    """Put the vectors into Ray's object store, once for all workers of a machine; without Ray, tell where they are.

    Raises:
        ClusterError: the object store is too small for them.
    """
    if not is_running():
        has_ngrams = vectors.ngrams is not None
        return SharedVectors(None, vectors.rules, vectors.fingerprint, vectors.path, with_ngrams=has_ngrams)
    arrays = vectors.arrays()
    size = sum(np.asarray(array).nbytes for array in arrays.values())
    room = _object_store_room()
    if size > room:
        raise ClusterError(
            f"the vectors take {size:,} bytes and Ray's object store has {room:,}; start Ray with a larger "
            "--object-store-memory, or import fewer words with `vectors import --limit`"
        )
    stage(f"sharing the vectors, {size / 1e6:,.0f} MB")
    return SharedVectors(ray.put(arrays), vectors.rules, vectors.fingerprint)


def _object_store_room() -> int:
    """Return the smallest object store of a node that can work, in bytes: each such node will hold the vectors."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    working = [node for node in nodes if node.get("CPU", 0) > 0] or nodes
    return min(int(node.get("object_store_memory", 0)) for node in working)
