"""The process that committed each part of an assembly, by the event with which it began."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property

import polars as pl

from lakebatch.assembly.record import SHARDS
from lakebatch.errors import LakebatchError
from lakebatch.storage.delta.engine import ATTEMPT, PART
from lakebatch.storage.delta.reader import Commit

IS_BEGINNING = (pl.col("status") == "started") & pl.col("pid").is_not_null()
"""Selects the events with which a process began to compute an assembly."""


class Attempts:
    """The process that committed each part, from the metadata of the commits; these are read once.

    Parameters
    ----------
    commits : callable
        Returns the commits to the results table.
    events : frame
        The events at the moment.
    version : int
        The version of the results table at the moment.
    """

    def __init__(self, commits: Callable[[], Sequence[Commit]], events: pl.DataFrame, version: int) -> None:
        self._read = commits
        self._events = events
        self._version = version

    def parts(self, assembly_id: str) -> dict[int, list[str]] | None:
        """Return the parts of an assembly by the number of the event with which their process began.

        A lakebatch before 0.2 did not record that number: there it is the last such event before the commit. None if
        it cannot be told, as in an array of such a lakebatch, or if the log cannot be read.
        """
        began = self._events.filter(IS_BEGINNING, assembly_id=assembly_id).sort("event")
        found: dict[int, list[str]] = {}
        for commit in self._commits.get(assembly_id, ()):
            number = _number(commit, began)
            if number is None:
                return None
            found.setdefault(number, []).append(str(commit.metadata[PART]))
        return dict(sorted(found.items())) or None

    @cached_property
    def _commits(self) -> Mapping[str, list[Commit]]:
        """The commits of parts, by assembly."""
        found: dict[str, list[Commit]] = {}
        try:
            commits = self._read()
        except LakebatchError:
            return found
        for each in commits:
            if PART in each.metadata and each.version <= self._version:
                found.setdefault(str(each.metadata.get("lakebatch.assembly_id")), []).append(each)
        return found


def _number(commit: Commit, began: pl.DataFrame) -> int | None:
    """Return the number of the event with which the process of a commit began."""
    recorded = str(commit.metadata.get(ATTEMPT, ""))
    if recorded:
        return int(recorded) if recorded.isdecimal() else None
    if began["environment"].str.contains(f'"{SHARDS}":', literal=True).any():
        return None
    at = datetime.fromtimestamp(int(commit.metadata.get("timestamp", 0)) / 1000, UTC)
    before = began.filter(pl.col("at") <= at)
    return None if before.is_empty() else int(before["event"][-1])
