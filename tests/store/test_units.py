from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2vray.schema import PLAN_SCHEMA, FileReason
from w2vray.store import units
from w2vray.store.corpus import SourceFile
from w2vray.store.description import Description, Stretch
from w2vray.store.failures import Failure
from w2vray.store.units import Piece, Unit, plan_from_table, plan_table, plan_units

MEGABYTE = 1 << 20
PIECE = Piece(0, "a.parquet", 0, 2, 0, 10, 1000, 5000, 123)

# Rows and text bytes of each row group of a file; some have no rows, some are larger than a unit.
row_groups = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from([0, 1, MEGABYTE // 3, 2 * MEGABYTE, 200 * MEGABYTE])), max_size=6
)
stores = st.lists(row_groups, max_size=6)


def files_of(shape: list[list[tuple[int, int]]], *, root: int = 0) -> list[Description]:
    """Files of these row groups; a group without rows has no text."""
    made = []
    for number, groups in enumerate(shape):
        file = SourceFile(root, f"{number}.parquet", 1000 + number, 1)
        stretches = tuple(
            Stretch(index, index + 1, rows, size if rows else 0) for index, (rows, size) in enumerate(groups)
        )
        made.append(Description(file=file, format="parquet", schema=pa.schema([]), stretches=stretches))
    return made


def rows_of(plan: list[Unit]) -> list[tuple[str, int]]:
    """Each row that a plan covers, as file and position, in the plan's order."""
    return [
        (piece.file, row)
        for unit in plan
        for piece in unit.pieces
        for row in range(piece.row_start, piece.row_start + piece.rows)
    ]


def all_rows(made: list[Description]) -> list[tuple[str, int]]:
    """Each row of a store, in order."""
    return [(described.file.name, row) for described in made for row in range(described.rows)]


# The plan


@given(shape=stores)
def test_a_plan_covers_each_row_once_in_order(shape: list[list[tuple[int, int]]]) -> None:
    made = files_of(shape)

    plan = plan_units(made)

    assert rows_of(plan) == all_rows(made)
    assert all(unit.rows == len(rows_of([unit])) > 0 for unit in plan)
    assert len({unit.id for unit in plan}) == len(plan)


@given(shape=stores)
def test_a_plan_covers_each_row_group_with_rows_once_and_knows_where_it_starts(
    shape: list[list[tuple[int, int]]],
) -> None:
    made = files_of(shape)

    plan = plan_units(made)

    planned = []
    for piece in (piece for unit in plan for piece in unit.pieces):
        described = made[int(piece.file.removesuffix(".parquet"))]
        covered = described.stretches[piece.start : piece.stop]
        starts = [0, *accumulate(stretch.rows for stretch in described.stretches)]
        assert piece.row_start == starts[piece.start]
        assert piece.rows == sum(stretch.rows for stretch in covered)
        assert piece.read_bytes == sum(stretch.read_bytes for stretch in covered)
        assert piece.source == described.file
        planned += [(piece.file, stretch.start) for stretch in covered if stretch.rows]
    assert planned == [
        (described.file.name, stretch.start) for described in made for stretch in described.stretches if stretch.rows
    ]


@given(shape=stores, limit=st.integers(1, 40))
def test_a_limit_takes_the_first_rows_of_the_store(shape: list[list[tuple[int, int]]], limit: int) -> None:
    made = files_of(shape)

    plan = plan_units(made, limit=limit)

    assert rows_of(plan) == all_rows(made)[:limit]


@given(shape=stores)
def test_units_are_as_large_as_is_aimed_at(shape: list[list[tuple[int, int]]]) -> None:
    made = files_of(shape)
    total = sum(stretch.read_bytes for described in made for stretch in described.stretches)
    target = max(units.SMALLEST_UNIT, min(units.LARGEST_UNIT, total // units.UNITS_AT_LEAST))

    sizes = []
    for unit in plan_units(made):
        groups = sum(piece.stop - piece.start for piece in unit.pieces)
        size = sum(piece.read_bytes for piece in unit.pieces)
        assert size <= target * 4 / 3 or groups == 1 or max_group(made, unit) == size
        sizes.append(size)

    # No two neighbours could have been one unit of the size that is aimed at.
    assert all(first + second >= target for first, second in pairwise(sizes))


def test_rows_that_take_few_bytes_are_cut_by_their_number() -> None:
    million = 1_000_000
    plan = plan_units(files_of([[(million, 100)] * 5, [(3 * million, 100)]]))

    assert [unit.rows // million for unit in plan] == [2, 2, 1, 3]


@pytest.mark.parametrize(
    ("files", "of_a_unit"),
    [
        (10, [10]),
        (40, [16, 16, 8]),
        (4_000, [125] * 32),
        (10_000, [256] * 39 + [16]),
    ],
)
def test_many_tiny_files_are_cut_by_their_number(files: int, of_a_unit: list[int]) -> None:
    """Opening a file is work: two units of thousands of files would leave all but two workers without any."""
    plan = plan_units(files_of([[(3, 10)]] * files))

    assert [len(unit.pieces) for unit in plan] == of_a_unit


def test_a_store_that_is_cut_by_its_bytes_is_not_cut_finer_by_its_files() -> None:
    plan = plan_units(files_of([[(3, MEGABYTE // 4)]] * 2_000))

    assert max(len(unit.pieces) for unit in plan) == 63


def test_row_groups_of_one_file_count_as_one_file() -> None:
    plan = plan_units(files_of([[(3, 10), (3, 10)]] * 16 + [[(3, 10)] * 40]))

    assert [len(unit.pieces) for unit in plan] == [16, 1]


def test_a_unit_makes_its_name_once(monkeypatch: pytest.MonkeyPatch) -> None:
    (unit,) = plan_units(files_of([[(3, 10)]] * 10))
    named = unit.id
    monkeypatch.setattr("w2vray.store.units.hashlib.sha256", None)

    assert plan_table([unit], {})["unit"].to_pylist() == [named] * 10


def max_group(made: list[Description], unit: Unit) -> int:
    """The text bytes of a unit's largest row group."""
    return max(
        made[int(piece.file.removesuffix(".parquet"))].stretches[group].read_bytes
        for piece in unit.pieces
        for group in range(piece.start, piece.stop)
    )


@pytest.mark.parametrize(
    ("megabytes", "groups"),
    [
        pytest.param(10, 10, id="ten are 100, the first sum from 96 on"),
        pytest.param(30, 4, id="four are 120, the first sum from 96 on"),
        pytest.param(60, 2, id="two are 120, less than a third above 96"),
        pytest.param(70, 1, id="two would be 140, more than a third above"),
        pytest.param(300, 1, id="one is too large and cannot be cut"),
    ],
)
def test_a_large_file_is_cut_at_row_groups_near_the_largest_unit(megabytes: int, groups: int) -> None:
    plan = plan_units(files_of([[(10, megabytes * MEGABYTE)] * 480]))

    pieces = [piece for unit in plan for piece in unit.pieces]
    assert len(pieces) == len(plan) == 480 // groups
    assert {piece.stop - piece.start for piece in pieces} == {groups}


def test_small_files_are_packed_together_and_large_ones_cut_at_row_groups() -> None:
    large = [(10, 40 * MEGABYTE)] * 200
    small = [[(5, MEGABYTE)]] * 200

    plan = plan_units(files_of([large, *small]))

    # 8000 MB and 200 MB: the aim is the largest unit, 96 MB; three row groups are the first to reach it
    assert [(p.start, p.stop) for p in plan[0].pieces] == [(0, 3)]
    assert {len(unit.pieces) for unit in plan[:66]} == {1}
    assert len(plan[-2].pieces) > 50
    assert rows_of(plan) == all_rows(files_of([large, *small]))


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param([], id="no files"),
        pytest.param([[]], id="file without row groups"),
        pytest.param([[(0, 0)], [(0, 0), (0, 0)]], id="row groups without rows"),
    ],
)
def test_a_store_without_rows_has_no_units(shape: list[list[tuple[int, int]]]) -> None:
    assert plan_units(files_of(shape)) == []


def test_a_row_group_without_rows_does_not_part_its_neighbours() -> None:
    (unit,) = plan_units(files_of([[(0, 0), (3, 10), (0, 0), (2, 10), (0, 0)]]))

    assert unit.pieces == (Piece(0, "0.parquet", 1, 4, 0, 5, 20, 1000, 1),)


def test_a_limit_in_the_middle_of_a_row_group_keeps_the_group_and_counts_its_first_rows() -> None:
    (unit,) = plan_units(files_of([[(4, 40), (4, 80)]]), limit=6)

    assert unit.pieces == (Piece(0, "0.parquet", 0, 2, 0, 6, 80, 1000, 1),)


def test_rows_whose_text_columns_are_folders_still_make_a_plan() -> None:
    made = files_of([[(3, 0), (4, 0)], [(5, 0)]])

    assert rows_of(plan_units(made)) == all_rows(made)


# Ids


def test_a_units_id_does_not_depend_on_the_rest_of_the_store() -> None:
    first, second = files_of([[(5, 2 * MEGABYTE)], [(7, 2 * MEGABYTE)]])

    alone, together = plan_units([first]), plan_units([first, second])

    assert len(together) == 2
    assert together[0].id == alone[0].id
    assert together[1].id == plan_units([second])[0].id


@pytest.mark.parametrize(
    "change",
    [
        {"root": 1},
        {"file": "b.parquet"},
        {"start": 1},
        {"stop": 3},
        {"row_start": 1},
        {"rows": 9},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_units_id_changes_with_its_list(change: dict[str, Any]) -> None:
    unit = Unit((PIECE,))

    assert Unit((replace(PIECE, **change),)).id != unit.id


@pytest.mark.parametrize("change", [{"read_bytes": 1}, {"file_size": 1}, {"file_mtime_ns": None}], ids=str)
def test_a_units_id_names_its_rows_and_not_what_was_measured_of_their_files(change: dict[str, Any]) -> None:
    assert Unit((replace(PIECE, **change),)).id == Unit((PIECE,)).id


def test_a_units_id_depends_on_the_order_and_number_of_its_pieces() -> None:
    other = replace(PIECE, file="b.parquet")

    ids = {Unit(pieces).id for pieces in [(PIECE, other), (other, PIECE), (PIECE,), (PIECE, other, other)]}

    assert len(ids) == 4
    assert all(len(id_) == 20 and set(id_) <= set("0123456789abcdef") for id_ in ids)


def test_a_units_id_is_the_same_in_every_process_and_version() -> None:
    # sha256 of [[0, "a.parquet", 0, 2, 0, 10]]: parts of earlier runs are found by this name
    assert Unit((PIECE,)).id == "6b583df9934db3afefe0"


# On the way and on disk


@given(shape=stores)
def test_a_unit_is_the_same_after_the_way_through_json(shape: list[list[tuple[int, int]]]) -> None:
    for unit in plan_units(files_of(shape)):
        assert Unit.from_json(unit.as_json()) == unit


def test_a_plan_is_the_same_after_the_way_through_parquet(tmp_path: Path) -> None:
    shape = [[(5, 2 * MEGABYTE), (0, 0), (3, MEGABYTE)], [(1, 10)], [(2, 10), (2, 200 * MEGABYTE)]]
    plan = plan_units(files_of(shape))
    without_time = Unit((replace(PIECE, root=1, file="größe=1/a.parquet", file_mtime_ns=None),))
    empty, text = SourceFile(0, "bad.parquet", 0, None), SourceFile(1, "x.txt", 7, 8)
    bad = {
        empty: Failure(reason=FileReason.ZERO_BYTES, detail="it has zero bytes", file="bad.parquet"),
        text: Failure(reason=FileReason.UNKNOWN_FORMAT, detail="no", file="x.txt"),
    }
    assert len(plan) > 1

    pq.write_table(plan_table([*plan, without_time], bad), tmp_path / "plan.parquet")

    stored = pq.read_table(tmp_path / "plan.parquet")
    assert stored.schema == PLAN_SCHEMA
    assert plan_from_table(stored) == ([*plan, without_time], bad)


def test_a_plan_of_nothing_is_a_table_of_no_rows() -> None:
    assert plan_from_table(plan_table([], {})) == ([], {})
