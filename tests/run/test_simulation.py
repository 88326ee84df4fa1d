"""Thousands of schedules of a simulated store, workers and drivers: each row once, and ``_SUCCESS`` only when true."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from w2vray.run.drafts import Draft, Drafts

Schedule = Callable[[int], str | None]

FEW, MANY = 120, 500
SEEDS = int(os.environ.get("W2VRAY_SCHEDULES", MANY))
"""How many the long test runs. A failure names its seed, which makes the same schedule again."""


def first_wrong(simulate: Schedule, seeds: range) -> str | None:
    """Return what is wrong with the first schedule that ends wrongly."""
    for seed in seeds:
        if wrong := simulate(seed):
            return f"seed {seed}: {wrong}"
    return None


def test_each_row_is_there_once_and_success_says_so_only_when_it_is_true(simulate: Schedule) -> None:
    assert first_wrong(simulate, range(FEW)) is None


@pytest.mark.long
def test_the_same_of_many_more_schedules(simulate: Schedule) -> None:
    assert first_wrong(simulate, range(FEW, FEW + SEEDS)) is None


def test_a_seed_makes_the_same_schedule_again(simulate: Schedule, steps: Callable[[], int]) -> None:
    taken = []
    for _ in range(2):
        simulate(7)
        taken.append(steps())
    assert taken[0] == taken[1] > 100


def _replacing(drafts: Drafts, draft: Draft, *parts: str, replace: bool = False) -> bool:
    """Publish as if nobody else could: by writing over whatever is there, whenever it is."""
    del replace
    files = drafts._files
    files.store.put(files.path(*parts), files.store._read(draft.path))
    return True


def _without_asking(drafts: Drafts) -> None:
    """Say that the folder of drafts is open still."""
    del drafts


def _never_closed(drafts: Drafts) -> None:
    """Leave the folder of drafts open."""
    del drafts


@pytest.mark.parametrize(
    ("name", "fault"),
    [("publish", _replacing), ("require_open", _without_asking), ("close", _never_closed)],
    ids=["publishing by replacing", "publishing without asking", "giving nobody up"],
)
def test_a_fault_of_the_protocol_is_found(
    name: str, fault: Callable[..., Any], simulate: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Drafts, name, fault)
    assert first_wrong(simulate, range(FEW * 20)) is not None
