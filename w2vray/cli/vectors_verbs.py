"""The verbs of word vectors: ``w2vray vectors VERB``.

Each imports what it needs when it is called, so that ``--help`` answers at once.
"""

from typing import Any

import click

from w2vray.cli.command import verb
from w2vray.cli.console import Output, counted, table
from w2vray.settings import vectors as vectors_config

__all__ = ["vectors"]

_NONE_WRITTEN = "no vectors were written"


@click.group()
def vectors() -> None:
    """Import, train and look into word vectors."""


@verb("import", vectors_config.ImportSettings, when_stopped=_NONE_WRITTEN)
def vectors_import(output: Output, /, **arguments: Any) -> None:
    """Make a vectors directory of a file of word2vec, GloVe, fastText or gensim."""
    from w2vray.vectors import import_vectors

    with output.progress("words") as update:
        made = import_vectors(vectors_config.ImportSettings(**arguments), lambda done, total: update(done, total, ""))
    _vectors_result(output, made)


@verb("train", vectors_config.FitVectorsSettings, when_stopped=_NONE_WRITTEN)
def vectors_train(output: Output, /, **arguments: Any) -> None:
    """Train word2vec or fastText vectors on the text of a Parquet store."""
    from w2vray.store.corpus_texts import corpus_texts
    from w2vray.store.description import ReadAs
    from w2vray.vectors.gensim_training import fit_vectors

    settings = vectors_config.FitVectorsSettings(**arguments)
    texts = corpus_texts(settings.corpus, settings.text_column, ReadAs.of(settings))
    with output.progress(settings.algorithm) as update:
        made = fit_vectors(settings, texts, update)
    for line in texts.notes:
        output.note(line)
    if texts.rejected:
        output.note(f"{counted(texts.rejected, 'row')} without a readable text left out")
    _vectors_result(output, made)


@verb("join", vectors_config.JoinVectorsSettings, when_stopped=_NONE_WRITTEN)
def vectors_join(output: Output, /, **arguments: Any) -> None:
    """Put vectors side by side: the union of their words, zeros where one has no such word.

    N-grams are left out, so that --oov subword cannot be used with what comes of it.
    """
    from w2vray.vectors.joining import join_vectors

    with output.progress("words") as update:
        made = join_vectors(
            vectors_config.JoinVectorsSettings(**arguments), lambda done, total: update(done, total, "")
        )
    if with_ngrams := [part["path"] for part in made.source["parts"] if part["ngrams"]]:
        output.note(
            f"the n-grams of {', '.join(with_ngrams)} were left out: joined vectors have none for --oov subword"
        )
    _vectors_result(output, made)


@verb("info", vectors_config.VectorsInfoSettings)
def vectors_info(output: Output, /, **arguments: Any) -> None:
    """Show a vectors directory, and how much of a corpus it covers."""
    from w2vray.store.corpus_texts import corpus_texts
    from w2vray.store.description import ReadAs
    from w2vray.text.lookup import measure_coverage
    from w2vray.text.tokens import family
    from w2vray.vectors import Vectors

    settings = vectors_config.VectorsInfoSettings(**arguments)
    opened = Vectors.open(settings.vectors)
    if not settings.corpus:
        _vectors_result(output, opened)
        return
    rules = family(settings.family) if settings.family else opened.rules
    found = measure_coverage(
        opened.vocabulary, rules, corpus_texts(settings.corpus, settings.text_column, ReadAs.of(settings))
    )
    value = {**_vectors_value(opened), **found.as_dict(), "measured_with": rules.family}
    share = f"{found.found:,} of {found.tokens:,} tokens have a vector ({found.coverage:.2%}), read as {rules.name}"
    ways = [(way, number, f"{number / found.tokens:.2%}") for way, number in found.found_by.items()]
    output.result(
        value,
        *_vectors_lines(opened),
        share,
        table("how they were found", ["way", "tokens", "share"], ways),
        table("commonest words without a vector", ["word", "times"], list(found.missing.items())),
    )


def _vectors_value(opened: Any) -> dict[str, Any]:
    return {
        "path": str(opened.path),
        "words": len(opened),
        "dim": opened.dim,
        "dtype": str(opened.table_VD.dtype),
        "family": opened.rules.family,
        "ngrams": None if opened.ngrams is None else len(opened.ngrams.table_GD),
        "fingerprint": opened.fingerprint,
        "source": dict(opened.source),
    }


def _vectors_lines(opened: Any) -> list[str]:
    duplicates = opened.source.get("duplicates", 0)
    words = counted(len(opened), "word")
    lines = [
        f"{opened.path}: {words} x {opened.dim}, {opened.table_VD.dtype}, family {opened.rules.name}",
        f"fingerprint {opened.fingerprint[:16]}",
    ]
    if opened.ngrams is not None:
        lengths = f"{opened.ngrams.shortest} to {opened.ngrams.longest}"
        lines.append(f"{len(opened.ngrams.table_GD):,} buckets of n-grams, {lengths} characters long")
    if duplicates:
        lines.append(f"{counted(duplicates, 'duplicate word')} left out")
    return lines


def _vectors_result(output: Output, opened: Any) -> None:
    output.result(_vectors_value(opened), *_vectors_lines(opened))


for _command in (vectors_import, vectors_train, vectors_join, vectors_info):
    vectors.add_command(_command)
