"""What people would use instead, each measured on the same rows: plain scripts of scikit-learn and fastText.

``sklearn``: logistic regression on the means of the same vectors and tokens, taken to its optimum (with the default
tolerance it stops short of it). ``tfidf``: words and pairs, logistic regression. ``fasttext``: fastText's own
classifier on words and pairs. Of a few settings that were tried, the latter two have those that did best.

Shape letters: CONTRIBUTING.md.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from classifiers import OOV, Outcome, outcome
from labelled_sets import LabelledSet, Rows
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # it has no types

from w2vray.errors import W2vrayError
from w2vray.models.average.settings import AverageSettings
from w2vray.vectors import Vectors

__all__ = ["FASTTEXT", "SKLEARN", "TFIDF", "measure_fasttext", "measure_sklearn", "measure_tfidf"]

SKLEARN: dict[str, Any] = {"C": AverageSettings().C, "max_iter": 5000, "tol": 1e-8}
TFIDF: dict[str, Any] = {"C": 10.0, "max_iter": 5000, "ngram_range": [1, 2], "token_pattern": r"\S+"}
FASTTEXT: dict[str, Any] = {"wordNgrams": 2, "lr": 0.5, "epoch": 25, "thread": 1, "verbose": 0}

_FASTTEXT = """
import json, sys, fasttext
train, settings = sys.argv[1:]
model = fasttext.train_supervised(train, **json.loads(settings))
labels, _ = model.predict(sys.stdin.read().splitlines())
print(json.dumps([found[0].removeprefix("__label__") for found in labels]))
"""
"""In a process of its own: beside other libraries of numbers, its training ends in NaN."""


def measure_sklearn(labelled: LabelledSet, vectors: Vectors) -> Outcome:
    """Measure scikit-learn's logistic regression on means; a text of which no word is known has the mean zero."""
    model = LogisticRegression(**SKLEARN)
    return _fitted(model, _means(labelled.train, vectors), _means(labelled.test, vectors), labelled)


def measure_tfidf(labelled: LabelledSet) -> Outcome:
    """Measure scikit-learn's logistic regression on TF-IDF of words and pairs, as text has them between spaces."""
    weigh = TfidfVectorizer(ngram_range=tuple(TFIDF["ngram_range"]), token_pattern=TFIDF["token_pattern"])
    train, test = weigh.fit_transform(labelled.train.texts), weigh.transform(labelled.test.texts)
    return _fitted(LogisticRegression(C=TFIDF["C"], max_iter=TFIDF["max_iter"]), train, test, labelled)


def measure_fasttext(labelled: LabelledSet, seed: int) -> Outcome:
    """Measure fastText; the rows are shuffled, since it goes through them in the order of its file."""
    rows = labelled.train.take(np.random.default_rng(seed).permutation(len(labelled.train)))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "train.txt"
        number = {label: index for index, label in enumerate(labelled.labels)}  # a label may hold spaces
        lines = zip(rows.labels, _lines(rows.texts), strict=True)
        file.write_text("".join(f"__label__{number[label]} {line}\n" for label, line in lines), encoding="utf-8")
        command = [sys.executable, "-c", _FASTTEXT, str(file), json.dumps({**FASTTEXT, "seed": seed})]
        text = "\n".join(_lines(labelled.test.texts))
        done = subprocess.run(command, input=text, capture_output=True, encoding="utf-8", check=False)  # noqa: S603 - all of it is ours
    if done.returncode:
        raise W2vrayError(f"fastText (the extra 'peers') ended with {done.returncode}: {done.stderr[-500:].strip()}")
    return outcome(np.array(json.loads(done.stdout), dtype=np.int64), labelled)


def _fitted(model: Any, train: Any, test: Any, labelled: LabelledSet) -> Outcome:
    with threadpool_limits(1):  # on matrices this small several threads mostly wait for each other
        model.fit(train, [labelled.labels.index(label) for label in labelled.train.labels])
        return outcome(model.predict(test), labelled)


def _means(rows: Rows, vectors: Vectors) -> npt.NDArray[np.float64]:
    """Return means_ND, computed in plain numpy."""
    ids = vectors.lookup(vectors.rules, OOV)(rows.texts)
    starts = ids.offsets_N1[:-1]
    means_ND = np.zeros((len(rows), vectors.dim))
    for text, (start, length) in enumerate(zip(starts.tolist(), ids.lengths_N.tolist(), strict=True)):
        if length:
            means_ND[text] = vectors.table_VD[ids.ids_L[start : start + length]].mean(axis=0, dtype=np.float64)
    return means_ND


def _lines(texts: Sequence[str]) -> list[str]:
    """Return texts as fastText reads them: lower-cased, on one line each."""
    return [" ".join(text.lower().split()) for text in texts]
