"""Whole jobs, Parquet to Parquet on all cores: as w2vray does them, on Ray, and as people would script them; growth."""

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
from material import Material, make_model, random_vectors, write_store
from peers import fasttext_model, fasttext_script, tfidf_script
from stopwatch import Row, alternate

from w2vray.cluster.connecting import connected
from w2vray.cluster.score import score
from w2vray.settings.answering import ScoreSettings

__all__ = ["Place", "measure_growth", "measure_jobs"]

DIM = 300
TFIDF_SHARE = 64
"""The slow rival is given one part in so many of the store."""


class Place:
    """A folder with a store, vectors and models; every run gets a new output."""

    def __init__(self, folder: Path, material: Material) -> None:
        self.folder, self.material, self.runs = folder, material, 0
        words = [word for word, _ in material.words("glove").most_common(100_000)]
        self.vectors = random_vectors(folder / "vectors", words, DIM)

    def model(self, name: str) -> str:
        """Return where the model of this name is; it is made when it is first asked for."""
        if not (self.folder / name).exists():
            make_model(self.folder / name, self.vectors, name)
        return str(self.folder / name)

    def output(self) -> Path:
        """Return a folder for the next run, and remove the last one."""
        shutil.rmtree(self.folder / f"run-{self.runs}", ignore_errors=True)
        self.runs += 1
        return self.folder / f"run-{self.runs}"

    def settings(self, store: Path, model: str, workers: int | None = None) -> ScoreSettings:
        """Return the settings of the next run."""
        return ScoreSettings(corpus=(str(store),), model=self.model(model), output=str(self.output()), workers=workers)


def measure_jobs(material: Material, megabytes: float, runs: int) -> Iterator[Row]:
    """The same store by ``score`` as it is called, on a Ray that it starts, with fastText and with TF-IDF."""
    with tempfile.TemporaryDirectory(prefix="w2vray-") as name:
        place = Place(Path(name), material)
        store, smaller = place.folder / "store", place.folder / "smaller"
        size = write_store(store, material.texts, max(1, round(megabytes / material.megabytes)))
        small = write_store(smaller, material.texts, max(1, round(megabytes / material.megabytes / TFIDF_SHARE)))
        some = material.texts[:40_000].to_pylist()
        for model, ngrams in (("average", 1), ("cnn", 2)):
            fasttext = fasttext_model(place.folder, some, ngrams)
            rivals: dict[str, Callable[[], float]] = {
                "w2vray": partial(_score, place, store, model, size),
                "on Ray": partial(_score, place, store, model, size, "local"),
                f"fastText {ngrams}-grams": partial(_script, fasttext_script, store, place, size, fasttext),
                "TF-IDF + LR": partial(_script, tfidf_script, smaller, place, small, some),
            }
            speed = alternate(rivals, runs)
            against = {rival: speed["w2vray"] / speed[rival] for rival in speed if rival != "w2vray"}
            note = f"{size:,.0f} MB of text; Ray started and stopped each time"
            yield Row("job", model, speed["w2vray"], "MB/s", against, note)
        for way, address in (("w2vray", None), ("on Ray", "local")):
            what = f"first unit, {way}"
            yield Row("job", what, _first_unit(place, store, address), "s", {}, "from the call of score")


def _score(place: Place, store: Path, model: str, size: float, address: str | None = None) -> float:
    summary = score(place.settings(store, model), address=address)
    assert summary.exit_code == 0
    return size


def _script(script: Callable[..., None], store: Path, place: Place, size: float, *arguments: object) -> float:
    script(store, place.output(), *arguments)
    return size


def _first_unit(place: Place, store: Path, address: str | None) -> float:
    settings = place.settings(store, "average")
    started = time.perf_counter()
    seen: list[float] = []

    def watch() -> None:
        while not seen:
            if any(Path(settings.output, "scores").glob("part-*.parquet")):
                seen.append(time.perf_counter() - started)
            time.sleep(0.05)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    score(settings, address=address)
    watcher.join(1)
    return seen[0]


def measure_growth(material: Material, megabytes: float) -> Iterator[Row]:
    """1, 4, 16 times the documents; one worker and two, with Ray, which is up already, and without. Each runs once."""
    with tempfile.TemporaryDirectory(prefix="w2vray-") as name:
        place = Place(Path(name), material)
        sizes: dict[int, float] = {}
        for times in (1, 4, 16):
            copies = max(1, round(times * megabytes / 16 / material.megabytes))
            sizes[times] = write_store(place.folder / f"store-{times}", material.texts, copies)
        with connected("local"):
            score(place.settings(place.folder / "store-1", "average"))
            for times, size in sizes.items():
                seconds, peak = _watched(place.settings(place.folder / f"store-{times}", "average"))
                yield Row("growth", f"{times} x", seconds, "s", {}, f"{size:,.0f} MB; driver's peak {peak:,.0f} MB")
            store, size = place.folder / "store-4", sizes[4]
            by_workers = {workers: _watched(place.settings(store, "cnn", workers))[0] for workers in (1, 2)}
            yield Row("growth", "2 workers, cnn", by_workers[2], "s", {"1 worker": by_workers[1] / by_workers[2]})
        alone = {workers: _watched(place.settings(store, "cnn", workers))[0] for workers in (1, 2)}
        yield Row("growth", "2 processes without Ray, cnn", alone[2], "s", {"1 process": alone[1] / alone[2]})


def _watched(settings: ScoreSettings) -> tuple[float, float]:
    """Run a job; return its seconds and the peak of this process's private memory in MB."""
    peak, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            peak.append(psutil.Process().memory_full_info().uss / 1e6)

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    try:
        score(settings)
    finally:
        seconds = time.perf_counter() - started
        over.set()
        watcher.join()
    return seconds, max(peak)
