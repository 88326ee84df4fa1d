"""Importing what draws the plots of a page, and drawing a first one, while workers are waited for."""

import threading
from contextlib import suppress
from importlib import import_module

__all__ = ["prepare_plots"]


def prepare_plots() -> None:
    """Do so in another thread. What fails there fails again, and is told, where a page is made."""
    threading.Thread(target=_prepare, daemon=True).start()


def _prepare() -> None:
    with suppress(Exception):
        plots = import_module("w2vray.pages.plots")
        plots.plot("", plots.bars("a", [1.0]), x="", y="")  # fonts are found and styles are read for the first one
