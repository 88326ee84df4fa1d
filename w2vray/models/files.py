"""The files of a model directory, and whether they belong together."""

from pathlib import Path
from typing import Any

from w2vray.artefacts import read_json
from w2vray.errors import BundleError
from w2vray.models.trained_texts import TRAINED_TEXTS
from w2vray.models.wide.named_runs import NAMED_RUNS
from w2vray.places.cache import digest_of
from w2vray.places.fetching import DirectoryKind
from w2vray.vectors.content import require_content
from w2vray.vectors.directory import FILES as FILES_OF_VECTORS

__all__ = ["CARD", "CONFIG", "FILES", "KIND", "VECTORS", "WEIGHTS", "digests", "require_files"]

CONFIG = "config.json"
WEIGHTS = "weights.safetensors"
CARD = "README.md"
VECTORS = "vectors"
FILES = "files"
"""Where the configuration tells sizes and digests."""

KIND = DirectoryKind(
    what="a model directory",
    sign=CONFIG,
    names=frozenset(
        {CONFIG, WEIGHTS, CARD, TRAINED_TEXTS, NAMED_RUNS, *(f"{VECTORS}/{name}" for name in FILES_OF_VECTORS)}
    ),
    made_by="make one with `w2vray train`",
    error=BundleError,
)


def require_files(folder: Path) -> None:
    """Refuse a model directory whose files are not those that its configuration was written with.

    One of an earlier version does not say which they were.

    Raises:
        BundleError: a file of it is another one.
        VectorsError: a file of the vectors inside is.
    """
    stored = read_json(folder, CONFIG, BundleError)
    stated = stored.get(FILES, {}) if isinstance(stored, dict) else {}
    for name, found in digests(folder).items():
        if isinstance(stated, dict) and name in stated and stated[name] != found:
            raise BundleError(
                f"{folder / name} is not the file that {CONFIG} was written with: it has {found['bytes']:,} bytes and "
                f"SHA-256 {found['sha256'][:16]}, expected {stated[name]}. It is damaged, or of another model"
            )
    if (folder / VECTORS).is_dir():
        require_content(folder / VECTORS)


def digests(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the size and the digest of each file that ``config.json`` tells them of."""
    there = [name for name in (WEIGHTS, TRAINED_TEXTS, NAMED_RUNS) if (folder / name).is_file()]
    return {name: dict(zip(("bytes", "sha256"), digest_of(folder / name), strict=True)) for name in there}
