"""Whole jobs of a supervised fastText model: w2vray's import of it beside the script that people write around fastText.

The models have 125 numbers a row, and 2-grams have 2,000,000 buckets, so that one of 2-grams takes 1 GB.
"""

import logging
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from unittest.mock import patch

import psutil
import ray
from material import Material, write_store
from peers import fasttext_model, fasttext_script
from stopwatch import Row, alternate

import w2vray
from w2vray.cluster import alone
from w2vray.cluster.score import score
from w2vray.settings.answering import ScoreSettings

__all__ = ["measure_fasttext"]

DIM = 125
WORKERS = 8
LOOK_SECONDS = 0.5
MB = 1e6


def measure_fasttext(material: Material, megabytes: float, runs: int) -> Iterator[Row]:
    """Score the same store with both, in turn; then with eight workers each, whose memory is watched."""
    with tempfile.TemporaryDirectory(prefix="w2vray-") as name:
        folder = Path(name)
        store, outputs = folder / "store", _Outputs(folder)
        size = write_store(store, material.texts, max(1, round(megabytes / material.megabytes)))
        some = material.texts[:40_000].to_pylist()
        for ngrams in (1, 2):
            model = fasttext_model(folder, some, ngrams, dim=DIM)
            imported = folder / f"model-{ngrams}"
            w2vray.import_model(model, output=imported)
            ours = partial(_score, store, imported, outputs)
            theirs = partial(_script, store, model, outputs)
            speed = alternate({"w2vray": partial(ours, size=size), "script": partial(theirs, size=size)}, runs)
            note = f"{size:,.0f} MB of text, a model of {model.stat().st_size / MB:,.0f} MB"
            against = {f"script, {ngrams}-grams": speed["w2vray"] / speed["script"]}
            yield Row("fasttext", f"{ngrams}-grams", speed["w2vray"], "MB/s", against, note)
            ray.init(address="local", num_cpus=WORKERS, include_dashboard=False, logging_level=logging.ERROR)
            try:
                memory = _peak(partial(ours, workers=WORKERS))
            finally:
                ray.shutdown()
            with patch.object(alone, "_cpus", return_value=WORKERS):  # as on a machine that has so many
                copies = _peak(partial(ours, workers=WORKERS))
            scripts = _peak(partial(theirs, processes=WORKERS))
            for where, peak in (("", memory), (" without Ray", copies)):
                rival = {f"script of {WORKERS} processes": peak / scripts}
                what = f"{ngrams}-grams, memory of {WORKERS} workers{where}"
                yield Row("fasttext", what, peak, "MB PSS", rival, note)
            model.unlink()


class _Outputs:
    """Folders of runs, each used once."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._runs = folder, 0

    def next(self) -> Path:
        self._runs += 1
        return self._folder / f"run-{self._runs}"


def _score(store: Path, model: Path, outputs: _Outputs, *, size: float = 0.0, workers: int | None = None) -> float:
    settings = ScoreSettings(corpus=(str(store),), model=str(model), output=str(outputs.next()), workers=workers)
    assert score(settings).exit_code == 0
    return size


def _script(store: Path, model: Path, outputs: _Outputs, *, size: float = 0.0, processes: int | None = None) -> float:
    fasttext_script(store, outputs.next(), model, processes)
    return size


def _peak(work: Callable[[], object]) -> float:
    """Return the most memory in MB that all processes below this one had together (PSS: what is shared counts once)."""
    peak, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            together = 0
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):
                    together += process.memory_full_info().pss
            peak.append(together / MB)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        over.set()
        watcher.join()
    return max(peak)
