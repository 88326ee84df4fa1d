"""Packed files are read through, or called by their names; so is everything that is not word vectors."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import save

from tests.fixtures.vector_files import TABLE_VD, WORDS, Read, binary, glove, word2vec
from w2vray.errors import VectorsError
from w2vray.models.directory import Bundle
from w2vray.settings.vectors import ImportSettings
from w2vray.vectors import Vectors, import_vectors


def by_arrow(name: str) -> Callable[[bytes], bytes]:
    def pack(content: bytes) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, name) as stream:
            stream.write(content)
        packed: bytes = sink.getvalue().to_pybytes()
        return packed

    return pack


def zipped(**files: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def tarred(mode: str = "w", **files: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            item = tarfile.TarInfo(name)
            item.size = len(content)
            archive.addfile(item, io.BytesIO(content))
    return made.getvalue()


def saved(save_to: Callable[[Any], object]) -> bytes:
    made = io.BytesIO()
    save_to(made)
    return made.getvalue()


def refusal(path: Path, content: bytes, **given: Any) -> str:
    """What a file is refused with; it is the same whatever is done with bad rows, and names the file."""
    path.write_bytes(content)
    messages = set()
    for skip in (False, True):
        with pytest.raises(VectorsError) as raised:
            Read(path, skip=skip, **given)
        messages.add(str(raised.value))
    (message,) = messages
    assert str(path) in message
    return message


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda content: lzma.compress(content, format=lzma.FORMAT_ALONE),
    "zstd": by_arrow("zstd"),
    "lz4": by_arrow("lz4"),
    "zip": lambda content: zipped(vectors=content),
    "zip, with what a Mac adds": lambda content: zipped(**{"a/v": content, "__MACOSX/._v": b"x", ".DS_Store": b"x"}),
    "tar": lambda content: tarred(vectors=content),
    "tar.gz": lambda content: gzip.compress(tarred(vectors=content)),
    "tar.xz": lambda content: lzma.compress(tarred(vectors=content)),
    "tar.zst": lambda content: by_arrow("zstd")(tarred(vectors=content)),
    "gzip in zip": lambda content: zipped(vectors=gzip.compress(content)),
    "gzip twice": lambda content: gzip.compress(gzip.compress(content)),
}


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
def test_a_packed_file_is_read_as_what_is_inside(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    for form, content in {"glove": glove(), "word2vec-text": word2vec(), "word2vec-binary": binary()}.items():
        (tmp_path / "vectors").write_bytes(pack(content))
        found = Read(tmp_path / "vectors")
        assert found.format == form
        assert found.holds()


@pytest.mark.parametrize("name", ["bzip2", "xz", "zstd", "lz4", "tar.gz", "tar.xz"])
def test_a_packed_file_that_was_cut_short_is_called_truncated(name: str, tmp_path: Path) -> None:
    """With what packed it; a cut in the file that is read ahead of, and in the end of the packing alone."""
    packed = PACKED[name](glove())
    for size in (len(packed) // 2, len(packed) - 5):
        if name.startswith("tar") or size < len(packed) - 4:
            message = refusal(tmp_path / "vectors", packed[:size])
            assert f"the {name.removeprefix('tar.').replace('gz', 'gzip')} data is truncated" in message


@pytest.mark.parametrize("name", ["zip", "tar"])
def test_an_archive_that_was_cut_short_is_called_truncated(name: str, tmp_path: Path) -> None:
    message = refusal(tmp_path / "vectors", PACKED[name](glove())[: {"zip": 400, "tar": 700}[name]])
    assert f"the {name} archive is truncated or damaged" in message


@pytest.mark.parametrize("name", ["bzip2", "xz"])
def test_damage_to_a_packed_file_is_told(name: str, tmp_path: Path) -> None:
    packed = bytearray(PACKED[name](glove()))
    packed[len(packed) // 2] ^= 0xFF
    assert f"the {name} data is damaged" in refusal(tmp_path / "vectors", bytes(packed))


@pytest.mark.parametrize("pack", [zipped, tarred, lambda **files: gzip.compress(tarred(**files))])
def test_of_an_archive_of_several_files_one_is_chosen(pack: Callable[..., bytes], tmp_path: Path) -> None:
    content = pack(**{"glove.50d.txt": glove(), "sub/other.bin": binary(WORDS[::-1], TABLE_VD[::-1])})
    message = refusal(tmp_path / "vectors", content)
    assert "of 2 files: glove.50d.txt, sub/other.bin; choose one with --member NAME, or unpack it" in message
    assert Read(tmp_path / "vectors", member="glove.50d.txt").holds()
    assert Read(tmp_path / "vectors", member="sub/other.bin").holds(WORDS[::-1], TABLE_VD[::-1])
    message = refusal(tmp_path / "vectors", content, member="glove.100d.txt")
    assert "has no 'glove.100d.txt'; it holds glove.50d.txt, sub/other.bin" in message


def test_a_plain_file_has_no_members(tmp_path: Path) -> None:
    assert "is not an archive of files" in refusal(tmp_path / "vectors", gzip.compress(glove()), member="a")


def test_a_chosen_member_is_imported(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(zipped(a=glove(), b=b"x"))
    given = ImportSettings(source=str(tmp_path / "source"), output=str(tmp_path / "out"), member="a")
    assert list(import_vectors(given).vocabulary) == WORDS


AS_JSON = {word: row.tolist() for word, row in zip(WORDS, TABLE_VD, strict=True)}
ENCODED = {"utf-16-le": "UTF-16LE", "utf-16-be": "UTF-16BE", "utf-32-le": "UTF-32LE", "utf-32-be": "UTF-32BE"}
OTHERS: dict[str, tuple[bytes, str]] = {
    "an empty file": (b"", "is empty"),
    "an empty file in gzip": (gzip.compress(b""), "is empty"),
    "UTF-16, cut in a letter": (word2vec().decode().encode("utf-16")[:-1], "the UTF-16 text is damaged"),
    "UTF-16, half a pair": (b"\xff\xfe\x00\xd8\x20\x00" * 20, "the UTF-16 text is damaged"),
    "UTF-32, no letter": (b"\xff\xfe\x00\x00\xff\xff\xff\xff" * 20, "the UTF-32 text is damaged"),
    "JSON in UTF-16": (json.dumps(AS_JSON).encode("utf-16"), "is JSON; write its words and vectors"),
    **{
        f"{name} {form.__name__}": (
            form().decode().encode(code),
            f"is {name} text; convert it to UTF-8 (iconv -f {name}",
        )
        for code, name in ENCODED.items()
        for form in (glove, word2vec)
    },
    "npy": (saved(lambda file: np.save(file, TABLE_VD)), "is a NumPy array (.npy), which has no words"),
    "npz": (saved(lambda file: np.savez(file, w=WORDS, v=TABLE_VD)), "NumPy arrays (.npz: w.npy, v.npy)"),
    "torch": (saved(lambda file: torch.save({"a": torch.zeros(3)}, file)), "is a file of torch (.pt, .pth)"),
    "torch of before 1.6": (
        saved(lambda file: torch.save({"a": torch.zeros(3)}, file, _use_new_zipfile_serialization=False)),
        "is a file of torch (.pt, .pth)",
    ),
    "safetensors": (save({"vectors": TABLE_VD}), "is a safetensors file"),
    "Parquet": (saved(lambda file: pq.write_table(pa.table({"a": [1]}), file)), "is a Parquet file"),
    "Arrow": (saved(lambda file: pa.ipc.new_file(file, pa.schema([("a", pa.int8())])).close()), "is an Arrow file"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(500), "is an HDF5 file"),
    "SQLite": (b"SQLite format 3\x00" + bytes(500), "is an SQLite database"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(500), "is a 7z archive; unpack it"),
    "RAR": (b"Rar!\x1a\x07\x01\x00" + bytes(500), "is a RAR archive; unpack it"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n", "is a pointer of Git LFS"),
    "HTML": (b"<!DOCTYPE html>\n<html><head><title>Virus scan warning</title></head>", "is an HTML page"),
    "HTML, otherwise": (b'\n<html lang="en">\n<body>\nNot found\n</body>\n', "is an HTML page"),
    "XML": (b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', "is an XML document"),
    "XML, otherwise": (b'<mediawiki xmlns="http://a">\n<page/>\n', "is an XML document"),
    "JSON": (json.dumps(AS_JSON).encode(), "is JSON; write its words and vectors"),
    "JSON over many lines": (json.dumps(AS_JSON, indent=1).encode(), "is JSON; write its words and vectors"),
    "JSON, an object a line": (b'{"word": "a", "vector": [1, 2]}\n{"word": "b", "vector": [3, 4]}\n', "is JSON"),
    "an empty zip": (zipped(), "is a zip archive without a file"),
    "a Java archive": (zipped(**{"META-INF/MANIFEST.MF": b"", "a.class": b""}), "is a Java archive"),
}


@pytest.mark.parametrize(("content", "said"), OTHERS.values(), ids=OTHERS)
def test_what_is_not_word_vectors_is_called_by_its_name(content: bytes, said: str, tmp_path: Path) -> None:
    assert said in refusal(tmp_path / "vectors", content)


@pytest.mark.parametrize("packed", [gzip.compress, PACKED["zip"]], ids=["gzip", "zip"])
@pytest.mark.parametrize("name", ["HTML", "npy", "JSON in UTF-16"])
def test_it_is_named_in_a_packed_file_too(name: str, packed: Callable[[bytes], bytes], tmp_path: Path) -> None:
    content, said = OTHERS[name]
    assert said in refusal(tmp_path / "vectors", packed(content))


def test_words_that_look_like_the_start_of_another_format_are_words(tmp_path: Path) -> None:
    """A file is not JSON or HTML because its first word looks so."""
    words = ["[", "{", "<html>", "<?xml", "BZh", "]", *WORDS[6:]]
    for first in range(6):
        turned = words[first:6] + words[:first] + words[6:]
        (tmp_path / "vectors").write_bytes(glove(turned))
        assert Read(tmp_path / "vectors").holds(turned)


@pytest.mark.parametrize("content", [word2vec(), glove(), binary()], ids=["word2vec", "GloVe", "binary"])
def test_a_mark_of_utf_8_is_not_part_of_the_first_word(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "vectors").write_bytes(b"\xef\xbb\xbf" + content)
    assert Read(tmp_path / "vectors").holds()


@pytest.mark.parametrize("packed", [bytes, gzip.compress, PACKED["zip"]], ids=["plain", "gzip", "zip"])
@pytest.mark.parametrize("mark", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_byte_order_mark_tells_how_text_is_read(mark: str, packed: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """With the line ends of Windows too, and letters that are two units of UTF-16."""
    words = [*WORDS[:11], "\U0001f600"]
    for text in (word2vec(words), glove(words).replace(b"\n", b"\r\n")):
        (tmp_path / "vectors").write_bytes(packed(("\ufeff" + text.decode()).encode(mark)))
        assert Read(tmp_path / "vectors").holds(words)


def test_directories_are_called_what_they_are(
    vectors: Vectors, make_bundle: Callable[..., Bundle], tmp_path: Path
) -> None:
    """A vectors directory, a model, and one that holds files."""
    make_bundle(tmp_path / "model", vectors)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "glove.txt").write_bytes(glove())
    (tmp_path / "empty").mkdir()
    said = {
        Path(str(vectors.path)): "is a vectors directory already; use it as it is",
        tmp_path / "model": "is a directory of a w2vray model; name the file that its vectors were made from",
        tmp_path / "files": "is a directory; expected a file of word vectors, such as one of glove.txt",
        tmp_path / "empty": "is a directory; expected a file of word vectors",
    }
    for path, message in said.items():
        with pytest.raises(VectorsError) as raised:
            Read(path)
        assert str(raised.value) == f"{path} {message}"
