"""Files of no format that is read: what each of them is is told, and what to do."""

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.places.uris import open_store
from w2vray.schema import FileReason
from w2vray.store.corpus import find_corpus
from w2vray.store.failures import Failure
from w2vray.store.formats import describe_file

LINES = b'{"text": "bab"}\n'


def zipped() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.jsonl", LINES)
    return made.getvalue()


def parquet() -> bytes:
    made = io.BytesIO()
    pq.write_table(pa.table({"text": ["bab"]}), made)
    return made.getvalue()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 12345\n"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", bz2.compress(LINES), "it is compressed with bzip2"),
        ("a.jsonl", lzma.compress(LINES), "it is compressed with xz"),
        (
            "a.jsonl.gz",
            gzip.compress(gzip.compress(LINES, mtime=0), mtime=0),
            "it is compressed with gzip, and no text is in it",
        ),
        (
            "a.parquet.gz",
            gzip.compress(parquet(), mtime=0),
            "it is compressed with gzip, and no text is in it: unpack it",
        ),
        ("a.csv", zipped(), "it is a ZIP archive"),
        ("a.xlsx", zipped(), "a ZIP archive"),
        ("a.parquet", b"ORC\x08\x03", "it is ORC"),
        ("a.orc", b"ORC\x08\x03", "it is ORC"),
        ("a.avro", b"Obj\x01\x02", "it is Avro"),
        ("a.parquet", POINTER, "Git LFS keeps elsewhere: fetch the file, as with `git lfs pull`"),
        ("a.jsonl", POINTER, "Git LFS keeps elsewhere"),
        ("a.parquet", b"<!DOCTYPE html><html>", "it is a web page"),
    ],
)
def test_what_a_file_is_is_told_by_its_first_bytes(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    corpus = find_corpus([str(tmp_path / name)])

    found = describe_file(*open_store(corpus.roots[0]), corpus.files[0], ["text"])

    assert isinstance(found, Failure)
    assert found.reason in {FileReason.UNKNOWN_FORMAT, FileReason.NOT_DATA, FileReason.PACKED}
    assert told in found.detail
