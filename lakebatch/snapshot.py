"""One experiment's rows and statuses, pinned at one moment: everything that reads goes through it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from typing import TypeVar

import polars as pl

from lakebatch import assembly, changes, damage, forks, notebook
from lakebatch.assembly import Assembly, Status
from lakebatch.delta import Arrange, TableVersion, collect
from lakebatch.errors import DamageError, UnknownNameError
from lakebatch.gaps import Gap, OnGap, lacks, report_gaps, report_mixtures, why_missing
from lakebatch.lease import Leases
from lakebatch.moment import Moment
from lakebatch.reading import in_order, in_pieces, put_in_order

Result = TypeVar("Result")

COMPLETED: tuple[Status, ...] = ("completed",)
RESULTS = "results"
COMPLETENESS = {
    "assembly_id": pl.String(),
    "status": pl.String(),
    "part": pl.String(),
    "present": pl.Boolean(),
    "why": pl.String(),
}
"""The columns of `Snapshot.completeness`."""
COUNTED = {"assembly_id": pl.String(), "rows": pl.Int64()}
WHOLE = (
    pl.col("status").is_in(COMPLETED)
    & (pl.col("rows") == pl.col("counted").fill_null(0))
    & (pl.col("known_gaps").list.len() == 0)
)
"""Which last events are of assemblies that lack nothing, with the rows that are there counted."""


class Snapshot:
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
    results : TableVersion
        The results table as it is now.
    open_table : callable
        Returns one of the data tables by name as it is now, None if there is none.
    find_parts : callable
        Returns which parts of some assemblies the results table had at the moment, as pairs of id and key.
    leases : Leases, optional
        By which processes elsewhere are judged.
    """

    def __init__(
        self,
        folder: str,
        moment: Moment,
        events: pl.DataFrame,
        version: int,
        *,
        results: TableVersion,
        open_table: Callable[[str], TableVersion | None],
        find_parts: Callable[[Collection[str]], Collection[tuple[str, str]]],
        leases: Leases | None = None,
    ) -> None:
        self.folder = folder
        self.moment = moment
        self._events = events
        self.version = version
        self._open_table = open_table
        self._find_parts = find_parts
        self._leases = leases
        self._tables: dict[str, TableVersion | None] = {RESULTS: results}

    def __repr__(self) -> str:
        return f"Snapshot({self.folder!r}, {self.moment}, version {self.version})"

    def _repr_html_(self) -> str:
        columns = ("assembly_id", "status", "at", "parts_done", "parts_planned", "rows", "seed", "error")
        rows = [{name: getattr(each, name) for name in columns} for each in self.assemblies]
        title = f"{self.folder}, {self.moment}: version {self.version}"
        return notebook.section(title, pl.DataFrame(rows, infer_schema_length=None))

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self.folder.split("_", 2)[2]

    @property
    def events(self) -> pl.DataFrame:
        """The events that had been recorded by then."""
        forks.check()
        return self._events

    @property
    def last_events(self) -> pl.DataFrame:
        """The last event of each assembly, in the order of their running numbers."""
        forks.check()
        return self._last_events

    @cached_property
    def _last_events(self) -> pl.DataFrame:
        return assembly.last_events(self._events)

    @cached_property
    def assemblies(self) -> list[Assembly]:
        """Each assembly as it stood, in the order of their running numbers."""
        return assembly.from_rows(self.last_events, self._leases)

    @cached_property
    def not_completed(self) -> list[Assembly]:
        """Those of the assemblies that are not completed."""
        return assembly.from_rows(self.last_events.filter(~pl.col("status").is_in(COMPLETED)), self._leases)

    def assembly(self, assembly_id: str) -> Assembly:
        """Return one assembly as it stood.

        Raises
        ------
        UnknownNameError
            If there was no such assembly.
        """
        for each in assembly.from_rows(self.last_events.filter(assembly_id=assembly_id), self._leases):
            return each
        raise UnknownNameError(
            f"There is no assembly {assembly_id} in {self.folder}, {self.moment}. List them with: lakebatch status"
        )

    @property
    def missing_versions(self) -> str | None:
        """What to say if the results lack versions that events saw, as after the loss of the newest log entries."""
        results = self.table()
        seen = self.events["results_version"].max() if self.events.height else 0
        if results is None or not isinstance(seen, int) or seen <= results.number:
            return None
        return f"an event saw version {seen} of {results.uri}, whose newest is {results.number}"

    def state(self, each: Assembly) -> str:
        """Return an assembly's state; in the past, its status, since whether it was still worked on is not known."""
        return each.status if self.moment.is_past else each.state

    def ids(self, include: Collection[Status] = COMPLETED) -> list[str]:
        """Return the ids of the assemblies with one of these statuses."""
        return self.last_events.filter(pl.col("status").is_in(list(include)))["assembly_id"].to_list()

    def table(self, name: str = RESULTS) -> TableVersion | None:
        """Return one of the data tables, None if nothing was ever written to it."""
        forks.check()
        if name not in self._tables:
            self._tables[name] = self._open_table(name)
        return self._tables[name]

    def renew(self) -> bool:
        """Open the tables again, which changes no row of this snapshot; whether any has newer files."""
        before = {name: table.number for name, table in self._tables.items() if table is not None}
        self._tables |= {name: self._open_table(name) for name in before}
        return any(table and table.number != before.get(name) for name, table in self._tables.items())

    def steadily(self, read: Callable[[], Result]) -> Result:
        """Return what is read; again if files were merged and removed meanwhile."""
        for _ in range(damage.REOPENED):
            try:
                return read()
            except DamageError:
                if not self.renew():
                    raise
        return read()

    def scan(
        self,
        include: Collection[Status] = COMPLETED,
        *,
        table: str = RESULTS,
        arranged: Arrange = lambda rows: rows,
    ) -> pl.LazyFrame:
        """Return the rows of the assemblies with one of these statuses, lazily: filters and columns reach the files.

        Parameters
        ----------
        table : str
            ``results``, ``samples`` or ``trajectories``.
        arranged : callable
            Puts the rows of single files into an order, see `TableVersion.scan`.

        Raises
        ------
        DamageError
            If a file of one of the assemblies is missing or cut off.
        """

        def checked() -> pl.LazyFrame:
            pinned, ids = self._existing(table), self.ids(include)
            damage.check(pinned, ids)
            return pinned.scan(ids, arranged=arranged)

        return self._as_committed(self.steadily(checked), self.ids(set(include) - set(COMPLETED)))

    def scan_one(self, assembly_id: str, *, table: str = RESULTS) -> pl.LazyFrame:
        """Return the rows of one assembly, whatever its status, lazily."""
        pinned = self._existing(table)
        damage.check(pinned, [assembly_id])
        unfinished = [] if self.assembly(assembly_id).status in COMPLETED else [assembly_id]
        return self._as_committed(pinned.scan([assembly_id]), unfinished)

    def _existing(self, table: str) -> TableVersion:
        pinned = self.table(table)
        if pinned is None:
            raise UnknownNameError(f"There is no table {table!r} in {self.folder}: nothing was stored in it.")
        return pinned

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
            If a file of one of the assemblies is missing or cannot be read.
        """
        self._report(include, on_gap)
        ids = self.ids(include)

        def read() -> pl.DataFrame:
            rows = self.scan(include, table=table, arranged=in_order)
            with damage.named(self._existing(table), ids):
                return collect(rows)

        return put_in_order(self.steadily(read))

    def pieces(
        self, include: Collection[Status] = COMPLETED, *, table: str = RESULTS, on_gap: OnGap = "warn"
    ) -> Iterator[pl.DataFrame]:
        """Yield the rows of `reassemble` in the same order, in frames small enough for any memory."""
        self._report(include, on_gap)
        rows, ids = self.scan(include, table=table), self.ids(include)
        with damage.named(self._existing(table), ids):
            if ids:
                yield from in_pieces(rows, self.rows_by_assembly(table), ids)
            else:
                yield collect(in_order(rows))

    def computed(
        self, frame: pl.LazyFrame, assembly_ids: Collection[str] | None = None, *, table: str = RESULTS
    ) -> pl.DataFrame:
        """Return what a lazy frame over one of the tables gives; a file that cannot be read is named."""
        return damage.rows(self._existing(table), frame, assembly_ids)

    def rows_by_assembly(self, table: str = RESULTS) -> dict[str, int]:
        """Return how many rows of each assembly the table has now, from its log alone."""
        pinned = self.table(table)
        return {} if pinned is None else pinned.rows_by_assembly()

    @property
    def counted(self) -> pl.DataFrame:
        """The rows that the results have of each assembly, as ``assembly_id`` and ``rows``."""
        rows = self.rows_by_assembly()
        return pl.DataFrame({"assembly_id": rows.keys(), "rows": rows.values()}, schema=COUNTED)

    @cached_property
    def _committed(self) -> dict[str, list[str] | DamageError]:
        """What had been committed of each assembly that was not completed, or why that cannot be read."""
        unfinished = self.not_completed
        try:
            pairs = set(self._find_parts([each.assembly_id for each in unfinished])) if unfinished else set()
        except DamageError:
            return {each.assembly_id: self._look_up(each) for each in unfinished}
        return {each.assembly_id: _planned(each, pairs) for each in unfinished}

    def _look_up(self, each: Assembly) -> list[str] | DamageError:
        try:
            return _planned(each, self._find_parts([each.assembly_id]))
        except DamageError as error:
            return error

    def committed(self, assembly_id: str) -> list[str]:
        """Return the parts of an assembly that was not completed that had been committed, in the order of the plan.

        Raises
        ------
        DamageError
            If that cannot be read.
        """
        found = self._committed[assembly_id]
        if isinstance(found, DamageError):
            raise found
        return found

    def gaps(self, include: Collection[Status] = COMPLETED) -> list[Gap]:
        """Return what the dataset of these assemblies lacks: whole assemblies, planned parts, baselines."""
        rows, counted = self.rows_by_assembly(), self.counted.rename({"rows": "counted"})
        events = self.last_events.join(counted, on="assembly_id", how="left", maintain_order="left")
        return [
            Gap(each.assembly_id, what)
            for each in assembly.from_rows(events.filter(~WHOLE), self._leases)
            for what in lacks(
                each,
                self.state(each),
                rows=rows.get(each.assembly_id, 0),
                done=lambda each=each: self.parts_done(each),  # type: ignore[misc]
                included=each.status in include,
            )
        ]

    def mixtures(self, include: Collection[Status] = COMPLETED) -> dict[str, str]:
        """Return which of these assemblies have rows that different code computed, and in words which."""
        return changes.mixtures(
            self.events.filter(pl.col("assembly_id").is_in(self.ids(include))), only=changes.SOURCE
        )

    def _report(self, include: Collection[Status], on_gap: OnGap) -> None:
        report_gaps(self.gaps(include), on_gap)
        report_mixtures(self.mixtures(include), on_gap)

    def parts_done(self, each: Assembly) -> list[str]:
        """Return the planned parts of an assembly that have rows, in the order of the plan."""
        if each.status not in COMPLETED:
            return self.committed(each.assembly_id)
        return _planned(each, self._find_parts([each.assembly_id]))

    def completeness(self) -> pl.DataFrame:
        """Return one row per planned part of each assembly: whether it is there and, if not, why."""
        return pl.DataFrame(
            [row for each in self.assemblies for row in self._parts_of(each)], schema=COMPLETENESS
        )

    def _parts_of(self, each: Assembly) -> Iterator[dict[str, object]]:
        """Yield one row per planned part; what a completed assembly has is looked up only if its rows do not add up."""
        whole = each.status in COMPLETED and self.rows_by_assembly().get(each.assembly_id, 0) == each.rows
        done = each.parts if whole else self.parts_done(each)
        state = self.state(each)
        for part in each.parts:
            why = None if part in done else why_missing(each, state, part)
            row = {"assembly_id": each.assembly_id, "status": state, "part": part}
            yield {**row, "present": part in done, "why": why}


def _planned(each: Assembly, pairs: Collection[tuple[str, str]]) -> list[str]:
    """Return the planned parts of an assembly that are among pairs of id and key, in the order of the plan."""
    return [part for part in each.parts if (each.assembly_id, part) in pairs]
