"""What is looked at while a run works."""

import threading
import time
from collections.abc import Callable

import pytest
import ray.exceptions

from w2vray.cluster import watching
from w2vray.cluster.watching import harmless, watched


@pytest.fixture(autouse=True)
def _no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.001)


def failing(error: Exception) -> Callable[[], None]:
    def look() -> None:
        raise error

    return look


def test_a_look_that_fails_is_told_once_and_neither_ends_the_other_looks_nor_the_work() -> None:
    told: list[str] = []
    looks = 0
    enough = threading.Event()

    def counts() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            enough.set()

    with watched(failing(KeyError("NodeID")), counts, note=told.append):
        assert enough.wait(10)
    assert told == ["a look at the cluster has failed (KeyError: 'NodeID'); the work goes on"]


def test_what_ray_raises_in_a_look_is_left_to_the_work() -> None:
    told: list[str] = []
    harmless(failing(ray.exceptions.RaySystemError("gone")), told.append)()
    assert told == []


def test_work_that_is_stopped_does_not_wait_for_a_look_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """To ask a Ray that is gone takes a minute."""
    monkeypatch.setattr(watching, "_LAST_LOOK_SECONDS", 0.01)
    looking, release = threading.Event(), threading.Event()

    def hangs() -> None:
        looking.set()
        release.wait(30)

    def stopped() -> None:
        assert looking.wait(10)
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), watched(hangs, note=lambda _: None):
        stopped()
    assert time.monotonic() - began < 15
    release.set()
