"""Texts to scores on a GPU: threads split and look up the texts to come while the device computes."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pyarrow as pa

from w2vray.models.directory import Bundle
from w2vray.scoring.answers import Scores
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.device import Device
from w2vray.text.columns import blocks
from w2vray.text.fast.looking_up import fastest
from w2vray.text.lookup import Ids
from w2vray.vectors import Vectors

if TYPE_CHECKING:
    from w2vray.scoring.device_model import Queued

__all__ = ["DeviceScorer"]


class DeviceScorer(TextScorer):
    """A ``TextScorer`` whose model computes on a device, fed by threads: each array has the answers of it alone.

    Compiled look-ups run without Python's global lock, so that threads are enough. Each has memory of its own for the
    words that it has met.
    """

    def __init__(self, bundle: Bundle, vectors: Vectors, *, device: Device, threads: int = 1) -> None:
        super().__init__(bundle, vectors, device=device)
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="look-up")
        self._free: SimpleQueue[Callable[[pa.LargeStringArray], Ids]] = SimpleQueue()
        for _ in range(threads):
            self._free.put(fastest(self.lookup))

    def score_arrays(self, arrays: Iterable[pa.LargeStringArray]) -> Iterator[Scores]:
        """Classify one array after another: the device has the next one before the answers to this are waited for."""
        before: list[tuple[Ids, Queued]] | None = None
        for looked_up in self._looked_up(arrays):
            queued = [
                (ids, self.on_device.queue(ids, self.made_rows(ids.made_words), len(self.labels))) for ids in looked_up
            ]
            if before is not None:
                yield self._waited(before)
            before = queued
        if before is not None:
            yield self._waited(before)

    def _waited(self, queued: list[tuple[Ids, "Queued"]]) -> Scores:
        return self.join([self.answers_of(ids, self.of_both_parts(ids, logits.wait())) for ids, logits in queued])

    def _looked_up(self, arrays: Iterable[pa.LargeStringArray]) -> Iterator[list[Ids]]:
        """Yield the ids of each array in turn, while threads work on as many more."""
        coming: deque[Future[list[Ids]]] = deque()
        for array in arrays:
            coming.append(self._pool.submit(self._look_up, array))
            if len(coming) > self.threads:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()

    def _look_up(self, array: pa.LargeStringArray) -> list[Ids]:
        look_up = self._free.get()
        try:
            return [look_up(block) for block in blocks(array)]
        finally:
            self._free.put(look_up)
