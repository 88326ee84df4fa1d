"""Looking at the cluster once a second while something works on it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import ray.exceptions

__all__ = ["LOOK_SECONDS", "watched"]

LOOK_SECONDS = 1.0


@contextmanager
def watched(*looks: Callable[[], None]) -> Iterator[None]:
    """Call each look once a second meanwhile, in a thread of its own.

    What Ray raises there is left to the work itself, which will meet it too and tell it.
    """
    done = threading.Event()

    def watch() -> None:
        while not done.wait(LOOK_SECONDS):
            for look in looks:
                with suppress(ray.exceptions.RayError):
                    look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
