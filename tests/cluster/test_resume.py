"""A run taken up again: by the same command it goes on, and whatever is not as it was left is named."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file

from w2vray.cluster.score import ScoreSummary, score
from w2vray.errors import BundleError, RunError, W2vrayError
from w2vray.run.directory import RunDirectory
from w2vray.run.progress import ScoreProgress
from w2vray.run.verify import verify
from w2vray.settings.answering import ScoreSettings
from w2vray.settings.checks import VerifySettings
from w2vray.store import units

pytestmark = pytest.mark.usefixtures("in_process")

MakeStore = Callable[..., Path]
MakeModel = Callable[..., Path]


class Taken:
    """A run of a store of its own, which can be interrupted and taken up again."""

    def __init__(self, store: Path, model: Path, run: Path) -> None:
        self.store, self.model, self.run = store, model, run

    def score(self, *, stop: int | None = None, **options: Any) -> ScoreSummary:
        """Score; with ``stop``, be interrupted after so many units."""

        def progress(now: ScoreProgress) -> None:
            if now.units_done == stop:
                raise KeyboardInterrupt

        given = {"corpus": (str(self.store),), "model": str(self.model), "output": str(self.run), **options}
        return score(ScoreSettings(**given), progress=progress)

    def interrupt(self, units: int = 2, **options: Any) -> None:
        """Score some units only."""
        with pytest.raises(KeyboardInterrupt):
            self.score(stop=units, **options)

    def problems(self) -> list[str]:
        """Return what a deep ``verify`` finds."""
        return list(verify(VerifySettings(run=str(self.run), deep=True)).problems)

    def parts(self) -> dict[str, bytes]:
        """Return the bytes of all parts."""
        return {f"{part.parent.name}/{part.name}": part.read_bytes() for part in self.run.glob("*/part-*.parquet")}


@pytest.fixture
def taken(make_store: MakeStore, make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Taken:
    """Six units of two row groups each, of three files; one row of each has no text."""
    store = make_store(files=3, rows=400, words=12)
    for file in store.iterdir():
        table = pq.read_table(file)
        texts = [None, *table["text"].to_pylist()[1:]]
        table = table.set_column(2, "text", pa.array(texts))
        pq.write_table(table, file, row_group_size=100, use_dictionary=False)
    size = pq.read_metadata(store / "part-0.parquet").row_group(0).column(2).total_uncompressed_size
    monkeypatch.setattr(units, "SMALLEST_UNIT", 2 * size - 500)
    monkeypatch.setattr(units, "LARGEST_UNIT", 2 * size - 500)
    return Taken(store, make_model(), tmp_path / "run")


def replace_unseen(file: Path, rows: int) -> bytes:
    """Put another Parquet file of the same size and modification time in place of a file, and return what was there."""
    before, data = file.stat(), file.read_bytes()
    pq.write_table(pa.table({"id": ["x"] * rows, "text": ["bab"] * rows}), file)
    body, end = file.read_bytes()[:-8], file.read_bytes()[-8:]
    length = int.from_bytes(end[:4], "little")
    filler = bytes(len(data) - len(body) - 8)
    file.write_bytes(body[:-length] + filler + body[-length:] + end)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    return data


# The store


def test_new_files_are_added_to_a_run_that_was_interrupted(taken: Taken) -> None:
    taken.interrupt()
    pq.write_table(pa.table({"text": ["bab", None]}), taken.store / "later.parquet")
    summary = taken.score(new_files=True)
    assert (summary.units_skipped, summary.rows_in, summary.rows_rejected, summary.exit_code) == (2, 1202, 4, 0)
    assert taken.problems() == []


@pytest.mark.parametrize("change", ["grown", "gone"])
@pytest.mark.parametrize("options", [{}, {"new_files": True}, {"on_bad": "skip"}], ids=str)
def test_a_file_that_is_not_as_planned_is_refused_by_name(change: str, options: dict[str, Any], taken: Taken) -> None:
    taken.interrupt()
    before, file = taken.parts(), taken.store / "part-2.parquet"
    if change == "gone":
        file.unlink()
    else:
        pq.write_table(pa.concat_tables([pq.read_table(file)] * 2), file)
    with pytest.raises(RunError, match=r"^part-2\.parquet (is gone|has changed)"):
        taken.score(**options)
    assert taken.parts() == before


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_named_and_then_planned_anew(taken: Taken) -> None:
    taken.interrupt()
    replace_unseen(taken.store / "part-2.parquet", 7)
    first = taken.score()
    assert (first.rows_in, first.units_failed, first.exit_code) == (800, 2, 3)
    assert first.left_out == {"part-2.parquet": "changed: part-2.parquet has another footer than when planned"}
    second = taken.score()
    assert (second.rows_in, second.rows_now, second.exit_code) == (807, 7, 0)
    assert taken.problems() == []


def test_a_replaced_file_of_which_rows_are_scored_stays_named(taken: Taken) -> None:
    taken.interrupt(5)
    was = replace_unseen(taken.store / "part-2.parquet", 7)
    for _ in range(2):
        summary = taken.score()
        assert (summary.rows_in, summary.exit_code, list(summary.left_out)) == (1000, 3, ["part-2.parquet"])
    stat = (taken.store / "part-2.parquet").stat()
    (taken.store / "part-2.parquet").write_bytes(was)
    os.utime(taken.store / "part-2.parquet", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (taken.score().rows_in, taken.problems()) == (1200, [])


def test_a_part_of_the_store_is_not_the_store(taken: Taken) -> None:
    taken.score()
    with pytest.raises(RunError, match=r"part-1\.parquet is gone, or not among the files that are named now"):
        taken.score(corpus=(str(taken.store / "part-0.parquet"),))


# The options


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"text_column": ("id",)}, "--text-column was text before, and is id now"),
        ({"keep": ("id", "label=gold")}, "--keep was not given before, and is id, label=gold now"),
        ({"probabilities": True}, "--probabilities was not given before, and is now"),
        ({"top_k": 2}, "--top-k was not given before, and is 2 now"),
        ({"where": "id != 'x'"}, "--where was not given before, and is \"id != 'x'\" now"),
        ({"limit": 900}, "--limit was not given before, and is 900 now"),
        ({"max_bytes": 900}, "--max-bytes was not given before, and is 900 now"),
        (
            {"evidence": 3, "threshold": 0.5},
            "--threshold was not given before, and is 0.5 now; --evidence was not given before, and is 3 now",
        ),
    ],
    ids=str,
)
def test_an_option_that_changes_answers_is_refused_by_name(change: dict[str, Any], named: str, taken: Taken) -> None:
    taken.interrupt()
    with pytest.raises(RunError) as refused:
        taken.score(**change)
    told = f"was made with other options: {named}; give the same options again, or another --output"
    assert str(refused.value) == f"{taken.run} {told}"


def test_an_option_that_is_given_no_more_is_refused_by_name(taken: Taken) -> None:
    taken.interrupt(truncate=True, limit=900, keep=("id",))
    with pytest.raises(RunError) as refused:
        taken.score(limit=800)
    assert (
        ": --keep was id before, and is not given now; --limit was 900 before, and is 800 now; --truncate was given "
        "before, and is not now; give"
    ) in str(refused.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            lambda stored: {**stored, "labels": stored["labels"][::-1]},
            "with other labels, or with them in another order",
        ),
        (
            lambda stored: {name: stored[name] for name in stored if name != "labels"} | {"format": 3},
            r"was made by another version of w2vray \(its run format is 3, here it is ",
        ),
        (
            lambda stored: {**stored, "scoring_version": 0},
            r"was made by another version of w2vray \(its scoring version is 0, here it is ",
        ),
    ],
    ids=["labels in another order", "a run of before", "other answers"],
)
def test_a_run_that_names_its_labels_otherwise_is_refused(change: Callable[..., Any], named: str, taken: Taken) -> None:
    taken.interrupt()
    (taken.run / "run.json").write_text(json.dumps(change(json.loads((taken.run / "run.json").read_text()))))
    with pytest.raises(RunError, match=named):
        taken.score()


def test_options_that_change_no_answer_may_differ_at_each_call(taken: Taken) -> None:
    taken.score()
    expected = taken.parts()
    shutil.rmtree(taken.run)
    taken.interrupt()
    assert taken.score(projection_cache=3, on_bad="skip", max_rejected=9, new_files=True).exit_code == 0
    assert taken.parts() == expected
    assert taken.score(max_rejected=2).exit_code == 3


def test_a_run_of_which_only_the_plan_is_there_is_planned_anew_with_other_options(taken: Taken) -> None:
    """As where its workers were refused; a unit that is scored is not given up."""
    taken.interrupt()
    for folder in ("scores", "rejected"):
        with pytest.raises(RunError, match="was made with other options: --threshold"):
            taken.score(threshold=0.5, limit=500)
        shutil.rmtree(taken.run / folder)
    assert taken.score(threshold=0.5, limit=500).rows_in == 500
    assert taken.problems() == []


def test_a_plan_that_was_being_made_anew_is_no_run_of_the_old_options(
    taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the new plan and its run.json: the old options must not take up the new plan."""
    taken.interrupt()
    for folder in ("scores", "rejected"):
        shutil.rmtree(taken.run / folder)

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "write_json", die)
        with pytest.raises(KeyboardInterrupt):
            taken.score(limit=10)
    assert taken.score().rows_in == 1200
    assert taken.problems() == []


def test_what_is_done_with_bad_files_may_differ_at_each_call(taken: Taken) -> None:
    (taken.store / "bad.parquet").write_bytes(b"PAR1 and no more")
    codes = [taken.score(on_bad=on_bad).exit_code for on_bad in ("record", "skip", "record", "skip")]
    assert codes == [3, 0, 3, 0]
    with pytest.raises(W2vrayError, match=r"^bad\.parquet: .* choose another --on-bad"):
        taken.score(on_bad="fail")
    assert (taken.run / "_SUCCESS").exists(), "a call that stops at the plan changes nothing"
    assert taken.problems() == []


# The model


def test_another_model_at_the_same_path_is_refused_and_the_same_at_another_is_not(taken: Taken, tmp_path: Path) -> None:
    taken.interrupt()
    moved = shutil.copytree(taken.model, tmp_path / "moved")
    weights = load_file(moved / "weights.safetensors")
    save_file({name: array + 1 for name, array in weights.items()}, moved / "weights.safetensors")
    with pytest.raises(
        RunError, match=r"was made with another model \(fingerprint [0-9a-f]{16}, now [0-9a-f]{16}\); give the same one"
    ):
        taken.score(model=str(moved))
    shutil.copy(taken.model / "weights.safetensors", moved)
    assert taken.score(model=str(moved)).exit_code == 0
    assert taken.problems() == []


def test_other_vectors_at_the_same_path_are_refused(
    taken: Taken, write_vectors: Callable[..., Any], tmp_path: Path
) -> None:
    taken.interrupt()
    write_vectors(tmp_path / "others")
    with pytest.raises(BundleError, match="holds other vectors than the model was trained with"):
        taken.score(vectors=str(tmp_path / "others"))


# The run's own files


def swapped(run: Path) -> str:
    one, two = sorted((run / "scores").iterdir())[:2]
    one.write_bytes(two.read_bytes())
    return one.name


def cut(run: Path) -> str:
    part = min((run / "scores").iterdir())
    part.write_bytes(part.read_bytes()[:-100])
    return part.name


def without_rejected(run: Path) -> str:
    part = min((run / "rejected").iterdir())
    part.unlink()
    return part.name


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (swapped, r"is the part of unit \w+; remove scores/\S+ and run the same score again"),
        (cut, r"is damaged .*; remove scores/\S+ and run the same score again"),
        (
            without_rejected,
            r"tells of rows in rejected/\S+, which is gone; remove scores/\S+ and run the same score",
        ),
    ],
    ids=["swapped", "cut", "without its rejected rows"],
)
def test_a_part_that_was_meddled_with_is_named_and_made_again_when_it_is_removed(
    harm: Callable[[Path], str], named: str, taken: Taken
) -> None:
    taken.score()
    whole = taken.parts()
    name = harm(taken.run)
    with pytest.raises(RunError, match=rf"scores/{name} {named}"):
        taken.score()
    assert not (taken.run / "_SUCCESS").exists()
    (taken.run / "scores" / name).unlink()
    assert taken.score().exit_code == 0
    assert taken.parts() == whole
    assert taken.problems() == []


def refingerprinted(file: Path) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), "fingerprint": "0"}))


@pytest.mark.parametrize(
    ("name", "harm", "named"),
    [
        ("plan.parquet", Path.unlink, r"plan\.parquet cannot be read"),
        ("plan.parquet", lambda file: file.write_bytes(file.read_bytes()[:90]), r"plan\.parquet is damaged"),
        ("run.json", Path.unlink, r"is not empty and holds no run"),
        ("run.json", lambda file: file.write_bytes(file.read_bytes()[:90]), r"run\.json is damaged"),
        ("run.json", refingerprinted, r"run\.json is damaged \(its fingerprint"),
    ],
    ids=["plan gone", "plan cut", "run gone", "run cut", "run changed"],
)
def test_a_run_whose_plan_or_identity_is_lost_is_refused_and_left_as_it_is(
    name: str, harm: Callable[[Path], object], named: str, taken: Taken
) -> None:
    taken.score()
    before = taken.parts()
    harm(taken.run / name)
    with pytest.raises(RunError, match=rf"{named}.*ive another --output"):
        taken.score()
    assert taken.parts() == before


@pytest.mark.parametrize("name", ["manifest.parquet", "manifest.json", "_SUCCESS", "failures.json"])
def test_what_is_made_from_the_parts_is_made_anew(name: str, taken: Taken) -> None:
    taken.score()
    (taken.run / name).write_bytes(b"{ not what it was")
    assert taken.score().rows_now == 0
    assert taken.problems() == []
