"""Parquet that Arrow cannot read: the cause by its name, when the run is planned; the other files are scored."""

import base64
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.cluster.score import ScoreSummary
from w2vray.errors import CorpusError

encryption = pytest.importorskip("pyarrow.parquet.encryption", reason="this pyarrow knows no encryption")

pytestmark = pytest.mark.usefixtures("in_process")

Scored = Callable[..., tuple[ScoreSummary, list[Mapping[str, Any]]]]

TEXTS = ["bab dab", "dab", "gag bab"]
LZO = 6  # in Thrift's compact form: 3, zigzag
NEWER = 40  # the same of a codec that is not yet


class Keys(encryption.KmsClient):  # type: ignore[misc, name-defined]
    """A key service that hides nothing."""

    def __init__(self, _: Any) -> None:
        super().__init__()

    def wrap_key(self, key: bytes, _: str) -> bytes:
        """Return the key as a text."""
        return base64.b64encode(key)

    def unwrap_key(self, key: bytes, _: str) -> bytes:
        """Return the key of a text."""
        return base64.b64decode(key)


def write_encrypted(file: Path, *, columns: list[str], readable_footer: bool) -> None:
    settings = encryption.EncryptionConfiguration(
        footer_key="footer", column_keys={"key": columns}, plaintext_footer=readable_footer
    )
    factory = encryption.CryptoFactory(Keys)
    properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), settings)
    rows = pa.table({"text": TEXTS, "id": [1, 2, 3]})
    with pq.ParquetWriter(file, rows.schema, encryption_properties=properties) as writer:
        writer.write_table(rows)


def write_with_codec(file: Path, codec: int) -> None:
    """Write a file whose footer says that its texts were compressed by a codec which no program here has."""
    rows = pa.table({"text": TEXTS})
    pq.write_table(rows, file, compression="snappy", use_dictionary=False, write_statistics=False, store_schema=False)
    content = bytearray(file.read_bytes())
    footer = len(content) - 8 - struct.unpack("<I", content[-8:-4])[0]
    at = bytes(content[footer:-8]).rindex(b"\x04text\x15\x02")
    content[footer + at + 6] = codec
    file.write_bytes(content)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    place = tmp_path / "store"
    place.mkdir()
    pq.write_table(pa.table({"text": TEXTS, "id": [4, 5, 6]}), place / "good.parquet")
    return place


@pytest.mark.parametrize(
    ("columns", "readable_footer"), [(["text"], False), (["text"], True), (["id"], True), (["id"], False)]
)
def test_an_encrypted_file_is_called_so(columns: list[str], readable_footer: bool, store: Path, scored: Scored) -> None:
    write_encrypted(store / "bad.parquet", columns=columns, readable_footer=readable_footer)

    summary, rows = scored(store, keep=("id",))

    assert (summary.exit_code, list(summary.left_out)) == (3, ["bad.parquet"])
    assert "encrypted" in summary.left_out["bad.parquet"]
    assert sorted(row["id"] for row in rows) == [4, 5, 6]


@pytest.mark.parametrize("codec", [LZO, NEWER])
def test_a_codec_that_arrow_does_not_know_is_named(codec: int, store: Path, scored: Scored) -> None:
    write_with_codec(store / "bad.parquet", codec)

    summary, rows = scored(store)

    assert (summary.exit_code, list(summary.left_out), len(rows)) == (3, ["bad.parquet"], 3)
    if codec == LZO:
        assert "it is compressed with LZO" in summary.left_out["bad.parquet"]


def test_a_column_that_only_an_unreadable_file_has_is_missing_and_that_file_is_named(
    store: Path, scored: Scored
) -> None:
    """Instants of 96 bits inside of a struct are such as Arrow would cut."""
    at = pa.array([{"at": None}] * 3, pa.struct([("at", pa.timestamp("us"))]))
    rows = pa.table({"text": TEXTS, "id": [1, 2, 3], "seen": at})
    pq.write_table(rows, store / "bad.parquet", use_deprecated_int96_timestamps=True)

    with pytest.raises(CorpusError, match=r"no column 'seen'.*\. bad\.parquet cannot be read: .*INT96"):
        scored(store, keep=("seen",))

    summary, found = scored(store, keep=("id",))
    assert (summary.exit_code, len(found)) == (0, 6), "what is not asked for does no harm"
