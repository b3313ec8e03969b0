"""What changes in the assemblies of a lake, from the lake alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from lakebatch.lake.experiment import StoredExperiment
from lakebatch.lake.lake import Lake
from lakebatch.snapshot.selection import Selection
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.storage.delta import omissions
from lakebatch.ui import assemblies

Row = dict[str, Any]


def stamp(lake: Lake) -> str:
    """Return a text that changes with every event of any experiment."""
    return _stamp(lake.begun())


def _stamp(stored: Iterable[StoredExperiment]) -> str:
    counts = []
    for each in stored:
        with omissions.warn_and_skip(each.reference):
            counts.append(f"{each.folder}:{each.log.read().rows.height}")
    return " ".join(counts)


class Watcher:
    """The assemblies of a lake that have changed since they were looked at last."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._events: dict[str, dict[str, int]] = {}
        self._rows: dict[tuple[str, str], Row] = {}

    def look(self) -> tuple[str, list[Row]]:
        """Return the stamp of now, and the new values of the assemblies that have changed."""
        stored = self._lake.begun()
        before = _stamp(stored)
        rows: list[Row] = []
        for each in stored:
            with omissions.warn_and_skip(each.reference):
                rows += self._changed(each)
        return before, rows

    def _changed(self, stored: StoredExperiment) -> list[Row]:
        snapshot = stored.snapshot()
        last = dict(snapshot.last_events.select("assembly_id", "event").iter_rows())
        known = self._events.get(stored.folder, last)
        self._events[stored.folder] = last
        open_ones = snapshot.last_events.filter(pl.col("status") == "started")["assembly_id"]
        wanted = {*open_ones, *(each for each, event in last.items() if known.get(each) != event)}
        return [each for each in _rows(stored.reference, snapshot, wanted) if self._is_new(each)]

    def _is_new(self, row: Row) -> bool:
        key = row["folder"], row["assembly"]
        is_new = self._rows.get(key) != row
        self._rows[key] = row
        return is_new


def _rows(name: str, snapshot: Snapshot, ids: Iterable[str]) -> list[Row]:
    """Return the rows of some assemblies in the table of all."""
    wanted = tuple(sorted(ids))
    if not wanted:
        return []
    chosen = snapshot.select(Selection(assemblies=wanted), may_be_empty=True)
    return assemblies.frame({name: chosen}).drop("hash").to_dicts()
