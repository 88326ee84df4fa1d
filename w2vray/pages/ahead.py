"""Importing what draws the plots of a page, which takes a second, while workers are waited for."""

import threading
from contextlib import suppress
from importlib import import_module

__all__ = ["import_plots"]


def import_plots() -> None:
    """Import it in another thread. What fails there fails again, and is told, where a page is made."""
    threading.Thread(target=_import, daemon=True).start()


def _import() -> None:
    with suppress(ImportError):
        import_module("w2vray.pages.plots")
