"""Records of JSON Lines and CSV: where each one is, what becomes of a damaged one, and a file that has changed."""

import csv
import gzip
import io
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from w2vray.errors import FileError
from w2vray.places.uris import open_store
from w2vray.schema import DAMAGE_COLUMN, FileReason
from w2vray.store.corpus import Corpus, find_corpus
from w2vray.store.description import ANY, Description, ReadAs
from w2vray.store.failures import Failure
from w2vray.store.formats import describe_file
from w2vray.store.plain.csv_ends import CellScanner
from w2vray.store.plain.records import read_records
from w2vray.store.reading import ROW_COLUMN, read_unit
from w2vray.store.units import Unit, plan_units


def described(file: Path, columns: list[str], read_as: ReadAs = ANY) -> tuple[Corpus, Description | Failure]:
    """Describe one file in this process."""
    corpus = find_corpus([str(file)])
    return corpus, describe_file(*open_store(corpus.roots[0]), corpus.files[0], columns, read_as, alone=True)


def rows_of(file: Path, columns: list[str], read_as: ReadAs = ANY) -> list[dict[str, Any]]:
    """Read a file by its plan."""
    corpus, found = described(file, columns, read_as)
    assert isinstance(found, Description)
    batches = [batch for unit in plan_units([found]) for batch in read_unit(unit, corpus.roots, columns)]
    return [row for batch in batches for row in batch.to_pylist()]


def told(rows: list[dict[str, Any]]) -> dict[int, str]:
    """Return what is said of the rows that cannot be read."""
    damages = {row[ROW_COLUMN]: row.get(DAMAGE_COLUMN) for row in rows}
    return {row: f"{item['reason']}: {item['detail']}" for row, item in damages.items() if item}


@given(text=st.text(alphabet='a",\n\r', max_size=40), size=st.integers(1, 7))
def test_csv_is_cut_where_pythons_own_reader_cuts_it(text: str, size: int) -> None:
    data = text.encode()
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    expected = [len(row) for row in csv.reader(io.StringIO(text, newline="")) if row]

    found = [cells for records in read_records(chunks, CellScanner(","), 1) for cells in records.cells_N.tolist()]

    assert [abs(cells) for cells in found] == expected
    assert all(cells > 0 for cells in found) == _is_strict(text)


def _is_strict(text: str) -> bool:
    """Tell whether Python's reader finds nothing behind a closing quote; a quote may be open at the end."""
    try:
        list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        return str(error) == "unexpected end of data"
    return True


def test_quotes_that_are_written_in_another_way_are_no_silent_change(tmp_path: Path) -> None:
    """MySQL and Spark write a quote within quotes with a backslash; a record of that kind is named, not guessed at."""
    (tmp_path / "a.csv").write_text(
        'text,n\n"a \\"b\\" c",1\n"a" b,2\n"a, b" ,3\n"a ""b""",4\n"a\\"",5\n"b",6\nin "quotes",7\n'
    )

    rows = rows_of(tmp_path / "a.csv", ["text", "n"])

    follows = "damaged_line: line {}: something follows a closing quote; a quote within quotes is written twice"
    assert told(rows) == {0: follows.format(2), 1: follows.format(3), 4: follows.format(6)}
    assert [(row["text"], row["n"]) for row in rows if row["text"]] == [
        ("a, b ", "3"), ('a "b"', "4"), ('in "quotes"', "7")
    ]  # fmt: skip


def test_a_text_of_json_is_a_string_though_some_lines_have_something_else(tmp_path: Path) -> None:
    """A column that is only kept would be the JSON as it is written, with its quotes and escapes."""
    lines = ['"caf\\u00e9"', '["a", "list"]', '"two\\nlines"', '{"an": "object"}', "7", "null"]
    (tmp_path / "a.jsonl").write_text("".join(f'{{"text": {line}, "n": {line}}}\n' for line in lines))

    rows = rows_of(tmp_path / "a.jsonl", ["text", "n"], ReadAs(plain=("text",)))

    assert [(row["text"], row["n"]) for row in rows] == [
        ("café", '"caf\\u00e9"'), (None, None), ("two\nlines", '"two\\nlines"'), (None, None), ("7", "7"), (None, None)
    ]  # fmt: skip
    assert [(row, why.split(";")[0]) for row, why in told(rows).items()] == [
        (1, "wrong_type: line 2: 'text' is a list"),
        (3, "wrong_type: line 4: 'text' is an object"),
    ]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (['["a"]', '["b"]', '"c"'], pa.list_(pa.string())),
        (['{"a": 1}', '{"a": 2}', '"c"'], pa.struct([])),
        (['{"a": 1}', '"c"', '"d"'], pa.string()),
        (["1", '["c"]', "2"], pa.int64()),
    ],
)
def test_what_most_lines_have_decides_what_a_column_of_texts_is(
    tmp_path: Path, values: list[str], kind: pa.DataType
) -> None:
    (tmp_path / "a.jsonl").write_text("".join(f'{{"text": {value}}}\n' for value in values))

    found = described(tmp_path / "a.jsonl", ["text"], ReadAs(plain=("text",)))[1]

    assert isinstance(found, Description)
    assert found.schema.field("text").type == kind


def test_bytes_of_value_zero_damage_their_own_lines_alone(tmp_path: Path) -> None:
    """They are what a crash leaves behind; a file that is full of them is of another encoding."""
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "a"}\n{"text": "b\0"}\n{"text": "c\\u0000"}\n\0\0\0\0')
    (tmp_path / "b.jsonl").write_bytes('{"text": "a"}\n'.encode("utf-16-le"))

    rows = rows_of(tmp_path / "a.jsonl", ["text"])

    assert [row["text"] for row in rows] == ["a", None, "c\0", None]
    assert [*told(rows)] == [1, 3]
    found = described(tmp_path / "b.jsonl", ["text"])[1]
    assert isinstance(found, Failure)
    assert "it is UTF-16, or no text, and only UTF-8 is read" in found.detail


def test_a_header_in_another_encoding_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("naïve,text\n1,a\n".encode("latin-1"))

    found = described(tmp_path / "a.csv", ["text"])[1]

    assert isinstance(found, Failure)
    assert found.detail.startswith("its header is not UTF-8 (byte 2): convert it, as with `iconv -f LATIN1")


def test_damaged_lines_of_json_move_no_other_row(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    lines = [
        b'{"text": "a", "n": 1}',
        b"",
        b"no json",
        b'{"text": "b"} null',
        b'{"text": "\xff"}',
        b'{"text": "\\ud800"}',
    ]
    file.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join([*lines, b'{"n": 3, "text": "2020-01-01"}']))

    rows = rows_of(file, ["text", "n"])

    assert [(row[ROW_COLUMN], row["text"]) for row in rows] == [
        (0, "a"), (1, None), (2, None), (3, None), (4, None), (5, "2020-01-01")
    ]  # fmt: skip
    assert [(row, why.split(":")[0], why.split(":")[1]) for row, why in told(rows).items()] == [
        (1, "damaged_line", " line 3"),
        (2, "damaged_line", " line 4"),
        (3, "invalid_utf8", " line 5"),
        (4, "invalid_utf8", " line 6"),
    ]


def test_damaged_records_of_csv_move_no_other_row(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b'text;n\r\n"a;""b\r\nc";007\r\n\r\ntoo;many;cells\r\nfew\r\nNA;\r\n"";1e5\r\n\xe9;x')

    rows = rows_of(file, ["text", "n"])

    assert [(row["text"], row["n"]) for row in rows] == [
        ('a;"b\r\nc', "007"), (None, None), (None, None), ("NA", None), ("", "1e5"), (None, None)
    ]  # fmt: skip
    assert told(rows) == {
        1: "damaged_line: line 5: 3 cells, and the header names 2",
        2: "damaged_line: line 6: 1 cell, and the header names 2",
        5: "invalid_utf8: line 9: byte 0 of 3: invalid continuation byte",
    }


def test_values_of_several_kinds_are_kept_as_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    lines = [
        '{"text": "a", "v": 1, "o": {"b": 1.0}}',
        '{"text": "b", "v": "1", "o": [1, {}]}',
        '{"text": "c", "v": 1.50}',
    ]
    file.write_text("\n".join(lines))

    assert [(row["v"], row["o"]) for row in rows_of(file, ["text", "v", "o"])] == [
        ("1", '{"b": 1.0}'), ("1", "[1, {}]"), ("1.50", None)
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_file_in_many_stretches_has_the_rows_of_the_whole(tmp_path: Path, kind: str) -> None:
    rows = [{"text": f"text {row}\n" * (row % 50), "n": str(row)} for row in range(5000)]
    file = tmp_path / f"a.{kind}"
    with file.open("w", newline="") as out:
        if kind == "csv":
            writer = csv.DictWriter(out, ["text", "n"], quoting=csv.QUOTE_ALL)
            writer.writeheader()
            writer.writerows(rows)
        else:
            out.writelines(json.dumps(row) + "\n" for row in rows)

    found = described(file, ["text", "n"])[1]

    assert isinstance(found, Description)
    assert len(found.stretches) > 10
    assert [(row["text"], row["n"]) for row in rows_of(file, ["text", "n"])] == [(r["text"], r["n"]) for r in rows]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_other_bytes_of_the_same_length_are_noticed(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    packed = gzip.compress if name.endswith("gz") else bytes
    file.write_bytes(packed(b'{"text": "good"}\n'))
    corpus, found = described(file, ["text"])
    assert isinstance(found, Description)
    (unit,) = plan_units([found])

    file.write_bytes(packed(b'{"text": "evil"}\n'))

    with pytest.raises(FileError) as raised:
        list(read_unit(unit, corpus.roots, ["text"]))
    assert raised.value.reason == FileReason.CHANGED


def test_packed_data_that_is_cut_short_or_goes_on_is_refused_and_several_members_are_whole(tmp_path: Path) -> None:
    member = gzip.compress(b'{"text": "good"}\n')
    reasons = []
    for data in (member[:-3], member + b"garbage", member + member):
        (tmp_path / "a.jsonl.gz").write_bytes(data)
        found = described(tmp_path / "a.jsonl.gz", ["text"])[1]
        reasons.append(found.reason if isinstance(found, Failure) else found.rows)

    assert reasons == [FileReason.DAMAGED_DATA, FileReason.DAMAGED_DATA, 2]


def test_a_header_that_comes_again_is_no_row(tmp_path: Path) -> None:
    """Files of CSV that were put together have one each; in a file of one column it may be a text."""
    (tmp_path / "a.csv").write_text('text,n\nbab,1\ntext,n\ndab,2\n"text","n"\n')
    (tmp_path / "b.csv").write_text("text\nbab\ntext\n")

    rows = rows_of(tmp_path / "a.csv", ["text", "n"])

    again = "damaged_line: line {}: the header once more, as where several files were put together"
    assert told(rows) == {1: again.format(3), 3: again.format(5)}
    assert [(row["text"], row["n"]) for row in rows] == [("bab", "1"), (None, None), ("dab", "2"), (None, None)]
    assert [row["text"] for row in rows_of(tmp_path / "b.csv", ["text"])] == ["bab", "text"]


@pytest.mark.parametrize("text", ['{"text": "a"}\r{"text": "b"}\r', '{"text": "a"}\r{"text": "b"}'])
def test_json_lines_that_end_in_carriage_returns_alone_are_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.jsonl").write_text(text, newline="")

    found = described(tmp_path / "a.jsonl", ["text"])[1]

    assert isinstance(found, Failure)
    assert found.detail.startswith("its lines end in carriage returns alone: write it anew")


def test_a_value_may_be_nested_as_deep_as_one_likes_whoever_reads_the_line(tmp_path: Path) -> None:
    deep = "[" * 5000 + "]" * 5000
    lines = [f'{{"text": "a", "n": 1, "z": {deep}}}', f'{{"text": "b", "n": {{"k": {deep}}}}}', '{"text": "c", "n": 2}']
    files = [tmp_path / "plain.jsonl", tmp_path / "damaged.jsonl"]
    files[0].write_text("\n".join([*lines[::2], *lines[::2]]))
    files[1].write_text("\n".join([*lines, "{cut"]))

    plain, damaged = (rows_of(file, ["text", "n"]) for file in files)

    assert [(row["text"], row["n"]) for row in plain] == [("a", "1"), ("c", "2")] * 2
    assert [(row["text"], row["n"]) for row in damaged[:3]] == [("a", "1"), ("b", f'{{"k": {deep}}}'), ("c", "2")]
    assert [*told(damaged)] == [3]


WRITTEN = {
    "whole numbers": ["0", "-0", "1", "-7", "9007199254740993", "null"],
    "fractions": ["0.5", "1e3", "-1E-3", "1.0", "2.5", "NaN", "Infinity", "-Infinity", "Inf", "-Inf", "null"],
    "texts": [
        '"a"',
        '"\\u00e9"',
        '"2024-01-31"',
        '"2024-01-31T10:00:00Z"',
        '"12"',
        '"Inf]"',
        '""',
        '"\\ud800"',
        "null",
    ],
    "lists": ["[1, 2]", "[]", "[3]", "null"],
    "truths": ["true", "false", "null"],
    "anything": ["1", "1.5", '"a"', "true", "[1]", '{"a": 1}', "9223372036854775808", "1e400", "01", "null"],
}
"""Values as somebody may write them in JSON, and some that only some readers take."""


@st.composite
def written_rows(draw: st.DrawFn) -> list[str]:
    """Lines of three columns that are read and one that is not, each of values of one kind; some lines lack some."""
    pools = [WRITTEN[draw(st.sampled_from(sorted(WRITTEN)))] for _ in "abcd"]
    lines = []
    for _ in range(draw(st.integers(2, 12))):
        cells = [f'"{name}": {draw(st.sampled_from(pool))}' for name, pool in zip("abcd", pools, strict=True)]
        lines.append("{" + ", ".join(cell for cell in cells if draw(st.integers(0, 5))) + "}")
    return lines


@example(lines=['{"a": 1, "d": Inf}', '{"a": 2}'], place=1)  # no JSON, but Arrow takes it where it is not read
@given(lines=written_rows(), place=st.integers(0, 12))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_row_of_json_is_the_same_whether_arrow_reads_its_chunk_or_its_lines_are_read_one_by_one(
    tmp_path: Path, lines: list[str], place: int
) -> None:
    """A damaged line makes the reader go through its chunk line by line: it changes no other row."""
    place, first = min(place, len(lines)), '{"a": null, "b": null, "c": null}'
    plain, damaged = tmp_path / "plain.jsonl", tmp_path / "damaged.jsonl"
    plain.write_text("\n".join([first, *lines]))
    damaged.write_text("\n".join([first, *lines[:place], '{"a": cut', *lines[place:]]))

    expected, found = (rows_of(file, ["a", "b", "c"]) for file in (plain, damaged))

    assert told(found).pop(place + 1).startswith("damaged_line")
    del found[place + 1]
    for ours, theirs in zip(found, expected, strict=True):
        assert {name: repr(ours[name]) for name in "abc"} == {name: repr(theirs[name]) for name in "abc"}
        assert (ours.get(DAMAGE_COLUMN) is None) == (theirs.get(DAMAGE_COLUMN) is None)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.jsonl.gz", "\n\n", FileReason.NO_ROWS),
        ("a.csv.gz", 'text\n"bab\n', FileReason.DAMAGED_DATA),
    ],
)
def test_packed_files_of_which_all_has_been_read_are_refused_by_reason(
    tmp_path: Path, name: str, text: str, reason: FileReason
) -> None:
    (tmp_path / name).write_bytes(gzip.compress(text.encode()))

    found = described(tmp_path / name, ["text"])[1]

    assert isinstance(found, Failure)
    assert found.reason == reason


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: pa.compress(data, "zstd", asbytes=True)])
def test_packed_lines_that_hardly_get_smaller_are_read(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """The look at a file's start ends inside of what it unpacks."""
    source = random.Random(0)
    texts = ["".join(map(chr, source.choices(range(0x4E00, 0x9F00), k=1000))) for _ in range(150)]
    lines = "".join(f'{{"text": "{text}"}}\n' for text in texts)
    (tmp_path / "a.jsonl.gz").write_bytes(pack(lines.encode()))

    assert [row["text"] for row in rows_of(tmp_path / "a.jsonl.gz", ["text"])] == texts


def test_stretches_of_a_unit_are_read_as_one_piece_and_each_is_seen_to_be_unchanged(tmp_path: Path) -> None:
    """Small stretches make no small blocks; a byte that was changed in any of them is noticed at its end."""
    file = tmp_path / "a.jsonl"
    lines = [json.dumps({"text": f"text {row:05} " + "x" * 200}) + "\n" for row in range(2000)]
    lines.insert(700, "\n" * 150_000)  # more than a stretch of nothing but blank lines
    file.write_text("".join(lines))
    corpus, found = described(file, ["text"])
    assert isinstance(found, Description)

    (unit,) = plan_units([found])
    batches = list(read_unit(unit, corpus.roots, ["text"]))

    assert [stretch.rows for stretch in found.stretches].count(0) >= 1
    assert len(unit.pieces) < len(found.stretches) - 2
    assert [row["text"][:10] for batch in batches for row in batch.to_pylist()] == [f"text {n:05}" for n in range(2000)]
    for place in (100, file.stat().st_size // 2 + 80_000, file.stat().st_size - 20):
        data = bytearray(file.read_bytes())
        data[place] ^= 1
        (tmp_path / "b.jsonl").write_bytes(data)
        (piece, *others) = (replace(piece, file="b.jsonl") for piece in unit.pieces)
        with pytest.raises(FileError) as raised:
            list(read_unit(Unit((piece, *others)), corpus.roots, ["text"]))
        assert raised.value.reason == FileReason.CHANGED
