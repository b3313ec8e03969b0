"""A lake: the experiments in one place, each a few Delta tables."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from lakebatch.assembly import Status
from lakebatch.errors import SchemaError, StorageError, UnknownNameError
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
            raise self._unknown(name, self.experiments())
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

    def doctor(self, name: str | None = None, *, deep: bool = False, read_only: bool = False) -> pl.DataFrame:
        """Return what is wrong with the lake or one experiment and what to run, see `lakebatch.doctor.examine`."""
        from lakebatch import doctor  # only whoever asks needs it

        stored = self._folders()
        chosen = [each for each in stored if name in (None, each.name, each.folder)]
        if name and not chosen:
            raise self._unknown(name, stored)
        return doctor.to_frame(doctor.examine(self.storage, chosen, deep=deep, read_only=read_only))

    def experiments(self) -> list[StoredExperiment]:
        """Return every experiment in the lake, by number and version."""
        return [each for each in self._folders() if _may_exist(each)]

    def _folders(self) -> list[StoredExperiment]:
        folders = [folder for folder in self.storage.folders() if FOLDER.fullmatch(folder)]
        stored = [StoredExperiment(self.storage, folder) for folder in folders]
        return sorted(
            stored, key=lambda each: (int(each.number), int(each.experiment_version[1:]), each.name)
        )

    def _unknown(self, name: str, stored: Collection[StoredExperiment]) -> UnknownNameError:
        known = ", ".join(each.name for each in stored) or "none yet"
        return UnknownNameError(f"There is nothing of {name!r} in {self.storage.uri}. There: {known}.")


def _may_exist(stored: StoredExperiment) -> bool:
    """Whether an experiment is there; also if its tables are damaged, so that whoever reads it is told."""
    try:
        return stored.exists()
    except (StorageError, SchemaError):
        return True


def open_lake(lake: str | os.PathLike[str] | None = None) -> Lake:
    """Open a lake: a folder, ``s3://bucket/prefix``, or what the environment and ``lakebatch.toml`` say.

    Nothing is created before something is run.

    >>> open_lake("no-such-folder").experiments()
    []
    """
    return Lake(locate(lake))
