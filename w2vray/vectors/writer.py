"""Write a vectors directory: beside its final name, renamed when it is complete, so it is there whole or not at all."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from w2vray.errors import VectorsError
from w2vray.text.features import Features
from w2vray.text.pieces import Pieces
from w2vray.text.rules import TokenRules
from w2vray.text.vocabulary import Vocabulary
from w2vray.vectors.directory import FORMAT_VERSION, META, TOKENIZER, Vectors
from w2vray.vectors.ngrams import NGrams
from w2vray.vectors.readers.bad_rows import BadRows, Reason, shown
from w2vray.vectors.readers.block import BLOCK_ROWS, Block

__all__ = ["VectorsWriter"]

_TABLE = "table.bin"


class VectorsWriter:
    """Write a vectors directory block by block; use it as a context manager and call ``finish``.

    Of words that come more than once the first is kept; ``duplicates`` counts the others. ``largest`` is the largest
    number's size and its word, ``usual`` the median of the rows' largest in the first block, ``varied`` whether any two
    rows differ.
    """

    def __init__(self, output: str | Path, *, dtype: str = "float32") -> None:
        self.output = Path(output)
        if self.output.exists():
            raise VectorsError(f"{self.output} already exists; give another --output, or remove it first")
        self.dtype = np.dtype(dtype)
        self.duplicates = 0
        self.largest = (0.0, "")
        self.usual = 0.0
        self.varied = False
        self._a_row: npt.NDArray[Any] | None = None
        self._rows_read = 0
        self._feature_rows = 0
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

    def append(self, block: Block, *, origin: object, bad: BadRows | None = None) -> None:
        """Add rows; ``origin`` names their file in errors.

        Args:
            block: the rows.
            origin: their file.
            bad: what is done with rows whose numbers cannot be stored; they are errors where nothing is said.

        Raises:
            VectorsError: a number is not finite, or not in the dtype; the message names the row.
        """
        self._dim = block.vectors_ND.shape[1]
        words, rows = block.words, block.rows or range(self._rows_read + 1, self._rows_read + len(block.words) + 1)
        self._rows_read += len(words) if block.read is None else block.read
        with np.errstate(over="ignore"):
            stored = block.vectors_ND.astype(self.dtype, copy=False)
        largest_N = _largest(stored)
        if not np.isfinite(largest_N).all():
            kept = [index for index in range(len(words)) if np.isfinite(largest_N[index])]
            for index in np.flatnonzero(~np.isfinite(largest_N)).tolist():
                column = int(np.argmin(np.isfinite(stored[index])))
                said = (
                    f" ({shown(words[index])}): number {column + 1} is {block.vectors_ND[index, column]}; expected a "
                    f"finite {self.dtype}"
                )
                (bad or BadRows(Path(str(origin)))).found(rows[index], Reason.NOT_FINITE, said, shown(words[index]))
            words, rows = [words[index] for index in kept], [rows[index] for index in kept]
            stored, largest_N = stored[kept], largest_N[kept]
        if not words:
            return
        if (fresh := self._fresh(words, rows, bad)) is not None:
            words, stored, largest_N = [words[index] for index in fresh], stored[fresh], largest_N[fresh]
        if not words:
            return
        self._note_largest(words, largest_N)
        self._note_varied(stored)
        data = np.ascontiguousarray(stored).reshape(-1).view(np.uint8).data
        self._hash.update(data)
        with self._writing():
            self._table.write(data)

    def _note_varied(self, stored: npt.NDArray[Any]) -> None:
        if self._a_row is None:
            self._a_row = stored[0].copy()
        self.varied = self.varied or not np.array_equal(stored, np.broadcast_to(self._a_row, stored.shape))

    def _note_largest(self, words: Sequence[str], largest_N: npt.NDArray[Any]) -> None:
        self.usual = self.usual or float(np.median(largest_N))
        index = int(largest_N.argmax())
        if largest_N[index] > self.largest[0] or not self.largest[1]:
            self.largest = (float(largest_N[index]), words[index])

    def _fresh(self, words: Sequence[str], rows: Sequence[int], bad: BadRows | None) -> list[int] | None:
        """Add words, and return which of them were not there before; None where none was."""
        distinct = dict.fromkeys(words)
        if len(distinct) == len(words) and self._words.keys().isdisjoint(distinct):
            self._words.update(distinct)
            return None
        fresh = []
        for index, word in enumerate(words):
            if word not in self._words:
                self._words[word] = None
                fresh.append(index)
            elif bad is not None:
                bad.left_out(rows[index], Reason.DUPLICATE, shown(word))
        self.duplicates += len(words) - len(fresh)
        return fresh

    def _write_ngrams(self, ngrams: NGrams, origin: object) -> dict[str, int]:
        """Write the rows of n-grams and return what vectors.json tells of them."""
        with self._writing(), (self._partial / "ngrams.bin").open("wb") as file:
            for start in range(0, len(ngrams.table_GD), BLOCK_ROWS):
                rows_GD = ngrams.table_GD[start : start + BLOCK_ROWS]
                with np.errstate(over="ignore"):
                    stored = rows_GD.astype(self.dtype)
                if not np.isfinite(stored).all():
                    row, column = np.argwhere(~np.isfinite(stored))[0].tolist()
                    raise VectorsError(
                        f"{origin}: number {column + 1} of the n-grams' row {start + row + 1} is "
                        f"{rows_GD[row, column]}; expected a finite {self.dtype}"
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

    def append_features(self, rows_ND: npt.NDArray[np.float32], *, origin: object) -> None:
        """Add rows of features that are no words; all words come before them.

        Raises:
            VectorsError: a number is not finite, or not in the dtype.
        """
        with np.errstate(over="ignore"):
            stored = rows_ND.astype(self.dtype, copy=False)
        if not np.isfinite(stored).all():
            row = int(np.argwhere(~np.isfinite(stored))[0][0])
            raise VectorsError(
                f"{origin}: row {len(self) + self._feature_rows + row + 1} holds what is not a finite {self.dtype}"
            )
        self._feature_rows += len(stored)
        data = np.ascontiguousarray(stored).reshape(-1).view(np.uint8).data
        self._hash.update(data)
        with self._writing():
            self._table.write(data)

    def _write_features(self, features: Features) -> dict[str, int]:
        """Write what tells a text's features, and return what vectors.json tells of it."""
        arrays: dict[str, npt.NDArray[Any]] = {
            "label_words": features.labels.blob,
            "label_offsets": features.labels.offsets,
        }
        if features.bucket_rows.size:
            arrays["bucket_rows"] = features.bucket_rows
        with self._writing():
            for name, array in arrays.items():
                array.tofile(self._partial / f"{name}.bin")
        described = {
            **features.as_dict(),
            "pruned": int(bool(features.bucket_rows.size)),
            "labels": len(features.labels),
            "rows": self._feature_rows,
        }
        for array in arrays.values():
            self._hash.update(array.tobytes())
        self._hash.update(json.dumps(described).encode())
        return described

    def finish(
        self,
        rules: TokenRules,
        source: Mapping[str, Any],
        ngrams: NGrams | None = None,
        pieces: Pieces | None = None,
        features: Features | None = None,
    ) -> Vectors:
        """Write what is left, move the directory to its name and open it.

        Raises:
            VectorsError: there are no words, a number of the n-grams is not finite, or it cannot be written.
        """
        if not self._words:
            raise VectorsError(f"{source.get('path', 'the source')}: no word vectors in it")
        vocabulary = Vocabulary.build([word.encode(errors="surrogateescape") for word in self._words])
        described = {} if ngrams is None else {"ngrams": self._write_ngrams(ngrams, source.get("path", "the source"))}
        if pieces is not None:
            described["pieces"] = self._write_pieces(pieces)
        if features is not None:
            described["features"] = self._write_features(features)
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
            "source": {
                **source,
                "duplicates": self.duplicates,
                "largest": {"number": self.largest[0], "word": self.largest[1]},
            },
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


def _largest(rows_ND: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the size of each row's largest number; NaN where a row has one."""
    with np.errstate(invalid="ignore"):
        largest_N: npt.NDArray[Any] = np.maximum(rows_ND.max(axis=1), -rows_ND.min(axis=1))
        return largest_N
