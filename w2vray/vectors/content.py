"""The fingerprint of a vectors directory, made again from its files: whether they are those that were written."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from w2vray.artefacts import plain_file, read_json
from w2vray.errors import VectorsError

__all__ = ["META", "require_content"]

META = "vectors.json"

_BLOCK = 1 << 20


def require_content(folder: Path) -> None:
    """Refuse a vectors directory whose files are not those that its description was written for.

    Raises:
        VectorsError: a file is missing, or the fingerprint of all is another one.
    """
    meta = read_json(folder, META, VectorsError)
    digest = hashlib.sha256()
    try:
        for content in _contents(folder, meta):
            digest.update(content)
        stated = meta["fingerprint"]
    except (KeyError, TypeError, ValueError) as error:
        raise VectorsError(f"{folder / META} is not a description of word vectors ({error!r})") from error
    if digest.hexdigest() != stated:
        raise VectorsError(
            f"the files of {folder} are not those that {META} describes: fingerprint {digest.hexdigest()[:16]}, "
            f"expected {str(stated)[:16]}. They are damaged, or of several versions: copy the directory again"
        )


def _contents(folder: Path, meta: dict[str, object]) -> Iterator[bytes]:
    """Yield what the fingerprint is of, as ``VectorsWriter`` takes it."""
    yield from _blocks(folder, "table.bin")
    if meta.get("ngrams") is not None:
        yield from _blocks(folder, "ngrams.bin")
        yield json.dumps(meta["ngrams"]).encode()
    if meta.get("pieces") is not None:
        yield from _blocks(folder, "tokenizer.json")
        yield json.dumps(meta["pieces"]).encode()
    if features := meta.get("features"):
        pruned = isinstance(features, dict) and features["pruned"]
        for name in ("label_words.bin", "label_offsets.bin", *(["bucket_rows.bin"] if pruned else [])):
            yield from _blocks(folder, name)
        yield json.dumps(features).encode()
    yield f"{meta['rows']} {meta['dim']} {meta['dtype']}".encode()
    yield from _blocks(folder, "words.bin")
    yield from _blocks(folder, "word_offsets.bin")


def _blocks(folder: Path, name: str) -> Iterator[bytes]:
    with plain_file(folder, name, VectorsError, most_bytes=1 << 62).open("rb") as handle:
        while block := handle.read(_BLOCK):
            yield block
