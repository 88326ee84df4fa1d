"""The vectors directory: flat arrays that open by memory map, whatever their size.

::

    vectors.json     rows, width, dtype, token rules, fingerprint, where they came from
    table.bin        [V, D] float32 or float16
    words.bin        UTF-8 of all words; word_offsets.bin [V + 1] int64 says where each starts
    slot_rows.bin    [S] int32 and slot_tags.bin [S] uint32: the hash index of vocabulary.py

The directory is made beside its final name and renamed when it is complete: it is there whole or not at all.
"""

import hashlib
import json
import math
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from w2vray.config import DTYPES
from w2vray.errors import BundleError, VectorsError
from w2vray.tokens import TokenRules
from w2vray.vectors.readers import Block
from w2vray.vocabulary import Vocabulary

__all__ = ["Vectors", "VectorsWriter"]

FORMAT_VERSION = 1
_META = "vectors.json"
_TABLE = "table.bin"


@dataclass(frozen=True, eq=False)
class Vectors:
    """A table of word vectors, its words, and the rules for splitting text that go with it.

    ``table_VD`` may be a memory map or a view of Ray's object store: it is shared, and nothing may write to it.
    """

    table_VD: npt.NDArray[Any]
    vocabulary: Vocabulary
    rules: TokenRules
    fingerprint: str
    source: Mapping[str, Any]
    path: Path | None = None

    @property
    def dim(self) -> int:
        """Width of the table."""
        return int(self.table_VD.shape[1])

    def __len__(self) -> int:
        return len(self.table_VD)

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Map a vectors directory into memory; nothing of the table is read yet.

        Raises:
            VectorsError: it is not a vectors directory, or a file of it is missing or of the wrong size.
        """
        path = Path(path)
        meta = _read_meta(path)
        try:
            rows, dim, dtype = meta["rows"], meta["dim"], meta["dtype"]
            if dtype not in DTYPES:
                raise VectorsError(f"{path / _META}: dtype is {dtype!r}; expected one of {', '.join(DTYPES)}")
            table = _map(path, "table", dtype, (rows, dim))
            vocabulary = Vocabulary(
                blob=_map(path, "words", "uint8", (meta["word_bytes"],)),
                offsets=_map(path, "word_offsets", "int64", (rows + 1,)),
                slot_rows=_map(path, "slot_rows", "int32", (meta["slots"],)),
                slot_tags=_map(path, "slot_tags", "uint32", (meta["slots"],)),
            )
            rules = TokenRules.from_dict(meta["tokens"])
            return cls(table, vocabulary, rules, str(meta["fingerprint"]), dict(meta["source"]), path.resolve())
        except (KeyError, TypeError, ValueError, BundleError) as error:
            raise VectorsError(f"{path / _META} is not a description of word vectors ({error})") from error

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the flat arrays, for Ray's object store; ``from_arrays`` is the way back."""
        vocabulary = self.vocabulary
        arrays = {
            "table": self.table_VD,
            "words": vocabulary.blob,
            "word_offsets": vocabulary.offsets,
            "slot_rows": vocabulary.slot_rows,
            "slot_tags": vocabulary.slot_tags,
        }
        return {name: np.asarray(array) for name, array in arrays.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], rules: TokenRules, fingerprint: str) -> Self:
        """Rebuild around shared arrays without copying them."""
        vocabulary = Vocabulary(arrays["words"], arrays["word_offsets"], arrays["slot_rows"], arrays["slot_tags"])
        return cls(arrays["table"], vocabulary, rules, fingerprint, {})


def _read_meta(path: Path) -> dict[str, Any]:
    if not path.is_dir():
        raise VectorsError(
            f"{path} is not a vectors directory; make one with `w2vray vectors import` or `vectors train`"
        )
    try:
        meta = json.loads((path / _META).read_text(encoding="utf-8"))
    except OSError as error:
        raise VectorsError(f"{path} is not a vectors directory: it has no readable {_META}") from error
    except ValueError as error:
        raise VectorsError(f"{path / _META} is not JSON ({error})") from error
    if not isinstance(meta, dict) or meta.get("format_version") != FORMAT_VERSION:
        found = meta.get("format_version") if isinstance(meta, dict) else None
        raise VectorsError(f"{path / _META}: format version {found!r}; this version of w2vray reads {FORMAT_VERSION}")
    return meta


def _map(path: Path, name: str, dtype: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    file = path / f"{name}.bin"
    if any(not isinstance(size, int) or size < 1 for size in shape):
        raise VectorsError(f"{path / _META}: {name} would be of shape {shape}; expected whole numbers above 0")
    expected = math.prod(shape) * np.dtype(dtype).itemsize
    try:
        size = file.stat().st_size
        if size != expected:
            raise VectorsError(f"{file} has {size:,} bytes; expected {expected:,}. It is damaged: make it again")
        return np.memmap(file, dtype=dtype, mode="r", shape=shape)
    except OSError as error:
        raise VectorsError(f"{file} cannot be read ({error.strerror})") from error


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
        with np.errstate(over="ignore"):
            stored = block.vectors_ND.astype(self.dtype)
        finite = np.isfinite(stored).all(axis=1)
        if not finite.all():
            index = int(np.flatnonzero(~finite)[0])
            column = int(np.flatnonzero(~np.isfinite(stored[index]))[0])
            raise VectorsError(
                f"{origin}, row {self._rows_read + index + 1} ({block.words[index]!r}): number {column + 1} is "
                f"{block.vectors_ND[index, column]}; expected a finite {self.dtype}"
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

    def finish(self, rules: TokenRules, source: Mapping[str, Any]) -> Vectors:
        """Write what is left, move the directory to its name and open it."""
        if not self._words:
            raise VectorsError(f"{source.get('path', 'the source')}: no word vectors in it")
        vocabulary = Vocabulary.build(list(self._words))
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
            (self._partial / _META).write_text(text, encoding="utf-8")
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
