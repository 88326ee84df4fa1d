"""The verbs of vectors on the command line."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.fixtures.commands import Run


def test_coverage_can_be_measured_with_other_rules(run: Run, tiny: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a GOOD film's film"]}), tmp_path / "a.parquet")
    asked = ("vectors", "info", str(tiny), "--corpus", "a.parquet", "--family", "googlenews", "--json")
    value = json.loads(run(*asked).out)
    assert (value["family"], value["measured_with"]) == ("plain", "googlenews")
    assert value["found_by"] == {"exact": 1, "case": 1, "possessive": 1}


def test_coverage_counts_tokens_and_names_missing_words(run: Run, tiny: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a good film", "a film", None]}), tmp_path / "a.parquet")
    value = json.loads(run("vectors", "info", str(tiny), "--corpus", "a.parquet", "--json").out)
    assert (value["tokens"], value["found"], value["missing"]) == (5, 3, {"a": 2})
    assert (value["found_by"], value["measured_with"]) == ({"exact": 3}, "plain")
    text = run("vectors", "info", str(tiny), "--corpus", "a.parquet").out
    assert "3 of 5 tokens have a vector (60.00%), read as plain" in text


def test_families_are_compared_on_a_corpus_and_one_is_recommended(run: Run, tmp_path: Path) -> None:
    (tmp_path / "crawl.vec").write_text("5 2\n, 1 2\n. 3 4\ngood 5 6\nFilm 7 8\nfilm 0 0\n")
    pq.write_table(pa.table({"text": ["good, good.", "film."]}), tmp_path / "a.parquet")
    run("vectors", "import", "crawl.vec", "--output", "fitting")
    run("vectors", "import", "crawl.vec", "--family", "fasttext", "--output", "other")
    value = json.loads(run("vectors", "info", "other", "--corpus", "a.parquet", "--json").out)
    assert (value["family"], value["coverage"], value["recommended"]) == ("fasttext", 0.0, "cased")
    shares = {one["family"]: (one["found"], one["tokens"]) for one in value["families"]}
    assert shares["cased"] == (6, 6)
    assert shares["plain"] == (3, 3)
    assert shares["fasttext"] == (0, 3)
    text = run("vectors", "info", "other", "--corpus", "a.parquet").out
    command = "`w2vray vectors import crawl.vec --output NEW --family cased`"
    assert f"recommended: cased; import the vectors anew with {command}" in text
    text = run("vectors", "info", "fitting", "--corpus", "a.parquet").out
    assert "recommended: cased, as the vectors are read now" in text


def test_vectors_are_trained_on_a_store_and_repeatable_with_one_thread(run: Run, tmp_path: Path) -> None:
    texts = [f"the {animal} eats {food} today" for animal in ("cat", "dog", "cow") for food in ("fish", "meat")] * 20
    pq.write_table(pa.table({"text": [*texts, None]}), tmp_path / "a.parquet")
    options = "--dim 8 --epochs 2 --min-count 2 --threads 1 --seed 5"
    first = run("vectors", "train", "a.parquet", "--output", "one", *options.split(), "--json")
    second = run("vectors", "train", "a.parquet", "--output", "two", *options.split(), "--json")
    one, two = json.loads(first.out), json.loads(second.out)
    assert one["words"] == 8
    assert one["fingerprint"] == two["fingerprint"]
    assert "1 row without a readable text left out" in first.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "one", "two"]


def test_fasttext_vectors_keep_their_ngrams(run: Run, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["the cat eats fish"] * 20}), tmp_path / "a.parquet")
    options = "--algorithm fasttext --dim 4 --epochs 1 --buckets 60 --shortest 2 --longest 3 --threads 1"
    value = json.loads(run("vectors", "train", "a.parquet", "--output", "v", *options.split(), "--json").out)
    assert (value["words"], value["ngrams"], value["source"]["algorithm"]) == (4, 60, "fasttext")
    assert "60 buckets of n-grams, 2 to 3 characters long" in run("vectors", "info", "v").out


def test_vectors_are_joined(run: Run, tiny: Path) -> None:
    value = json.loads(run("vectors", "join", str(tiny), str(tiny), "--output", "twice", "--json").out)
    assert (value["words"], value["dim"], value["family"], value["dtype"]) == (3, 4, "plain", "float32")


def test_ngrams_that_a_join_leaves_out_are_told(run: Run, tiny: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["the cat eats fish"] * 20}), tmp_path / "a.parquet")
    options = "--algorithm fasttext --dim 4 --epochs 1 --buckets 60 --threads 1"
    assert run("vectors", "train", "a.parquet", "--output", "v", *options.split()).code == 0
    told = run("vectors", "join", "v", str(tiny), "--output", "some", "--json")
    note = "the n-grams of v were left out: joined vectors have none for --oov subword\n"
    assert told.err.endswith(note.replace(" v ", f" {tmp_path / 'v'} "))
    assert json.loads(told.out)["ngrams"] is None
    assert "n-grams" not in run("vectors", "join", str(tiny), str(tiny), "--output", "none").err
    assert "N-grams are left out" in run("vectors", "join", "--help").out


def test_vectors_of_a_corpus_without_frequent_words_are_refused(run: Run, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["each word once"]}), tmp_path / "a.parquet")
    result = run("vectors", "train", "a.parquet", "--output", "v")
    assert result.code == 2
    assert "no word occurs 5 times in the texts; lower --min-count" in result.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet"]
