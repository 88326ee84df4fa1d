"""``vectors train``: word2vec or fastText vectors of one's own, by gensim, from the user's unlabelled texts.

The texts are split into tokens once, into a temporary file beside the output; gensim then reads that file in every
epoch without Python in the way. It parts words at any white space of Unicode, so the file has none inside of a token.
"""

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from w2vray.errors import VectorsError
from w2vray.places.sending import written_at
from w2vray.settings.vectors import FitVectorsSettings
from w2vray.text import rules as token_rules
from w2vray.text import tokens
from w2vray.text.invisible import SELECTOR
from w2vray.text.tweets import with_words
from w2vray.vectors.directory import META, Vectors
from w2vray.vectors.ngrams import NGrams
from w2vray.vectors.readers import Block
from w2vray.vectors.readers.block import BLOCK_ROWS
from w2vray.vectors.writer import VectorsWriter

__all__ = ["TextSource", "fit_vectors"]

_LINE_TOKENS = 10_000
"""Tokens of a line at most: gensim reads no further in one."""

_ESCAPE = "\ufdd0"
"""What an escape starts with: this character, which Unicode keeps out of texts, is escaped too where one has it."""
_ESCAPED = re.compile(rf"[^\S ]|{_ESCAPE}")
_WRITTEN = re.compile(f"{_ESCAPE}([0-9a-f]{{4}})")

Update = Callable[[int, int | None, str], None]


class TextSource(Protocol):
    """Texts in Arrow arrays, and how many there are."""

    @property
    def rows(self) -> int:
        """Number of texts."""

    def __iter__(self) -> Any: ...


def fit_vectors(settings: FitVectorsSettings, texts: TextSource, progress: Update = lambda _, __, ___: None) -> Vectors:
    """Train vectors and write the directory; with one thread, the same seed gives the same vectors.

    Raises:
        VectorsError: no word is there often enough, or the output cannot be written.
    """
    with (
        written_at(settings.output, META, VectorsError) as output,
        VectorsWriter(output, dtype=settings.dtype) as writer,
        tempfile.TemporaryDirectory(dir=output.absolute().parent) as folder,
    ):
        corpus = Path(folder) / "tokens.txt"
        _write_tokens(corpus, settings, texts, texts.rows, progress)
        model = _model(settings)
        model.build_vocab(corpus_file=str(corpus))
        if not len(model.wv):
            raise VectorsError(f"no word occurs {settings.min_count} times in the texts; lower --min-count")
        _unescape(model.wv)
        progress(0, settings.epochs, f"epochs, {len(model.wv):,} words")
        model.train(
            corpus_file=str(corpus),
            total_examples=model.corpus_count,
            total_words=model.corpus_total_words,
            epochs=settings.epochs,
            callbacks=[_epoch_callback(settings.epochs, progress)],
        )
        for start in range(0, len(model.wv), BLOCK_ROWS):
            stop = start + BLOCK_ROWS
            rows = Block(model.wv.index_to_key[start:stop], model.wv.vectors[start:stop])
            writer.append(rows, origin=settings.algorithm)
        origin = {
            "format": "trained",
            "algorithm": settings.algorithm,
            "texts": texts.rows,
            "tokens": model.corpus_total_words,
        }
        ngrams = None
        if settings.algorithm == "fasttext":
            ngrams = NGrams(model.wv.vectors_ngrams, *settings.ngram_lengths)
        made = writer.finish(token_rules.family(settings.family, strip_html=settings.strip_html), origin, ngrams)
    return made.sent_to(settings.output)


def _model(settings: FitVectorsSettings) -> Any:
    """Return gensim's model, before it has seen a word."""
    from gensim.models import FastText, Word2Vec

    options = {
        "vector_size": settings.dim,
        "window": settings.window,
        "min_count": settings.min_count,
        "negative": settings.negative,
        "sg": int(settings.skip_gram),
        "workers": settings.threads or len(os.sched_getaffinity(0)),
        "seed": settings.seed,
    }
    if settings.algorithm == "word2vec":
        return Word2Vec(**options)
    shortest, longest = settings.ngram_lengths
    return FastText(**options, min_n=shortest, max_n=longest, bucket=settings.ngram_buckets)


@contextmanager
def _told_where(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = f"{path} cannot be written ({error.strerror})"
        raise VectorsError(f"{why}; it takes as much room as the texts: name an --output elsewhere") from error


def _write_tokens(
    path: Path,
    settings: FitVectorsSettings,
    texts: Iterable[pa.LargeStringArray],
    rows: int,
    progress: Update,
) -> None:
    rules = token_rules.family(settings.family, strip_html=settings.strip_html)
    rewrite = tokens.rewriter(rules)
    tokenize = tokens.tokenizer(replace(rules, strip_html=False, tweets=False))
    # An emoji is one word, with its selector (U+FE0F) or without: it is looked for in both ways.
    done = 0
    with _told_where(path), path.open("w", encoding="utf-8") as file:
        for array in texts:
            for text in array.to_pylist():
                read = text if rewrite is None else rewrite(text)
                found = tokenize(read.replace(SELECTOR, ""))
                for start in range(0, len(found), _LINE_TOKENS):
                    line = _escaped(" ".join(found[start : start + _LINE_TOKENS]))
                    file.write((with_words(line) if rules.tweets else line) + "\n")
            done += len(array)
            progress(done, rows, "texts split")


def _escaped(line: str) -> str:
    """Write white space inside of tokens, which only spaces part, so that nothing reads it as such."""
    return _ESCAPED.sub(lambda found: f"{_ESCAPE}{ord(found[0]):04x}", line)


def _unescape(keyed_vectors: Any) -> None:
    """Name gensim's words as the texts have them; n-grams are then learnt of those names, as they are looked up."""
    words = [_WRITTEN.sub(lambda found: chr(int(found[1], 16)), word) for word in keyed_vectors.index_to_key]
    if words != keyed_vectors.index_to_key:
        keyed_vectors.index_to_key = words
        if hasattr(keyed_vectors, "recalc_char_ngram_buckets"):
            keyed_vectors.recalc_char_ngram_buckets()


def _epoch_callback(epochs: int, progress: Update) -> Any:
    from gensim.models.callbacks import CallbackAny2Vec

    class Epochs(CallbackAny2Vec):  # type: ignore[misc]
        """Report each epoch."""

        def __init__(self) -> None:
            self.done = 0

        def on_epoch_end(self, _: Any) -> None:
            self.done += 1
            progress(self.done, epochs, "epochs")

    return Epochs()
