"""What a run has done is counted as its units become done, in whatever order."""

from itertools import count

import pytest

from w2vray.run.pace import Pace
from w2vray.run.progress import Counted
from w2vray.store.units import Piece, Unit


def unit(number: int, rows: int, size: int) -> Unit:
    """A unit of two pieces."""
    half = rows // 2
    pieces = [(0, half, size // 2), (half, rows - half, size - size // 2)]
    return Unit(tuple(Piece(0, f"{number}.parquet", 0, 1, start, some, read, size, 1) for start, some, read in pieces))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_units_count_as_they_become_done_in_any_order(order: tuple[int, ...]) -> None:
    units = [unit(0, 10, 100), unit(1, 20, 400), unit(2, 30, 900)]
    counted = Counted(Pace(map(float, count()).__next__))
    counted.planned(units)
    told = [counted.done(units[number].id, units[number].rows, number) for number in order]
    assert [now.units_done for now in told] == [1, 2, 3]
    last = told[-1]
    assert (last.units, last.rows, last.rows_left, last.rows_rejected, last.bytes) == (3, 60, 0, 3, 1400)


def test_speed_and_what_is_left_are_by_one_clock_from_the_first_unit_on() -> None:
    units = [unit(number, 10, 1000) for number in range(5)]
    counted = Counted(Pace(iter([100.0, 102.0, 104.0]).__next__))
    counted.planned(units)
    first, second, third = (counted.done(one.id, 10, 0) for one in units[:3])
    assert (first.rows_per_second, first.bytes_per_second, first.seconds_left) == (None, None, None)
    assert (second.rows_per_second, second.bytes_per_second, second.seconds_left) == (5.0, 500.0, 6.0)
    assert (third.rows_per_second, third.rows_left, third.seconds_left) == (5.0, 20, 4.0)


def test_a_unit_that_fails_is_done_and_the_smaller_ones_in_its_place_are_to_do() -> None:
    counted = Counted(Pace(iter([1.0, 2.0, 3.0]).__next__))
    whole, left, right = unit(0, 10, 100), unit(1, 4, 40), unit(2, 6, 60)
    counted.planned([whole])
    assert counted.done(whole.id, 0, 0).rows_left == 0
    counted.planned([left, right])
    now = counted.done(left.id, 3, 1)  # a filter has left out a row
    assert (now.units_done, now.units, now.rows, now.rows_left, now.rows_rejected) == (2, 3, 3, 6, 1)


def test_a_run_says_who_writes_it_and_since_when() -> None:
    counted = Counted(clock=iter([50.0, 60.0, 70.0]).__next__)
    counted.planned([unit(0, 10, 100)])
    said = counted.as_json()
    assert (said["started"], said["written"], said["units"], said["units_done"]) == (50.0, 60.0, 1, 0)
    assert said["host"]
    assert said["pid"] > 0
    assert [said["ended"], counted.as_json(ended=True)["ended"]] == [False, True]


def test_a_unit_that_is_told_twice_counts_once() -> None:
    units = [unit(0, 10, 100), unit(1, 20, 400)]
    counted = Counted(Pace(map(float, count()).__next__))
    counted.planned(units)
    counted.done(units[0].id, 10, 1)
    again = counted.done(units[0].id, 10, 1)
    assert (again.units_done, again.rows, again.rows_left, again.rows_rejected, again.bytes) == (1, 10, 20, 1, 100)
