"""Packed files: which can be unpacked while they are read, and which file of an archive is meant."""

import bz2
import gzip
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from w2vray.errors import VectorsError

__all__ = ["TAR_HEAD", "Packing", "choose_member", "is_tar", "packing_of", "tar_members", "zip_members"]

TAR_HEAD = 512
_LISTED = 12
_TORCH = "a file of torch (.pt, .pth), which has no words beside its numbers; write them as word2vec text"
_KNOWN_ZIPS = {
    "data.pkl": _TORCH,
    "[Content_Types].xml": "an Office document; write its words and numbers as text, a row each line",
    "META-INF/MANIFEST.MF": "a Java archive; unpack it, and name the file of word vectors in it",
    "model.weights.h5": "a Keras model; write its words and vectors as word2vec text",
}


@dataclass(frozen=True)
class Packing:
    """One file packed by itself."""

    name: str
    magic: bytes
    open: Callable[[Any], Any]


def _by_arrow(name: str) -> Callable[[Any], Any]:
    return lambda file: pa.CompressedInputStream(pa.PythonFile(file, mode="r"), name)


_PACKINGS = (
    Packing("gzip", b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    Packing("bzip2", b"BZh", bz2.BZ2File),
    Packing("xz", b"\xfd7zXZ\x00", lzma.LZMAFile),
    Packing("lzma", b"]\x00\x00", lzma.LZMAFile),
    Packing("zstd", b"\x28\xb5\x2f\xfd", _by_arrow("zstd")),
    Packing("lz4", b"\x04\x22\x4d\x18", _by_arrow("lz4")),
)
_BZIP2_BLOCKS = (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")  # behind "BZh9": of data, and of none


def packing_of(head: bytes) -> Packing | None:
    """Tell from a file's first bytes how it is packed."""
    for packing in _PACKINGS:
        if head.startswith(packing.magic):
            if packing.name == "bzip2" and len(head) >= 10 and head[4:10] not in _BZIP2_BLOCKS:
                continue  # a word such as "BZh"
            return packing
    return None


def is_tar(head: bytes) -> bool:
    """Tell from the first 512 bytes."""
    return head[257:262] == b"ustar"


def zip_members(path: Path, archive: zipfile.ZipFile) -> list[str]:
    """Return the files of a zip archive that somebody meant to be in it.

    Raises:
        VectorsError: it is the zip archive of a program, such as torch's.
    """
    names = [item.filename for item in archive.infolist() if not item.is_dir()]
    for ending, what in _KNOWN_ZIPS.items():
        if any(name == ending or name.endswith(f"/{ending}") for name in names):
            raise VectorsError(f"{path} is {what}")
    if names and all(name.endswith(".npy") for name in names):
        raise VectorsError(
            f"{path} is an archive of NumPy arrays (.npz: {', '.join(names[:_LISTED])}); write words and vectors as "
            "word2vec text, a word and its numbers a line"
        )
    return [name for name in names if _is_meant(name)]


def tar_members(archive: tarfile.TarFile) -> list[str]:
    """Return the files of a tar archive that somebody meant to be in it."""
    return [item.name for item in archive if item.isfile() and _is_meant(item.name)]


def _is_meant(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return "__MACOSX" not in parts and not parts[-1].startswith(".")


def choose_member(path: Path, packing: str, names: Sequence[str], asked: str | None) -> str:
    """Return the file of an archive that is to be read: the one asked for, or the only one.

    Raises:
        VectorsError: there is no such file, or there are several; the message names them.
    """
    listed = ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else "")
    if asked is not None:
        if asked not in names:
            raise VectorsError(f"{path}: the {packing} archive has no {asked!r}; it holds {listed or 'no file'}")
        return asked
    if len(names) != 1:
        how = "choose one with --member NAME, or unpack it" if names else "expected a file of word vectors in it"
        raise VectorsError(f"{path} is an archive ({packing}) of {len(names):,} files: {listed or 'none'}; {how}")
    return names[0]
