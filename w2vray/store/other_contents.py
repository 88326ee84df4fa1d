"""What a file is that is of no format that is read: known by its first bytes, so that a person knows what to do."""

__all__ = ["KNOWN_BY", "known_content", "packed_as"]

KNOWN_BY = 512
"""Bytes at a file's start by which it is known."""

_TAR, _TAR_AT = b"ustar", 257
_PACKED = (
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "a ZIP archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"BZh", "packed with bzip2"),
    (b"\xfd7zXZ\0", "packed with xz"),
    (b"\x04\x22\x4d\x18", "packed with lz4"),
    (b"\x1f\x8b", "packed with gzip"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"ORC", "ORC"),
    (b"Obj\x01", "Avro"),
)

_KINDS = (
    (b"BZh", "it is compressed with bzip2, which is not read: unpack it, or compress it with gzip or zstd"),
    (b"\xfd7zXZ\0", "it is compressed with xz, which is not read: unpack it, or compress it with gzip or zstd"),
    (b"\x04\x22\x4d\x18", "it is compressed with lz4, which is not read: unpack it, or compress it with gzip or zstd"),
    (b"PK\x03\x04", "it is a ZIP archive (Excel's .xlsx is one too), which is not read: unpack it"),
    (b"Rar!\x1a\x07", "it is a RAR archive, which is not read: unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "it is a 7z archive, which is not read: unpack it"),
    (b"\x1f\x8b", "it is compressed with gzip, and no text is in it: unpack it"),
    (b"\x28\xb5\x2f\xfd", "it is compressed with zstd, and no text is in it: unpack it"),
    (b"ORC", "it is ORC, which is not read: write it as Parquet"),
    (b"Obj\x01", "it is Avro, which is not read: write it as Parquet"),
    (b"SQLite format 3\0", "it is an SQLite database, which is not read: write its rows as Parquet"),
    (b"%PDF-", "it is a PDF, which is not read"),
    (
        b"version https://git-lfs.github.com/",
        "it is only the pointer of a file that Git LFS keeps elsewhere: fetch the file, as with `git lfs pull`",
    ),
    (b"<!DOCTYPE", "it is a web page, as servers send where a file is not found: download it again"),
    (b"<!doctype", "it is a web page, as servers send where a file is not found: download it again"),
    (b"<html", "it is a web page, as servers send where a file is not found: download it again"),
)


def known_content(start: bytes) -> str | None:
    """Say what a file that starts so is; None where that is not known."""
    if _is_tar(start):
        return "it is a tar archive, which is not read: unpack it"
    return next((what for magic, what in _KINDS if start.startswith(magic)), None)


def packed_as(start: bytes) -> str | None:
    """Say what may hold rows that nobody sees without unpacking it; None of what cannot, as far as is known."""
    if _is_tar(start):
        return "a tar archive"
    return next((what for magic, what in _PACKED if start.startswith(magic)), None)


def _is_tar(start: bytes) -> bool:
    return start[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR
