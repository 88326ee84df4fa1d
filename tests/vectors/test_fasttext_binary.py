import gzip
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.errors import VectorsError
from w2vray.settings.vectors import ImportSettings
from w2vray.vectors import Vectors, import_vectors
from w2vray.vectors.ngrams import NGrams
from w2vray.vectors.readers import open_source

WORDS = ["</s>", "film", "日本"]
ROWS_RD = np.linspace(0, 2, 14, dtype=np.float32).reshape(7, 2)  # three words, four buckets
OUTPUT = np.ones((3, 2), dtype="<f4").tobytes()
MAGIC, SUPERVISED, SKIP_GRAM = 793712314, 3, 2


def content(words: list[Any] = WORDS, rows_ND: Any = ROWS_RD, **changes: Any) -> bytes:
    """A file of fastText's, with ``changes`` to what it says of itself."""
    stated: dict[str, Any] = {
        "magic": MAGIC,
        "version": 12,
        "dim": rows_ND.shape[1],
        "model": SKIP_GRAM,
        "buckets": len(rows_ND) - len(words),
        "shortest": 2,
        "longest": 3,
        "size": len(words),
        "entries": len(words),
        "labels": 0,
        "pruned": -1,
        "quantised": False,
        "rows": len(rows_ND),
        "width": rows_ND.shape[1],
        "output_quantised": False,
        "output_rows": len(words),
        "output_width": rows_ND.shape[1],
        **changes,
    }
    head = b"" if stated["magic"] is None else struct.pack("<2i", stated["magic"], stated["version"])
    sizes = (stated["buckets"], stated["shortest"], stated["longest"])
    head += struct.pack("<12id", stated["dim"], 5, 5, 1, 5, 1, 2, stated["model"], *sizes, 100, 1e-4)
    head += struct.pack("<3iq", stated["size"], stated["entries"], stated["labels"], 1000)
    head += b"" if stated["magic"] is None else struct.pack("<q", stated["pruned"])
    for word in words:
        head += (word if isinstance(word, bytes) else word.encode()) + b"\0" + struct.pack("<qb", 9, 0)
    head += b"" if stated["magic"] is None else struct.pack("<?", stated["quantised"])
    head += struct.pack("<2q", stated["rows"], stated["width"]) + np.asarray(rows_ND, dtype="<f4").tobytes()
    head += b"" if stated["magic"] is None else struct.pack("<?", stated["output_quantised"])
    return head + struct.pack("<2q", stated["output_rows"], stated["output_width"]) + OUTPUT


def imported(folder: Path, data: bytes, **given: Any) -> Vectors:
    (folder / "source").write_bytes(data)
    return import_vectors(ImportSettings(source=str(folder / "source"), output=str(folder / "out"), **given))


def refusal(folder: Path, data: bytes, **given: Any) -> str:
    """The message that a file is refused with; it names the file, and nothing is left behind."""
    with pytest.raises(VectorsError) as raised:
        imported(folder, data, **given)
    assert str(folder / "source") in str(raised.value)
    assert [path.name for path in folder.iterdir()] == ["source"]
    return str(raised.value)


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
def test_a_bad_word_behind_the_limit_is_passed_over(zipped: bool, tmp_path: Path) -> None:
    """The n-grams lie behind it, and are found."""
    data = content([*WORDS[:2], b"\xff"])
    vectors = imported(tmp_path, gzip.compress(data) if zipped else data, limit=2)
    assert list(vectors.vocabulary) == WORDS[:2]
    assert vectors.ngrams is not None
    assert np.array_equal(vectors.ngrams.table_GD, ROWS_RD[3:])
    assert (vectors.source["rows"], vectors.source["header_rows"]) == (2, 3)


@pytest.mark.parametrize("magic", [MAGIC, None], ids=["new", "without a magic number"])
@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
def test_words_and_ngrams_are_read(magic: int | None, zipped: bool, tmp_path: Path) -> None:
    """The end of a line has its own row; each other word the mean of its own and its n-grams'."""
    data = content(magic=magic) + b"what comes behind is not looked at"
    vectors = imported(tmp_path, gzip.compress(data) if zipped else data)
    ngrams = NGrams(ROWS_RD[3:], 2, 3)
    assert list(vectors.vocabulary) == WORDS
    assert vectors.table_VD[0].tolist() == ROWS_RD[0].tolist()
    assert np.array_equal(vectors.table_VD[1:], ngrams.composed(WORDS[1:], ROWS_RD[1:3]))
    assert vectors.ngrams is not None
    assert np.array_equal(vectors.ngrams.table_GD, ROWS_RD[3:])
    assert (vectors.ngrams.shortest, vectors.ngrams.longest) == (2, 3)
    assert (vectors.source["format"], vectors.rules.family) == ("fasttext-binary", "cased")


@pytest.mark.parametrize("changes", [{"longest": 0}, {"rows_ND": ROWS_RD[:3]}], ids=["no lengths", "no buckets"])
def test_a_model_without_ngrams_has_the_words_own_rows(changes: dict[str, Any], tmp_path: Path) -> None:
    """It was told to learn none."""
    vectors = imported(tmp_path, content(**changes))
    assert vectors.table_VD.tolist() == ROWS_RD[:3].tolist()
    assert vectors.ngrams is None


def test_limit_takes_the_first_words_and_all_ngrams(tmp_path: Path) -> None:
    """What n-grams are for is the words that are not there."""
    vectors = imported(tmp_path, content(), limit=2)
    assert list(vectors.vocabulary) == WORDS[:2]
    assert vectors.ngrams is not None
    assert np.array_equal(vectors.ngrams.table_GD, ROWS_RD[3:])


def test_half_precision_rounds_words_and_ngrams_once(tmp_path: Path) -> None:
    """A word's vector is made before it is rounded."""
    exact = imported(tmp_path, content(rows_ND=ROWS_RD / 3))
    (tmp_path / "half").mkdir()
    half = imported(tmp_path / "half", content(rows_ND=ROWS_RD / 3), dtype="float16")
    assert np.array_equal(half.table_VD, exact.table_VD.astype(np.float16))
    assert half.ngrams is not None
    assert np.array_equal(half.ngrams.table_GD, (ROWS_RD[3:] / 3).astype(np.float16))


NOT_FINITE = np.where(np.arange(14).reshape(7, 2) == 9, np.nan, ROWS_RD)
BAD_FILES = {
    "supervised": (content(model=SUPERVISED, labels=2), ["a fastText classifier (2 labels)"]),
    "labels": (content(labels=1), ["3 words and 1 labels of 3 entries"]),
    "quantised": (content(quantised=True), ["quantised (.ftz)", "the .bin file that it was made from"]),
    "pruned": (content(pruned=5), ["5 of them pruned"]),
    "later version": (content(version=13), ["format version 13; expected at most 12"]),
    "no words": (content([], ROWS_RD), ["0 words and 0 labels of 0 entries", "at least 1 word"]),
    "no numbers": (content(dim=0), ["words of 0 numbers", "1 to 100,000"]),
    "too many numbers": (content(dim=2**31 - 1), ["words of 2147483647 numbers"]),
    "fewer words than entries": (content(size=4), ["3 words and 0 labels of 4 entries"]),
    "negative buckets": (content(buckets=-1), ["-1 buckets"]),
    "billions of words": (content(size=2**31 - 1, entries=2**31 - 1), ["source, row "]),
    "billions of buckets": (content(buckets=2**31 - 1), ["a table of 7 x 2; expected 2,147,483,650 x 2"]),
    "billions of rows": (
        content(buckets=2**31 - 1, rows=2**31 + 2),
        ["97 bytes of vectors, expected 17,179,869,200; the file is truncated"],
    ),
    "an output layer that is cut short": (
        content(output_rows=2**40),
        ["24 bytes of output layer, expected 8,796,093,022,208; the file is truncated"],
    ),
    "an output layer of another width": (content(output_width=3), ["an output layer of 3 x 3"]),
    "an output layer of fewer rows than none": (content(output_rows=-1), ["an output layer of -1 x 2"]),
    "a quantised output layer": (content(output_quantised=True), ["a quantised output layer"]),
    "another width": (content(width=3), ["a table of 7 x 3; expected 7 x 2"]),
    "an empty word": (content(["a", "", "b"]), ["row 2: the word is empty"]),
    "a word that is not UTF-8": (content(["a", b"\xec", "b"]), [r"row 2: the word b'\xec' is not UTF-8"]),
    "an endless word": (content(["a" * 70_000]), ["within 65,536 bytes"]),
    "an ngram that is not finite": (content(rows_ND=NOT_FINITE), ["is nan; expected a finite float32"]),
}


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(("data", "pieces"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_refused_with_what_is_wrong(data: bytes, pieces: list[str], zipped: bool, tmp_path: Path) -> None:
    """By name; nothing is guessed."""
    message = refusal(tmp_path, gzip.compress(data) if zipped else data, format="fasttext-binary")
    assert [piece for piece in pieces if piece not in message] == []


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("magic", [MAGIC, None], ids=["new", "without a magic number"])
def test_a_file_cut_anywhere_is_refused(magic: int | None, zipped: bool, tmp_path: Path) -> None:
    """Every one of its beginnings."""
    data = content(magic=magic)
    for size in range(len(data)):
        cut = gzip.compress(data[:size], 0) if zipped else data[:size]
        (tmp_path / "source").write_bytes(cut)
        with pytest.raises(VectorsError), open_source(tmp_path / "source", "fasttext-binary") as source:
            list(source.blocks)


@pytest.mark.parametrize("size", [4, 5, 51, 52, 63, 64, 100])
@pytest.mark.parametrize("packed", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_file_with_little_more_than_the_magic_number_is_called_truncated(
    size: int, packed: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    """Nobody has to say which format it is."""
    message = refusal(tmp_path, packed(content()[:size]))
    assert "the file ends inside of its settings or dictionary; it is truncated" in message


@given(data=st.data())
def test_any_change_is_read_or_refused(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No file ends in another error than ours."""
    changed = bytearray(content())
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "changed"
    path.write_bytes(changed)
    for form in ("auto", "fasttext-binary"):
        try:
            with open_source(path, form) as source:
                blocks = list(source.blocks)
        except VectorsError:
            continue
        else:
            assert sum(len(block.words) for block in blocks) == source.rows


def test_a_header_of_billions_takes_no_memory(tmp_path: Path) -> None:
    """It is compared with what is there before room is made for it."""
    tracemalloc.start()
    try:
        refusal(tmp_path, content(buckets=2**31 - 1, rows=2**31 + 2))
        refusal(tmp_path, content(size=2**31 - 1, entries=2**31 - 1))
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_disk_without_room_to_unpack_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the folder, and how to name another one."""
    rows_ND = np.zeros((200_003, 8), dtype=np.float32)
    (tmp_path / "source").write_bytes(gzip.compress(content(rows_ND=rows_ND), 1))
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: full)
        with pytest.raises(VectorsError, match=r"no room to unpack 6,400,096 bytes .*No space left.* TMPDIR"):
            imported(tmp_path, (tmp_path / "source").read_bytes())
