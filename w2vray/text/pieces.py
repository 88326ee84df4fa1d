"""Texts to pieces of words, by the tokenizer that came with the vectors, and pieces to rows.

Static models of sentence embeddings have a row for each piece of a tokenizer's vocabulary (``fine``, ``##ly``), and a
text's embedding is the mean of its pieces' rows. Here pieces are the tokens, so that everything behind the look-up is
as it is for words. Texts are cut into parts that come again and again (see ``cutting.py``), and the library
``tokenizers`` splits each part once.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2vray.errors import VectorsError
from w2vray.text.cutting import Cuts, cuts_of
from w2vray.text.resolution import NOT_FOUND, WAYS, Resolution
from w2vray.text.vocabulary import MISSING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["Pieces", "read_tokenizer", "unknown_piece"]

_EXACT = WAYS.index("exact")
_UNHEARD_OF = "x \U0010fffd\ue000 \U000f0000x"
"""Characters for private use: what no vocabulary holds."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """A tokenizer, and how its pieces are used.

    ``described`` is the content of ``tokenizer.json``. ``unknown`` is the number of the piece that stands for unknown
    ones, and is left out as the others' library does. ``unit_length`` says whether an embedding is scaled to length 1.
    """

    described: npt.NDArray[np.uint8]
    unknown: int | None
    unit_length: bool

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        return read_tokenizer(self.described.tobytes(), "the vectors' tokenizer")

    @cached_property
    def names(self) -> list[str]:
        """The pieces, in the order of their rows."""
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        return sorted(vocabulary, key=vocabulary.__getitem__)

    @cached_property
    def cuts(self) -> Cuts:
        """Where texts may be cut."""
        normalizer, splitter = self._tokenizer.normalizer, self._tokenizer.pre_tokenizer

        def normalize(text: str) -> str:
            return text if normalizer is None else str(normalizer.normalize_str(text))

        def split(text: str) -> list[str]:
            return [text] if splitter is None else [part for part, _ in splitter.pre_tokenize_str(text)]

        return cuts_of(json.loads(self.described.tobytes()), normalize, split)

    def ids(self, text: str) -> list[int]:
        """Return the numbers of a text's pieces, read as a whole."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def resolve(self, parts: Sequence[str]) -> Resolution:
        """Find the pieces of parts of texts; an unknown one has no row."""
        found = list(map(self.ids, parts))
        rows_E = np.array([row for ids in found for row in ids], dtype=np.int64)
        counts = np.array([len(ids) for ids in found], dtype=np.int64)
        names = self.names
        entries = [
            part.strip() if row == self.unknown else names[row]
            for part, ids in zip(parts, found, strict=True)
            for row in ids
        ]
        if self.unknown is not None:
            rows_E[rows_E == self.unknown] = MISSING
        ways_E = np.where(rows_E == MISSING, NOT_FOUND, _EXACT).astype(np.int8)
        return Resolution(entries, rows_E, ways_E, np.concatenate(([0], np.cumsum(counts))))


def read_tokenizer(described: bytes, origin: object) -> "Tokenizer":
    """Return the tokenizer of the content of a ``tokenizer.json``, without what it does to the length of texts.

    Raises:
        VectorsError: the library is not installed, or cannot read it, or the tokenizer fails at unknown characters.
    """
    try:
        from tokenizers import Tokenizer  # noqa: PLC0415 - only vectors of pieces need it
    except ImportError as error:
        raise VectorsError(
            f"{origin} splits words into pieces by the library tokenizers, which is not installed here ({error}); "
            "install it wherever texts are read, workers of a cluster too: pip install 'w2vray[pieces]'"
        ) from error
    try:
        tokenizer = Tokenizer.from_buffer(described)
    except Exception as error:  # the library raises nothing narrower
        raise VectorsError(f"{origin} cannot be read by the library tokenizers ({error})") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    try:
        tokenizer.encode(_UNHEARD_OF, add_special_tokens=False)
    except Exception as error:  # the library raises nothing narrower
        raise VectorsError(
            f"{origin} fails at characters that it does not know ({error}); give it an unknown piece"
        ) from error
    return tokenizer


def unknown_piece(tokenizer: "Tokenizer", described: dict[str, Any]) -> int | None:
    """Return the number of the piece that stands for unknown ones, as model2vec finds it; None where there is none."""
    model = described["model"]
    if model["type"] == "Unigram":
        found = model.get("unk_id")
        return None if found is None else int(found)
    token = model.get("unk_token")
    return None if token is None else tokenizer.token_to_id(token)
