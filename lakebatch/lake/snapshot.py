"""Experiments of a lake at one moment, and SQL over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, Unpack

import polars as pl

from lakebatch.assembly.record import Include
from lakebatch.lake.arguments import QueryArguments, ViewArguments, of_query, query_options, takes
from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.selection import check_statuses
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

        return session.query(self._including(options), text, parameters, query_options(options))

    @takes(QueryArguments)
    def query(self, name: str, parameters: Mapping[str, Any] | None = None, **options: Any) -> pl.DataFrame:
        """Return the answer to a named query: ``query("levels", experiment="response-noise")``.

        Parameters
        ----------
        parameters : mapping, optional
            The parameters of the query, which can also be keywords.
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

        given, others = of_query(name, parameters, options, QueryArguments)
        asked = query_options(others)
        chosen, text, values = session.choose(self._including(others), name, given)
        return session.query(chosen, text, values, asked)

    def sql_setup(self, include: Include | None = None, on_gap: OnGap = "warn") -> str:
        """Return the statements that make a plain DuckDB see these snapshots, see `lakebatch.sql.catalog.setup`."""
        from lakebatch.sql import catalog  # as above

        return catalog.setup(self._including({"include": include}), on_gap)

    @takes(ViewArguments)
    def connect(self, **options: Unpack[ViewArguments]) -> duckdb.DuckDBPyConnection:
        """Return a new DuckDB connection in which every table is a view, see `lakebatch.sql.session.connect`.

        Parameters
        ----------
        **options
            See `lakebatch.lake.arguments.ViewArguments`.
        """
        from lakebatch.sql import session  # as above

        return session.connect(self._including(options), query_options(options, ViewArguments))

    def _including(self, options: Mapping[str, Any]) -> Self:
        """Return the same assemblies, those of the statuses that are asked for instead of the selected ones."""
        if (include := options.get("include")) is None:
            return self
        return self.select(replace(self.selection, statuses=tuple(check_statuses(include))))
