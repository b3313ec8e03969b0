"""Experiments of a lake at one moment, and SQL over them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Unpack

import polars as pl

from lakebatch.assembly.record import Status
from lakebatch.lake.arguments import QueryArguments, ViewArguments, query_options, takes
from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.snapshot import COMPLETED
from lakebatch.snapshot.snapshots import Snapshots

if TYPE_CHECKING:
    import duckdb


class LakeSnapshot(Snapshots):
    """Experiments of a lake, pinned at one moment: a mapping from their names to their snapshots."""

    @takes(QueryArguments)
    def sql(
        self, text: str, parameters: Mapping[str, Any] | None = None, **options: Unpack[QueryArguments]
    ) -> pl.DataFrame:
        """Return the answer to one SQL query over the views of these snapshots, see `lakebatch.sql.session.query`.

        Parameters
        ----------
        **options
            See `lakebatch.lake.arguments.QueryArguments`.
        """
        from lakebatch.sql import session  # duckdb is slow to import, and only SQL needs it

        return session.query(self, text, parameters, query_options(options))

    @takes(QueryArguments)
    def query(
        self, name: str, parameters: Mapping[str, Any] | None = None, **options: Unpack[QueryArguments]
    ) -> pl.DataFrame:
        """Return the answer to a named query, e.g. ``query("levels", {"experiment": "response-noise"})``.

        Parameters
        ----------
        **options
            See `lakebatch.lake.arguments.QueryArguments`.

        Raises
        ------
        UnknownNameError
            If the query is unknown, or the experiment that it asks for is not in the lake.
        ConfigError
            If a parameter is unknown or missing.
        """
        from lakebatch.sql import session  # as above

        asked = query_options(options)
        chosen, text, values = session.choose(self, name, parameters or {}, asked.on_gap)
        return session.query(chosen, text, values, asked)

    def sql_setup(self, include: Collection[Status] = COMPLETED, on_gap: OnGap = "warn") -> str:
        """Return the statements that make a plain DuckDB see these snapshots, see `lakebatch.sql.catalog.setup`."""
        from lakebatch.sql import catalog  # as above

        return catalog.setup(self, include, on_gap)

    @takes(ViewArguments)
    def connect(self, **options: Unpack[ViewArguments]) -> duckdb.DuckDBPyConnection:
        """Return a new DuckDB connection in which every table is a view, see `lakebatch.sql.session.connect`.

        Parameters
        ----------
        **options
            See `lakebatch.lake.arguments.ViewArguments`.
        """
        from lakebatch.sql import session  # as above

        return session.connect(self, query_options(options, ViewArguments))
