"""Labelled units to example files, in this process: what is written, and what is not written twice."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from w2vray.cluster.examples import ExampleReader, ReadingJob, read_examples
from w2vray.errors import CorpusError
from w2vray.models.batches import pad
from w2vray.models.classifier import shared_table
from w2vray.models.word_vectors import WordVectors
from w2vray.store.labelled import labelled_units
from w2vray.store.units import Unit
from w2vray.text.lookup import Lookup
from w2vray.training.example_files import ExampleCounts, ExampleFile
from w2vray.training.examples import Examples, Numbering
from w2vray.vectors import Vectors
from w2vray.vectors.ngrams import NGrams

Read = Callable[..., tuple[list[Path], ExampleCounts, str]]


@pytest.fixture
def units_read() -> list[str]:
    """The units that were read, in order."""
    return []


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, word_vectors: Vectors, tmp_path: Path, units_read: list[str]) -> Read:
    """Make the example files of a store, in this process."""

    def run_units(
        units: Sequence[Unit], worker: Any, arguments: Any, *, workers: int | None, note: Any
    ) -> Iterator[Any]:
        assert workers is None
        del note  # there is nothing to wait for
        for unit in units:
            units_read.append(unit.id)
            yield worker(**arguments)(unit)

    monkeypatch.setattr("w2vray.cluster.examples.run_units", run_units)

    def read_store(
        store: Path, vectors: Vectors = word_vectors, /, **changes: Any
    ) -> tuple[list[Path], ExampleCounts, str]:
        labelled = labelled_units([str(store)], ("text",), "label", changes.get("where"))
        job: dict[str, Any] = {
            "roots": labelled.corpus.roots,
            "text_columns": ("text",),
            "label_column": "label",
            "where": None,
            "schema": labelled.schema,
            "multi_label": labelled.multi_label,
            "rules": word_vectors.rules,
            "oov": "skip",
            "validation_share": 0.25,
            "seed": 0,
        }
        shared: Any = SimpleNamespace(get=lambda: vectors, fingerprint=vectors.fingerprint)
        return read_examples(labelled, ReadingJob(**(job | changes)), shared, tmp_path / "place")

    return read_store


def write_store(path: Path, **changes: Any) -> Path:
    """Eight rows, of which the second has no label, the third no known word and the fourth no text."""
    columns: dict[str, Any] = {
        "text": ["bab dab", "bab", "zzz", None, "dab dab bab", "gag", "bab gag", "dab"],
        "label": ["x", None, "x", "y", "y", "x", "y", "y"],
    }
    pq.write_table(pa.table(columns | changes), path)
    return path


def rows_of(files: Sequence[Path], kind: int, labels: Sequence[str], *, multi_label: bool = False) -> list[Any]:
    """Ids and labels of each row to learn from (0) or for validation (1)."""
    parts = tuple(ExampleFile(path).parts(labels, multi_label=multi_label)[kind] for path in files)
    examples = Examples(parts, len(labels), multi_label)
    rows = np.arange(len(examples))
    found = examples.ids(rows)
    ids = [of_row.tolist() for of_row in np.split(found.ids_L, found.offsets_B1[1:-1])] if len(rows) else []
    return list(zip(ids, examples.labels(rows).tolist(), strict=True))


def test_rows_that_can_be_learnt_from_are_written_and_the_others_counted(
    read: Read, word_vectors: Vectors, tmp_path: Path
) -> None:
    """In order, each row as one kind or the other."""
    files, counts, _ = read(write_store(tmp_path / "a.parquet"), validation_share=0.0)

    lookup = Lookup(word_vectors.vocabulary, word_vectors.rules, "skip")
    texts = ["bab dab", "dab dab bab", "gag", "bab gag", "dab"]
    expected = [(lookup([text]).ids_L.tolist(), label) for text, label in zip(texts, [0, 1, 0, 1, 1], strict=True)]
    assert rows_of(files, 0, ["x", "y"]) == expected
    assert rows_of(files, 1, ["x", "y"]) == []
    assert counts == ExampleCounts({"x": 2, "y": 3}, {}, 5, 0, 1, 2, tokens=11, tokens_found=10)


def test_a_row_of_words_too_short_for_ngrams_is_without_evidence(
    read: Read, word_vectors: Vectors, tmp_path: Path
) -> None:
    """With sub-words; in a row with others such a word is skipped, as it is when the model scores."""
    texts = ["bab dab", "zz", "zzzz", "zz bab", "zz zz"]
    pq.write_table(pa.table({"text": texts, "label": list("xyxyx")}), tmp_path / "store.parquet")
    ngrams = NGrams(np.ones((3, word_vectors.dim), dtype=np.float32), 6, 6)
    files, counts, _ = read(
        tmp_path / "store.parquet", replace(word_vectors, ngrams=ngrams), oov="subword", validation_share=0
    )
    assert (counts.train, counts.without_evidence) == (3, 2)
    lookup = Lookup(word_vectors.vocabulary, word_vectors.rules, "skip")
    bab_dab, bab = (list(lookup([text]).ids_L) for text in ("bab dab", "bab"))
    assert [ids for ids, _ in rows_of(files, 0, ["x", "y"])] == [bab_dab, [len(word_vectors)], bab]


def test_a_share_is_kept_for_validation_by_where_a_row_is(read: Read, make_store: Any) -> None:
    """Nothing is lost, another seed keeps other rows, and what else is read does not matter."""
    store = make_store(files=2, rows=200)
    files, counts, _ = read(store)
    labels = ["high", "low", "mid"]

    assert counts.train + counts.validation == 400
    assert 60 < counts.validation < 140
    assert sum(counts.labels.values()) == counts.train
    kept = rows_of(files, 1, labels)
    assert len(kept) == counts.validation
    assert rows_of(read(store)[0], 1, labels) == kept
    assert rows_of(read(store, seed=1)[0], 1, labels) != kept


def test_lists_of_labels_are_written_as_they_are(read: Read, tmp_path: Path) -> None:
    """An empty list is an example, a missing one is none."""
    lists = [["b", "a"], ["a"], ["a"], ["a"], [], None, ["b", None], ["c"]]
    files, counts, _ = read(write_store(tmp_path / "a.parquet", label=lists), validation_share=0.0)

    found = rows_of(files, 0, ["a", "b", "c"], multi_label=True)

    assert [labels for _, labels in found] == [[1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert counts == ExampleCounts({"a": 2, "b": 2, "c": 1}, {}, 5, 0, 1, 2, tokens=11, tokens_found=10)


def test_rows_for_which_a_condition_does_not_hold_are_not_there(read: Read, tmp_path: Path) -> None:
    """Neither written nor counted; other conditions make files of their own."""
    store = write_store(tmp_path / "a.parquet", year=[1, 2, 3, 4, 5, 6, None, 8])
    files, counts, _ = read(store, validation_share=0.0, where="year >= 3 and label == 'y'")
    assert counts == ExampleCounts({"y": 2}, {}, 2, 0, 0, 1, tokens=4, tokens_found=4)
    assert len(rows_of(files, 0, ["x", "y"])) == 2
    others, _, _ = read(store, validation_share=0.0, where="year >= 4 and label == 'y'")
    assert not set(others) & set(files)


def test_what_is_there_is_not_read_again(read: Read, units_read: list[str], tmp_path: Path) -> None:
    """Only units whose file is missing; other options make files of their own."""
    store = write_store(tmp_path / "a.parquet")
    files, counts, _ = read(store)
    assert read(store)[:2] == (files, counts)
    assert len(units_read) == 1

    files[0].unlink()
    assert read(store)[:2] == (files, counts)
    assert len(units_read) == 2
    others, _, _ = read(store, oov="zero")
    assert not set(others) & set(files)
    assert len(units_read) == 3


def test_a_folder_that_the_workers_do_not_share_is_told_of(
    read: Read, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("w2vray.training.example_files.ExampleFile.write", lambda *_, **__: None)
    with pytest.raises(
        CorpusError, match="is missing, though a worker wrote it: --output has to be in a folder that all"
    ):
        read(write_store(tmp_path / "a.parquet"))


def test_words_without_a_row_have_the_rows_that_scoring_makes_for_them(
    word_vectors: Vectors, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With ``--oov subword``, though the look-up numbers them anew in each block."""
    ngrams = NGrams(np.random.default_rng(0).normal(size=(50, word_vectors.dim)).astype(np.float32), 2, 3)
    vectors = replace(word_vectors, ngrams=ngrams)
    texts = ["bab qqx qqy", "qqy", "qqz bab qqx", "bab", "qqz qqz"]
    pq.write_table(pa.table({"text": texts, "label": ["x", "y", "x", "y", "x"]}), tmp_path / "a.parquet")
    labelled = labelled_units([str(tmp_path / "a.parquet")], ("text",), "label")
    job = ReadingJob(
        roots=labelled.corpus.roots,
        text_columns=("text",),
        label_column="label",
        where=None,
        schema=labelled.schema,
        multi_label=False,
        rules=vectors.rules,
        oov="subword",
        validation_share=0.0,
        seed=0,
    )
    here: Any = SimpleNamespace(get=lambda: vectors)
    monkeypatch.setattr(
        "w2vray.cluster.examples.blocks", lambda texts: (texts.slice(row, 1) for row in range(len(texts)))
    )

    ExampleReader(here, job, str(tmp_path))(labelled.units[0])

    part, _ = ExampleFile(tmp_path / f"{labelled.units[0].id}.arrow").parts(["x", "y"], multi_label=False)
    nothing = np.empty(0, dtype=np.int64)
    examples = Examples((part,), 2, numbering=Numbering(len(vectors), 0, nothing))
    words = WordVectors(shared_table(vectors.table_VD), torch.zeros(0, vectors.dim), trainable=False)
    looked_up = Lookup(vectors.vocabulary, vectors.rules, "subword")(texts)
    made_MD = torch.from_numpy(ngrams.rows(looked_up.made_words))
    expected = words(pad(looked_up.ids_L, looked_up.offsets_N1, np.arange(5), made_MD))
    assert torch.equal(words(examples.ids(np.arange(5)).padded()), expected)


def test_the_hash_of_a_store_is_that_of_its_texts_and_labels(read: Read, tmp_path: Path) -> None:
    """Not of where and when it was written, nor of how it is looked up or parted; other rows have another."""
    store = write_store(tmp_path / "a.parquet")
    _, _, expected = read(store)
    (tmp_path / "other").mkdir()
    pq.write_table(pq.read_table(store), tmp_path / "other" / "a.parquet", compression="none", use_dictionary=False)
    assert read(tmp_path / "other" / "a.parquet")[2] == expected
    (tmp_path / "other" / "a.parquet").rename(tmp_path / "other" / "b.parquet")
    assert read(tmp_path / "other" / "b.parquet")[2] != expected  # what is kept for validation goes by the name
    assert read(store, oov="zero", validation_share=0.5, seed=3)[2] == expected
    table = pq.read_table(store)
    for name in ("text", "label"):
        turned = pa.array(table[name].to_pylist()[::-1], table[name].type)
        other = tmp_path / name / "a.parquet"
        other.parent.mkdir()
        pq.write_table(table.set_column(table.schema.get_field_index(name), name, turned), other)
        assert read(other)[2] != expected


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pa.array(["x", "y"]), pa.array(["x", "y"], pa.large_string())),
        (pa.array([1, 2], pa.int32()), pa.array([1, 2], pa.int64())),
        (pa.array([["x"], ["y"]]), pa.array([[], []], pa.list_(pa.null()))),
    ],
    ids=str,
)
def test_labels_may_be_of_another_type_in_each_file(
    first: pa.Array, second: pa.Array, read: Read, tmp_path: Path
) -> None:
    """They are read as strings; an empty list has none."""
    (tmp_path / "store").mkdir()
    for name, labels in (("a", first), ("b", second)):
        pq.write_table(pa.table({"text": ["bab", "dab"], "label": labels}), tmp_path / "store" / f"{name}.parquet")
    _, counts, _ = read(tmp_path / "store", validation_share=0.0)
    assert counts.train == 4
    assert len(counts.labels) == 2


def test_a_file_of_lists_among_files_of_labels_is_named(tmp_path: Path) -> None:
    for name, labels in (("a", ["x"]), ("b", [["x"]])):
        pq.write_table(pa.table({"text": ["bab"], "label": labels}), tmp_path / f"{name}.parquet")
    with pytest.raises(
        CorpusError, match=r"b\.parquet: column 'label' is list<.*>; the other files have one label a row"
    ):
        labelled_units([str(tmp_path)], ("text",), "label")
