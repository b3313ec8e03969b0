"""The dataset and the statuses of one experiment at one moment."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING

import polars as pl

from lakebatch import _html
from lakebatch.assembly.dropped_samples import DroppedSamples
from lakebatch.assembly.record import EVERY_STATUS, Include
from lakebatch.assembly.tables import PUBLISHED, RESULTS
from lakebatch.snapshot import artifacts, changes, completeness, mixture, pieces
from lakebatch.snapshot.gaps import Gap, Gaps, OnGap, not_published, report_gaps
from lakebatch.snapshot.row_order import in_order, put_in_order
from lakebatch.snapshot.rows import PinnedRows
from lakebatch.storage.delta import damage, omissions
from lakebatch.storage.delta.version import TableVersion, collect

if TYPE_CHECKING:
    from lakebatch.snapshot.dataset_files import DatasetFiles
    from lakebatch.snapshot.dictionary import Dictionary


class Snapshot(PinnedRows):
    """One experiment's tables, pinned at one moment.

    A snapshot holds the rows of assemblies that were completed at that moment. When assemblies of other statuses
    are included, it holds the rows of the parts that had been committed by then. Tables are only appended to, so
    the rows of a past moment are read from the newest files; neither compaction nor vacuum removes them.

    Statuses are read before rows, and ``completed`` is recorded after the last row: when a snapshot shows
    an assembly as completed, it holds all of its rows.
    """

    def __repr__(self) -> str:
        return f"Snapshot({self.folder!r}, {self.moment}, version {self.version})"

    def _repr_html_(self) -> str:
        rows = [each.row() | {"state": self.state(each)} for each in self.assemblies[-_html.MAX_ROWS :]]
        return _html.section(self.describe(), pl.DataFrame(rows, infer_schema_length=None))

    @property
    def state_read(self) -> str:
        """The moment and the version of the results, such as ``tag paper, version 12``."""
        version, moment = f"version {self.version}", str(self.moment)
        return version if not self.moment.is_past or moment == version else f"{moment}, {version}"

    def describe(self) -> str:
        """Return what the dataset is made of, in one line: experiment, state, assemblies, and how they were selected."""
        count = len(self.ids())
        noun = "assembly" if count == 1 else "assemblies"
        statuses = self.selection.statuses
        chosen = ", ".join([f"{count} {' or '.join(statuses)} {noun}", *self.selection.criteria])
        discarded = self.last_events["status"].to_list().count("discarded")
        if discarded and "discarded" not in statuses:
            chosen += f", {discarded} discarded left out"
        return f"{self.qualified_name}, {self.state_read}: {chosen}"

    @property
    def missing_versions(self) -> str | None:
        """Description of lost versions: an event recorded a later version of the results than the table has now."""
        results = self.table()
        seen = self.events["results_version"].max() if self.events.height else 0
        if results is None or not isinstance(seen, int) or seen <= results.number:
            return None
        return f"an event saw version {seen} of {results.uri}, whose newest is {results.number}"

    def dictionary(self, table: str | None = None) -> Dictionary:
        """Return the data dictionary at this moment: tables, columns, types, units, meanings and constraints.

        Raises
        ------
        UnknownNameError
            If there is no such table.
        """
        from lakebatch.snapshot import stored_dictionary  # loaded when it is asked for

        found = stored_dictionary.of_snapshot(self, self.state_read, published=table in (None, PUBLISHED))
        return found if table is None else found.only(table)

    def mixtures(self, include: Include | None = None) -> dict[str, str]:
        """Return a description of each of these assemblies with parts from several codes, by id."""
        of_these = self.events.filter(pl.col("assembly_id").is_in(self.ids(include)))
        return changes.mixtures(of_these, self.attempts, self.source_files)

    def mixture_gaps(self, include: Include | None = None) -> list[Gap]:
        """Return the descriptions of `mixtures` as gaps, for tables of gaps."""
        return [Gap(each, f"is a mixture: {what}") for each, what in self.mixtures(include).items()]

    def mixed(self, include: Include | None = None) -> list[str]:
        """Return descriptions of mixtures in the rows of these assemblies: of configs, code and packages."""
        chosen = self.last_events.filter(pl.col("assembly_id").is_in(self.ids(include)))
        codes = [f"{each} is a mixture: {what}" for each, what in self.mixtures(include).items()]
        return [*mixture.of_assemblies(self.name, chosen, self.source_files), *codes]

    def report_mixtures(self, include: Include | None = None) -> list[str]:
        """Warn of mixtures in these assemblies, raise, or do nothing, as the selection says; return their descriptions.

        Raises
        ------
        MixtureError
            If there is a mixture that the selection refuses.
        """
        found = self.mixed(include)
        mixture.report(found, self.selection.on_mix)
        mixture.report_versions(self.qualified_name, self.other_versions, self.selection.on_mix)
        return found

    def scan(
        self,
        include: Include | None = None,
        *,
        table: str = RESULTS,
        on_gap: OnGap = "warn",
    ) -> pl.LazyFrame:
        """Return the rows of the assemblies with one of these statuses, lazily: filters and columns are pushed down.

        Parameters
        ----------
        table : str
            ``results``, ``samples``, ``trajectories``, ``artifacts`` without the contents, or a table that the
            experiment declares.
        on_gap : {"warn", "refuse", "ignore"}
            "ignore" leaves out assemblies with a missing or truncated file.

        Raises
        ------
        DamageError
            If a file of one of the assemblies is missing or truncated, unless ``on_gap`` is "ignore".
        """
        ids, found = self.tables.readable(table, self.ids(include), on_gap)
        omissions.warn_of_faults(found)
        return self.rows_of(self.tables.existing(table), ids)

    def scan_one(self, assembly_id: str, *, table: str = RESULTS) -> pl.LazyFrame:
        """Return the rows of one assembly of any status, lazily."""
        assembly_id = self.assembly(assembly_id).assembly_id
        self.tables.check_not_purged([assembly_id], before=True)
        pinned = self.tables.existing(table)
        with self.tables.translate_purges([assembly_id]):
            damage.check_files(pinned, [assembly_id])
        return self.rows_of(pinned, [assembly_id])

    def reassemble(
        self, include: Include | None = None, *, table: str = RESULTS, on_gap: OnGap = "warn"
    ) -> pl.DataFrame:
        """Return the rows of every completed assembly as one frame, in the order of the runs.

        Raises
        ------
        IncompleteError
            If there is a gap and ``on_gap`` is "refuse".
        DamageError
            If a file of one of the assemblies is missing or cannot be read, unless ``on_gap`` is "ignore".
        """
        self._report_gaps(include, table, on_gap)

        def read(pinned: TableVersion, ids: list[str]) -> pl.DataFrame:
            return collect(self.rows_of(pinned, ids, in_order))

        rows = put_in_order(self.tables.read(table, self.ids(include), on_gap, read))
        self.report_mixtures(include)
        return rows

    def collected(
        self,
        include: Include | None,
        chosen: Callable[[pl.LazyFrame], pl.LazyFrame],
        *,
        table: str = RESULTS,
        on_gap: OnGap = "warn",
        only: Collection[str] | None = None,
    ) -> pl.DataFrame:
        """Return a selection from the rows of the assemblies with one of these statuses.

        Parameters
        ----------
        chosen : callable
            Selects from the lazy rows of some assemblies.
        only : collection of str, optional
            The ids of the assemblies to read.

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
        self, include: Include | None = None, *, table: str = RESULTS, on_gap: OnGap = "warn"
    ) -> Iterator[pl.DataFrame]:
        """Yield the rows of `reassemble` in the same order, in frames small enough for any memory."""
        self._report_gaps(include, table, on_gap)
        return pieces.read(
            self, self.ids(include), lambda: self.report_mixtures(include), table=table, on_gap=on_gap
        )

    def files(
        self, table: str = RESULTS, include: Include | None = None, on_gap: OnGap = "warn"
    ) -> DatasetFiles:
        """Return the Parquet files of exactly the selected rows, for other engines.

        See `lakebatch.snapshot.dataset_files.DatasetFiles`.

        Raises
        ------
        IncompleteError
            If there is a gap and ``on_gap`` is "refuse".
        DamageError
            If a file is missing or truncated, unless ``on_gap`` is "ignore".
        AssemblyError
            If an assembly was not complete at a past moment: its files may hold later rows.
        """
        from lakebatch.snapshot.dataset_files import dataset_files  # as above

        self._report_gaps(include, table, on_gap)
        ids, found = self.tables.readable(table, self.ids(include), on_gap)
        omissions.warn_of_faults(found)
        self.check_whole(ids)
        self.report_mixtures(include)
        return dataset_files(self.tables.existing(table), table, ids)

    def _report_gaps(self, include: Include | None, table: str, on_gap: OnGap) -> None:
        """Warn of the gaps in a table of the dataset, raise, or do nothing, as ``on_gap`` says."""
        found = []
        if table in self.tables.not_published and self.table(table) is not None:
            chosen = self.last_events.filter(pl.col("assembly_id").is_in(self.ids(include)))
            found = not_published(chosen, table)
        report_gaps([*self.gaps(include), *found], on_gap)

    def artifacts(
        self,
        assembly_id: str | None = None,
        include: Include | None = None,
        on_gap: OnGap = "warn",
    ) -> pl.DataFrame:
        """Return one row per artifact, without contents, see `lakebatch.snapshot.artifacts.listed`."""
        return artifacts.listed(self, assembly_id, include, on_gap)

    def artifact(self, assembly_id: str, name: str, part: str | None = None) -> bytes:
        """Return the content of an artifact, checked against its hash; ``part`` says which if several have the name.

        Raises
        ------
        UnknownNameError
            If there is none of that name.
        ConfigError
            If several parts have one of that name, and none is chosen.
        DamageError
            If it cannot be read, or does not have the recorded hash.
        """
        return artifacts.read(self, artifacts.find(self, assembly_id, name, part))

    def gaps(self, include: Include | None = None) -> list[Gap]:
        """Return the gaps in the dataset of these assemblies, see `lakebatch.snapshot.completeness.gaps`."""
        return Gaps(completeness.gaps(self, include))

    def completeness(self, on_gap: OnGap = "warn") -> pl.DataFrame:
        """Return one row per planned part of each assembly, see `lakebatch.snapshot.completeness.parts`."""
        return completeness.parts(self, on_gap)

    def missing_metrics(self, include: Include = EVERY_STATUS, on_gap: OnGap = "warn") -> pl.DataFrame:
        """Return how many rows of each assembly have no metric, see `lakebatch.snapshot.completeness.missing_metrics`."""
        return completeness.missing_metrics(self, include, on_gap)

    def dropped_samples(
        self, include: Include | None = None, on_gap: OnGap = "warn"
    ) -> dict[str, DroppedSamples]:
        """Return the dropped samples of each assembly with any, see `lakebatch.snapshot.completeness.dropped_samples`."""
        return completeness.dropped_samples(self, include, on_gap)
