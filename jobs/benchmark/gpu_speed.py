"""Models on a GPU: ids in hand, then from texts with threads that look them up; each with the GPU's busy share."""

import os
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Self

import pyarrow as pa
import torch
from kernel_speed import DIM
from material import Material, make_model, random_vectors
from stopwatch import Row, alternate

from w2vray.models import kinds
from w2vray.scoring.device_scorer import DeviceScorer
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.answering import BATCH_TOKENS, SCORE_PRECISIONS
from w2vray.settings.device import Device
from w2vray.text.columns import blocks
from w2vray.text.lookup import Ids

__all__ = ["measure_gpu"]

ASKED_SECONDS = 0.05


def measure_gpu(material: Material, runs: int) -> Iterator[Row]:
    """Each model on the first GPU, against its kernel on one core; a row that says so where there is no GPU."""
    if not torch.cuda.is_available():
        yield Row("gpu", "skipped", 0.0, "", {}, "no GPU here")
        return
    yield from on_device("cuda", material, runs, lambda: float(torch.cuda.utilization()))


def on_device(name: str, material: Material, runs: int, busy: Callable[[], float]) -> Iterator[Row]:
    """Measure on a device; ``busy`` tells in percent how busy it is now."""
    with tempfile.TemporaryDirectory(prefix="w2vray-") as folder_name:
        folder = Path(folder_name)
        words = [word for word, _ in material.words("glove").most_common(100_000)]
        vectors = random_vectors(folder / "vectors", words, DIM)
        parts = blocks(material.texts)
        threads = len(os.sched_getaffinity(0))
        for model in kinds.names():
            bundle = make_model(folder / model, vectors, model)
            here = TextScorer(bundle, vectors)
            ids = [here.look_up(part) for part in parts]
            for precision in SCORE_PRECISIONS:
                device = Device(name=name, precision=precision, batch_tokens=BATCH_TOKENS)
                there = DeviceScorer(bundle, vectors, device=device, threads=threads)
                rivals = {"kernel": _kernel(here, ids), "ids": _queue(there, ids), "texts": _texts(there, parts, ids)}
                for rival in rivals.values():
                    rival()
                other = _other_labels(here, there, parts)
                on_core = alternate({"kernel": rivals.pop("kernel")}, runs)["kernel"]
                for what, rival in rivals.items():
                    with _Asked(busy) as asked:
                        speed = alternate({what: rival}, runs)[what]
                    unit = "M tokens/s/GPU" if what == "ids" else "M tokens/s"
                    note = f"{threads} look-up threads, GPU {asked.share:.0f} % busy; {other:.2%} of labels other"
                    against = {"kernel on a core": speed / on_core}
                    yield Row("gpu", f"{model}, {precision}, from {what}", speed / 1e6, unit, against, note)


def _kernel(scorer: TextScorer, ids: Sequence[Ids]) -> Callable[[], float]:
    def run() -> float:
        for block in ids:
            scorer.score_ids(block)
        return _tokens(ids)

    return run


def _queue(scorer: DeviceScorer, ids: Sequence[Ids]) -> Callable[[], float]:
    def run() -> float:
        queued = [scorer.on_device.queue(block, None, len(scorer.labels)) for block in ids]
        for logits in queued:
            logits.wait()
        return _tokens(ids)

    return run


def _texts(scorer: DeviceScorer, parts: Sequence[pa.LargeStringArray], ids: Sequence[Ids]) -> Callable[[], float]:
    def run() -> float:
        answered = sum(len(scores) for scores in scorer.score_arrays(parts))
        assert answered == sum(map(len, parts))
        return _tokens(ids)

    return run


def _other_labels(here: TextScorer, there: DeviceScorer, parts: Sequence[pa.LargeStringArray]) -> float:
    """Return the share of texts whose label the device gives otherwise than the kernel; weights here are random."""
    pairs = zip(map(here.score_array, parts), there.score_arrays(parts), strict=True)
    return statistics.fmean(
        float(one != other) for a, b in pairs for one, other in zip(a.label_N, b.label_N, strict=True)
    )


def _tokens(ids: Sequence[Ids]) -> float:
    return float(sum(len(block.ids_L) for block in ids))


class _Asked:
    """Asks in a thread how busy the device is, and tells the mean."""

    def __init__(self, busy: Callable[[], float]) -> None:
        self._busy, self._done, self._answers = busy, Event(), list[float]()
        self._thread = Thread(target=self._ask, daemon=True)

    def _ask(self) -> None:
        while True:
            self._answers.append(self._busy())
            if self._done.wait(ASKED_SECONDS):
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def share(self) -> float:
        """Mean busy share in percent."""
        return statistics.fmean(self._answers)
