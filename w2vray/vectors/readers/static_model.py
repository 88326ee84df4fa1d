"""Static models of sentence embeddings: a tokenizer, and a row for each of its pieces.

Two libraries write such a directory::

    model2vec                model.safetensors (embeddings, weights, mapping), tokenizer.json, config.json
    sentence-transformers    modules.json, 0_StaticEmbedding/model.safetensors (embedding.weight), tokenizer.json

A piece's row is that of ``embeddings`` which ``mapping`` names, times its weight. Rows of whole numbers (int8) have
lost their scale; they are divided by 127, so that they are as large as rows of other models.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from w2vray.errors import VectorsError
from w2vray.text.pieces import Pieces
from w2vray.vectors.readers.block import MAX_DIM, Block, Source, rows_per_block

__all__ = ["FORMAT", "is_static_model", "static_model_source"]

FORMAT = "model2vec"
_TABLE, _TOKENIZER, _MODULES, _CONFIG = "model.safetensors", "tokenizer.json", "modules.json", "config.json"
_ROWS = ("embeddings", "embedding.weight", "0.weight")
_MOST_BYTES = 1 << 30
_INT8 = 127
_DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "I8": np.int8}


def is_static_model(path: Path) -> bool:
    """Tell whether a directory looks like one."""
    return (path / _TABLE).exists() or (path / _MODULES).exists()


@contextmanager
def static_model_source(path: Path) -> Iterator[Source]:
    """Open a directory of a static model.

    Raises:
        VectorsError: it is another kind of model, a file of it is missing or damaged, or its tokenizer and its rows do
            not belong together.
    """
    folder, unit_length = _layout(path)
    pieces = Pieces(_described(folder), unit_length, str(folder / _TOKENIZER))
    names = pieces.names
    if sorted(pieces.tokenizer.get_vocab(with_added_tokens=True).values()) != list(range(len(names))):
        raise VectorsError(f"{pieces.origin}: its pieces are not numbered 0 to {len(names) - 1}")
    file = _file(folder, _TABLE)
    try:
        with safe_open(file, framework="numpy") as tensors:
            table = _Table.of(file, tensors, len(names))
            yield Source(path, FORMAT, table.dim, len(names), None, table.blocks(names), pieces=pieces)
    except (SafetensorError, OSError) as error:
        raise VectorsError(f"{file} cannot be read ({error}); it is damaged, or was not copied whole") from error


def _layout(path: Path) -> tuple[Path, bool]:
    """Return the folder that rows and tokenizer are in, and whether embeddings are scaled to length 1."""
    config = _json(path, _CONFIG) if (path / _CONFIG).exists() else {}
    unit_length = bool(config.get("normalize")) if isinstance(config, Mapping) else False
    if not (path / _MODULES).exists():
        return path, unit_length
    modules = _json(path, _MODULES)
    try:
        kinds = [str(module["type"]).rpartition(".")[2] for module in modules]
        inside = str(modules[0]["path"])
    except (TypeError, KeyError, IndexError) as error:
        raise VectorsError(f"{path / _MODULES} does not list the modules of a model") from error
    if kinds[0] != "StaticEmbedding" or not set(kinds[1:]) <= {"Normalize"}:
        raise VectorsError(
            f"{path} is a sentence-transformers model of {', '.join(kinds)}; what can be imported is a "
            "StaticEmbedding, with or without Normalize: its texts are means of rows, others are not"
        )
    if Path(inside).is_absolute() or ".." in Path(inside).parts:
        raise VectorsError(f"{path / _MODULES} names the folder {inside!r}; expected one inside of {path}")
    return path / inside, unit_length or "Normalize" in kinds


def _described(folder: Path) -> npt.NDArray[np.uint8]:
    file = _file(folder, _TOKENIZER)
    described = file.read_bytes()
    try:
        model = json.loads(described)["model"]
        kind, dropout = model["type"], model.get("dropout")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise VectorsError(f"{file} does not describe a tokenizer ({error}); it is damaged, or another file") from error
    if dropout:
        raise VectorsError(f"{file} splits words by chance ({kind} with dropout {dropout}); set its dropout to null")
    return np.frombuffer(described, dtype=np.uint8)


def _file(folder: Path, name: str) -> Path:
    """Return a file of the directory; it may be a link, as all are in the cache of the Hugging Face hub."""
    file = folder / name
    if not file.is_file():
        raise VectorsError(f"{file} is missing; a static model is a directory with {_TABLE} and {_TOKENIZER}")
    if file.stat().st_size > _MOST_BYTES and name != _TABLE:
        raise VectorsError(f"{file} has {file.stat().st_size:,} bytes; at most {_MOST_BYTES:,} are read")
    return file


def _json(folder: Path, name: str) -> Any:
    file = _file(folder, name)
    try:
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise VectorsError(f"{file} is not JSON ({error})") from error


class _Table:
    """The rows of pieces, made of tensors that are mapped."""

    def __init__(
        self, rows: Any, dtype: Any, mapping_V: npt.NDArray[Any] | None, weights_V: npt.NDArray[Any] | None
    ) -> None:
        self.rows, self.dtype, self.mapping_V, self.weights_V = rows, dtype, mapping_V, weights_V
        self.dim = int(rows.get_shape()[1])

    @classmethod
    def of(cls, file: Path, tensors: Any, pieces: int) -> "_Table":
        """Find the tensors, and check that there is a row for each piece."""
        names = list(tensors.keys())
        found = [name for name in _ROWS if name in names]
        if not found:
            raise VectorsError(
                f"{file} holds {', '.join(names[:8]) or 'no tensor'}; expected one of {', '.join(_ROWS)}: the rows of "
                "a static model"
            )
        rows = tensors.get_slice(found[0])
        shape, dtype = tuple(rows.get_shape()), str(rows.get_dtype())
        if dtype not in _DTYPES:
            raise VectorsError(f"{file}: {found[0]} is {dtype}; expected one of {', '.join(_DTYPES)}: convert it first")
        if len(shape) != 2 or not 1 <= shape[1] <= MAX_DIM:
            raise VectorsError(f"{file}: {found[0]} has the shape {shape}; expected rows of 1 to {MAX_DIM:,} numbers")
        mapping_V = tensors.get_tensor("mapping") if "mapping" in names else None
        weights_V = tensors.get_tensor("weights") if "weights" in names else None
        for name, array in (("mapping", mapping_V), ("weights", weights_V)):
            if array is not None and array.shape != (pieces,):
                raise VectorsError(
                    f"{file}: {name} has the shape {array.shape}; expected ({pieces},), a number for each piece"
                )
        if mapping_V is None and shape[0] != pieces:
            raise VectorsError(
                f"{file}: {shape[0]:,} rows, and the tokenizer has {pieces:,} pieces; these are not files of one model"
            )
        if mapping_V is not None and not (
            mapping_V.dtype.kind in "iu" and mapping_V.min() >= 0 and mapping_V.max() < shape[0]
        ):
            raise VectorsError(f"{file}: mapping names rows that are not among the {shape[0]:,} of {found[0]}")
        return cls(rows, _DTYPES[dtype], mapping_V, weights_V)

    def blocks(self, names: list[str]) -> Iterator[Block]:
        """Yield the rows of pieces, some at a time."""
        step = rows_per_block(self.dim)
        table = None if self.mapping_V is None else self.rows[:]
        for start in range(0, len(names), step):
            stop = min(start + step, len(names))
            rows = self.rows[start:stop] if table is None else table[self.mapping_V[start:stop]]  # type: ignore[index]
            rows = np.asarray(rows)
            with np.errstate(all="ignore"):  # whoever reads checks what comes of numbers that are not finite
                scaled_ND = rows.astype(np.float32)
                if self.dtype == np.int8:
                    scaled_ND /= _INT8
                if self.weights_V is not None:
                    scaled_ND *= self.weights_V[start:stop, None].astype(np.float32)
            yield Block(names[start:stop], scaled_ND)
