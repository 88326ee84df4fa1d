"""The verbs of word vectors: ``w2vray vectors VERB``.

Each imports what it needs when it is called, so that ``--help`` answers at once.
"""

from typing import Any

import click

from w2vray.cli.command import verb
from w2vray.cli.console import Output, counted, table
from w2vray.cli.parsing import Verbs
from w2vray.cli.vectors_shown import oddities, vectors_lines
from w2vray.settings import vectors as vectors_config

__all__ = ["vectors", "vectors_result"]

_COMPARED_BYTES = 1 << 21
_NONE_WRITTEN = "no vectors were written"


@click.group(cls=Verbs)
def vectors() -> None:
    """Import, train, join and look at word vectors."""


@verb("import", vectors_config.ImportSettings, when_stopped=_NONE_WRITTEN)
def vectors_import(output: Output, /, **arguments: Any) -> None:
    """Import published vectors, such as GloVe or word2vec."""
    from w2vray.vectors import import_vectors

    with output.progress("words") as update:
        made = import_vectors(vectors_config.ImportSettings(**arguments), lambda done, total: update(done, total, ""))
    if output.quiet and not output.as_json:  # otherwise the summary says it
        for line in oddities(made.source):
            output.note(line)
    vectors_result(output, made)


@verb("train", vectors_config.FitVectorsSettings, when_stopped=_NONE_WRITTEN)
def vectors_train(output: Output, /, **arguments: Any) -> None:
    """Train word2vec or fastText vectors on the text of a store."""
    from w2vray.store.corpus_texts import corpus_texts
    from w2vray.store.description import ReadAs
    from w2vray.vectors.gensim_training import fit_vectors

    settings = vectors_config.FitVectorsSettings(**arguments)
    texts = corpus_texts(
        settings.corpus, settings.text_column, ReadAs.of(settings), table_version=settings.table_version
    )
    with output.progress(settings.algorithm) as update:
        made = fit_vectors(settings, texts, update)
    for line in texts.notes:
        output.note(line)
    if texts.rejected:
        output.note(f"{counted(texts.rejected, 'row')} without a readable text left out")
    vectors_result(output, made)


@verb("join", vectors_config.JoinVectorsSettings, when_stopped=_NONE_WRITTEN)
def vectors_join(output: Output, /, **arguments: Any) -> None:
    """Join vectors side by side: the union of their words.

    A word that one of them lacks gets zeros there.

    N-grams are left out, so --oov subword cannot be used with joined vectors.
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
    vectors_result(output, made)


@verb("info", vectors_config.VectorsInfoSettings)
def vectors_info(output: Output, /, **arguments: Any) -> None:
    """Show vectors and, with --corpus, how many of its words they have."""
    from w2vray.store.corpus_texts import corpus_texts
    from w2vray.store.description import ReadAs
    from w2vray.store.sampling import sample_texts
    from w2vray.text.coverage import measure_coverage
    from w2vray.text.rules import family
    from w2vray.vectors import Vectors
    from w2vray.vectors.comparing import compare_families, recommended

    settings = vectors_config.VectorsInfoSettings(**arguments)
    opened = Vectors.open(settings.vectors)
    if not settings.corpus:
        vectors_result(output, opened)
        return
    rules = family(settings.family, strip_html=opened.rules.strip_html) if settings.family else opened.rules
    texts = corpus_texts(settings.corpus, settings.text_column, ReadAs.of(settings))
    pieces = opened.pieces if rules.pieces else None
    found = measure_coverage(opened.vocabulary, rules, texts, pieces=pieces)
    sample = list(sample_texts(texts.units, texts.roots, texts.text_columns, most_bytes=_COMPARED_BYTES))
    compared = compare_families(opened, sample, opened.rules)
    best = recommended(compared, opened, opened.rules).family
    value = {
        **_vectors_value(opened),
        **found.as_dict(),
        "measured_with": rules.family,
        "families": [one.as_dict() for one in compared],
        "recommended": best,
    }
    share = f"{found.found:,} of {found.tokens:,} tokens have a vector ({found.coverage:.2%}), read as {rules.name}"
    ways = [(way, number, f"{number / found.tokens:.2%}") for way, number in found.found_by.items()]
    output.result(
        value,
        *vectors_lines(opened),
        share,
        table("how they were found", ["way", "tokens", "share"], ways),
        table("commonest words without a vector", ["word", "times"], list(found.missing.items())),
        table(
            "families, on a sample of the texts",
            ["family", "tokens", "with a vector", "commonest words without one"],
            [
                (one.family, one.found.tokens, f"{one.found.coverage:.2%}", " ".join(one.found.missing))
                for one in compared
            ],
        ),
        _recommendation(best, opened),
    )


def _recommendation(best: str, opened: Any) -> str:
    from w2vray.vectors.comparing import made_anew

    if best == opened.rules.family:
        return f"recommended: {best}, as the vectors are read now"
    return f"recommended: {best}; {made_anew(opened, best)}"


def _vectors_value(opened: Any) -> dict[str, Any]:
    from w2vray.vectors.overview import overview

    return {
        "path": opened.place,
        "words": len(opened),
        "dim": opened.dim,
        "dtype": str(opened.table_VD.dtype),
        "family": opened.rules.family,
        "family_why": opened.source.get("family_why"),
        "ngrams": None if opened.ngrams is None else len(opened.ngrams.table_GD),
        "fingerprint": opened.fingerprint,
        **overview(opened).as_dict(),
        "source": dict(opened.source),
    }


def vectors_result(output: Output, opened: Any) -> None:
    """Show vectors that are open."""
    output.result(_vectors_value(opened), *vectors_lines(opened))


for _command in (vectors_import, vectors_train, vectors_join, vectors_info):
    vectors.add_command(_command)
