"""``jobs/accuracy/``: how a set is cut, what the table says, and that what is done is not done again."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from w2vray.cluster import choosing
from w2vray.errors import ConfigError, CorpusError
from w2vray.models.average.settings import AverageSettings
from w2vray.models.cnn.settings import CnnSettings
from w2vray.models.ladder import Candidate
from w2vray.text.rules import family
from w2vray.training.fit import Task, fit
from w2vray.vectors import Vectors, VectorsWriter
from w2vray.vectors.readers import Block

sys.path.insert(0, str(Path(__file__).parents[2] / "jobs" / "accuracy"))
import cells
import classifiers
import counterparts
import labelled_sets
import make_table
import plain_networks
import word_vectors

GOOD, BAD = ("fine", "lovely"), ("awful", "dull")


def write_set(path: Path, splits: Sequence[str]) -> Path:
    """Write a set that any classifier learns: each label has words of its own."""
    columns = {
        "split": list(splits),
        "label": [("yes", "no")[row % 2] for row in range(len(splits))],
        "text": [f"text {row} {(GOOD, BAD)[row % 2][row // 2 % 2]}" for row in range(len(splits))],
    }
    pq.write_table(pa.table(columns), path)
    return path


@pytest.fixture
def vectors(tmp_path: Path) -> Vectors:
    """Four words whose first number tells the label."""
    rows = np.array([[1, 0.1], [0.9, -0.2], [-1, 0.2], [-0.8, 0]], dtype=np.float32)
    with VectorsWriter(tmp_path / "out" / "vectors" / "glove50") as writer:
        writer.append(Block([*GOOD, *BAD], rows), origin="made up")
        return writer.finish(family("plain"), {})


def places(tmp_path: Path) -> cells.Places:
    """The folders of a table."""
    (tmp_path / "out").mkdir(exist_ok=True)
    return cells.Places(tmp_path, tmp_path / "out", None)


def wanted(*models: str, seeds: int = 2, rows_a_label: int | None = None) -> cells.Wanted:
    """A table of one set."""
    return cells.Wanted(["small"], ["glove50"], models, ["frozen"], seeds, rows_a_label)


@given(
    st.one_of(
        st.integers(2, 40).map(lambda rows: ["all"] * rows),
        st.lists(st.sampled_from(["train", "dev", "test"])).map(lambda more: ["train", "test", *more]),
    )
)
def test_each_row_is_in_exactly_one_part(splits: list[str]) -> None:
    """Parts are disjoint and complete, with a split and without."""
    parts = labelled_sets.split_rows(splits)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(splits)))


def test_every_tenth_row_is_the_test_where_there_is_no_split() -> None:
    """Counted from the first row."""
    parts = labelled_sets.split_rows(["all"] * 25)
    assert set(parts) == {"train", "test"}
    assert parts["test"].tolist() == [0, 10, 20]


@pytest.mark.parametrize("splits", [[], ["train"], ["all"], ["all", "test"], ["train", "test", "validation"]])
def test_a_split_that_cannot_be_used_is_refused_by_what_it_holds(splits: list[str]) -> None:
    """No part may be empty, unknown or a mixture of both kinds."""
    with pytest.raises(CorpusError, match="expected train, test and maybe dev, or only all"):
        labelled_sets.split_rows(splits)


def test_a_split_that_is_given_is_used_and_dev_is_kept_to_stop_by(tmp_path: Path) -> None:
    """In the set's order, whatever the seed."""
    labelled = labelled_sets.read_set(write_set(tmp_path / "s.parquet", ["test", "train", "dev", "train", "test"]))
    assert [text.split()[1] for text in labelled.train.texts] == ["1", "3"]
    assert [text.split()[1] for text in labelled.test.texts] == ["0", "4"]
    learnt, kept = labelled.learnt_and_kept(5)
    assert learnt == labelled.train
    assert kept == labelled.dev


def test_without_dev_each_seed_keeps_a_tenth_of_its_own(tmp_path: Path) -> None:
    """No row is in both parts, and none is lost; test rows are in neither."""
    labelled = labelled_sets.read_set(write_set(tmp_path / "s.parquet", ["all"] * 2000))
    learnt, kept = labelled.learnt_and_kept(0)
    assert kept is not None
    assert sorted(learnt.texts + kept.texts) == sorted(labelled.train.texts)
    assert 130 < len(kept) < 230
    assert labelled.learnt_and_kept(1)[1] != kept
    assert labelled.learnt_and_kept(0)[1] == kept


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), min_size=1),
    st.integers(1, 5),
    st.integers(0, 3),
)
def test_drawn_rows_are_so_many_of_each_label_and_hold_those_of_a_smaller_draw(
    rows: list[tuple[str, int]], rows_a_label: int, seed: int
) -> None:
    """All of a label that has fewer; in the set's order, each row once; the test rows stay."""
    train = labelled_sets.Rows([f"{number} {text}" for number, (_, text) in enumerate(rows)], [row[0] for row in rows])
    test = labelled_sets.Rows(["x"], ["a"])
    every = labelled_sets.LabelledSet(train, test, test, "f")
    drawn = every.drawn(rows_a_label, seed)
    assert Counter(drawn.train.labels) == {
        label: min(count, rows_a_label) for label, count in Counter(train.labels).items()
    }
    taken = [int(text.split()[0]) for text in drawn.train.texts]
    assert taken == sorted(set(taken))
    assert drawn.train == train.take(np.array(taken))
    assert (drawn.dev, drawn.test, drawn.fingerprint) == (None, test, "f")
    assert set(drawn.train.texts) <= set(every.drawn(rows_a_label + 1, seed).train.texts)


def test_each_seed_draws_other_rows_and_the_same_ones_again(tmp_path: Path) -> None:
    """Of 100 rows of each label."""
    labelled = labelled_sets.read_set(write_set(tmp_path / "s.parquet", ["train"] * 200 + ["test"]))
    assert labelled.drawn(10, 0) == labelled.drawn(10, 0)
    assert labelled.drawn(10, 0) != labelled.drawn(10, 1)


def test_of_few_rows_none_is_kept_to_stop_by(tmp_path: Path) -> None:
    """As ``w2vray train`` keeps none below 1,000 rows; a part ``dev`` stops the training however few there are."""
    few, enough = (write_set(tmp_path / str(rows), ["train"] * rows + ["test"]) for rows in (999, 1000))
    labelled = labelled_sets.read_set(few)
    assert labelled.few
    assert labelled.learnt_and_kept(0) == (labelled.train, None)
    assert not labelled_sets.read_set(enough).few
    assert not labelled_sets.read_set(write_set(tmp_path / "dev", ["train", "train", "dev", "test"])).few


def test_a_set_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message has the file's name."""
    with pytest.raises(CorpusError, match=r"absent\.parquet cannot be read"):
        labelled_sets.read_set(tmp_path / "absent.parquet")


def test_a_row_without_label_is_refused(tmp_path: Path) -> None:
    """It would be nobody's figure."""
    pq.write_table(pa.table({"split": ["train", "test"], "label": ["a", None], "text": ["x", "y"]}), tmp_path / "s")
    with pytest.raises(CorpusError, match="'label' has rows without a value"):
        labelled_sets.read_set(tmp_path / "s")


def test_the_settings_are_the_defaults_but_for_refit() -> None:
    """The average that goes to its optimum has no epochs to learn again."""
    assert classifiers.table_settings("cnn", tuned=False) == CnnSettings(refit=True)
    assert classifiers.table_settings("average", tuned=False) == AverageSettings()


@pytest.mark.parametrize("model", ["average", "sklearn", "tfidf"])
def test_what_is_easy_is_learnt(model: str, tmp_path: Path, vectors: Vectors) -> None:
    """Every test row of a set whose words tell the label, and nothing but the test rows counts."""
    write_set(tmp_path / "small.parquet", ["train"] * 40 + ["test"] * 9)
    assert len(vectors) == 4
    (cell,) = cells.cells_of(wanted(model), places(tmp_path))
    line = cells.compute(cell, places(tmp_path))
    assert (line["accuracy"], line["macro_f1"]) == (1.0, 1.0)


@pytest.mark.parametrize("few", [False, True])
def test_auto_is_the_best_of_those_that_are_tried(
    few: bool, tmp_path: Path, vectors: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is told of, with its accuracy on the test rows; the best one then learns from all rows."""
    monkeypatch.setattr(labelled_sets, "FEW_ROWS", 1000 if few else 2)
    quick = Candidate("cnn", options={"epochs": 30, "filters": 4, "learning_rate": 0.01})
    monkeypatch.setattr(choosing, "LADDER", (Candidate("average"), quick))
    write_set(tmp_path / "small.parquet", ["train"] * 200 + ["test"] * 9)
    assert len(vectors) == 4
    (cell,) = cells.cells_of(wanted("auto", seeds=1), places(tmp_path))
    line = cells.compute(cell, places(tmp_path))
    losses = {trial["model"]: trial["loss"] for trial in line["tried"]}
    assert list(losses) == ["average", "cnn"]
    assert losses[line["chosen"]] <= min(losses.values()) + choosing.LEAST_LOSS
    assert (line["words"], line["accuracy"]) == ("2-grams", 1.0)
    assert {trial["test_accuracy"] for trial in line["tried"]} == {1.0}


@pytest.mark.parametrize("model", plain_networks.PLAIN_NETWORKS)
def test_what_is_easy_is_learnt_by_plain_networks_too(model: str, tmp_path: Path, vectors: Vectors) -> None:
    """In ten epochs of forty steps."""
    write_set(tmp_path / "small.parquet", ["train"] * 2000 + ["test"] * 9)
    assert len(vectors) == 4
    (cell,) = cells.cells_of(wanted(model, seeds=1), places(tmp_path))
    line = cells.compute(cell, places(tmp_path))
    assert (line["accuracy"], line["macro_f1"], line["epochs"]) == (1.0, 1.0, 10)


@pytest.mark.parametrize("model", plain_networks.PLAIN_NETWORKS)
def test_the_seed_decides_what_a_plain_network_comes_to(
    model: str, tmp_path: Path, vectors: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On labels that words do not tell: the same again with the same seed, something else with another."""
    monkeypatch.setitem(plain_networks.PLAIN_NETWORKS[model], "learning_rate", 0.05)  # in 40 steps it goes somewhere
    rng = np.random.default_rng(0)
    columns = {
        "split": ["train"] * 200 + ["test"] * 500,
        "label": rng.choice(["yes", "no"], 700).tolist(),
        "text": [" ".join(words) for words in rng.choice([*GOOD, *BAD, "new"], (700, 6))],
    }
    pq.write_table(pa.table(columns), tmp_path / "s.parquet")
    labelled = labelled_sets.read_set(tmp_path / "s.parquet")
    first, again, other = (plain_networks.measure_plain_network(labelled, vectors, model, seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_a_plain_network_learns_from_no_row_that_is_kept_or_tested(tmp_path: Path, vectors: Vectors) -> None:
    """Whatever labels these have, it says the same of the test rows: all of them right, then none."""
    words = [GOOD[0], BAD[0]] * 500
    rows = {"split": ["train"] * 980 + ["dev"] * 10 + ["test"] * 10, "text": words}
    right, wrong = ["yes", "no"] * 500, ["yes", "no"] * 490 + ["no", "yes"] * 10
    for name, labels in {"right": right, "wrong": wrong}.items():
        pq.write_table(pa.table({**rows, "label": labels}), tmp_path / name)
    found = [
        plain_networks.measure_plain_network(labelled_sets.read_set(tmp_path / name), vectors, "plain-gru", 0)
        for name in ("right", "wrong")
    ]
    assert [outcome.accuracy for outcome in found] == [1.0, 0.0]


@pytest.mark.parametrize("model", ["plain-lstm", "plain-gru"])
def test_a_plain_recurrent_network_reads_the_padding(model: str, vectors: Vectors) -> None:
    """A short text's answer is another beside a long one; the long one's is not."""
    torch.manual_seed(0)
    short, long = plain_networks._texts(labelled_sets.Rows(["fine", "dull dull awful"], ["a", "b"]), vectors)
    network = plain_networks._network(model, vectors.dim, 2)
    alone = [network(plain_networks._padded([text], vectors)) for text in (short, long)]
    beside_BC = network(plain_networks._padded([short, long], vectors))
    assert (beside_BC[0] - alone[0][0]).abs().max() > 1e-3
    assert torch.allclose(beside_BC[1], alone[1][0], atol=1e-6)


@pytest.mark.parametrize("model", plain_networks.PLAIN_NETWORKS)
def test_plain_networks_answer_also_for_texts_without_a_known_word(model: str, vectors: Vectors) -> None:
    """They are a step of padding; scikit-learn has the mean zero for them."""
    (text,) = plain_networks._texts(labelled_sets.Rows(["unheard of"], ["a"]), vectors)
    padded_BTD = plain_networks._padded([text, text], vectors)
    assert padded_BTD.shape == (2, 1, 2)
    assert plain_networks._network(model, vectors.dim, 3)(padded_BTD).shape == (2, 3)


def test_a_label_that_was_never_learnt_counts_as_wrong(tmp_path: Path) -> None:
    """Two rows right of three."""
    columns = {"split": ["train", "train", "test", "test", "test"], "label": list("ababc"), "text": ["x"] * 5}
    pq.write_table(pa.table(columns), tmp_path / "s.parquet")
    labelled = labelled_sets.read_set(tmp_path / "s.parquet")
    assert classifiers.outcome(np.array([0, 1, 1]), labelled).accuracy == pytest.approx(2 / 3)


def test_rows_without_a_known_word_are_not_learnt_from(vectors: Vectors) -> None:
    """And the ids of the others stay theirs."""
    rows = labelled_sets.Rows(["fine", "unheard of", "dull awful", "fine"], ["yes", "no", "no", "maybe"])
    made = classifiers.examples(rows, vectors, ("no", "yes"))
    assert made.lengths(np.arange(len(made))).tolist() == [1, 2]
    assert made.labels(np.arange(2)).tolist() == [1, 0]


def test_means_are_those_of_the_known_words(vectors: Vectors) -> None:
    """A text without one has the mean zero."""
    means_ND = counterparts._means(labelled_sets.Rows(["fine lovely new", "new"], ["a", "b"]), vectors)
    assert np.abs(means_ND - [[0.95, -0.05], [0, 0]]).max() < 1e-6


def test_what_has_no_vectors_is_in_the_table_once() -> None:
    """And what knows no tuning is frozen only."""
    rows = cells.rows_of(
        cells.Wanted(["mr"], ["glove50", "joined"], ["cnn", "sklearn", "plain-cnn", "tfidf"], cells.WORDS, 3)
    )
    told = [(row.model, row.vectors, row.words) for row in rows]
    assert told == [
        ("cnn", "glove50", "frozen"),
        ("cnn", "glove50", "tuned"),
        ("cnn", "glove50", "frozen, 2-grams"),
        ("cnn", "glove50", "tuned, 2-grams"),
        ("cnn", "joined", "frozen"),
        ("cnn", "joined", "tuned"),
        ("cnn", "joined", "frozen, 2-grams"),
        ("cnn", "joined", "tuned, 2-grams"),
        ("sklearn", "glove50", "frozen"),
        ("sklearn", "joined", "frozen"),
        ("plain-cnn", "glove50", "frozen"),
        ("plain-cnn", "joined", "frozen"),
        ("tfidf", "-", "-"),
    ]


def test_what_is_not_random_is_computed_once_and_the_rest_for_each_seed(tmp_path: Path, vectors: Vectors) -> None:
    """The average is at its optimum whatever the seed."""
    write_set(tmp_path / "small.parquet", ["all"] * 30)
    assert vectors.dim == 2
    random = ("cnn", *plain_networks.PLAIN_NETWORKS, "fasttext")
    made = cells.cells_of(wanted("average", "sklearn", "tfidf", *random, seeds=3), places(tmp_path))
    assert [cell.row.model for cell in made] == ["average", "sklearn", "tfidf", *np.repeat(random, 3).tolist()]
    assert len({cell.key for cell in made}) == len(made)


def test_what_is_drawn_is_computed_for_each_seed_in_cells_of_its_own(tmp_path: Path, vectors: Vectors) -> None:
    """Also where nothing else is random; cells of other draws, or of all rows, are others."""
    write_set(tmp_path / "small.parquet", ["all"] * 30)
    assert vectors.dim == 2
    exact = ("average", "sklearn", "tfidf")
    made = [cells.cells_of(wanted(*exact, seeds=3, rows_a_label=rows), places(tmp_path)) for rows in (None, 2, 3)]
    assert [len(some) for some in made] == [3, 9, 9]
    assert len({cell.key for some in made for cell in some}) == 21


def test_a_cell_of_all_rows_is_known_as_it_was_before_rows_could_be_drawn() -> None:
    """The golden case: lines of older files stay of use."""
    row = cells.Row("mr", "-", "tfidf", "-")
    of_all = '{"depends": {"data": "d"}, "model": "tfidf", "seed": 1, "set": "mr", "vectors": "-", "words": "-"}'
    assert cells.Cell(row, 1, '{"data": "d"}').key == of_all
    assert cells.Cell(row, 1, '{"data": "d"}', 10).key == of_all.replace('"d"', '"d", "rows_a_label": 10')


@pytest.mark.parametrize("model", ["average", "sklearn", "tfidf"])
def test_what_is_drawn_is_all_that_is_learnt_from(model: str, tmp_path: Path, vectors: Vectors) -> None:
    """Two rows of each label, of which the texts are known; whatever the labels of the other rows, it says the same."""
    write_set(tmp_path / "small.parquet", ["train"] * 40 + ["test"] * 9)
    assert len(vectors) == 4
    drawn = labelled_sets.read_set(tmp_path / "small.parquet").drawn(2, 0)
    cell, _ = cells.cells_of(wanted(model, rows_a_label=2), places(tmp_path))
    columns = {
        "split": ["train"] * 4 + ["test"] * 9,
        "label": drawn.train.labels + drawn.test.labels,
        "text": drawn.train.texts + drawn.test.texts,
    }
    line = cells.compute(cell, places(tmp_path))
    pq.write_table(pa.table(columns), tmp_path / "small.parquet")
    alone = cells.compute(cells.cells_of(wanted(model), places(tmp_path))[0], places(tmp_path))
    assert (line["accuracy"], line["macro_f1"]) == (alone["accuracy"], alone["macro_f1"])
    assert line["depends"]["rows_a_label"] == 2


def test_a_network_learns_from_few_rows_by_folds(
    tmp_path: Path, vectors: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With none kept apart, and the second fit is on all of them."""
    write_set(tmp_path / "small.parquet", ["train"] * 40 + ["dev"] * 5 + ["test"] * 9)
    assert len(vectors) == 4
    tasks = []

    def told(task: Task, *arguments: Any, **named: Any) -> Mapping[str, Any]:
        tasks.append((task.by_folds, len(arguments[1]), len(arguments[2])))
        return fit(task, *arguments, **named)

    monkeypatch.setattr(classifiers, "fit", told)
    quick = CnnSettings(epochs=2, filters=4, refit=True)
    monkeypatch.setattr(cells, "table_settings", lambda *_, **__: quick)
    (cell,) = cells.cells_of(wanted("cnn", seeds=1, rows_a_label=6), places(tmp_path))
    assert cells.compute(cell, places(tmp_path))["epochs"] == 2
    assert tasks == [(True, 12, 0)]


def test_another_file_of_the_set_is_another_cell(tmp_path: Path) -> None:
    """Figures of the old one are not taken for the new one's."""
    write_set(tmp_path / "small.parquet", ["all"] * 30)
    (before,) = cells.cells_of(wanted("tfidf"), places(tmp_path))
    write_set(tmp_path / "small.parquet", ["all"] * 31)
    (after,) = cells.cells_of(wanted("tfidf"), places(tmp_path))
    assert before.row == after.row
    assert before.key != after.key


def test_other_settings_of_a_plain_network_are_another_cell(
    tmp_path: Path, vectors: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its settings are part of what the figure depends on."""
    write_set(tmp_path / "small.parquet", ["all"] * 30)
    assert vectors.dim == 2
    (before,) = cells.cells_of(wanted("plain-gru", seeds=1), places(tmp_path))
    monkeypatch.setitem(plain_networks.PLAIN_NETWORKS["plain-gru"], "hidden", 64)
    (after,) = cells.cells_of(wanted("plain-gru", seeds=1), places(tmp_path))
    assert before.row == after.row
    assert before.key != after.key


def test_the_same_command_again_computes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints the same table, from the file."""
    write_set(tmp_path / "small.parquet", ["all"] * 60)
    command = ["--data", str(tmp_path), "--output", str(tmp_path / "out"), "--sets", "small", "--models", "tfidf"]
    assert make_table.main(command) == 0
    first, kept = capsys.readouterr(), (tmp_path / "out" / "cells.jsonl").read_bytes()
    assert make_table.main(command) == 0
    again = capsys.readouterr()
    assert "1 of 1: small - tfidf - 0: 100.0 %" in first.err
    assert again.err == ""
    assert again.out == first.out
    assert (tmp_path / "out" / "cells.jsonl").read_bytes() == kept


@pytest.mark.long
def test_a_command_that_is_killed_leaves_no_process_behind(tmp_path: Path) -> None:
    """Whatever its processes are at."""
    pytest.importorskip("fasttext", reason="the extra `peers` is not installed, or has no fastText for this Python")
    write_set(tmp_path / "small.parquet", ["all"] * 60)
    options = ["--data", str(tmp_path), "--output", str(tmp_path / "out"), "--sets", "small", "--models", "fasttext"]
    command = [sys.executable, make_table.__file__, *options, "--processes", "2", "--seeds", "50"]
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    children: list[psutil.Process] = []
    while len(children) < 3 and started.poll() is None:  # two, and the one that cleans up behind them
        children = psutil.Process(started.pid).children()
        time.sleep(0.05)
    started.kill()
    assert started.wait() < 0
    _, alive = psutil.wait_procs(children, timeout=60)
    assert len(children) == 3
    assert not alive


def test_a_line_that_was_cut_short_is_taken_off_and_the_others_stay(tmp_path: Path) -> None:
    """As a process that was killed while writing leaves it."""
    write_set(tmp_path / "small.parquet", ["all"] * 60)
    (cell,) = cells.cells_of(wanted("tfidf"), places(tmp_path))
    file = places(tmp_path).done
    cells.append(file, cells.compute(cell, places(tmp_path)))
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:30])
    assert list(cells.read_done(file)) == [cell.key]
    assert file.read_bytes() == whole


def test_a_line_that_is_no_cell_is_named(tmp_path: Path) -> None:
    """By the file and the number of the line."""
    (tmp_path / "cells.jsonl").write_text('{"set": "mr"}\n')
    with pytest.raises(CorpusError, match=r"cells\.jsonl, line 1 is no cell"):
        cells.read_done(tmp_path / "cells.jsonl")


def test_a_figure_is_mean_and_spread_of_complete_seeds_only() -> None:
    """The golden case; a row with a seed missing is not told."""
    row, other = cells.Row("mr", "glove50", "cnn", "frozen"), cells.Row("mr", "glove50", "lstm", "frozen")
    of_row = [cells.Cell(row, seed, "{}") for seed in range(3)]
    of_other = [cells.Cell(other, seed, "{}") for seed in range(3)]
    accuracies = dict(zip(of_row + of_other[:2], (0.75, 0.5, 0.625, 0.9, 0.9), strict=True))
    done = {cell.key: {"accuracy": accuracy, "seconds": 2.0} for cell, accuracy in accuracies.items()}
    (figure,) = make_table.figures([row, other], of_row + of_other, done)
    assert figure.mean == pytest.approx(62.5)
    assert figure.spread == pytest.approx(25.0)
    assert figure.cells() == ["mr", "cnn", "glove50", "frozen", "62.5", "25.0"]


def test_a_figure_of_drawn_rows_says_how_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the title, and in JSON in each figure."""
    write_set(tmp_path / "small.parquet", ["all"] * 60)
    for cell in cells.cells_of(wanted("tfidf", rows_a_label=4), places(tmp_path)):
        cells.append(places(tmp_path).done, cells.compute(cell, places(tmp_path)))
    command = ["--data", str(tmp_path), "--output", str(tmp_path / "out"), "--sets", "small", "--models", "tfidf"]
    few = ["--rows-a-label", "4", "--seeds", "2"]
    assert make_table.main([*command, *few]) == 0
    assert "of 2 seeds, learnt from 4 rows of each label" in capsys.readouterr().out
    assert make_table.main([*command, *few, "--json"]) == 0
    (figure,) = json.loads(capsys.readouterr().out)["figures"]
    assert (figure["rows_a_label"], len(figure["accuracies"])) == (4, 2)
    assert make_table.main([*command, "--only-print", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["figures"] == []


def test_one_seed_has_no_spread() -> None:
    """There is nothing to compare."""
    figure = make_table.Figure(cells.Row("mr", "-", "tfidf", "-"), (0.5,), (1.0,))
    assert figure.cells() == ["mr", "tfidf", "-", "-", "50.0", ""]


def test_vectors_of_a_file_that_is_not_named_are_refused(tmp_path: Path) -> None:
    """The message says which option names it."""
    labelled = labelled_sets.read_set(write_set(tmp_path / "s.parquet", ["all"] * 20))
    with pytest.raises(ConfigError, match="--googlenews is not given"):
        word_vectors.make_vectors("googlenews8k", labelled, tmp_path / "vectors", None)


def test_trained_vectors_know_the_words_to_learn_from_alone(tmp_path: Path) -> None:
    """Words of the test rows are unseen, and the second time the same are opened."""
    columns = {"split": ["train"] * 6 + ["test"] * 6, "label": list("ab") * 6, "text": ["seen twice"] * 6 + ["new"] * 6}
    pq.write_table(pa.table(columns), tmp_path / "s.parquet")
    labelled = labelled_sets.read_set(tmp_path / "s.parquet")
    made = word_vectors.make_vectors("trained", labelled, tmp_path / "vectors", None)
    assert sorted(made.vocabulary) == ["seen", "twice"]
    assert word_vectors.make_vectors("trained", labelled, tmp_path / "vectors", None).fingerprint == made.fingerprint


@pytest.mark.parametrize(
    ("option", "value"), [("--seeds", "0"), ("--processes", "0"), ("--rows-a-label", "0"), ("--output", "/dev/null")]
)
def test_an_option_that_cannot_be_used_ends_with_2_and_is_named(
    option: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is read or written."""
    output = [] if option == "--output" else ["--output", str(tmp_path / "out")]
    assert make_table.main(["--data", str(tmp_path), *output, option, value]) == 2
    assert f"make_table: {option} is " in capsys.readouterr().err
