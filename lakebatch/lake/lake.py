"""A lake: experiments in a folder or on S3, each a few Delta tables."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Unpack

import polars as pl

from lakebatch._text import hint
from lakebatch.assembly.tables import FOLDER
from lakebatch.errors import SchemaError, StorageError, UnknownNameError
from lakebatch.experiment import registry
from lakebatch.lake.arguments import (
    LakeQueryArguments,
    LakeViewArguments,
    SelectionArguments,
    selection_of,
    split,
    takes,
)
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.lake.snapshot import LakeSnapshot
from lakebatch.maintenance import optimize, usage, vacuum
from lakebatch.snapshot import html
from lakebatch.snapshot.moment import Moment
from lakebatch.snapshot.selection import Selection
from lakebatch.storage import Storage, locate
from lakebatch.storage.delta import omissions
from lakebatch.storage.delta.reader import TableCache

if TYPE_CHECKING:
    import duckdb


class Lake:
    """A place that holds experiments: a folder or a prefix on S3."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._table_cache = TableCache()

    def __repr__(self) -> str:
        return f"Lake({self.storage.uri!r})"

    def _repr_html_(self) -> str:
        return html.section(str(self.storage.uri), self.snapshot().overview())

    def __iter__(self) -> Iterator[StoredExperiment]:
        return iter(self.experiments())

    def __getitem__(self, name: str) -> StoredExperiment:
        """Return an experiment by name, or by folder name if the lake has several versions of it."""
        found = [each for each in self.experiments() if name in (each.name, each.folder)]
        if not found:
            raise self._unknown(name, self.experiments())
        found[-1].other_versions = tuple(each.folder for each in found[:-1])
        return found[-1]

    @takes(SelectionArguments)
    def snapshot(self, **dataset: Unpack[SelectionArguments]) -> LakeSnapshot:
        """Return every experiment, pinned at one moment; those not yet begun, or without the tag, are left out.

        Parameters
        ----------
        **dataset
            See `lakebatch.lake.arguments.SelectionArguments`.
        """
        selection = selection_of(dataset)
        return self.at(selection.moment).select(selection)

    def at(self, moment: Moment) -> LakeSnapshot:
        """Return every experiment at a moment, see `lakebatch.snapshot.snapshots.Snapshots.pin`."""
        pinned = LakeSnapshot.pin(self.experiments(), moment)
        for name, error in pinned.damaged.items():
            omissions.warn_of_skipped(name, error)
        return pinned

    def select(self, selection: Selection) -> LakeSnapshot:
        """Return the selected assemblies of every experiment; a query that reads a damaged one reports it."""
        return LakeSnapshot.pin(self.experiments(), selection.moment).select(selection)

    @takes(LakeQueryArguments)
    def sql(
        self, text: str, parameters: Mapping[str, Any] | None = None, **options: Unpack[LakeQueryArguments]
    ) -> pl.DataFrame:
        """Return the answer to one SQL query over the lake's views, see `lakebatch.lake.snapshot.LakeSnapshot.sql`.

        Parameters
        ----------
        **options
            See `lakebatch.lake.arguments.SelectionArguments` and `lakebatch.lake.arguments.QueryArguments`.
        """
        selection, others = split(options, LakeQueryArguments)
        return self.select(selection).sql(text, parameters, **others)

    @takes(LakeQueryArguments)
    def query(
        self, name: str, parameters: Mapping[str, Any] | None = None, **options: Unpack[LakeQueryArguments]
    ) -> pl.DataFrame:
        """Return the answer to a named query, see `lakebatch.lake.snapshot.LakeSnapshot.query`.

        Parameters
        ----------
        **options
            See `lakebatch.lake.arguments.SelectionArguments` and `lakebatch.lake.arguments.QueryArguments`.
        """
        selection, others = split(options, LakeQueryArguments)
        return self.select(selection).query(name, parameters, **others)

    @takes(LakeViewArguments)
    def connect(self, **options: Unpack[LakeViewArguments]) -> duckdb.DuckDBPyConnection:
        """Return a new DuckDB connection in which every table is a view, see `lakebatch.sql.session.connect`.

        Parameters
        ----------
        **options
            See `lakebatch.lake.arguments.SelectionArguments` and `lakebatch.lake.arguments.ViewArguments`.
        """
        selection, others = split(options, LakeViewArguments)
        return self.select(selection).connect(**others)

    def optimize(self, *, dry_run: bool = False) -> pl.DataFrame:
        """Merge the small files of every table, see `lakebatch.maintenance.optimize.optimize`."""
        return optimize.optimize(self.experiments(), dry_run=dry_run)

    def vacuum(self, *, keep_days: int = vacuum.KEEP_DAYS, dry_run: bool = True) -> pl.DataFrame:
        """Remove unused files, see `lakebatch.maintenance.vacuum.vacuum`."""
        return vacuum.vacuum(self.experiments(), keep_days=keep_days, dry_run=dry_run)

    def usage(self) -> pl.DataFrame:
        """Return the disk usage, see `lakebatch.maintenance.usage.usage`."""
        return usage.usage(self.experiments())

    def doctor(self, name: str | None = None, *, deep: bool = False, read_only: bool = False) -> pl.DataFrame:
        """Return problems of the lake or one experiment, each with a command, see `lakebatch.maintenance.doctor`."""
        from lakebatch.maintenance import doctor  # loaded when it is asked for

        chosen = self._chosen(name)
        return doctor.to_frame(doctor.examine(self.storage, chosen, deep=deep, read_only=read_only))

    def repair(
        self, name: str | None = None, *, dry_run: bool = True, jobs: int | None = None
    ) -> pl.DataFrame:
        """Repair damage where the result can be proven right, see `lakebatch.maintenance.repair`."""
        from lakebatch.maintenance import repair  # as above

        outcomes = (
            each for one in self._chosen(name) for each in repair.heal(one, dry_run=dry_run, jobs=jobs)
        )
        return repair.to_frame(outcomes)

    def _chosen(self, name: str | None) -> list[StoredExperiment]:
        """Return the experiments of a name, or all without a name, damaged ones included."""
        stored = self._folders()
        chosen = [each for each in stored if name in (None, each.name, each.folder)]
        if name and not chosen:
            raise self._unknown(name, stored)
        return chosen

    def experiments(self) -> list[StoredExperiment]:
        """Return every experiment in the lake, by number and version."""
        return [each for each in self._folders() if _may_exist(each)]

    def _folders(self) -> list[StoredExperiment]:
        folders = [folder for folder in self.storage.folders() if FOLDER.fullmatch(folder)]
        stored = [StoredExperiment(self.storage, folder, self._table_cache) for folder in folders]
        return sorted(
            stored, key=lambda each: (int(each.number), int(each.experiment_version[1:]), each.name)
        )

    def _unknown(self, name: str, stored: Collection[StoredExperiment]) -> UnknownNameError:
        known = [each.name for each in stored]
        advice = f" Run it with: lakebatch run {name}" if name in registry.find() else ""
        return UnknownNameError(
            f"There is nothing of {name!r} in {self.storage.uri}. {hint(name, known)}"
            f"There: {', '.join(known) or 'none yet'}.{advice}"
        )


def _may_exist(stored: StoredExperiment) -> bool:
    """Whether an experiment exists; True also for damaged tables, so that readers get the error."""
    try:
        return stored.exists()
    except (StorageError, SchemaError):
        return True


def open_lake(lake: str | os.PathLike[str] | None = None) -> Lake:
    """Open a lake: a folder, ``s3://bucket/prefix``, or by default the one from the environment or ``lakebatch.toml``.

    Nothing is created before the first run.

    >>> open_lake("no-such-folder").experiments()
    []
    """
    return Lake(locate(lake))
