"""A lake: the experiments in one place, each a few Delta tables."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from lakebatch import named_queries
from lakebatch.assembly import Status
from lakebatch.errors import UnknownNameError
from lakebatch.snapshot import COMPLETED, OnGap
from lakebatch.storage import Storage, locate
from lakebatch.stored import FOLDER, StoredExperiment

if TYPE_CHECKING:
    import duckdb


class Lake:
    """A place that holds experiments: a folder or a prefix on S3."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def __repr__(self) -> str:
        return f"Lake({self.storage.uri!r})"

    def __iter__(self) -> Iterator[StoredExperiment]:
        return iter(self.experiments())

    def __getitem__(self, name: str) -> StoredExperiment:
        """Return an experiment by its name, or by its whole folder name where it has several versions."""
        found = [each for each in self.experiments() if name in (each.name, each.folder)]
        if not found:
            known = ", ".join(each.name for each in self.experiments()) or "none yet"
            raise UnknownNameError(f"There is nothing of {name!r} in {self.storage.uri}. There: {known}.")
        return found[-1]

    def sql(
        self,
        text: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
        as_of: str | datetime | None = None,
        include: Collection[Status] = COMPLETED,
        on_gap: OnGap = "warn",
    ) -> pl.DataFrame:
        """Return what one SQL query answers over the lake's views, see `lakebatch.sql.query`."""
        from lakebatch import sql  # duckdb is slow to import, and only SQL needs it

        return sql.query(
            self.experiments(), text, parameters, version=version, as_of=as_of, include=include, on_gap=on_gap
        )

    def query(
        self,
        name: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
        as_of: str | datetime | None = None,
        include: Collection[Status] = COMPLETED,
        on_gap: OnGap = "warn",
    ) -> pl.DataFrame:
        """Return what a named query answers, e.g. ``lake.query("levels", {"experiment": "response-noise"})``.

        Raises
        ------
        UnknownNameError
            If there is no such query, or the lake has nothing of the experiment that it asks for.
        ConfigError
            If a parameter is unknown or missing.
        """
        query = named_queries.get(name)
        values = named_queries.fill(query, parameters or {})
        if "experiment" in values:
            self[str(values["experiment"])]
        return self.sql(query.text, values, version=version, as_of=as_of, include=include, on_gap=on_gap)

    def connect(
        self,
        *,
        version: int | None = None,
        as_of: str | datetime | None = None,
        include: Collection[Status] = COMPLETED,
        on_gap: OnGap = "warn",
    ) -> duckdb.DuckDBPyConnection:
        """Return a DuckDB connection of one's own in which every table is a view, see `lakebatch.sql.connect`."""
        from lakebatch import sql  # duckdb is slow to import, and only SQL needs it

        return sql.connect(self.experiments(), version=version, as_of=as_of, include=include, on_gap=on_gap)

    def experiments(self) -> list[StoredExperiment]:
        """Return every experiment in the lake, by number and version."""
        folders = [folder for folder in self.storage.folders() if FOLDER.fullmatch(folder)]
        stored = [StoredExperiment(self.storage, folder) for folder in folders]
        present = [each for each in stored if each.exists()]
        return sorted(
            present, key=lambda each: (int(each.number), int(each.experiment_version[1:]), each.name)
        )


def open_lake(lake: str | os.PathLike[str] | None = None) -> Lake:
    """Open a lake: a folder, ``s3://bucket/prefix``, or what the environment and ``lakebatch.toml`` say.

    Nothing is created before something is run.

    >>> open_lake("no-such-folder").experiments()
    []
    """
    return Lake(locate(lake))
