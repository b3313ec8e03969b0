"""Slow imports ahead of the first page that needs them."""

from __future__ import annotations

from contextlib import suppress
from threading import Thread

from lakebatch.errors import LakebatchError
from lakebatch.experiment import registry
from lakebatch.lake.lake import Lake


def warm_up(lake: Lake) -> None:
    """Import the statistics, the pictures and the experiments of a lake in a thread; no error is raised."""
    Thread(target=_import, args=(lake,), daemon=True, name="warm-up").start()


def _import(lake: Lake) -> None:
    with suppress(LakebatchError, ImportError):
        from scipy import stats  # noqa: F401

        from lakebatch.analysis import plots, report  # noqa: F401
        from lakebatch.analysis.plots import static  # noqa: F401
    with suppress(LakebatchError, Warning):
        for each in lake.begun():
            with suppress(LakebatchError, Warning):
                registry.load(registry.get(each.name))
