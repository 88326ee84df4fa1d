"""``models import``: a supervised fastText model becomes a model directory, with its features' vectors inside."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from w2vray.errors import BundleError, VectorsError
from w2vray.models.directory import OVERLAY, Bundle, ModelConfig, save_bundle
from w2vray.models.fasttext.settings import FastTextSettings
from w2vray.models.fasttext.tree import label_tree
from w2vray.models.files import CONFIG, VECTORS
from w2vray.places.fetching import fetched_file
from w2vray.places.sending import written_at
from w2vray.places.uris import is_uri, without_secrets
from w2vray.settings.models import ImportModelSettings
from w2vray.text.rules import FEATURES
from w2vray.vectors import Vectors
from w2vray.vectors.readers.block import Block
from w2vray.vectors.readers.fasttext_classifier import FastTextClassifier, open_classifier
from w2vray.vectors.writer import VectorsWriter

__all__ = ["import_model"]

KIND = "fasttext"


def import_model(settings: ImportModelSettings, progress: Callable[[int, int | None], None] | None = None) -> Bundle:
    """Read a supervised fastText model and write a model directory, whole or not at all.

    Args:
        settings: what to read and where to write.
        progress: called with rows read and rows to read.

    Raises:
        VectorsError: the file is no such model, or is damaged; the message says how.
        BundleError: the directory is there already, or cannot be written.
    """
    with written_at(settings.output, CONFIG, BundleError) as output:
        source = settings.source
        if is_uri(source):
            source = str(fetched_file(source, VectorsError))
        local = replace(settings, source=source, output=str(output))
        made = _import(local, without_secrets(settings.source), without_secrets(settings.output), progress)
    return replace(made, path=None, uri=without_secrets(settings.output)) if is_uri(settings.output) else made


def _import(
    settings: ImportModelSettings, named: str, place: str, progress: Callable[[int, int | None], None] | None
) -> Bundle:
    """Read a file of this machine; it and the output may have been named by their URIs."""
    output = Path(settings.output)
    if output.exists():
        raise BundleError(f"{output} already exists; give another --output, or remove it first")
    try:
        output.absolute().parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{output.name}.partial-", dir=output.absolute().parent))
    except OSError as error:
        raise BundleError(f"{output} cannot be written ({error.strerror or error})") from error
    try:
        with open_classifier(settings.source) as found:
            labels = _labels(found, settings.label_prefix)
            vectors = _vectors(found, beside / VECTORS, settings.dtype, progress)
            weights: dict[str, npt.NDArray[np.float32]] = {
                OVERLAY: np.zeros((0, found.dim), dtype=np.float32),
                "model.output": found.output(),
            }
            if found.loss == "hs":
                weights["model.output"] = weights["model.output"][: len(labels) - 1]  # its last row is of no node
                weights["model.tree"] = label_tree(found.counts)
            config = ModelConfig(
                model=KIND,
                settings=FastTextSettings(loss=found.loss),
                labels=labels,
                multi_label=found.loss == "ova",
                rules=FEATURES,
                oov="skip",
                dim=found.dim,
                vectors_fingerprint=vectors.fingerprint,
                vectors_path=f"{place if is_uri(place) else output.absolute()}/{VECTORS}",
                training={"imported": _history(found, named if is_uri(named) else str(found.path))},
            )
        return save_bundle(output, config, weights, vectors=beside / VECTORS)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _labels(found: FastTextClassifier, prefix: str) -> tuple[str, ...]:
    """Return the labels without their prefix.

    Raises:
        VectorsError: a label has no such prefix, or too few are left.
    """
    without = [label for label in found.labels if not label.startswith(prefix)]
    if without:
        raise VectorsError(
            f"{found.path}: the label {without[0]!r} does not begin with {prefix!r}; name the prefix of this model's "
            "labels with --label-prefix, which may be empty"
        )
    labels = tuple(label.removeprefix(prefix) for label in found.labels)
    if len(labels) < 1 + (found.loss != "ova"):
        raise VectorsError(f"{found.path}: {len(labels)} label; a classifier of one label has nothing to decide")
    return labels


def _vectors(
    found: FastTextClassifier, output: Path, dtype: str, progress: Callable[[int, int | None], None] | None
) -> Vectors:
    """Write the rows of words and n-grams as a vectors directory; those that no text can have are left out."""
    features = found.features
    used = features.longest > 0 or features.word_ngrams > 1
    if not used:
        features = replace(features, buckets=0, bucket_rows=np.empty(0, dtype=np.int32))
    words, done = len(found.words), 0
    with VectorsWriter(output, dtype=dtype) as writer:
        for rows_BD in found.blocks():
            of_words = rows_BD[: max(words - done, 0)]
            if len(of_words):
                writer.append(Block(found.words[done : done + len(of_words)], of_words), origin=found.path)
            if used and len(of_words) < len(rows_BD):
                writer.append_features(rows_BD[len(of_words) :], origin=found.path)
            done += len(rows_BD)
            if progress is not None:
                progress(done, found.rows)
        if len(writer) != words:
            raise VectorsError(f"{found.path}: {words - len(writer):,} words come twice; the file is damaged")
        source = {"path": str(found.path), "format": "fasttext-classifier", "rows": words, "header_rows": words}
        return writer.finish(FEATURES, source, features=features)


def _history(found: FastTextClassifier, source: str) -> dict[str, object]:
    features = found.features
    return {
        "from": source,
        "format": "fasttext-classifier",
        "loss": found.loss,
        "words": len(found.words),
        "quantised": found.quantised,
        "character_ngrams": [features.shortest, features.longest] if features.longest else None,
        "word_ngrams": features.word_ngrams,
        "buckets": features.buckets,
    }
