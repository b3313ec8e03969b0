"""The experiments of a lake at one moment, and SQL over them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from lakebatch.assembly.record import Status
from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.snapshot import COMPLETED
from lakebatch.snapshot.snapshots import Snapshots

if TYPE_CHECKING:
    import duckdb


class LakeSnapshot(Snapshots):
    """Some experiments of a lake, pinned at one moment; a mapping from their names to their snapshots."""

    def sql(
        self,
        text: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        include: Collection[Status] = COMPLETED,
        on_gap: OnGap = "warn",
        also: Mapping[str, LakeSnapshot] | None = None,
        timeout: float | None = None,
        memory_limit: str | None = None,
    ) -> pl.DataFrame:
        """Return what one SQL query answers over the views of these snapshots, see `lakebatch.sql.session.query`.

        Parameters
        ----------
        timeout : float, s
            How long it may take; without one, as long as it takes.
        memory_limit : str
            How much memory it may use, e.g. ``4GB``; half of the machine's, or its container's, without one.
        """
        from lakebatch.sql import session, supervision  # duckdb is slow to import, and only SQL needs it

        limits = supervision.limits(timeout, memory_limit)
        return session.query(self, text, parameters, include=include, on_gap=on_gap, also=also, limits=limits)

    def query(
        self,
        name: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        include: Collection[Status] = COMPLETED,
        on_gap: OnGap = "warn",
        also: Mapping[str, LakeSnapshot] | None = None,
        timeout: float | None = None,
        memory_limit: str | None = None,
    ) -> pl.DataFrame:
        """Return what a named query answers, e.g. ``query("levels", {"experiment": "response-noise"})``.

        Raises
        ------
        UnknownNameError
            If there is no such query, or nothing of the experiment that it asks for.
        ConfigError
            If a parameter is unknown or missing.
        """
        from lakebatch.sql import session  # as above

        chosen, text, values = session.choose(self, name, parameters or {}, on_gap)
        return chosen.sql(
            text,
            values,
            include=include,
            on_gap=on_gap,
            also=also,
            timeout=timeout,
            memory_limit=memory_limit,
        )

    def sql_setup(self, include: Collection[Status] = COMPLETED, on_gap: OnGap = "warn") -> str:
        """Return the statements that make a plain DuckDB see these snapshots, see `lakebatch.sql.catalog.setup`."""
        from lakebatch.sql import catalog as sql_text

        return sql_text.setup(self, include, on_gap)

    def connect(
        self,
        *,
        include: Collection[Status] = COMPLETED,
        on_gap: OnGap = "warn",
        also: Mapping[str, LakeSnapshot] | None = None,
    ) -> duckdb.DuckDBPyConnection:
        """Return a DuckDB connection of one's own in which every table is a view, see `lakebatch.sql.session.connect`."""
        from lakebatch.sql import session  # as above

        return session.connect(self, include=include, on_gap=on_gap, also=also)
