"""One experiment's rows and statuses, pinned at one moment: everything that reads goes through it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import polars as pl

from lakebatch.assembly.lease import Leases
from lakebatch.assembly.record import Assembly, Status
from lakebatch.assembly.tables import RESULTS
from lakebatch.snapshot import changes, mixture, pieces
from lakebatch.snapshot import html as notebook
from lakebatch.snapshot.committed_parts import CommittedParts
from lakebatch.snapshot.gaps import Gap, OnGap, report_gaps
from lakebatch.snapshot.moment import Moment
from lakebatch.snapshot.row_order import in_order, put_in_order
from lakebatch.snapshot.statuses import COMPLETED as COMPLETED
from lakebatch.snapshot.statuses import Statuses
from lakebatch.snapshot.tables import PinnedTables
from lakebatch.storage.delta import damage
from lakebatch.storage.delta.damage import Fault
from lakebatch.storage.delta.version import Arrange, TableVersion, collect

COUNTED = {"assembly_id": pl.String(), "rows": pl.Int64()}


class Snapshot(Statuses):
    """One experiment's tables, pinned at one moment.

    A row is seen if its assembly is completed at that moment or, where assemblies of other statuses are
    asked for, if its part had been committed by then. Tables are only appended to, so the rows of a past
    moment are read from the newest files, and neither compaction nor vacuum takes them away.

    Statuses are read before rows, and ``completed`` is recorded after the last row: a snapshot that knows
    an assembly as completed holds all of its rows.

    Parameters
    ----------
    folder : str
        The experiment's folder in the lake.
    moment : Moment
        Which state this is.
    events : frame
        The events that had been recorded by then.
    version : int
        The version of the results table at that moment.
    tables : PinnedTables
        The data tables as they are now.
    find_parts : callable
        Returns which parts of some assemblies the results table had at the moment, as pairs of id and key.
    leases : Leases, optional
        By which processes elsewhere are judged.
    uncertain : collection of str
        The assemblies of which events cannot be read; their rows are left out.
    other_versions : sequence of str
        Folders of other versions of the experiment, where it was asked for by its name alone.
    """

    def __init__(
        self,
        folder: str,
        moment: Moment,
        events: pl.DataFrame,
        version: int,
        *,
        tables: PinnedTables,
        find_parts: Callable[[Collection[str]], Collection[tuple[str, str]]],
        leases: Leases | None = None,
        uncertain: Collection[str] = (),
        other_versions: Sequence[str] = (),
    ) -> None:
        super().__init__(folder, moment, events, leases, uncertain)
        self.version = version
        self.tables = tables
        self.other_versions = tuple(other_versions)
        self._committed = CommittedParts(lambda: self.not_completed, find_parts)

    def __repr__(self) -> str:
        return f"Snapshot({self.folder!r}, {self.moment}, version {self.version})"

    def _repr_html_(self) -> str:
        columns = ("assembly_id", "status", "at", "parts_done", "parts_planned", "rows", "seed", "error")
        rows = [{name: getattr(each, name) for name in columns} for each in self.assemblies]
        title = f"{self.folder}, {self.moment}: version {self.version}"
        return notebook.section(title, pl.DataFrame(rows, infer_schema_length=None))

    @property
    def missing_versions(self) -> str | None:
        """What to say if the results lack versions that events saw, as after the loss of the newest log entries."""
        results = self.table()
        seen = self.events["results_version"].max() if self.events.height else 0
        if results is None or not isinstance(seen, int) or seen <= results.number:
            return None
        return f"an event saw version {seen} of {results.uri}, whose newest is {results.number}"

    def mixtures(self, include: Collection[Status] = COMPLETED) -> dict[str, str]:
        """Return which of these assemblies have rows that different code computed, and in words which."""
        of_these = pl.col("assembly_id").is_in(self.ids(include))
        return changes.mixtures(self.events.filter(of_these), only=changes.SOURCE)

    def mixed(self, include: Collection[Status] = COMPLETED) -> list[str]:
        """Return what may not belong together in the rows of these assemblies: configs, code, versions."""
        chosen = self.last_events.filter(pl.col("assembly_id").is_in(self.ids(include)))
        versions = mixture.of_versions(self.name, self.folder, self.other_versions)
        codes = [f"{each} is a mixture: {what}" for each, what in self.mixtures(include).items()]
        return [*versions, *mixture.of_assemblies(self.name, chosen), *codes]

    def table(self, name: str = RESULTS) -> TableVersion | None:
        """Return one of the data tables, None if nothing was ever written to it."""
        return self.tables.get(name)

    def renew(self) -> bool:
        """Open the tables again, which changes no row of this snapshot; whether any has newer files."""
        return self.tables.renew()

    def faults(self, include: Collection[Status] = COMPLETED, *, table: str = RESULTS) -> list[Fault]:
        """Return what cannot be read of the assemblies with one of these statuses, as far as that is known."""
        return self.tables.faults(table, self.ids(include))

    def scan(
        self,
        include: Collection[Status] = COMPLETED,
        *,
        table: str = RESULTS,
        on_gap: OnGap = "warn",
    ) -> pl.LazyFrame:
        """Return the rows of the assemblies with one of these statuses, lazily: filters and columns reach the files.

        Parameters
        ----------
        table : str
            ``results``, ``samples`` or ``trajectories``.
        on_gap : {"warn", "refuse", "ignore"}
            Whether to leave out the assemblies of which a file is missing or cut off.

        Raises
        ------
        DamageError
            If a file of one of the assemblies is missing or cut off, unless ``on_gap`` is "ignore".
        """
        ids, found = self.tables.readable(table, self.ids(include), on_gap)
        damage.warn_of(found)
        return self.rows_of(self.tables.existing(table), ids)

    def rows_of(
        self, pinned: TableVersion, ids: Collection[str], arranged: Arrange = lambda rows: rows
    ) -> pl.LazyFrame:
        """Return the rows that a table has of some assemblies, lazily, without those later than this snapshot.

        Parameters
        ----------
        arranged : callable
            Puts the rows of single files into an order, see `TableVersion.scan`.
        """
        unfinished = ~pl.col("status").is_in(COMPLETED) & pl.col("assembly_id").is_in(list(ids))
        later = self.last_events.filter(unfinished)["assembly_id"].to_list()
        return self._as_committed(pinned.scan(ids, arranged=arranged), later)

    def scan_one(self, assembly_id: str, *, table: str = RESULTS) -> pl.LazyFrame:
        """Return the rows of one assembly, whatever its status, lazily."""
        self.assembly(assembly_id)
        pinned = self.tables.existing(table)
        damage.check(pinned, [assembly_id])
        return self.rows_of(pinned, [assembly_id])

    def _as_committed(self, rows: pl.LazyFrame, unfinished: Collection[str]) -> pl.LazyFrame:
        """Return rows without the parts of unfinished assemblies that are later than the snapshot."""
        visible = ~pl.col("assembly_id").is_in(unfinished)
        for each in unfinished:
            visible |= (pl.col("assembly_id") == each) & pl.col("part").is_in(self.committed(each))
        return rows.filter(visible) if unfinished else rows

    def reassemble(
        self, include: Collection[Status] = COMPLETED, *, table: str = RESULTS, on_gap: OnGap = "warn"
    ) -> pl.DataFrame:
        """Return the rows of every completed assembly as one frame, in the order of the runs.

        Raises
        ------
        IncompleteError
            If there is a gap and ``on_gap`` is "refuse".
        DamageError
            If a file of one of the assemblies is missing or cannot be read, unless ``on_gap`` is "ignore".
        """
        report_gaps(self.gaps(include), on_gap)

        def read(pinned: TableVersion, ids: list[str]) -> pl.DataFrame:
            return collect(self.rows_of(pinned, ids, in_order))

        rows = put_in_order(self.tables.read(table, self.ids(include), on_gap, read))
        mixture.report(self.mixed(include), on_gap)
        return rows

    def collected(
        self,
        include: Collection[Status],
        chosen: Callable[[pl.LazyFrame], pl.LazyFrame],
        *,
        table: str = RESULTS,
        on_gap: OnGap = "warn",
        only: Collection[str] | None = None,
    ) -> pl.DataFrame:
        """Return what is chosen of the rows of the assemblies with one of these statuses, or of only some of them.

        Raises
        ------
        DamageError
            If a file of one of the assemblies cannot be read, unless ``on_gap`` is "ignore".
        """
        ids = [each for each in self.ids(include) if only is None or each in only]
        return self.tables.read(
            table, ids, on_gap, lambda pinned, ids: collect(chosen(self.rows_of(pinned, ids)))
        )

    def pieces(
        self, include: Collection[Status] = COMPLETED, *, table: str = RESULTS, on_gap: OnGap = "warn"
    ) -> Iterator[pl.DataFrame]:
        """Yield the rows of `reassemble` in the same order, in frames small enough for any memory."""
        report_gaps(self.gaps(include), on_gap)
        return pieces.read(self, self.ids(include), self.mixed(include), table=table, on_gap=on_gap)

    def computed(
        self, frame: pl.LazyFrame, assembly_ids: Collection[str] | None = None, *, table: str = RESULTS
    ) -> pl.DataFrame:
        """Return what a lazy frame over one of the tables gives; a file that cannot be read is named."""
        return damage.rows(self.tables.existing(table), frame, assembly_ids)

    def rows_by_assembly(self, table: str = RESULTS) -> dict[str, int]:
        """Return how many rows of each assembly the table has now, from its log alone."""
        pinned = self.table(table)
        return {} if pinned is None else pinned.rows_by_assembly()

    @property
    def counted(self) -> pl.DataFrame:
        """The rows that the results have of each assembly, as ``assembly_id`` and ``rows``."""
        rows = self.rows_by_assembly()
        return pl.DataFrame({"assembly_id": rows.keys(), "rows": rows.values()}, schema=COUNTED)

    def committed(self, assembly_id: str) -> list[str]:
        """Return the parts of an assembly that was not completed that had been committed, in the order of the plan.

        Raises
        ------
        DamageError
            If that cannot be read.
        """
        return self._committed.of_unfinished(assembly_id)

    def parts_done(self, each: Assembly) -> list[str]:
        """Return the planned parts of an assembly that have rows, in the order of the plan."""
        is_completed = each.status in COMPLETED
        return self._committed.look_up(each) if is_completed else self.committed(each.assembly_id)

    def gaps(self, include: Collection[Status] = COMPLETED) -> list[Gap]:
        """Return what the dataset of these assemblies lacks, see `lakebatch.snapshot.completeness.gaps`."""
        from lakebatch.snapshot import completeness  # which reads snapshots

        return completeness.gaps(self, include)

    def completeness(self, on_gap: OnGap = "warn") -> pl.DataFrame:
        """Return one row per planned part of each assembly, see `lakebatch.snapshot.completeness.parts`."""
        from lakebatch.snapshot import completeness  # which reads snapshots

        return completeness.parts(self, on_gap)
