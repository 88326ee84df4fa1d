from itertools import chain

from w2vray.run.pace import Pace


def pace(*times: float) -> Pace:
    return Pace(chain(times).__next__)


def test_the_start_and_the_rows_of_the_first_unit_tell_no_speed() -> None:
    """Ray starts and workers load before it ends."""
    found = pace(60.0, 62.0, 65.0)
    assert [found.at(rows) for rows in (100, 300, 600)] == [None, 100.0, 100.0]
    assert found.rows_per_second == 100.0


def test_a_run_of_one_unit_has_no_speed() -> None:
    found = pace(60.0)
    assert found.at(100) is None
    assert found.rows_per_second is None


def test_units_without_rows_begin_nothing_and_take_time() -> None:
    """A unit whose file cannot be read has no rows; time goes on meanwhile."""
    found = pace(1.0, 2.0, 4.0, 6.0)
    assert [found.at(rows) for rows in (0, 10, 10, 30)] == [None, None, None, 5.0]


def test_two_units_that_end_at_once_divide_by_nothing() -> None:
    found = pace(1.0, 1.0)
    assert [found.at(rows) for rows in (10, 20)] == [None, None]


def test_units_that_end_within_a_second_of_the_first_tell_no_speed() -> None:
    """Two workers that began together end together: 200 rows in a hundredth of a second would be 20,000 a second."""
    found = pace(1.0, 1.01, 1.99, 3.0)
    assert [found.at(rows) for rows in (100, 300, 400, 500)] == [None, None, None, 200.0]


def test_bytes_and_the_time_for_more_rows_are_told_by_the_same_clock() -> None:
    found = pace(1.0, 3.0)
    assert found.seconds_for(10) is None
    found.at(10, 1000)
    found.at(30, 2000)
    assert (found.rows_per_second, found.bytes_per_second, found.seconds_for(40)) == (10.0, 500.0, 4.0)
