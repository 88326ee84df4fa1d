"""Looking at the cluster once a second while something works on it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from w2vray.cluster.lazy_ray import ray
from w2vray.cluster.waiting import Note

__all__ = ["LOOK_SECONDS", "harmless", "watched"]

LOOK_SECONDS = 1.0

_LAST_LOOK_SECONDS = 2.0

Look = Callable[[], None]


@contextmanager
def watched(*looks: Look, note: Note) -> Iterator[None]:
    """Call each look once a second meanwhile, in a thread of its own; see ``harmless`` for what one raises."""
    done = threading.Event()
    harmless_looks = [harmless(look, note) for look in looks]

    def watch() -> None:
        while not done.wait(LOOK_SECONDS):
            for look in harmless_looks:
                look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        done.set()
        thread.join(_LAST_LOOK_SECONDS)  # a look at a Ray that is gone takes a minute, and then ends this process
        raise
    done.set()
    thread.join()


def harmless(look: Look, note: Note) -> Look:
    """Return a look that raises nothing: the work goes on without it.

    What Ray raises there is left to the work itself, which will meet it too and tell it. Anything else is told once.
    """
    told = False

    def looked() -> None:
        nonlocal told
        try:
            look()
        except ray.exceptions.RayError:
            pass
        except Exception as error:  # noqa: BLE001 - it is told, and the next look may succeed
            if not told:
                told = True
                note(f"a look at the cluster has failed ({type(error).__name__}: {error}); the work goes on")

    return looked
