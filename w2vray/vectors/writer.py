"""Write a vectors directory: beside its final name, renamed when it is complete, so it is there whole or not at all."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from w2vray.errors import VectorsError
from w2vray.text.pieces import Pieces
from w2vray.text.tokens import TokenRules
from w2vray.text.vocabulary import Vocabulary
from w2vray.vectors.directory import FORMAT_VERSION, META, TOKENIZER, Vectors
from w2vray.vectors.ngrams import NGrams
from w2vray.vectors.readers.block import BLOCK_ROWS, Block

__all__ = ["VectorsWriter"]

_TABLE = "table.bin"


class VectorsWriter:
    """Write a vectors directory block by block; use it as a context manager and call ``finish``.

    Of words that come more than once the first is kept; ``duplicates`` counts the others.
    """

    def __init__(self, output: str | Path, *, dtype: str = "float32") -> None:
        self.output = Path(output)
        if self.output.exists():
            raise VectorsError(f"{self.output} is already there; name another --output, or remove it first")
        self.dtype = np.dtype(dtype)
        self.duplicates = 0
        self._rows_read = 0
        self._dim = 0
        self._words: dict[str, None] = {}
        self._hash = hashlib.sha256()
        self._partial = self.output.parent / f".{self.output.name}.partial-{uuid.uuid4().hex[:8]}"

    def __enter__(self) -> Self:
        with self._writing():
            self._partial.mkdir(parents=True)
        self._table = (self._partial / _TABLE).open("wb")
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # of a full disk, which has been told; after finish() it is closed already
            self._table.close()
        shutil.rmtree(self._partial, ignore_errors=True)

    def __len__(self) -> int:
        return len(self._words)

    def append(self, block: Block, *, origin: object) -> None:
        """Add rows; ``origin`` names their file in errors.

        Raises:
            VectorsError: a number is not finite, or not in the dtype; the message names the row.
        """
        self._dim = block.vectors_ND.shape[1]
        stored, bad = self._stored(block.vectors_ND)
        if bad is not None:
            row, column = bad
            raise VectorsError(
                f"{origin}, row {self._rows_read + row + 1} ({block.words[row]!r}): number {column + 1} is "
                f"{block.vectors_ND[row, column]}; expected a finite {self.dtype}"
            )
        fresh = []
        for index, word in enumerate(block.words):
            if word not in self._words:
                self._words[word] = None
                fresh.append(index)
        self.duplicates += len(block.words) - len(fresh)
        self._rows_read += len(block.words)
        data = (stored if len(fresh) == len(stored) else stored[fresh]).tobytes()
        self._hash.update(data)
        with self._writing():
            self._table.write(data)

    def _stored(self, vectors_ND: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], tuple[int, int] | None]:
        """Return numbers in the dtype of the table, and where the first is that is not finite in it."""
        with np.errstate(over="ignore"):
            stored = vectors_ND.astype(self.dtype)
        bad = np.argwhere(~np.isfinite(stored)) if not np.isfinite(stored).all() else np.empty((0, 2), dtype=np.int64)
        return stored, (int(bad[0, 0]), int(bad[0, 1])) if len(bad) else None

    def _write_ngrams(self, ngrams: NGrams, origin: object) -> dict[str, int]:
        """Write the rows of n-grams and return what vectors.json tells of them."""
        with self._writing(), (self._partial / "ngrams.bin").open("wb") as file:
            for start in range(0, len(ngrams.table_GD), BLOCK_ROWS):
                rows_GD = ngrams.table_GD[start : start + BLOCK_ROWS]
                stored, bad = self._stored(rows_GD)
                if bad is not None:
                    raise VectorsError(
                        f"{origin}: number {bad[1] + 1} of the n-grams' row {start + bad[0] + 1} is {rows_GD[bad]}; "
                        f"expected a finite {self.dtype}"
                    )
                self._hash.update(data := stored.tobytes())
                file.write(data)
        described = {"shortest": ngrams.shortest, "longest": ngrams.longest, "buckets": len(ngrams.table_GD)}
        self._hash.update(json.dumps(described).encode())
        return described

    def _write_pieces(self, pieces: Pieces) -> dict[str, Any]:
        """Write the tokenizer and return what vectors.json tells of it."""
        with self._writing():
            pieces.described.tofile(self._partial / TOKENIZER)
        described = {"unit_length": pieces.unit_length, "bytes": len(pieces.described)}
        self._hash.update(pieces.described.tobytes())
        self._hash.update(json.dumps(described).encode())
        return described

    def finish(
        self,
        rules: TokenRules,
        source: Mapping[str, Any],
        ngrams: NGrams | None = None,
        pieces: Pieces | None = None,
    ) -> Vectors:
        """Write what is left, move the directory to its name and open it.

        Raises:
            VectorsError: there are no words, a number of the n-grams is not finite, or it cannot be written.
        """
        if not self._words:
            raise VectorsError(f"{source.get('path', 'the source')}: no word vectors in it")
        vocabulary = Vocabulary.build(list(self._words))
        described = {} if ngrams is None else {"ngrams": self._write_ngrams(ngrams, source.get("path", "the source"))}
        if pieces is not None:
            described["pieces"] = self._write_pieces(pieces)
        self._hash.update(f"{len(self)} {self._dim} {self.dtype}".encode())
        self._hash.update(vocabulary.blob.tobytes())
        self._hash.update(vocabulary.offsets.tobytes())
        meta = {
            "format_version": FORMAT_VERSION,
            "rows": len(self),
            "dim": self._dim,
            "dtype": str(self.dtype),
            "word_bytes": len(vocabulary.blob),
            "slots": len(vocabulary.slot_rows),
            "fingerprint": self._hash.hexdigest(),
            **described,
            "tokens": rules.as_dict(),
            "source": {**source, "duplicates": self.duplicates},
        }
        with self._writing():
            for name, array in (
                ("words", vocabulary.blob),
                ("word_offsets", vocabulary.offsets),
                ("slot_rows", vocabulary.slot_rows),
                ("slot_tags", vocabulary.slot_tags),
            ):
                array.tofile(self._partial / f"{name}.bin")
            text = json.dumps(meta, indent=2, ensure_ascii=False) + "\n"
            (self._partial / META).write_text(text, encoding="utf-8")
            self._table.close()
            for file in self._partial.iterdir():
                with file.open("rb") as handle:
                    os.fsync(handle.fileno())
            self._partial.rename(self.output)
        return Vectors.open(self.output)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise VectorsError(f"{self.output} cannot be written ({error.strerror or error})") from error
