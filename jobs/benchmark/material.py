"""What the measurements work on: a corpus of texts, stores made from it, vectors, and untrained models.

Speed does not depend on what a model has learned, so the models have random weights.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from w2vray.models.classifier import build_model, special_row
from w2vray.models.directory import Bundle, ModelConfig, save_bundle
from w2vray.models.kinds import settings_class
from w2vray.store.corpus_texts import corpus_texts
from w2vray.text import rules as token_rules
from w2vray.text import tokens
from w2vray.vectors import Vectors, VectorsWriter
from w2vray.vectors.readers import Block

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from demo import botocore_data, read_descriptions

__all__ = ["LABELS", "Material", "make_model", "random_vectors", "write_labelled_store", "write_store"]

LABELS = ("a", "b", "c", "d", "e", "f")
ROW_GROUP = 1 << 14
MB = 1e6
_SPACE = pa.scalar(" ", pa.large_string())


@dataclass(frozen=True)
class Material:
    """Texts in memory, and how varied they are: words that come again flatter whatever remembers them."""

    texts: pa.LargeStringArray
    name: str

    @classmethod
    def read(cls, corpus: str | None, column: str, megabytes: float) -> "Material":
        """Read the first megabytes of a corpus, or of botocore's descriptions."""
        if corpus is None:
            descriptions = [description.text for description in read_descriptions(botocore_data())]
            chunks = [pa.array(descriptions, pa.large_string())]
        else:
            chunks = []
            for chunk in corpus_texts((corpus,), (column,)):
                chunks.append(chunk)
                if sum(part.nbytes for part in chunks) > megabytes * MB:
                    break
        texts = pa.chunked_array(chunks).combine_chunks()
        texts = texts.chunk(0) if isinstance(texts, pa.ChunkedArray) else texts
        rows = max(1, min(len(texts), int(len(texts) * megabytes * MB / max(1, texts.nbytes))))
        return cls(texts[:rows], Path(corpus).stem if corpus else "descriptions")

    @classmethod
    def read_all(cls, corpora: Sequence[str], column: str, megabytes: float) -> list["Material"]:
        """Read botocore's descriptions, and so much of each corpus: short texts of few words beside other texts."""
        return [cls.read(corpus, column, megabytes) for corpus in (None, *corpora)]

    def about(self) -> dict[str, Any]:
        """Tell what texts they are."""
        words = self.words("plain")
        return {
            "corpus": self.name,
            "rows": len(self.texts),
            "megabytes": self.megabytes,
            "distinct_words": len(words),
            "bytes_a_token": self.megabytes * MB / max(1, words.total()),
        }

    @property
    def megabytes(self) -> float:
        """Size of the texts."""
        return float(self.texts.nbytes / MB)

    def words(self, family: str) -> Counter[str]:
        """Count the words as a family splits them."""
        split = tokens.tokenizer(token_rules.family(family))
        return Counter(word for text in self.texts.to_pylist() for word in split(text))


def random_vectors(path: Path, words: list[str], dim: int, family: str = "glove") -> Vectors:
    """Write a vectors directory of these words and random numbers."""
    source = np.random.default_rng(0)
    with VectorsWriter(path) as writer:
        for start in range(0, len(words), 1 << 15):
            some = words[start : start + (1 << 15)]
            writer.append(Block(some, source.standard_normal((len(some), dim), dtype=np.float32)), origin="made up")
        return writer.finish(token_rules.family(family), {})


def make_model(path: Path, vectors: Vectors, model: str) -> Bundle:
    """Save a model directory of random weights, with the model's default settings."""
    settings = settings_class(model)()
    torch.manual_seed(0)
    network = build_model(settings, vectors.dim, len(LABELS))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    weights: dict[str, Any] = {f"model.{name}": value.numpy() for name, value in network.state_dict().items()}
    weights["words.overlay_KD"] = special_row("skip", vectors.table_VD).numpy()
    config = ModelConfig(
        model=model,
        settings=settings,
        labels=LABELS,
        rules=vectors.rules,
        oov="skip",
        dim=vectors.dim,
        vectors_fingerprint=vectors.fingerprint,
        vectors_path=str(vectors.path),
    )
    return save_bundle(path, config, weights)


def write_store(folder: Path, texts: pa.LargeStringArray, copies: int, files: int = 8) -> float:
    """Write a Parquet store of the texts, so many times over; return its text in MB."""
    folder.mkdir(parents=True)
    table = pa.table({"text": texts.cast(pa.large_string())})
    for number in range(files):
        with pq.ParquetWriter(folder / f"part-{number}.parquet", table.schema, compression="zstd") as writer:
            for _ in range(number, copies, files):
                writer.write_table(table, row_group_size=ROW_GROUP)
    return float(texts.nbytes / MB * copies)


def write_labelled_store(folder: Path, texts: pa.LargeStringArray, megabytes: float, files: int = 8) -> float:
    """Write a Parquet store of the texts over and over, their words in another order each time; return its MB.

    Labels go round: nothing can be learnt from them.
    """
    folder.mkdir(parents=True)
    copies = max(1, round(megabytes / (texts.nbytes / MB)))
    labels = pa.array([LABELS[row % len(LABELS)] for row in range(len(texts))])
    schema = pa.schema([("text", pa.large_string()), ("label", pa.string())])
    words = pc.split_pattern(texts, " ")
    for number in range(files):
        source = np.random.default_rng(number)
        with pq.ParquetWriter(folder / f"part-{number}.parquet", schema, compression="zstd") as writer:
            for _ in range(number, copies, files):
                table = pa.table([_in_another_order(words, source), labels], schema)
                writer.write_table(table, row_group_size=ROW_GROUP)
    return float(texts.nbytes / MB * copies)


def _in_another_order(words: pa.LargeListArray, source: np.random.Generator) -> pa.LargeStringArray:
    """Shuffle the words of each text, and join them."""
    places = pc.list_parent_indices(words).to_numpy() + source.random(len(words.values))
    shuffled = words.values.take(pa.array(np.argsort(places)))
    return pc.binary_join(pa.LargeListArray.from_arrays(words.offsets, shuffled), _SPACE)
