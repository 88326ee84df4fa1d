"""The verbs that make vectors."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from w2vray.settings.vectors import FitVectorsSettings, ImportSettings, JoinVectorsSettings
from w2vray.verbs.arguments import Names, Place, Places, helped, settings_of, silent

if TYPE_CHECKING:
    from w2vray.vectors import Vectors

__all__ = [
    "import_vectors",
    "join_vectors",
    "train_vectors",
]


@helped(ImportSettings)
def import_vectors(
    source: Place,
    *,
    output: Place,
    format: str = "auto",  # noqa: A002 - the option's name
    trust_pickle: bool = False,
    member: str | None = None,
    on_bad: str = "fail",
    limit: int | None = None,
    dtype: str = "float32",
    family: str | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> "Vectors":
    """Make a vectors directory from a file of word2vec, GloVe, fastText or gensim, and open it.

    ``progress`` is called with the rows read so far and, where the file says, the rows it has.

    Raises:
        VectorsError: the file cannot be used, or the directory cannot be written.
        ConfigError: an option has a value that is not allowed.

    Examples:
        ```python
        vectors = w2vray.import_vectors("glove.6B.300d.txt.gz", output="vectors")
        len(vectors), vectors.dim  # (400000, 300)
        ```
    """
    settings = settings_of(ImportSettings, locals())
    from w2vray.vectors.importing import import_vectors as import_file

    return import_file(settings, progress)


@helped(FitVectorsSettings)
def train_vectors(
    corpus: Places,
    *,
    output: Place,
    text_column: Names = ("text",),
    format: str | None = None,  # noqa: A002 - the option's name
    delimiter: str | None = None,
    table_version: int | None = None,
    algorithm: str = "word2vec",
    dim: int = 100,
    epochs: int = 5,
    window: int = 5,
    min_count: int = 5,
    negative: int = 5,
    skip_gram: bool = False,
    shortest: int | None = None,
    longest: int | None = None,
    buckets: int | None = None,
    threads: int | None = None,
    seed: int = 0,
    dtype: str = "float32",
    family: str = "plain",
    strip_html: bool = False,
    progress: Callable[[int, int | None, str], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> "Vectors":
    """Train word2vec or fastText vectors on the text of a store, and open them.

    ``progress`` is called with what is done, what there is to do, and what that counts. ``note`` is told how many rows
    had no readable text.

    Raises:
        CorpusError: the store cannot be used.
        VectorsError: no word is frequent enough, or the directory cannot be written.
        ConfigError: an option has a value that is not allowed.

    Examples:
        ```python
        vectors = w2vray.train_vectors("reviews/", output="vectors", dim=50)
        ```
    """
    settings = settings_of(FitVectorsSettings, locals())
    from w2vray.store.corpus_texts import corpus_texts
    from w2vray.store.description import ReadAs
    from w2vray.vectors.gensim_training import fit_vectors

    texts = corpus_texts(
        settings.corpus, settings.text_column, ReadAs.of(settings), table_version=settings.table_version
    )
    made = fit_vectors(settings, texts, progress or silent)
    if texts.rejected and note is not None:
        note(f"rows left out because they have no readable text: {texts.rejected:,}")
    return made


@helped(JoinVectorsSettings)
def join_vectors(
    vectors: Places,
    *,
    output: Place,
    dtype: str | None = None,
    family: str | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> "Vectors":
    """Put vectors side by side, and open the result: it has each word that any of them has, and no n-grams.

    ``progress`` is called with the words done and the words there are.

    Raises:
        VectorsError: one of them cannot be used, their token rules differ, or the directory cannot be written.
        ConfigError: an option has a value that is not allowed.

    Examples:
        ```python
        both = w2vray.join_vectors(["glove", "news"], output="both", family="googlenews")
        ```
    """
    settings = settings_of(JoinVectorsSettings, locals())
    from w2vray.vectors.joining import join_vectors as join

    return join(settings, progress or silent)
