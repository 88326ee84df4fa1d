"""fastText's text format: labels and text of each line, damaged lines, and which files are taken for it."""

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from w2vray.places.uris import open_store
from w2vray.schema import DAMAGE_COLUMN, FileReason
from w2vray.store.corpus import find_corpus
from w2vray.store.description import ANY, Description, ReadAs
from w2vray.store.failures import Failure
from w2vray.store.formats import describe_file
from w2vray.store.reading import read_unit
from w2vray.store.units import plan_units

COLUMNS = ("text", "label")


def described(file: Path, read_as: ReadAs = ANY, *, alone: bool = False) -> Description | Failure:
    corpus = find_corpus([str(file)])
    (source,) = corpus.files
    return describe_file(*open_store(str(file.parent)), source, COLUMNS, read_as, alone=alone)


def rows(file: Path, columns: tuple[str, ...] = COLUMNS) -> list[dict[str, Any]]:
    found = described(file)
    assert isinstance(found, Description)
    assert found.format == "fasttext"
    roots = find_corpus([str(file)]).roots
    batches = [batch for unit in plan_units([found]) for batch in read_unit(unit, roots, columns)]
    read = [row for batch in batches for row in batch.to_pylist()]
    assert [row["w2vray.source_row"] for row in read] == list(range(len(read)))
    return [{name: row.get(name) for name in (*columns, DAMAGE_COLUMN) if row.get(name) is not None} for row in read]


def write(file: Path, content: str) -> Path:
    file.write_text(content, encoding="utf-8", newline="")
    return file


def test_each_line_has_its_label_and_the_rest_is_the_text(tmp_path: Path) -> None:
    file = write(
        tmp_path / "train.txt",
        "__label__good a fine  film\r\n\n__label__bad dull, dull .\n\tno label at all\nlabel behind __label__good\n",
    )
    assert rows(file) == [
        {"text": "a fine  film", "label": "good"},
        {"text": "dull, dull .", "label": "bad"},
        {"text": "no label at all"},
        {"text": "label behind", "label": "good"},
    ]
    assert rows(file, ("text",))[1] == {"text": "dull, dull ."}
    assert rows(file, ("label",))[2] == {}


def test_where_a_line_has_two_labels_all_are_lists(tmp_path: Path) -> None:
    file = write(
        tmp_path / "tags.ft", "__label__a one\n__label__a\t__label__b two\nnone\n__label__c in the __label__d middle"
    )
    assert rows(file) == [
        {"text": "one", "label": ["a"]},
        {"text": "two", "label": ["a", "b"]},
        {"text": "none", "label": []},
        {"text": "in the middle", "label": ["c", "d"]},
    ]
    found = described(file)
    assert isinstance(found, Description)
    assert found.schema.field("label").type == pa.list_(pa.string())


def test_a_label_within_a_word_is_none(tmp_path: Path) -> None:
    file = write(tmp_path / "train.txt", "__label__a x__label__b\u00a0__label__c\n__label__b y\n")
    assert rows(file)[0] == {"text": "x__label__b\u00a0__label__c", "label": "a"}


def test_a_damaged_line_is_a_row_and_moves_no_other(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_bytes(b"__label__a one\n__label__b tw\xffo\n__label__a three\n")
    one, two, three = rows(tmp_path / "train.txt")
    assert (one["text"], three["text"]) == ("one", "three")
    assert two[DAMAGE_COLUMN] == {"reason": "invalid_utf8", "detail": "line 2: byte 13 of 15: invalid start byte"}


def test_packed_files_and_marks_of_byte_order_are_read(tmp_path: Path) -> None:
    (tmp_path / "train.txt.gz").write_bytes(gzip.compress("\ufeff__label__a é\n".encode()))
    assert rows(tmp_path / "train.txt.gz") == [{"text": "é", "label": "a"}]


def test_the_content_decides_and_a_format_that_was_asked_for(tmp_path: Path) -> None:
    plain = write(tmp_path / "notes.txt", "words of no label\nmore __label__x\n")
    failure = described(plain)
    assert isinstance(failure, Failure)
    assert failure.reason == FileReason.NOT_DATA
    read = described(plain, ReadAs(format="fasttext"), alone=True)
    assert isinstance(read, Description)
    assert read.rows == 2


def test_a_file_of_no_label_is_not_of_this_format(tmp_path: Path) -> None:
    failure = described(write(tmp_path / "notes.ft", "words of no label\n"))
    assert isinstance(failure, Failure)
    assert "no line has a label, such as __label__news" in str(failure)


@pytest.mark.parametrize("ending", ["ft", "txt"])
def test_a_file_without_a_row_is_told(ending: str, tmp_path: Path) -> None:
    failure = described(write(tmp_path / f"train.{ending}", "\n \n"))
    assert isinstance(failure, Failure)
    assert failure.reason in {FileReason.NO_ROWS, FileReason.NOT_DATA}
