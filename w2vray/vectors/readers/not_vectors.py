"""Files that are not word vectors, or not in a form that is read: each is called by its name, with the way out.

By its first bytes where they cannot be anything else; by what its lines look like where nothing else was found in them.
"""

import json
import re
import struct
from collections.abc import Sequence
from pathlib import Path

from w2vray.errors import VectorsError

__all__ = ["refuse_directory", "refuse_known", "what_lines_are"]

_AS_TEXT = "write its words and vectors as word2vec text, a word and its numbers a line"
_UTF8 = "convert it to UTF-8 (iconv -f {} -t UTF-8)"
_MAGICS: Sequence[tuple[bytes, str]] = (
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it, and name the file of word vectors in it"),
    (b"Rar!\x1a\x07", "a RAR archive; unpack it, and name the file of word vectors in it"),
    (b"PK\x05\x06", "a zip archive without a file"),
    (b"\x89HDF\r\n\x1a\n", f"an HDF5 file; {_AS_TEXT}"),
    (b"PAR1", f"a Parquet file; {_AS_TEXT}"),
    (b"ARROW1", f"an Arrow file; {_AS_TEXT}"),
    (b"FEA1", f"a Feather file; {_AS_TEXT}"),
    (b"\x93NUMPY", "a NumPy array (.npy), which has no words; name the file that it belongs to, or write both as text"),
    (b"SQLite format 3\x00", f"an SQLite database, as Magnitude's files are; {_AS_TEXT}"),
    (b"GGUF", f"a GGUF model; {_AS_TEXT}"),
    (b"%PDF-", "a PDF document; fetch the file of word vectors itself"),
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", f"a file of torch (.pt, .pth); {_AS_TEXT}"),
    (
        b"version https://git-lfs.github.com/spec/",
        "a pointer of Git LFS: the file itself was not fetched; run `git lfs pull` beside it",
    ),
)
_WIDE = {"UTF-16LE": (2, 0), "UTF-16BE": (2, 1), "UTF-32LE": (4, 0), "UTF-32BE": (4, 3)}
_NO_BREAK_SPACE = "\N{NO-BREAK SPACE}".encode()
_NUMBER = r"[-+]?(\d+([.]\d*)?|[.]\d+)([eE][-+]?\d+)?"
_CSV = re.compile(rf"[^,;|]*([,;|]) ?{_NUMBER}( ?\1 ?{_NUMBER})*\s*".encode())
_MINUS = re.compile(b"[ \t]" + "\N{MINUS SIGN}".encode() + rb"[0-9.]")
_LISTED = 8


def refuse_known(path: Path, head: bytes) -> None:
    """Refuse a file whose first bytes are those of another kind of file.

    Raises:
        VectorsError: it is one; the message says which and what to do.
    """
    if not head:
        raise VectorsError(f"{path} is empty; fetch or write the file again")
    for magic, what in _MAGICS:
        if head.startswith(magic):
            raise VectorsError(f"{path} is {what}")
    if len(head) > 9 and head[8:10] == b'{"' and struct.unpack("<Q", head[:8])[0] < 1 << 27:
        raise VectorsError(
            f"{path} is a safetensors file, which has no words beside its numbers; of a static model, name the "
            f"directory that it is in, with its tokenizer.json; of others, {_AS_TEXT}"
        )
    for encoding, (width, place) in _WIDE.items():
        letters = head[: 8 * width]
        rest = bytes(byte for index, byte in enumerate(letters) if index % width != place)
        if len(letters) == 8 * width and not any(rest) and letters[place::width].isascii():
            text = letters[place::width]
            if text.replace(b"\n", b" ").replace(b"\r", b" ").decode().isprintable():
                raise VectorsError(f"{path} is {encoding} text; {_UTF8.format(encoding)}")


def what_lines_are(lines: Sequence[bytes]) -> str:
    """Tell what text is that is not rows of words and numbers; empty where nobody knows."""
    text = b"\n".join(lines).lstrip()
    start = text[:200].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head")) or (start.startswith(b"<") and b"<html" in start):
        return "an HTML page, such as a download page; fetch the file of word vectors itself"
    if start.startswith(b"<?xml") or (start.startswith(b"<") and b" xmlns=" in start):
        return "an XML document; fetch the file of word vectors itself"
    if start.startswith((b"{", b"[")) and _is_json(text, lines[0]):
        return f"JSON; {_AS_TEXT}"
    if sum(line.startswith(b"__label__") for line in lines) * 2 > len(lines):
        return "labelled texts of fastText (__label__ and a text a line), not word vectors"
    return _parted(lines[:2])  # the first may be column names


def _parted(lines: Sequence[bytes]) -> str:
    """Tell what parts the fields of lines, if neither spaces nor tabs do."""
    for line in lines:
        if (found := _CSV.fullmatch(line)) is not None:
            mark = found.group(1).decode()
            return f"a table whose fields are separated by {mark!r}; separate them by spaces, and leave quotes out"
        if b" " not in line.strip() and _NO_BREAK_SPACE in line:
            return "text whose fields are separated by no-break spaces (U+00A0); separate them by spaces"
        if _MINUS.search(line) is not None:
            return "text whose minus signs are those of typesetters (U+2212); write - in their place"
    return ""


def _is_json(text: bytes, first: bytes) -> bool:
    for piece in (text, first):
        try:
            json.loads(piece)
        except ValueError:
            continue
        return True
    return re.match(rb"[{\[]\s*([\"{\[]|-?\d)", text) is not None


def refuse_directory(path: Path) -> None:
    """Refuse a directory, and say what it is or what is in it.

    Raises:
        VectorsError: always.
    """
    there = {item.name for item in path.iterdir()}
    if "vectors.json" in there:
        raise VectorsError(f"{path} is a vectors directory already; use it as it is")
    if {"config.json", "weights.safetensors"} <= there:
        raise VectorsError(f"{path} is a directory of a w2vray model; name the file that its vectors were made from")
    files = sorted(item.name for item in path.iterdir() if item.is_file() and not item.name.startswith("."))
    listed = ", ".join(files[:_LISTED]) + (" ..." if len(files) > _LISTED else "")
    holds = f", such as one of {listed}" if files else ""
    raise VectorsError(f"{path} is a directory; expected a file of word vectors{holds}")
