"""One experiment in a lake: what was run, how it went, and its rows."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from lakebatch import datasets, snapshot
from lakebatch.assembly import AssemblyLog, Status
from lakebatch.delta import Table
from lakebatch.errors import ConfigError, UnknownNameError
from lakebatch.ids import check_assembly_id, check_name
from lakebatch.schema import load_schema
from lakebatch.snapshot import COMPLETED, OnGap, Snapshot, report_gaps
from lakebatch.storage import Storage
from lakebatch.summary import summarize

if TYPE_CHECKING:
    from lakebatch.plots import Picture
    from lakebatch.report import Report

FOLDER = re.compile(r"(?P<number>\d{2,})_(?P<version>v\d+)_(?P<name>[a-z][a-z0-9-]*)", re.ASCII)


class StoredExperiment:
    """One experiment's tables in a lake: what was run, how it went, and its rows.

    Every method reads the newest state unless a ``version`` of the results table or a time (``as_of``:
    ISO 8601 text, local time unless it says otherwise, or a datetime) is given.
    """

    def __init__(self, storage: Storage, folder: str) -> None:
        match = FOLDER.fullmatch(folder)
        if match is None:
            raise ConfigError(
                f"{folder!r} is not an experiment's folder. Expected e.g. 03_v1_response-noise."
            )
        self.storage = storage
        self.folder = folder
        self.name = check_name(match["name"])
        self.number = match["number"]
        self.experiment_version = match["version"]

    def __repr__(self) -> str:
        return f"StoredExperiment({self.storage.join(self.folder)!r})"

    @cached_property
    def results(self) -> Table:
        """The table of results."""
        return self.table("results")

    @cached_property
    def log(self) -> AssemblyLog:
        """The events of the assemblies."""
        return AssemblyLog(self.table("assemblies"))

    def table(self, name: str) -> Table:
        """Return one of the experiment's tables by name."""
        return Table(self.storage, self.folder, load_schema(name))

    def exists(self) -> bool:
        """Whether anything was ever started here."""
        return self.log.table.exists() and self.results.exists()

    def schema_name(self, *, unique: bool = True) -> str:
        """Return what the experiment is called in SQL; by its folder where its name is not unique in the lake."""
        return (self.name if unique else self.folder).replace("-", "_")

    def began_by(self, time: str | datetime) -> bool:
        """Whether anything had been recorded by then."""
        return not self.log.events().filter(pl.col("at") <= snapshot.to_time(time)).is_empty()

    def snapshot(self, *, version: int | None = None, as_of: str | datetime | None = None) -> Snapshot:
        """Return the experiment's rows and statuses, pinned at one moment."""
        if version is not None and as_of is not None:
            raise ConfigError("Both a version and a time were given. Expected one of them.")
        if version is not None:
            return snapshot.at_version(self.log, self.results, version)
        if as_of is not None:
            return snapshot.as_of(self.log, self.results, snapshot.to_time(as_of))
        return snapshot.latest(self.log, self.results)

    def scan(
        self,
        *,
        version: int | None = None,
        as_of: str | datetime | None = None,
        include: Collection[Status] = COMPLETED,
    ) -> pl.LazyFrame:
        """Return the rows of every completed assembly, lazily: filters and columns reach the files."""
        return self.snapshot(version=version, as_of=as_of).scan(include)

    def reassemble(
        self,
        *,
        version: int | None = None,
        as_of: str | datetime | None = None,
        include: Collection[Status] = COMPLETED,
        on_gap: OnGap = "warn",
    ) -> pl.DataFrame:
        """Return the rows of every completed assembly as one frame, in the order of the runs.

        Parameters
        ----------
        include : statuses
            Which assemblies to read; completed ones by default.
        on_gap : {"warn", "refuse", "ignore"}
            What to do when the dataset lacks an assembly, a planned part or its baseline.

        Raises
        ------
        IncompleteError
            If there is a gap and ``on_gap`` is "refuse".
        """
        pinned = self.snapshot(version=version, as_of=as_of)
        report_gaps(pinned.gaps(include), on_gap)
        rows = pinned.scan(include).collect()
        order = [
            name
            for name in ("assembly_id", "level", "part", "feature_set", "model", "repeat")
            if name in rows.columns
        ]
        return rows.sort(order, maintain_order=True)

    def assemblies(self, *, version: int | None = None, as_of: str | datetime | None = None) -> pl.DataFrame:
        """Return one row per assembly: its state, progress, times, seed and config."""
        return summarize(self.snapshot(version=version, as_of=as_of))

    def status(self, assembly_id: str) -> str:
        """Return an assembly's state: started, interrupted, completed, failed, discarded or not_found."""
        check_assembly_id(assembly_id)
        if not self.exists():
            return "not_found"
        try:
            return self.log.get(assembly_id).state
        except UnknownNameError:
            return "not_found"

    def dataset(self, assembly_id: str, *, level: float, feature_set: str) -> tuple[pl.DataFrame, pl.Series]:
        """Return features and target exactly as models were trained on them, see `lakebatch.datasets.load`."""
        assembly = self.log.get(assembly_id)
        return datasets.load(self.folder, self.table, assembly, level=level, feature_set=feature_set)

    def plot(
        self,
        kind: str = "levels",
        *,
        version: int | None = None,
        as_of: str | datetime | None = None,
        against: str | None = None,
        include: Collection[Status] = COMPLETED,
        on_gap: OnGap = "warn",
        **options: Any,
    ) -> Picture:
        """Return a picture that shows itself in a notebook and can be saved, see `lakebatch.plots.picture`.

        ``noise.plot("levels", by="model", zoom=(0.6, 1)).save("levels.pdf")``; further ``options`` are
        those of `lakebatch.plots.Options`: metric, by, zoom, unit, assembly, level.
        """
        from lakebatch import plots  # pictures are slow to import, and need what may not be installed

        return plots.picture(
            self,
            kind,
            version=version,
            as_of=as_of,
            against=against,
            include=include,
            on_gap=on_gap,
            options=plots.Options(**options),
        )

    def report(
        self,
        *,
        version: int | None = None,
        as_of: str | datetime | None = None,
        include: Collection[Status] = COMPLETED,
        on_gap: OnGap = "warn",
        **options: Any,
    ) -> Report:
        """Return a report, see `lakebatch.report`: ``noise.report(metric="r2").save("report.html")``."""
        from lakebatch import plots, report  # as for pictures

        return report.report(
            self,
            version=version,
            as_of=as_of,
            include=include,
            on_gap=on_gap,
            options=plots.Options(**options),
        )

    def history(self) -> pl.DataFrame:
        """Return every event, oldest first, with the version of the results table that each saw."""
        events = self.log.events().sort("at", "run_number", "event")
        return events.select(
            pl.col("results_version").alias("version"),
            "at",
            "assembly_id",
            "status",
            "parts_done",
            "parts_planned",
            "rows",
            "error",
            "code_version",
        )
