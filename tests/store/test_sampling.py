from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.errors import FileError
from w2vray.schema import FileReason
from w2vray.store.corpus_texts import CorpusTexts, corpus_texts
from w2vray.store.filters import parse_where
from w2vray.store.reading import read_unit
from w2vray.store.sampling import sample_texts
from w2vray.store.units import Unit


def store_of(folder: Path, files: int, rows: int) -> CorpusTexts:
    """Texts that say where they are, a unit for each file."""
    for file in range(files):
        texts = [f"{file}-{row:03}" for row in range(rows)]
        pq.write_table(pa.table({"text": texts}), folder / f"{file:02}.parquet")
    store = corpus_texts((str(folder),), ("text",))
    store.units = [Unit((piece,)) for unit in store.units for piece in unit.pieces]
    assert len(store.units) == files
    return store


def sampled(store: CorpusTexts, most_bytes: int = 1 << 19, where: str | None = None) -> list[str]:
    """The texts of a sample."""
    condition = parse_where(where).fitted(pa.schema([("text", pa.string())])) if where else None
    arrays = sample_texts(store.units, store.roots, ("text",), condition, most_bytes=most_bytes)
    return [text for array in arrays for text in array.to_pylist()]


def test_a_small_store_is_its_own_sample(tmp_path: Path) -> None:
    """All of its texts, in order; only those for which a condition holds."""
    store = store_of(tmp_path, 2, 3)
    assert sampled(store) == ["0-000", "0-001", "0-002", "1-000", "1-001", "1-002"]
    assert sampled(store, where="text == '1-001'") == ["1-001"]
    store.units = []
    assert sampled(store) == []


def test_a_sample_is_of_the_first_the_last_and_of_those_between(tmp_path: Path) -> None:
    """Of sixteen units, the beginning of each."""
    found = sampled(store_of(tmp_path, 31, 100), most_bytes=16 * 20)
    assert {text.split("-")[0] for text in found} == {str(file) for file in range(0, 31, 2)}
    assert [text for text in found if text.startswith("30-")] == [f"30-{row:03}" for row in range(4)]


def test_more_rows_are_read_where_the_first_ones_are_short(tmp_path: Path) -> None:
    (store := store_of(tmp_path, 1, 999)).units *= 2
    assert sampled(store) == 2 * [f"0-{row:03}" for row in range(999)]


def test_a_small_unit_is_read_once_and_what_comes_before_damage_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, read = store_of(tmp_path, 1, 4), list[int]()

    def damaged(unit: Unit, *arguments: Any) -> Iterator[pa.RecordBatch]:
        read.append(unit.rows)
        yield next(iter(read_unit(unit, *arguments))).slice(0, 2)
        raise FileError("the rest is damaged", file="00.parquet", reason=FileReason.DAMAGED_DATA)

    monkeypatch.setattr("w2vray.store.sampling.read_unit", damaged)
    assert sampled(store) == ["0-000", "0-001"]
    assert read == [4]
    store = store_of(tmp_path, 1, 600)
    assert sampled(store) == ["0-000", "0-001"]
    assert read == [4, 512, 600]


def test_long_texts_are_cut_and_a_file_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    """One text is not the whole sample; whoever reads all of the store tells of the file."""
    store = store_of(tmp_path, 2, 2)
    pq.write_table(pa.table({"text": ["\u00e9" * 20_000, "b"]}), tmp_path / "99.parquet")
    store.units += [
        Unit((piece,))
        for unit in corpus_texts((str(tmp_path / "99.parquet"),), ("text",)).units
        for piece in unit.pieces
    ]
    store.roots = (store.roots[0],)
    (tmp_path / "00.parquet").unlink()
    assert sampled(store) == ["1-000", "1-001", "\u00e9" * 10_000, "b"]
