"""A scoring run on Ray: every row once, equal to one process, resumed after a kill, refused when anything differs."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2vray.cluster.score import ScoreSummary, score
from w2vray.errors import ClusterError, ConfigError, CorpusError, RunError
from w2vray.run.directory import RunDirectory
from w2vray.run.leases import only_writer
from w2vray.run.verify import VerifySummary, verify
from w2vray.scoring.scorer import TextScorer
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.checks import VerifySettings

MakeStore = Callable[..., Path]
MakeModel = Callable[..., Path]
ReadParts = Callable[..., pa.Table]


def run_score(store: Path | tuple[str, ...], model: Path, run: Path, **options: Any) -> ScoreSummary:
    """Score a store."""
    corpus = store if isinstance(store, tuple) else (str(store),)
    return score(ScoreSettings(corpus=corpus, model=str(model), output=str(run), **options))


def check(run: Path) -> VerifySummary:
    """Verify a run."""
    return verify(VerifySettings(run=str(run)))


def part_hashes(run: Path) -> dict[str, str]:
    """Hash every part of a run."""
    return {
        f"{part.parent.name}/{part.name}": hashlib.sha256(part.read_bytes()).hexdigest()
        for part in run.glob("*/part-*.parquet")
    }


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("kind", ["average", "cnn"])
def test_a_run_equals_one_process_row_by_row(
    kind: str, make_store: MakeStore, make_model: MakeModel, read_parts: ReadParts, tmp_path: Path
) -> None:
    store, model = make_store(), make_model(kind)
    summary = run_score(store, model, tmp_path / "run", keep=("id", "label=gold"), probabilities=True)
    assert (summary.rows_in, summary.rows_scored, summary.rows_rejected, summary.exit_code) == (900, 900, 0, 0)
    found = read_parts(tmp_path / "run")
    texts = pa.concat_tables(pq.read_table(file) for file in sorted(store.iterdir()))
    assert found["id"].to_pylist() == texts["id"].to_pylist()
    assert found["gold"].to_pylist() == texts["label"].to_pylist()
    alone = TextScorer.load(model).score(texts["text"].to_pylist())
    assert tuple(json.loads((tmp_path / "run" / "run.json").read_text())["labels"]) == alone.labels
    probabilities = np.stack(found["probabilities"].to_numpy())
    np.testing.assert_allclose(probabilities, alone.probabilities_NC, atol=1e-5)
    best_two = np.sort(alone.probabilities_NC, axis=1)[:, -2:]
    sure = best_two[:, 1] - best_two[:, 0] > 1e-5
    expected = alone.columns()
    assert (np.array(found["label"].to_pylist()) == np.array(expected["label"].to_pylist()))[sure].all()
    assert found["token_count"].to_pylist() == expected["token_count"].to_pylist()
    assert check(tmp_path / "run").ok


@pytest.mark.usefixtures("in_process")
def test_a_multi_label_model_gives_each_row_the_labels_that_one_process_gives_it(
    make_store: MakeStore, make_model: MakeModel, read_parts: ReadParts, tmp_path: Path
) -> None:
    store, model = make_store(files=1, rows=50), make_model(multi_label=True)
    run_score(store, model, tmp_path / "run", keep=("label=gold",), threshold=0.3, top_k=2)
    found = read_parts(tmp_path / "run")
    assert found.column_names[2:8] == ["gold", "labels", "scores", "status", "token_count", "coverage"]
    alone = TextScorer.load(model).score(pq.read_table(store)["text"].to_pylist())
    expected = alone.columns(threshold=0.3, top_k=2)
    assert found["labels"].to_pylist() == expected["labels"].to_pylist()
    assert {len(labels) for labels in found["labels"].to_pylist()} > {1}
    for name in ("scores", "top_scores"):
        np.testing.assert_allclose(
            np.concatenate(found[name].to_pylist()), np.concatenate(expected[name].to_pylist()), atol=1e-5
        )
    assert check(tmp_path / "run").ok


@pytest.mark.usefixtures("in_process")
def test_the_same_command_again_does_nothing_and_says_the_same(
    make_store: MakeStore, make_model: MakeModel, tmp_path: Path
) -> None:
    store, model = make_store(), make_model()
    first = run_score(store, model, tmp_path / "run")
    before = part_hashes(tmp_path / "run")
    again = run_score(store, model, tmp_path / "run")
    assert again.units_skipped == again.units == first.units
    assert again.rows_now == 0
    assert again.rows_scored == first.rows_scored
    assert part_hashes(tmp_path / "run") == before


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_more_workers_give_the_same_bytes(make_store: MakeStore, make_model: MakeModel, tmp_path: Path) -> None:
    store, model = make_store(files=4, rows=2000, words=100), make_model("cnn")
    run_score(store, model, tmp_path / "one", workers=1)
    run_score(store, model, tmp_path / "two", workers=2)
    assert len(part_hashes(tmp_path / "one")) > 1
    assert part_hashes(tmp_path / "one") == part_hashes(tmp_path / "two")


@pytest.mark.long
@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize(
    ("given", "worker"),
    [(["--workers", "1", "--address", "local"], "ray::MapWorker"), ([], "w2vray.cluster.copies")],
    ids=["on Ray", "without Ray"],
)
def test_a_run_killed_in_the_middle_and_run_again_equals_an_undisturbed_one(
    make_store: MakeStore, make_model: MakeModel, tmp_path: Path, given: list[str], worker: str
) -> None:
    store, model = make_store(files=6, rows=4000, words=120, row_group=2000), make_model("cnn")
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    whole = run_score(store, model, undisturbed)
    command = [sys.executable, "-m", "w2vray", "score", str(store), "--model", str(model), "--output", str(killed)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, *given], stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while not list(killed.glob("scores/part-*.parquet")):
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.02)
        descendants = psutil.Process(process.pid).children(recursive=True)
        workers = [each for each in descendants if worker in f"{each.name()} {each.cmdline()}"]
        process.kill()
        process.wait()
    assert workers
    _, left = psutil.wait_procs(workers, timeout=60)
    assert left == [], "they notice that the driver is gone"
    done = set(part_hashes(killed))
    assert 0 < len(done) < whole.units
    assert not (killed / "_SUCCESS").exists()
    assert not check(killed).ok
    resumed = run_score(store, model, killed)
    assert resumed.units_skipped >= len(done)
    assert part_hashes(killed) == part_hashes(undisturbed)
    assert (resumed.rows_in, resumed.rows_scored) == (whole.rows_in, whole.rows_scored)
    assert check(killed).ok
    assert not list((killed / "_temporary").glob("*"))


@pytest.mark.usefixtures("in_process")
def test_bad_rows_are_rejected_with_their_place_and_reason(
    make_model: MakeModel, read_parts: ReadParts, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    texts = [b"bab dab", None, b"\xff\xfe", b"", b"zzz yyy", b"gag"]
    pq.write_table(pa.table({"text": pa.array(texts, pa.binary())}), store / "a.parquet")
    summary = run_score(store, make_model(), tmp_path / "run")
    assert (summary.rows_in, summary.rows_scored, summary.rows_rejected, summary.rows_abstained) == (6, 4, 2, 2)
    rejected = read_parts(tmp_path / "run", "rejected").to_pylist()
    assert [(row["source_file"], row["source_row"], row["reason"]) for row in rejected] == [
        ("a.parquet", 1, "null_text"),
        ("a.parquet", 2, "invalid_utf8"),
    ]
    scored = read_parts(tmp_path / "run").to_pylist()
    assert [row["source_row"] for row in scored] == [0, 3, 4, 5]
    assert [row["status"] for row in scored] == ["scored", "no_evidence", "no_evidence", "scored"]
    assert [row["label"] is None for row in scored] == [False, True, True, False]
    assert check(tmp_path / "run").ok


@pytest.mark.usefixtures("in_process")
def test_max_rejected_makes_the_exit_code_3(make_model: MakeModel, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["bab", None]}), tmp_path / "a.parquet")
    model = make_model()
    assert run_score(tmp_path / "a.parquet", model, tmp_path / "run", max_rejected=1).exit_code == 0
    assert run_score(tmp_path / "a.parquet", model, tmp_path / "run", max_rejected=0).exit_code == 3


@pytest.mark.usefixtures("in_process")
def test_bad_files_are_named_and_tried_again_by_the_next_call(
    make_store: MakeStore, make_model: MakeModel, tmp_path: Path
) -> None:
    store, model = make_store(files=2, rows=50), make_model()
    broken = store / "part-9.parquet"
    broken.write_bytes(b"PAR1 and then nothing of use")
    summary = run_score(store, model, tmp_path / "run")
    assert summary.exit_code == 3
    assert list(summary.left_out) == ["part-9.parquet"]
    assert summary.rows_scored == 100
    assert not (tmp_path / "run" / "_SUCCESS").exists()
    pq.write_table(pa.table({"text": ["bab dab", "gag"]}), broken)
    mended = run_score(store, model, tmp_path / "run")
    assert (mended.exit_code, mended.rows_scored, mended.units_skipped) == (0, 102, summary.units)
    assert (tmp_path / "run" / "_SUCCESS").exists()
    assert check(tmp_path / "run").ok


@pytest.mark.usefixtures("in_process")
def test_folders_are_columns_that_can_be_kept_and_filtered(
    make_model: MakeModel, read_parts: ReadParts, tmp_path: Path
) -> None:
    for year in (2019, 2020, 2021):
        folder = tmp_path / "store" / f"year={year}" / "lang=en%20gb"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"text": ["bab", "dab", None], "n": [1, 2, 3]}), folder / "x.parquet")
    settings = {"keep": ("year", "lang"), "where": "year >= 2020 and n in [2, 3]"}
    summary = run_score(tmp_path / "store", make_model(), tmp_path / "run", **settings)
    assert (summary.rows_in, summary.rows_scored, summary.rows_rejected) == (4, 2, 2)
    scored = read_parts(tmp_path / "run").to_pylist()
    assert [(row["year"], row["lang"], row["source_row"]) for row in scored] == [
        (2020, "en gb", 1),
        (2021, "en gb", 1),
    ]
    assert check(tmp_path / "run").ok


@pytest.mark.usefixtures("in_process")
def test_limit_takes_the_first_rows_of_the_store(
    make_store: MakeStore, make_model: MakeModel, read_parts: ReadParts, tmp_path: Path
) -> None:
    store, model = make_store(), make_model()
    summary = run_score(store, model, tmp_path / "run", limit=350)
    assert (summary.rows_in, summary.exit_code, list(summary.new_files)) == (350, 0, [])
    found = read_parts(tmp_path / "run")
    assert found["source_row"].to_pylist() == [*range(300), *range(50)]
    assert check(tmp_path / "run").ok
    again = run_score(store, model, tmp_path / "run", limit=350)
    assert (again.rows_now, list(again.new_files)) == (0, [])


@pytest.mark.usefixtures("in_process")
def test_several_text_columns_are_joined_and_top_k_and_threshold_are_written(
    make_model: MakeModel, read_parts: ReadParts, tmp_path: Path
) -> None:
    columns = {"title": ["bab", None, None], "text": ["dab gag", "gag", None]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    options = {"text_column": ("title", "text"), "top_k": 2, "threshold": 1.0}
    summary = run_score(tmp_path / "a.parquet", make_model(), tmp_path / "run", **options)
    assert (summary.rows_scored, summary.rows_rejected, summary.rows_abstained) == (2, 1, 2)
    rows = read_parts(tmp_path / "run").to_pylist()
    assert [row["token_count"] for row in rows] == [3, 1]
    assert {row["status"] for row in rows} == {"below_threshold"}
    for row in rows:
        assert row["top_labels"][0] == row["label"]
        assert row["top_scores"][0] == row["score"] >= row["top_scores"][1]


@pytest.mark.usefixtures("in_process")
def test_an_empty_store_of_good_files_is_a_finished_run(make_model: MakeModel, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    summary = run_score(tmp_path / "a.parquet", make_model(), tmp_path / "run")
    assert (summary.rows_in, summary.units, summary.exit_code) == (0, 0, 0)
    assert check(tmp_path / "run").ok


@pytest.mark.usefixtures("in_process")
class TestRefusals:
    """A run that cannot be what was asked for is refused before any work, and nothing of it is harmed."""

    def test_a_wrong_column_lists_the_columns_there_are(
        self, make_store: MakeStore, make_model: MakeModel, tmp_path: Path
    ) -> None:
        with pytest.raises(CorpusError, match=r"no column 'body' in the store; its columns are id, label, text"):
            run_score(make_store(), make_model(), tmp_path / "new" / "run", text_column=("body",))
        assert not (tmp_path / "new").exists()

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ({"keep": ("id", "body=b")}, "--keep: no column 'body' in the store; its columns are id, label, text"),
            ({"where": "year == 1"}, "--where: no column 'year' in the store; its columns are id, label, text"),
            (
                {"keep": ("body",), "where": "year == 1"},
                "--keep and --where: no column 'body', 'year' in the store; its columns are id, label, text",
            ),
            (
                {"keep": ("x",), "text_column": ("t",)},
                (
                    "no column 't', 'x' in the store; its columns are id, label, text. Name yours with --text-column "
                    "and --keep"
                ),
            ),
        ],
    )
    def test_a_missing_column_is_told_with_the_option_that_names_it(
        self, given: dict[str, Any], says: str, make_store: MakeStore, make_model: MakeModel, tmp_path: Path
    ) -> None:
        with pytest.raises(CorpusError) as refused:
            run_score(make_store(), make_model(), tmp_path / "run", **given)
        assert str(refused.value) == says

    def test_a_column_that_is_a_folder_above_what_was_named(
        self, make_store: MakeStore, make_model: MakeModel, tmp_path: Path
    ) -> None:
        shutil.copytree(make_store(files=1), tmp_path / "store" / "lang=en")
        store, where = tmp_path / "store", {"where": "lang == 'en'"}
        for named in (store / "lang=en", store / "lang=en" / "part-0.parquet"):
            with pytest.raises(CorpusError, match=r"no column 'lang' .* label, text\. .*name the one above lang=en"):
                run_score(named, make_model(), tmp_path / "run", **where)
        with pytest.raises(CorpusError, match=r"no column 'body' .* label, text\. Name yours with --text-column$"):
            run_score(store / "lang=en", make_model(), tmp_path / "run", text_column=("body",))
        assert run_score(store, make_model(), tmp_path / "run", **where).rows_in == 300

    def test_a_column_that_is_no_text(self, make_model: MakeModel, tmp_path: Path) -> None:
        pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "a.parquet")
        with pytest.raises(CorpusError, match=r"column 'text' is int64; expected strings"):
            run_score(tmp_path / "a.parquet", make_model(), tmp_path / "run")

    def test_a_kept_column_named_like_one_of_ours(
        self, make_store: MakeStore, make_model: MakeModel, tmp_path: Path
    ) -> None:
        with pytest.raises(ConfigError, match=r"--keep label=label_in_store"):
            run_score(make_store(), make_model(), tmp_path / "run", keep=("label",))

    def test_another_model(self, make_store: MakeStore, make_model: MakeModel, tmp_path: Path) -> None:
        store = make_store()
        run_score(store, make_model(), tmp_path / "run")
        before = part_hashes(tmp_path / "run")
        with pytest.raises(RunError, match="another model"):
            run_score(store, make_model("average", labels=("a", "b", "c")), tmp_path / "run")
        assert part_hashes(tmp_path / "run") == before
        assert (tmp_path / "run" / "_SUCCESS").exists()

    def test_another_option_that_changes_answers(
        self, make_store: MakeStore, make_model: MakeModel, tmp_path: Path
    ) -> None:
        store, model = make_store(), make_model()
        run_score(store, model, tmp_path / "run")
        with pytest.raises(RunError, match=r"--threshold was not given before, and is 0\.5 now"):
            run_score(store, model, tmp_path / "run", threshold=0.5)

    @pytest.mark.parametrize("change", ["touched", "gone"])
    def test_a_changed_input_file(
        self, change: str, make_store: MakeStore, make_model: MakeModel, tmp_path: Path
    ) -> None:
        store, model = make_store(files=2, rows=40 if change == "gone" else 41), make_model()
        run_score(store, model, tmp_path / "run")
        file = store / "part-0.parquet"
        if change == "gone":
            file.unlink()
        else:
            os.utime(file, ns=(1, 1))
        with pytest.raises(RunError, match=r"part-0.parquet (is gone|has changed)"):
            run_score(store, model, tmp_path / "run")

    def test_a_directory_that_holds_something_else(
        self, make_store: MakeStore, make_model: MakeModel, tmp_path: Path
    ) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "thesis.tex").write_text("dear to someone")
        with pytest.raises(RunError, match=r"not empty and holds no run: thesis.tex"):
            run_score(make_store(), make_model(), tmp_path / "run")

    def test_a_run_inside_its_own_store(self, make_store: MakeStore, make_model: MakeModel) -> None:
        """Its parts would be documents to the next run; those of a folder that listing leaves out are not."""
        store = make_store()
        with pytest.raises(RunError, match="the next run there would read its files as documents"):
            run_score(store, make_model(), store / "a" / "run")
        with pytest.raises(RunError, match="the next run there would read its files"):
            run_score(store / "*", make_model(), store / "run")
        with pytest.raises(RunError, match="the next run there would read its files"):
            run_score(store, make_model(), store / "a" / ".." / "run")
        with pytest.raises(RunError, match="the next run there would read its files"):
            run_score(store / "**" / "*.parquet", make_model(), store / "run")
        with pytest.raises(RunError, match="the next run there would read its files"):
            run_score(store / "**" / "part-*.parquet", make_model(), store / "run")
        (store.parent / "elsewhere").mkdir()
        (store / "link").symlink_to(store.parent / "elsewhere")
        with pytest.raises(RunError, match="the next run there would read its files"):
            run_score(store, make_model(), store / "link" / "run")
        (store / "link").unlink()
        assert run_score(store / "*.parquet", make_model(), store / "run").exit_code == 0
        assert run_score(store / "*.parquet", make_model(), store / "run").new_files == []
        shutil.rmtree(store / "run")
        assert run_score(store, make_model(), store / "_scores").exit_code == 0
        assert run_score(store, make_model(), store / "_scores").new_files == []

    def test_a_second_run_at_the_same_time(self, make_store: MakeStore, make_model: MakeModel, tmp_path: Path) -> None:
        with (
            only_writer(RunDirectory(str(tmp_path / "run"))),
            pytest.raises(RunError, match="another run is writing here"),
        ):
            run_score(make_store(), make_model(), tmp_path / "run")


@pytest.mark.usefixtures("in_process")
def test_new_files_are_told_of_and_not_mixed_in(make_store: MakeStore, make_model: MakeModel, tmp_path: Path) -> None:
    store, model = make_store(files=1, rows=30), make_model()
    run_score(store, model, tmp_path / "run")
    pq.write_table(pa.table({"text": ["bab"]}), store / "later.parquet")
    again = run_score(store, model, tmp_path / "run")
    assert (list(again.new_files), again.rows_scored) == (["later.parquet"], 30)


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_more_workers_than_cpus_are_refused_and_not_waited_for(
    make_store: MakeStore, make_model: MakeModel, tmp_path: Path
) -> None:
    with pytest.raises(ClusterError, match=r"--workers is 99, and this Ray has 2 CPUs"):
        run_score(make_store(), make_model(), tmp_path / "run", workers=99)


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_an_error_inside_a_worker_reaches_the_caller_as_itself(
    make_store: MakeStore, make_model: MakeModel, wait_for_every_cpu: Callable[[], None], tmp_path: Path
) -> None:
    store = make_store(files=2)
    model = make_model()
    run_score(store, model, tmp_path / "run")
    for part in (tmp_path / "run" / "scores").iterdir():
        part.unlink()
        (part / "a folder where a part has to be").mkdir(parents=True)
    with pytest.raises(RunError, match=r"scores/part-\w+.parquet is damaged .*is a directory.*; remove") as caught:
        run_score(store, model, tmp_path / "run")
    assert caught.value.exit_code == 2
    wait_for_every_cpu()  # while the error is held


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_a_run_that_is_interrupted_lets_go_of_its_workers(
    make_store: MakeStore, make_model: MakeModel, wait_for_every_cpu: Callable[[], None], tmp_path: Path
) -> None:
    store = make_store(files=4, rows=8000)

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    settings = ScoreSettings(corpus=(str(store),), model=str(make_model()), output=str(tmp_path / "run"))
    with pytest.raises(KeyboardInterrupt) as caught:
        score(settings, progress=interrupt)
    wait_for_every_cpu()
    assert caught.tb is not None, "it is still held"
    assert run_score(store, Path(settings.model), tmp_path / "run").exit_code == 0


@pytest.mark.usefixtures("in_process")
def test_links_in_circles_are_walked_once_and_links_to_nothing_are_told_of(
    make_model: MakeModel, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    (store / "sub").mkdir(parents=True)
    pq.write_table(pa.table({"text": ["bab"]}), store / "a.parquet")
    (store / "sub" / "loop").symlink_to("..")
    (store / "sub" / "dangling.parquet").symlink_to("nowhere")
    summary = run_score(store, make_model(), tmp_path / "run")
    assert (summary.rows_scored, list(summary.left_out), summary.exit_code) == (1, ["sub/dangling.parquet"], 3)
    assert any(problem.startswith("sub/dangling.parquet is in no part") for problem in check(tmp_path / "run").problems)
