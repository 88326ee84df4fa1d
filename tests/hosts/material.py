"""What is trained on and scored, all made up: vectors, labelled rows, and a store of some 40 units."""

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from w2vray.text import rules
from w2vray.vectors import VectorsWriter
from w2vray.vectors.readers import Block

__all__ = ["make_material"]

_SYLLABLES = [f"{a}{b}" for a in "bdfghklmnprst" for b in "aeiou"]
WORDS = [f"{a}{b}{c}" for a in _SYLLABLES for b in _SYLLABLES for c in "bdgklmnrst"]
DIM = 128
LABELS = ("low", "mid", "high")

FILES, ROWS, ROW_GROUP, WORDS_A_ROW = 4, 10_000, 1_000, 200
"""Of the store: a row group has 1.2 MB of text, and so is a unit."""


def make_material(folder: Path) -> None:
    """Write ``vectors``, ``labelled`` and ``store`` into a folder."""
    numbers = np.random.default_rng(7)
    table = numbers.normal(size=(len(WORDS), DIM)).astype(np.float32)
    table[:, 0] = np.arange(len(WORDS)) % 3 - 1
    with VectorsWriter(folder / "vectors") as writer:
        writer.append(Block(list(WORDS), table), origin="made up")
        writer.finish(rules.family("plain"), {})
    source = random.Random(11)
    (folder / "labelled").mkdir()
    (folder / "store").mkdir()
    pq.write_table(_rows(source, 2_000, 20), folder / "labelled" / "part-0.parquet")
    for number in range(FILES):
        place = folder / "store" / f"part-{number}.parquet"
        pq.write_table(_rows(source, ROWS, WORDS_A_ROW), place, row_group_size=ROW_GROUP, use_dictionary=False)


def _rows(source: random.Random, rows: int, words: int) -> pa.Table:
    """Make texts up, most of whose words are of one topic; the label is the topic."""
    topics = [source.randrange(3) for _ in range(rows)]
    texts = [" ".join(source.choices(WORDS[topic::3], k=words)) for topic in topics]
    return pa.table({"id": range(rows), "label": [LABELS[topic] for topic in topics], "text": texts})
