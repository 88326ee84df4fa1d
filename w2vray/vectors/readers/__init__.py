"""Streaming readers of the file formats of word vectors; each format is recognised by looking at the file."""

from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from w2vray.errors import VectorsError
from w2vray.vectors.readers.bad_rows import BadRows, Reason
from w2vray.vectors.readers.block import Block, Source
from w2vray.vectors.readers.fasttext_binary import fasttext_source, is_fasttext_binary
from w2vray.vectors.readers.gensim_pickle import gensim_source, is_pickle
from w2vray.vectors.readers.not_vectors import refuse_directory, refuse_known
from w2vray.vectors.readers.rows import rows_source
from w2vray.vectors.readers.static_model import FORMAT as STATIC_MODEL
from w2vray.vectors.readers.static_model import is_static_model, static_model_source
from w2vray.vectors.readers.stream import open_bytes

__all__ = ["BadRows", "Block", "Reason", "Source", "open_source"]


@contextmanager
def open_source(
    path: str | Path,
    format: str = "auto",  # noqa: A002 - the option's own name
    *,
    trust_pickle: bool = False,
    limit: int | None = None,
    member: str | None = None,
    bad: BadRows | None = None,
) -> Iterator[Source]:
    """Open a file of word vectors; ``format`` is one of ``vectors_config.FORMATS``.

    Of the rows behind the first ``limit`` none is read: whatever is wrong with them is not told.

    Args:
        path: of the file, plain or packed.
        format: what it is; auto looks at it.
        trust_pickle: whether a file may be loaded that can run code.
        limit: how many rows are read.
        member: which file of an archive, where it holds several.
        bad: what is done with rows that cannot be used; they are errors where nothing is said.

    Raises:
        VectorsError: it is not such a file; the message names the file, the row and what was expected. A file that can
            run code is not loaded unless ``trust_pickle`` is set.
    """
    path = Path(path)
    bad = bad or BadRows(path)
    if path.is_dir():
        if not (format == STATIC_MODEL or (format == "auto" and is_static_model(path))):
            refuse_directory(path)
        with static_model_source(path) as source:
            yield source
        return
    with open_bytes(path, member) as stream:
        if stream.peek(len(BOM_UTF8)) == BOM_UTF8:
            stream.read(len(BOM_UTF8))
        head = stream.peek(64)
        refuse_known(path, head)
        if format == STATIC_MODEL:
            raise VectorsError(
                f"{path} is a file; {format} is a directory, with model.safetensors and tokenizer.json in it"
            )
        if format == "gensim" or (format == "auto" and is_pickle(head)):
            yield gensim_source(stream, bad, limit, trusted=trust_pickle)
        elif format == "fasttext-binary" or (format == "auto" and is_fasttext_binary(head)):
            with fasttext_source(stream, bad, limit) as source:
                yield source
        else:
            yield rows_source(stream, format, bad, limit)
