"""Ray, imported when something of it is first used: it takes most of a second, and many stores are done without it."""

import sys
from typing import TYPE_CHECKING, Any

__all__ = ["is_running", "ray"]

if TYPE_CHECKING:
    import ray
else:

    class _Ray:
        def __getattr__(self, name: str) -> Any:
            import ray  # noqa: PLC0415 - this is where it is imported

            return getattr(ray, name)

    ray = _Ray()


def is_running() -> bool:
    """Tell whether this process uses a Ray, without importing it."""
    initialized = getattr(sys.modules.get("ray"), "is_initialized", None)
    return initialized is not None and bool(initialized())
