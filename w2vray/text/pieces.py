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
from w2vray.text.cutting import Cuts
from w2vray.text.resolution import NOT_FOUND, WAYS, Resolution
from w2vray.text.tokenizer_cuts import cuts_of
from w2vray.text.vocabulary import MISSING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["Pieces", "read_tokenizer"]

_EXACT = WAYS.index("exact")
_UNHEARD_OF = "\u2603 \U00012000 \ua66e \u0794 \u16a0"
"""Characters that hardly a vocabulary holds all of: a snowman, and letters of scripts that few people write."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """A tokenizer, and how its pieces are used.

    ``described`` is the content of ``tokenizer.json``. ``unit_length`` says whether an embedding is scaled to length 1;
    ``origin`` is how errors call the tokenizer.
    """

    described: npt.NDArray[np.uint8]
    unit_length: bool
    origin: str = "the vectors' tokenizer"

    @cached_property
    def tokenizer(self) -> "Tokenizer":
        """The library's own."""
        return read_tokenizer(self.described.tobytes(), self.origin)

    @cached_property
    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.described.tobytes())
        return content

    @cached_property
    def unknown(self) -> int | None:
        """Number of the piece that stands for unknown ones, and is left out, as model2vec does; None: there is none."""
        model = self._content["model"]
        if model["type"] == "Unigram":
            number = model.get("unk_id")
        else:
            token = model.get("unk_token")
            number = None if token is None else self.tokenizer.token_to_id(token)
        return None if number is None else int(number)

    @cached_property
    def names(self) -> list[str]:
        """The pieces, in the order of their rows."""
        vocabulary = self.tokenizer.get_vocab(with_added_tokens=True)
        return sorted(vocabulary, key=vocabulary.__getitem__)

    @cached_property
    def cuts(self) -> Cuts:
        """Where texts may be cut."""
        normalizer, splitter = self.tokenizer.normalizer, self.tokenizer.pre_tokenizer

        def normalize(text: str) -> str:
            return text if normalizer is None else str(normalizer.normalize_str(text))

        def split(text: str) -> list[str]:
            return [text] if splitter is None else [part for part, _ in splitter.pre_tokenize_str(text)]

        return cuts_of(self._content, normalize, split)

    def ids(self, text: str) -> list[int]:
        """Return the numbers of a text's pieces, read as a whole."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

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
        return Resolution(entries, entries, rows_E, ways_E, np.concatenate(([0], np.cumsum(counts))))

    def spans(self, part: str) -> list[tuple[int, int]]:
        """Return where in a part each of its pieces starts and ends, without the blanks around it."""
        found = self.tokenizer.encode(part, add_special_tokens=False).offsets
        return [_without_blanks(part, start, end) for start, end in found]


def _without_blanks(part: str, start: int, end: int) -> tuple[int, int]:
    inside = part[start:end]
    bare = inside.strip()
    at = start + inside.index(bare)
    return (at, at + len(bare)) if bare else (start, end)


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
