"""Made-up film reviews: the data of the examples beside this file, so that they need no download."""

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["write_reviews"]

PRAISE = ["moving", "warm", "funny", "gripping", "honest", "brilliant"]
BLAME = ["dull", "flat", "noisy", "tired", "hollow", "clumsy"]
THINGS = ["film", "plot", "cast", "music", "ending", "camera", "dialogue"]


def write_reviews(file: Path, rows: int, *, seed: int) -> None:
    """Write a Parquet file with the columns ``id``, ``text`` and ``label``.

    Three reviews in ten praise one thing and blame another: nobody can tell their label.
    """
    chance = random.Random(seed)
    ids, texts, labels = [], [], []
    for row in range(rows):
        label = chance.choice(["negative", "positive"])
        words = PRAISE if label == "positive" else BLAME
        first, second = (PRAISE, BLAME) if chance.random() < 0.3 else (words, words)
        sentence = f"the {chance.choice(THINGS)} is {chance.choice(first)}"
        ids.append(f"{file.stem}-{row}")
        texts.append(f"{sentence} and the {chance.choice(THINGS)} is {chance.choice(second)}")
        labels.append(label)
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"id": ids, "text": texts, "label": labels}), file)
