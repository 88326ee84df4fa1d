"""Kernel against kernel, on one core: tokens and rows in memory, nothing read or written.

Seconds are those that the processor spent on the thread.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import numpy.typing as npt
import torch
from material import Material, make_model, random_vectors
from peers import fasttext_model, lines_of
from stopwatch import Row, alternate

from w2vray.models import kinds
from w2vray.models.batches import Batch, by_length, pad
from w2vray.models.directory import Bundle
from w2vray.models.recurrent.network import RecurrentModel
from w2vray.models.wide.part import WIDE
from w2vray.models.wide.settings import WideSettings
from w2vray.scoring.scorer import TextScorer
from w2vray.text import rules as token_rules
from w2vray.text import tokens
from w2vray.text.columns import blocks
from w2vray.text.fast.looking_up import FastLookup
from w2vray.text.lookup import Ids, Lookup
from w2vray.text.vocabulary import Vocabulary
from w2vray.text.word_ngrams import WordNgrams
from w2vray.vectors import Vectors

__all__ = ["measure_lookup", "measure_models", "measure_ngrams"]

DIM = 300
VOCABULARY = 400_000
PADDED_TEXTS = 64
FEW_TOKENS, FEWER_TOKENS = 60_000, 12_000
"""Tokens that the slow rivals are given: enough to know their speed by."""


def measure_lookup(material: Material, runs: int) -> Iterator[Row]:
    """Tokenise and look up, against ``re.findall`` and a dict, in a vocabulary of the texts' words and others."""
    few = material.texts[: max(1, len(material.texts) // 10)]
    few_megabytes = float(few.nbytes / 1e6)
    few_texts = few.to_pylist()
    for family in ("plain", "glove", "googlenews", "fasttext"):
        rules = token_rules.family(family)
        words = [word for word, _ in material.words(family).most_common(VOCABULARY // 2)]
        words += [f"other{number}" for number in range(VOCABULARY - len(words))]
        lookup = Lookup(Vocabulary.build(words), rules, "skip")
        fast, split, index = FastLookup(lookup), tokens.tokenizer(rules), {word: i for i, word in enumerate(words)}
        parts = blocks(material.texts)

        def kernel(fast: FastLookup = fast, parts: list[object] = parts) -> float:
            for part in parts:
                fast(part)
            return material.megabytes

        def plain(split: Callable[[str], list[str]] = split, index: dict[str, int] = index) -> float:
            for text in few_texts:
                np.array([index.get(word, -1) for word in split(text)], dtype=np.int32)
            return few_megabytes

        kernel()
        speed = alternate({"kernel": kernel, "re.findall + dict": plain}, runs, time.thread_time)
        yield Row(
            "look-up",
            family,
            speed["kernel"],
            "MB/s/core",
            {"re.findall + dict": speed["kernel"] / speed["re.findall + dict"]},
        )


def measure_models(material: Material, runs: int) -> Iterator[Row]:
    """Each model's kernel, ids in hand, against torch on sorted and on padded batches, and against fastText."""
    with tempfile.TemporaryDirectory(prefix="w2vray-") as name:
        folder = Path(name)
        words = [word for word, _ in material.words("glove").most_common(100_000)]
        vectors = random_vectors(folder / "vectors", words, DIM)
        rivals = {f"fastText {n}-grams": _fasttext(folder, material, n) for n in (1, 2)}
        for model in kinds.names():
            scorer = TextScorer(make_model(folder / model, vectors, model), vectors)
            ids = [scorer.look_up(part) for part in blocks(material.texts)]
            speed = alternate(
                {
                    "kernel": _kernel(scorer, ids),
                    "torch, sorted": _torch(scorer, ids, sort=True),
                    "torch, as they come": _torch(scorer, ids, sort=False),
                    **rivals,
                },
                runs,
                time.thread_time,
            )
            against = {rival: speed["kernel"] / speed[rival] for rival in speed if rival != "kernel"}
            yield Row("models", model, speed["kernel"] / 1e6, "M tokens/s/core", against)


def measure_ngrams(material: Material, runs: int) -> Iterator[Row]:
    """``average`` with words and pairs of words beside vectors, from text to answer, against fastText's 2-grams."""
    with tempfile.TemporaryDirectory(prefix="w2vray-") as name:
        folder = Path(name)
        words = [word for word, _ in material.words("glove").most_common(100_000)]
        vectors = random_vectors(folder / "vectors", words, DIM)
        plain = make_model(folder / "average", vectors, "average")
        scorer = TextScorer(_with_pairs(plain, vectors, material), vectors)
        parts, tokens_there = blocks(material.texts), float(sum(material.words("glove").values()))

        def kernel() -> float:
            for part in parts:
                scorer.score_ids(scorer.look_up(part))
            return tokens_there

        kernel()
        speed = alternate(
            {"kernel": kernel, "fastText 2-grams": _fasttext(folder, material, 2)}, runs, time.thread_time
        )
        against = {"fastText 2-grams": speed["kernel"] / speed["fastText 2-grams"]}
        yield Row("models", "average, 2-grams, from text", speed["kernel"] / 1e6, "M tokens/s/core", against)


def _with_pairs(bundle: Bundle, vectors: Vectors, material: Material) -> Bundle:
    """Give a model a wide part that knows every word and pair of the corpus; what these say is random."""
    settings = WideSettings(longest=2, bits=20, main=0.5, wide=1.0)
    every = vectors.lookup(vectors.rules, "skip", word_ngrams=WordNgrams(settings.longest, settings.bits))
    counts = FastLookup(every)(material.texts).ngrams
    assert counts is not None
    buckets_F = np.unique(counts.buckets_G)
    chosen = np.random.default_rng(0)
    arrays: dict[str, npt.NDArray[Any]] = {
        "buckets_F": buckets_F,
        "idf_F": chosen.uniform(1, 10, len(buckets_F)).astype(np.float32),
        "rows_RC": chosen.normal(size=(len(buckets_F), len(bundle.config.labels))).astype(np.float16),
        "bias_C": np.zeros(len(bundle.config.labels), dtype=np.float32),
    }
    weights = {**bundle.weights, **{WIDE + name: array for name, array in arrays.items()}}
    return Bundle(replace(bundle.config, wide=settings), weights)


def _kernel(scorer: TextScorer, ids: list[Ids]) -> Callable[[], float]:
    def run() -> float:
        for block in ids:
            scorer.score_ids(block)
        return float(sum(len(block.ids_L) for block in ids))

    run()
    return run


def _torch(scorer: TextScorer, ids: list[Ids], *, sort: bool) -> Callable[[], float]:
    """Batches of like lengths, or of ``PADDED_TEXTS`` texts as they come, of the first block."""
    block = ids[0]
    limit = FEW_TOKENS if sort else FEWER_TOKENS
    texts = max(PADDED_TEXTS, int(np.searchsorted(block.offsets_N1, limit)) - 1)
    offsets_N1 = block.offsets_N1[: texts + 1]

    def run() -> float:
        order_N = np.arange(len(offsets_N1) - 1)
        if sort:
            batches = by_length(block.ids_L, offsets_N1)
        else:
            starts = range(0, len(order_N), PADDED_TEXTS)
            batches = (pad(block.ids_L, offsets_N1, order_N[start : start + PADDED_TEXTS]) for start in starts)
        with torch.inference_mode():
            for batch in batches:
                logits_BC = scorer.classifier(batch) if sort else _padded_logits(scorer, batch)
                torch.softmax(logits_BC, dim=1).numpy()
        return float(offsets_N1[-1])

    return run


def _padded_logits(scorer: TextScorer, batch: Batch) -> torch.Tensor:
    """Run a model as plain loops do: a recurrent layer goes through the padding too."""
    model = scorer.classifier.model
    if not isinstance(model, RecurrentModel):
        logits_BC: torch.Tensor = scorer.classifier(batch)
        return logits_BC
    states_BTF, _ = model.recurrent(scorer.classifier.words(batch))
    dense_BC: torch.Tensor = model.dense(states_BTF[:, -1])
    return dense_BC


def _fasttext(folder: Path, material: Material, ngrams: int) -> Callable[[], float]:
    lines = lines_of(material.texts.to_pylist())
    model = fasttext.load_model(str(fasttext_model(folder, lines, ngrams)))
    words = float(sum(line.count(" ") + 1 for line in lines))

    def run() -> float:
        model.predict(lines)
        return words

    return run
