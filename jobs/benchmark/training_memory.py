"""What training takes in memory and time, for two sizes of the labelled set: the driver, readers and trainers.

The set is the corpus over and over, each text with its words in another order, so that no text is there twice. Labels
are made up. Memory is what a process has made itself (anonymous pages); pages of the files that are mapped, which the
kernel takes back when it wants them, are counted apart. Where steps take too long, the training is ended among them.
"""

import math
import multiprocessing
import signal
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from os import getpid
from pathlib import Path
from typing import Any

import psutil
from material import Material, random_vectors, write_labelled_store
from stopwatch import Row

from w2vray.cluster.ray_internals import READER_PROCESS, TRAINER_PROCESS
from w2vray.cluster.train import train
from w2vray.training.settings import TrainSettings

__all__ = ["measure_training_memory"]

DIM = 50
FAMILY = "plain"
WORKERS = 2
NETWORKS: dict[str, dict[str, Any]] = {
    "average": {},
    "cnn": {"epochs": 1, "filters": 16, "widths": (3,), "batch_size": 256},
}
SHARES = (0.25, 1.0)
SAMPLE_SECONDS = 0.5
KINDS = {READER_PROCESS: "reader", TRAINER_PROCESS: "trainer"}
"""What the processes are called that do the work, cut to the length that the kernel keeps."""


def measure_training_memory(material: Material, megabytes: float, seconds: float) -> Iterator[Row]:
    """Train on a quarter of so much text, and on all of it; take steps for so many seconds at most."""
    with tempfile.TemporaryDirectory(prefix="w2vray-") as name:
        folder = Path(name)
        words = [word for word, _ in material.words(FAMILY).most_common(100_000)]
        vectors = random_vectors(folder / "vectors", words, DIM, FAMILY)
        stores = {
            share: write_labelled_store(folder / f"store-{share}", material.texts, share * megabytes)
            for share in SHARES
        }
        for network, options in NETWORKS.items():
            for share, size in stores.items():
                settings = TrainSettings(
                    labelled=(str(folder / f"store-{share}"),),
                    vectors=str(vectors.path),
                    output=str(folder / f"{network}-{share}"),
                    model=network,
                    workers=WORKERS,
                    model_settings=options,
                )
                yield from _measured(settings, size, seconds)


def _measured(settings: TrainSettings, megabytes: float, seconds: float) -> Iterator[Row]:
    trained, peaks = _watched(settings, seconds)
    what = f"{settings.model}, {megabytes:,.0f} MB"
    note = trained.examples if trained.ended else f"{trained.examples}, ended after {trained.training:,.0f} s of steps"
    for kind, peak in sorted(peaks.items()):
        with_files = f"{note}; {peak.private / 1e6:,.0f} MB with pages of files that no other process has mapped"
        yield Row("training-memory", f"{what}, {kind}", peak.made / 1e6, "MB", {}, with_files)
    yield Row("training-memory", f"{what}, read", megabytes / trained.reading, "MB/s", {}, f"{note}; start of Ray too")
    if trained.ended:
        yield Row("training-memory", f"{what}, trained in", trained.training, "s", {}, note)


@dataclass(frozen=True)
class Trained:
    """How many examples a training had, in words; its seconds; whether it came to its end."""

    examples: str
    reading: float
    training: float
    ended: bool


def _train(settings: TrainSettings, begun: Path) -> Trained:
    """Train; ``begun`` appears when there are examples, and an interrupt after that ends it."""
    started, told = time.perf_counter(), [(0.0, "")]

    def progress(_: int, __: int | None, words: str) -> None:
        if words.startswith("epochs"):  # not while rows are read
            told.append((time.perf_counter(), words.removeprefix("epochs, ")))
            begun.touch()

    ended = False
    with suppress(KeyboardInterrupt):
        train(settings, address="local", progress=progress)
        ended = True
    reading, examples = told[1]
    return Trained(examples, reading - started, time.perf_counter() - reading, ended)


@dataclass(frozen=True)
class Memory:
    """Bytes of a process: pages that it has made, and all that would be free without it."""

    made: int = 0
    private: int = 0

    @classmethod
    def of(cls, pid: int) -> "Memory":
        """Ask Linux."""
        lines = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
        size = {name.rstrip(":"): int(kilobytes) * 1024 for name, kilobytes, _ in lines}
        return cls(size["Anonymous"], size["Private_Clean"] + size["Private_Dirty"])

    def most(self, other: "Memory") -> "Memory":
        """Return the larger of each."""
        return Memory(max(self.made, other.made), max(self.private, other.private))


def _watched(settings: TrainSettings, seconds: float) -> tuple[Trained, dict[str, Memory]]:
    """Train in a process of its own; return also the peak of each kind of process."""
    peaks: dict[str, Memory] = defaultdict(Memory)
    begun = Path(f"{settings.output}-begun")
    until: float | None = None
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        driver = psutil.Process(pool.submit(getpid).result())
        training = pool.submit(_train, settings, begun)
        while not training.done():
            for process in [driver, *driver.children(recursive=True)]:
                with suppress(psutil.Error, OSError, ValueError):  # it has ended meanwhile
                    kind = "driver" if process == driver else KINDS.get(process.name()[:14], "")
                    if kind:
                        peaks[kind] = peaks[kind].most(Memory.of(process.pid))
            if until is None and begun.exists():
                until = time.monotonic() + seconds
            if until is not None and time.monotonic() > until:
                driver.send_signal(signal.SIGINT)
                until = math.inf
            time.sleep(SAMPLE_SECONDS)
        return training.result(), peaks
