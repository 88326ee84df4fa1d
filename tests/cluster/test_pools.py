"""Tests of how units are handed to a pool of workers."""

from collections.abc import Callable, Sequence

import pytest

from tests.fixtures.idle_worker import BAD, IdleWorker
from w2vray.cluster import pools
from w2vray.cluster.pools import run_units
from w2vray.errors import RunError
from w2vray.store.units import Piece, Unit


def units_of(files: Sequence[str]) -> list[Unit]:
    return [Unit((Piece(0, file, 0, 1, 0, 10, 100, 100, 1),)) for file in files]


@pytest.mark.parametrize(
    ("units", "workers", "at_once"),
    [
        (1, 1, 1),
        (2_000, 8, 1),
        (3_999, 8, 1),
        (4_000, 8, 2),
        (100_000, 125, 50),
        (128_000, 8, 64),
        (10_000_000, 8, 64),
        (128_000, 1_000, 8),  # none of them waits for one that has the last
        (128_000, 10_000, 1),
        (128_000, 100_000, 1),
    ],
)
def test_of_very_many_units_a_worker_is_handed_several_at_once(units: int, workers: int, at_once: int) -> None:
    assert pools._units_a_block(units, workers) == at_once


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
def test_units_handed_out_together_are_done_one_by_one(
    wait_for_every_cpu: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "_BLOCKS", 2)
    monkeypatch.setattr(pools, "_BLOCKS_A_WORKER", 2)
    monkeypatch.setattr(pools, "_MOST_UNITS_A_BLOCK", 4)
    units = units_of([f"part-{number}.parquet" for number in range(11)])
    rows = list(run_units(units, IdleWorker, {}, workers=1))
    assert [row["unit"] for row in rows] == [unit.id for unit in units]
    assert [row["had"] for row in rows] == list(range(1, 12))

    wait_for_every_cpu()
    with pytest.raises(RunError, match="a bad unit"):
        list(run_units(units_of(["a.parquet", BAD, "b.parquet", "c.parquet"]), IdleWorker, {}, workers=1))
    wait_for_every_cpu()
