"""One experiment in a lake: what was run, how it went, and its rows."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import polars as pl

from lakebatch import _process as process
from lakebatch._version import __version__
from lakebatch.assembly import decisions
from lakebatch.assembly.decisions import decide
from lakebatch.assembly.record import Assembly, Status, now
from lakebatch.assembly.tables import RESULTS, ExperimentTables
from lakebatch.assembly.tags import Tag
from lakebatch.errors import AssemblyError, UnknownNameError
from lakebatch.ids import check_assembly_id, check_name, check_no_secret
from lakebatch.maintenance import optimize, usage, vacuum
from lakebatch.snapshot import dataset as datasets
from lakebatch.snapshot import html as notebook
from lakebatch.snapshot import replicates
from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.moment import Moment, moment, parse
from lakebatch.snapshot.pin import pin
from lakebatch.snapshot.snapshot import COMPLETED, Snapshot
from lakebatch.snapshot.summary import brief, history, summarize
from lakebatch.snapshot.times import Time
from lakebatch.storage.delta import damage

if TYPE_CHECKING:
    from lakebatch.analysis.diff import Difference
    from lakebatch.analysis.plots import Picture
    from lakebatch.analysis.report import Report

logger = logging.getLogger(__name__)

DISCARDED: tuple[Status, ...] = ("discarded",)


class StoredExperiment(ExperimentTables):
    """One experiment's tables in a lake: what was run, how it went, and its rows.

    Every method reads the newest state unless a ``version`` of the results table, a time (``as_of``) or a
    ``tag`` is given. A time is ISO 8601 text, a date, a datetime, or a time of pandas or NumPy; it is local
    time unless it says otherwise, and means up to the end of the day, minute or second that it names.
    """

    def _repr_html_(self) -> str:
        pinned = self.snapshot()
        damage.warn_of(pinned.tables.lost)
        return notebook.section(f"{self.folder}, now", brief(pinned))

    def schema_name(self, *, unique: bool = True) -> str:
        """Return what the experiment is called in SQL; by its folder where its name is not unique in the lake."""
        return (self.name if unique else self.folder).replace("-", "_")

    def snapshot(
        self, *, version: int | None = None, as_of: Time | None = None, tag: str | None = None
    ) -> Snapshot:
        """Return the experiment's rows and statuses, pinned at one moment."""
        return self.at(moment(version, as_of, tag))

    def at(self, moment: Moment) -> Snapshot:
        """Return the experiment's rows and statuses at a moment, see `lakebatch.snapshot.pin.pin`."""
        return pin(self, moment)

    def scan(
        self,
        *,
        version: int | None = None,
        as_of: Time | None = None,
        tag: str | None = None,
        include: Collection[Status] = COMPLETED,
        table: str = RESULTS,
        on_gap: OnGap = "warn",
    ) -> pl.LazyFrame:
        """Return the rows of every completed assembly, lazily, see `lakebatch.snapshot.snapshot.Snapshot.scan`."""
        return self.snapshot(version=version, as_of=as_of, tag=tag).scan(include, table=table, on_gap=on_gap)

    def reassemble(
        self,
        *,
        version: int | None = None,
        as_of: Time | None = None,
        tag: str | None = None,
        include: Collection[Status] = COMPLETED,
        table: str = RESULTS,
        on_gap: OnGap = "warn",
    ) -> pl.DataFrame:
        """Return the rows of every completed assembly as one frame, in the order of the runs.

        Parameters
        ----------
        include : statuses
            Which assemblies to read; completed ones by default.
        table : str
            ``results``, ``samples`` or ``trajectories``.
        on_gap : {"warn", "refuse", "ignore"}
            What to do when the dataset lacks an assembly, a planned part or its baseline. Only "ignore" leaves out
            assemblies that cannot be read.

        Raises
        ------
        IncompleteError
            If there is a gap and ``on_gap`` is "refuse".
        DamageError
            If a file of one of the assemblies is missing or cannot be read, unless ``on_gap`` is "ignore".
        """
        pinned = self.snapshot(version=version, as_of=as_of, tag=tag)
        return pinned.reassemble(include, table=table, on_gap=on_gap)

    def assemblies(
        self, *, version: int | None = None, as_of: Time | None = None, tag: str | None = None
    ) -> pl.DataFrame:
        """Return one row per assembly: its state, progress, times, seed and config."""
        pinned = self.snapshot(version=version, as_of=as_of, tag=tag)
        damage.warn_of(pinned.tables.lost)
        return summarize(pinned)

    def completeness(
        self,
        *,
        version: int | None = None,
        as_of: Time | None = None,
        tag: str | None = None,
        on_gap: OnGap = "warn",
    ) -> pl.DataFrame:
        """Return one row per planned part of each assembly: whether it is there and, if not, why.

        Of an assembly with a damaged file no part is, where ``on_gap`` is "ignore"; else that is a `DamageError`.
        """
        return self.snapshot(version=version, as_of=as_of, tag=tag).completeness(on_gap)

    def replicates(
        self,
        *,
        version: int | None = None,
        as_of: Time | None = None,
        tag: str | None = None,
        on_gap: OnGap = "warn",
    ) -> pl.DataFrame:
        """Return completed assemblies of the same config, and whether those of one seed agree, see `replicates`."""
        return replicates.compare(self.snapshot(version=version, as_of=as_of, tag=tag), on_gap)

    def status(self, assembly_id: str) -> str:
        """Return an assembly's state: started, interrupted, completed, failed, discarded or not_found."""
        check_assembly_id(assembly_id)
        if not self.exists():
            return "not_found"
        try:
            return self.log.get(assembly_id).state
        except UnknownNameError:
            return "not_found"

    def dataset(
        self,
        assembly_id: str,
        *,
        level: float,
        feature_set: str,
        version: int | None = None,
        as_of: Time | None = None,
        tag: str | None = None,
    ) -> tuple[pl.DataFrame, pl.Series]:
        """Return features and target exactly as models were trained on them, see `lakebatch.snapshot.dataset.load`."""
        pinned = self.snapshot(version=version, as_of=as_of, tag=tag)
        return datasets.load(pinned, assembly_id, level=level, feature_set=feature_set)

    def plot(
        self,
        kind: str = "levels",
        *,
        version: int | None = None,
        as_of: Time | None = None,
        tag: str | None = None,
        against: str | int | Time | None = None,
        include: Collection[Status] = COMPLETED,
        on_gap: OnGap = "warn",
        **options: Any,
    ) -> Picture:
        """Return a picture that shows itself in a notebook and can be saved, see `lakebatch.analysis.plots.picture`.

        ``noise.plot("levels", by="model", zoom=(0.6, 1)).save("levels.pdf")``; ``against`` another version,
        time or tag; further ``options`` are those of `lakebatch.analysis.plots.Options`: metric, by, zoom, unit,
        assembly, level.
        """
        from lakebatch.analysis import (
            plots,  # pictures are slow to import, and need what may not be installed
        )

        return plots.picture(
            self.snapshot(version=version, as_of=as_of, tag=tag),
            kind,
            against=None if against is None else self.at(parse(against)),
            include=include,
            on_gap=on_gap,
            options=plots.Options(**options),
        )

    def report(
        self,
        *,
        version: int | None = None,
        as_of: Time | None = None,
        tag: str | None = None,
        include: Collection[Status] = COMPLETED,
        on_gap: OnGap = "warn",
        **options: Any,
    ) -> Report:
        """Return a report, see `lakebatch.analysis.report`: ``noise.report(metric="r2").save("report.html")``."""
        from lakebatch.analysis import plots, report  # as for pictures

        return report.report(
            self.snapshot(version=version, as_of=as_of, tag=tag),
            include=include,
            on_gap=on_gap,
            options=plots.Options(**options),
        )

    def history(self) -> pl.DataFrame:
        """Return every event, oldest first, with the version of the results table that each saw."""
        return history(self.log.events())

    def diff(self, before: int | Time, after: int | Time = "now", *, on_gap: OnGap = "warn") -> Difference:
        """Return what changed between two versions, times, tags or assemblies, see `lakebatch.analysis.diff.compare`."""
        from lakebatch.analysis import diff  # as for pictures

        return diff.compare(self, before, after, on_gap)

    def optimize(self, *, dry_run: bool = False) -> pl.DataFrame:
        """Merge the small files of each table, see `lakebatch.maintenance.optimize.optimize`."""
        return optimize.optimize([self], dry_run=dry_run)

    def vacuum(self, *, keep_days: int = vacuum.KEEP_DAYS, dry_run: bool = True) -> pl.DataFrame:
        """Remove files that nothing needs, see `lakebatch.maintenance.vacuum.vacuum`."""
        return vacuum.vacuum([self], keep_days=keep_days, dry_run=dry_run)

    def repair(self, *, dry_run: bool = True, jobs: int | None = None) -> pl.DataFrame:
        """Heal what is damaged where that can be proven right, see `lakebatch.maintenance.repair.heal`."""
        from lakebatch.maintenance import repair  # as for pictures

        return repair.to_frame(repair.heal(self, dry_run=dry_run, jobs=jobs))

    def usage(self) -> pl.DataFrame:
        """Return what takes space, see `lakebatch.maintenance.usage.usage`."""
        return usage.usage([self])

    def tag(
        self,
        name: str,
        *,
        note: str | None = None,
        version: int | None = None,
        as_of: Time | None = None,
    ) -> Tag:
        """Name a state, the newest by default, for ever: vacuum never removes what it needs.

        Raises
        ------
        NameClashError
            If the name stands for another state already.
        """
        which = moment(version, as_of)
        check_no_secret(check_name(name, "tag"), "tag")
        self.check_folders(("tags",))
        events_version = None if which.is_past else self.log.table.version()  # before that of the rows
        pinned = self.at(which)
        stored = {each: self._table_version(each) for each in ("samples", "trajectories")}
        return self.tag_log.set(
            Tag(
                tag=name,
                at=now(),
                note=note,
                results_version=pinned.version,
                assemblies_version=events_version,
                as_of=which.time,
                samples_version=stored["samples"],
                trajectories_version=stored["trajectories"],
                code_version=__version__,
                host=process.host(),
            )
        )

    def tags(self) -> pl.DataFrame:
        """Return every tag as a row, oldest first."""
        return self.tag_log.frame()

    def discard(self, assembly_id: str, reason: str) -> Assembly:
        """Take an assembly out of the dataset, for a reason; nothing is removed, and `restore` takes it back.

        A process elsewhere that works on it stops at its next look.

        Raises
        ------
        AssemblyError
            If a process of this machine works on it, or it is discarded already.
        """
        assembly = self.log.get(assembly_id)
        if worker := assembly.worker_here():
            raise AssemblyError(
                f"{assembly_id} is being computed by process {worker.pid} on this machine. Stop it first."
            )
        decided = decide(self, assembly, "discarded", reason, after=("started", "completed", "failed"))
        if worker := assembly.worker_seen():
            logger.warning("%s was being computed by %s, which stops soon.", assembly_id, worker)
        return decided

    def restore(self, assembly_id: str, reason: str) -> Assembly:
        """Take back an assembly that was discarded: it gets the status that it had before.

        Raises
        ------
        AssemblyError
            If it is not discarded.
        """
        events = self.log.events().filter(
            (pl.col("assembly_id") == assembly_id) & (pl.col("status") != "discarded")
        )
        before = events["status"].to_list()[-1:] or ["started"]
        return decide(self, self.log.get(assembly_id), before[0], reason, after=DISCARDED)

    def note(self, assembly: Assembly, text: str) -> Assembly:
        """Record something that was found out about an assembly, or done to it; its status stays."""
        return decisions.note(self, assembly, text)

    def _table_version(self, name: str) -> int | None:
        table = self.table(name)
        return table.version() if table.exists() else None
