"""The one copy of the vectors in Ray's object store, which all workers of a machine see."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import ray

from w2vray.errors import ClusterError
from w2vray.stages import stage
from w2vray.text.rules import TokenRules
from w2vray.vectors import Vectors

__all__ = ["SharedVectors", "share"]


@dataclass(frozen=True)
class SharedVectors:
    """The one copy of the vectors in Ray's object store, and what is needed to use it."""

    reference: ray.ObjectRef[Any]
    rules: TokenRules
    fingerprint: str

    def get(self) -> Vectors:
        """Return the vectors in this process, without copying them: a view of memory that all workers share."""
        arrays: dict[str, npt.NDArray[Any]] = ray.get(self.reference)
        return Vectors.from_arrays(arrays, self.rules, self.fingerprint)


def share(vectors: Vectors) -> SharedVectors:
    """Put the vectors into Ray's object store, once for all workers of a machine.

    Raises:
        ClusterError: the object store is too small for them.
    """
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
