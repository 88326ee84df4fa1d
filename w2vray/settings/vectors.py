"""Settings of the ``vectors`` verbs."""

from dataclasses import dataclass

from w2vray.errors import ConfigError
from w2vray.settings.choices import DTYPES, FAMILIES, STORE_FORMATS
from w2vray.settings.fields import (
    documented,
    flag,
    require,
    require_choices,
    require_delimiter,
    require_places,
    require_text_columns,
    require_version,
)
from w2vray.settings.wording import (
    CORPUS_HELP,
    DELIMITER_HELP,
    FORMAT_HELP,
    STRIP_HTML_HELP,
    TABLE_VERSION_HELP,
    TEXT_COLUMN_HELP,
)

__all__ = ["FitVectorsSettings", "ImportSettings", "JoinVectorsSettings", "VectorsInfoSettings"]

ALGORITHMS = ("word2vec", "fasttext")
ON_BAD_ROWS = ("fail", "skip")
FORMATS = ("auto", "word2vec-binary", "word2vec-text", "glove", "fasttext-binary", "gensim", "model2vec")


@dataclass(frozen=True, kw_only=True)
class ImportSettings:
    """Settings of ``vectors import``."""

    source: str = documented(
        "File of word vectors: plain, or packed by gzip, bzip2, xz, zstd, lz4, zip or tar; or directory of a static "
        "model (model2vec, sentence-transformers).",
        positional=True,
    )
    output: str = documented("Vectors directory to make, or its URI.", metavar="VECTORS")
    format: str = documented("Format of the file; auto looks at it.", "auto", choices=FORMATS)
    trust_pickle: bool = documented(
        "Load gensim's own files, which are Python pickles: such a file can run any code, so only one whose maker you "
        "trust.",
        False,
    )
    member: str | None = documented("Which file to read from an archive of several.", None, metavar="NAME")
    on_bad: str = documented(
        "Rows that cannot be used, such as a word that is not UTF-8: fail stops at the first; skip leaves them out and "
        "counts them by reason.",
        "fail",
        choices=ON_BAD_ROWS,
    )
    limit: int | None = documented("Take only the first N rows.", None, metavar="N")
    dtype: str = documented("Type of the table's numbers.", "float32", choices=DTYPES)
    family: str | None = documented(
        "Token rules that the vectors were made with. Default: recognised by the words or, if they do not show it, by "
        "the format or the ending .vec.",
        None,
        choices=FAMILIES,
    )

    def __post_init__(self) -> None:
        require_choices(self)
        require_places(self, "source", "output")
        require(self.limit is None or self.limit > 0, "limit", self.limit, "a whole number above 0")


@dataclass(frozen=True, kw_only=True)
class FitVectorsSettings:
    """Settings of ``vectors train``."""

    corpus: tuple[str, ...] = documented(CORPUS_HELP, positional=True)
    output: str = documented("Vectors directory to make, or its URI.", metavar="VECTORS")
    text_column: tuple[str, ...] = documented(TEXT_COLUMN_HELP, ("text",), metavar="COLUMN")
    format: str | None = documented(FORMAT_HELP, None, choices=STORE_FORMATS, group="Data")
    delimiter: str | None = documented(DELIMITER_HELP, None, metavar="CHARACTER", group="Data")
    table_version: int | None = documented(TABLE_VERSION_HELP, None, metavar="N", group="Data")
    algorithm: str = documented(
        "word2vec; or fasttext, which learns vectors of n-grams too, for --oov subword.", "word2vec", choices=ALGORITHMS
    )
    dim: int = documented("Numbers in each vector.", 100)
    epochs: int = documented("Passes over the corpus.", 5)
    window: int = documented("Words on each side of a word that are its context.", 5)
    min_count: int = documented("Leave out words seen fewer times than this.", 5)
    negative: int = documented("Negative samples for each word.", 5)
    skip_gram: bool = documented("Skip-gram instead of continuous bag of words.", False)
    shortest: int | None = documented("fasttext: characters of the shortest n-grams. Default: 3.", None)
    longest: int | None = documented("fasttext: characters of the longest n-grams. Default: 6.", None)
    buckets: int | None = documented("fasttext: vectors that n-grams share by hash. Default: 200000.", None)
    threads: int | None = documented("Training threads; 1 makes the result repeatable. Default: one per CPU.", None)
    seed: int = documented("Seed for everything random.", 0)
    dtype: str = documented("Type of the table's numbers.", "float32", choices=DTYPES)
    family: str = documented("Token rules to split the text with.", "plain", choices=FAMILIES)
    strip_html: bool = documented(STRIP_HTML_HELP.format("vectors"), False)

    def __post_init__(self) -> None:
        require_choices(self)
        require_places(self, "output")
        require_text_columns(self.text_column)
        require_delimiter(self)
        require_version(self.table_version)
        for name in ("dim", "epochs", "window", "min_count", "negative"):
            require(getattr(self, name) > 0, name, getattr(self, name), "a whole number above 0")
        require(self.threads is None or self.threads > 0, "threads", self.threads, "a whole number above 0")
        for name in ("shortest", "longest", "buckets"):
            value = getattr(self, name)
            if value is not None and self.algorithm != "fasttext":
                raise ConfigError(f"{flag(name)} is for --algorithm fasttext; leave it out, or choose that")
            require(value is None or value > 0, name, value, "a whole number above 0")
        shortest, longest = self.ngram_lengths
        require(shortest <= longest, "shortest", shortest, f"up to --longest, which is {longest}")
        require(0 <= self.seed < 2**32, "seed", self.seed, "0 to 4294967295")

    @property
    def ngram_lengths(self) -> tuple[int, int]:
        """Characters of the shortest and of the longest n-grams."""
        return self.shortest or 3, self.longest or max(self.shortest or 3, 6)

    @property
    def ngram_buckets(self) -> int:
        """Vectors that n-grams share."""
        return self.buckets or 200_000


@dataclass(frozen=True, kw_only=True)
class JoinVectorsSettings:
    """Settings of ``vectors join``."""

    vectors: tuple[str, ...] = documented("Vectors directories, at least two.", positional=True)
    output: str = documented("Vectors directory to make, or its URI.", metavar="VECTORS")
    dtype: str | None = documented(
        "Type of the new table's numbers. Default: that of the parts, or the wider one.", None, choices=DTYPES
    )
    family: str | None = documented("Token rules, where those of the parts differ.", None, choices=FAMILIES)

    def __post_init__(self) -> None:
        require_choices(self)
        require_places(self, "vectors", "output")
        if len(self.vectors) < 2:
            raise ConfigError(f"VECTORS: join needs at least two, got {len(self.vectors)}")


@dataclass(frozen=True, kw_only=True)
class VectorsInfoSettings:
    """Settings of ``vectors info``."""

    vectors: str = documented("Vectors directory, or its URI.", positional=True)
    corpus: tuple[str, ...] = documented(
        "Store whose coverage is measured: how many of its tokens have a vector. May be repeated.", (), metavar="PATH"
    )
    text_column: tuple[str, ...] = documented(TEXT_COLUMN_HELP, ("text",), metavar="COLUMN")
    format: str | None = documented(FORMAT_HELP, None, choices=STORE_FORMATS)
    delimiter: str | None = documented(DELIMITER_HELP, None, metavar="CHARACTER")
    family: str | None = documented(
        "Measure with these token rules in place of the ones stored with the vectors.", None, choices=FAMILIES
    )

    def __post_init__(self) -> None:
        require_choices(self)
        require_places(self, "vectors")
        require_text_columns(self.text_column)
        require_delimiter(self)
        if self.family is not None and not self.corpus:
            raise ConfigError("--family measures a corpus; name one with --corpus, or leave it out")
