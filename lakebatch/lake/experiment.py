"""One experiment in a lake: its assemblies, their statuses and their rows."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Unpack, overload

import polars as pl

from lakebatch import _html
from lakebatch.assembly.labels import check_reference
from lakebatch.assembly.tables import RESULTS
from lakebatch.errors import LakebatchError, UnknownNameError
from lakebatch.experiment.provenance import SOURCE_HASH
from lakebatch.ids import ASSEMBLY_ID
from lakebatch.lake.arguments import (
    AssemblyArguments,
    PlotArguments,
    SelectionArguments,
    StateArguments,
    moment_of,
    selection_of,
    split,
    takes,
)
from lakebatch.lake.curation import CuratedTables
from lakebatch.snapshot import dataset as datasets
from lakebatch.snapshot import replicates, sql_names, sweeps
from lakebatch.snapshot import sample_model as sample_models
from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.moment import Moment
from lakebatch.snapshot.pin import pin
from lakebatch.snapshot.selection import Selection, Where, selection
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.snapshot.states import state
from lakebatch.snapshot.summary import brief, history, summarize
from lakebatch.snapshot.times import Time
from lakebatch.storage.delta import omissions

if TYPE_CHECKING:
    from lakebatch.analysis.diff import Difference
    from lakebatch.analysis.plots import Picture
    from lakebatch.analysis.plots.options import Kind
    from lakebatch.analysis.report import Report
    from lakebatch.assembly.logs import Level
    from lakebatch.snapshot.dictionary import Dictionary


class StoredExperiment(CuratedTables):
    """One experiment's tables in a lake: its assemblies, their statuses and their rows.

    Methods with ``**state`` read the newest state, or that of a ``version``, a time (``as_of``) or a ``tag``, see
    `lakebatch.lake.arguments.StateArguments`.
    """

    def _repr_html_(self) -> str:
        pinned = self.snapshot()
        omissions.warn_of_faults(pinned.tables.lost)
        return _html.section(f"{pinned.qualified_name}, now", brief(pinned), newest=True)

    @takes(StateArguments)
    def schema(self, table: str | None = None, **state: Unpack[StateArguments]) -> Dictionary:
        """Return the data dictionary, of all tables or of one, see `lakebatch.snapshot.dictionary.Dictionary`."""
        return self.at(moment_of(state)).dictionary(table)

    def schema_name(self) -> str:
        """Return the schema in SQL: ``response_noise`` of the newest experiment version, else ``response_noise_v1``."""
        return sql_names.schemas(self.lake_folders())[self.folder][-1]

    @takes(SelectionArguments)
    def snapshot(self, **dataset: Unpack[SelectionArguments]) -> Snapshot:
        """Return the experiment's rows and statuses, pinned at one moment.

        Parameters
        ----------
        **dataset
            See `lakebatch.lake.arguments.SelectionArguments`.
        """
        return self.select(selection_of(dataset))

    def at(self, moment: Moment) -> Snapshot:
        """Return the experiment's rows and statuses at a moment, see `lakebatch.snapshot.pin.pin`."""
        return pin(self, moment)

    def select(self, selection: Selection) -> Snapshot:
        """Return the selected assemblies at the moment of the selection.

        Raises
        ------
        LakebatchError
            If it is narrower than all assemblies of some statuses, and chooses none.
        """
        return self.at(selection.moment).select(selection)

    @takes(SelectionArguments)
    def scan(
        self, *, table: str = RESULTS, on_gap: OnGap = "warn", **dataset: Unpack[SelectionArguments]
    ) -> pl.LazyFrame:
        """Return the rows of every completed assembly, lazily, see `lakebatch.snapshot.snapshot.Snapshot.scan`."""
        return self.select(selection_of(dataset)).scan(table=table, on_gap=on_gap)

    @takes(SelectionArguments)
    def reassemble(
        self, *, table: str = RESULTS, on_gap: OnGap = "warn", **dataset: Unpack[SelectionArguments]
    ) -> pl.DataFrame:
        """Return the rows of every completed assembly as one frame, in the order of the runs.

        Parameters
        ----------
        table : str
            ``results``, ``samples``, ``trajectories``, or a table that the experiment declares.
        on_gap : {"warn", "refuse", "ignore"}
            What to do when the dataset lacks an assembly, a planned part or its baseline. Only "ignore" leaves out
            assemblies that cannot be read.
        **dataset
            See `lakebatch.lake.arguments.SelectionArguments`.

        Raises
        ------
        IncompleteError
            If there is a gap and ``on_gap`` is "refuse".
        MixtureError
            If there is a mixture and ``on_mix`` is "refuse".
        DamageError
            If a file of one of the assemblies is missing or cannot be read, unless ``on_gap`` is "ignore".
        """
        return self.select(selection_of(dataset)).reassemble(table=table, on_gap=on_gap)

    @takes(AssemblyArguments)
    def assemblies(self, **selected: Unpack[AssemblyArguments]) -> pl.DataFrame:
        """Return one row per assembly, of any status: its state, progress, times, seed and config.

        Parameters
        ----------
        **selected
            See `lakebatch.lake.arguments.AssemblyArguments`.
        """
        pinned = self.select(selection_of(selected, AssemblyArguments))
        omissions.warn_of_faults(pinned.tables.lost)
        return summarize(pinned)

    @takes(SelectionArguments)
    def completeness(self, *, on_gap: OnGap = "warn", **dataset: Unpack[SelectionArguments]) -> pl.DataFrame:
        """Return one row per planned part of each assembly: whether its rows are present and, if not, why.

        An assembly with a damaged file raises `DamageError`; with ``on_gap="ignore"``, all its parts count as missing.
        """
        return self.select(selection_of(dataset)).completeness(on_gap)

    @takes(SelectionArguments)
    def missing_metrics(
        self, *, on_gap: OnGap = "warn", **dataset: Unpack[SelectionArguments]
    ) -> pl.DataFrame:
        """Return the row count of each assembly, the count of its rows without a metric, and the reasons."""
        return self.select(selection_of(dataset)).missing_metrics(on_gap=on_gap)

    @takes(SelectionArguments)
    def replicates(self, *, on_gap: OnGap = "warn", **dataset: Unpack[SelectionArguments]) -> pl.DataFrame:
        """Return completed assemblies of the same config, and whether those of one seed agree, see `replicates`."""
        return replicates.compare(self.select(selection_of(dataset)), on_gap)

    @takes(StateArguments)
    def sweeps(self, **state: Unpack[StateArguments]) -> pl.DataFrame:
        """Return one row per sweep, with the number of replicates in each state."""
        return sweeps.sweep_table(self.at(moment_of(state)))

    @takes(StateArguments)
    def sweep(self, name: str, **state: Unpack[StateArguments]) -> pl.DataFrame:
        """Return one row per replicate of each point of a sweep, with a column per swept key."""
        self.sweep_log.get(name)
        return sweeps.points_of(self.at(moment_of(state)).select(selection(sweep=name), may_be_empty=True))

    @overload
    def status(self) -> pl.DataFrame: ...

    @overload
    def status(self, assembly_id: str) -> str: ...

    def status(self, assembly_id: str | None = None) -> str | pl.DataFrame:
        """Return an assembly's status by its id or name, or without one a table of all assemblies.

        A status is started, interrupted, completed, failed, discarded or not_found.
        """
        if assembly_id is None:
            return brief(self.snapshot())
        check_reference(assembly_id)
        if not self.exists():
            return "not_found"
        try:
            return self.log.get(assembly_id).present_status
        except UnknownNameError:
            if ASSEMBLY_ID.fullmatch(assembly_id) is None:
                raise
            return "not_found"

    @takes(StateArguments)
    def dataset(
        self,
        assembly_id: str,
        *,
        level: float,
        feature_set: str,
        **state: Unpack[StateArguments],
    ) -> tuple[pl.DataFrame, pl.Series]:
        """Return features and target exactly as the models were trained on them, see `lakebatch.snapshot.dataset.load`."""
        pinned = self.at(moment_of(state))
        return datasets.load(pinned, assembly_id, level=level, feature_set=feature_set)

    @takes(SelectionArguments)
    def artifacts(
        self, assembly_id: str | None = None, *, on_gap: OnGap = "warn", **dataset: Unpack[SelectionArguments]
    ) -> pl.DataFrame:
        """Return one row per artifact of the dataset, or of one assembly, without the contents."""
        return self.select(selection_of(dataset)).artifacts(assembly_id, on_gap=on_gap)

    @takes(StateArguments)
    def artifact(
        self, assembly_id: str, name: str, *, part: str | None = None, **state: Unpack[StateArguments]
    ) -> bytes:
        """Return the content of one artifact, see `lakebatch.snapshot.snapshot.Snapshot.artifact`."""
        return self.at(moment_of(state)).artifact(assembly_id, name, part)

    @takes(StateArguments)
    def model(
        self, assembly_id: str, *, sample: int, level: float | None = None, **state: Unpack[StateArguments]
    ) -> str:
        """Return the model of one sample as SBML, for other simulators, see `lakebatch.snapshot.sample_model.load`."""
        return sample_models.load(self.at(moment_of(state)), assembly_id, sample=sample, level=level)

    @takes(PlotArguments)
    def plot(
        self,
        kind: Kind = "levels",
        *,
        width: float | None = None,
        against: str | int | Time | None = None,
        on_gap: OnGap = "warn",
        **options: Unpack[PlotArguments],
    ) -> Picture:
        """Return a picture for a notebook or a file, see `lakebatch.analysis.plots.picture`.

        For example ``noise.plot("levels", by="model", zoom=(0.6, 1)).save("levels.pdf")``.

        Parameters
        ----------
        width : float, mm, optional
            The width; 89 mm by default, 183 mm with several panels.
        against : version, time, tag or experiment version, optional
            Another state, or another experiment version such as ``v1``, drawn behind this one.
        **options
            The dataset, see `lakebatch.lake.arguments.SelectionArguments`, and `lakebatch.analysis.plots.Options`.
        """
        from lakebatch.analysis import plots  # slow to import, and matplotlib is an optional package

        selection, others = split(options, PlotArguments)
        other = None if against is None else state(self, against).select(selection)
        drawn = plots.Options(**others)
        chart = plots.picture(self.select(selection), kind, against=other, on_gap=on_gap, options=drawn)
        return replace(chart, width_mm=width)

    @takes(PlotArguments)
    def report(
        self,
        *,
        on_gap: OnGap = "warn",
        written_at: datetime | None = None,
        **options: Unpack[PlotArguments],
    ) -> Report:
        """Return a report, see `lakebatch.analysis.report`: ``noise.report(metric="r2").save("report.html")``.

        With ``written_at`` it names the time; without, one state always gives the same report.
        """
        from lakebatch.analysis import plots, report  # as above

        selection, others = split(options, PlotArguments)
        drawn = plots.Options(**others)
        return report.report(self.select(selection), on_gap=on_gap, options=drawn, written_at=written_at)

    def source(self, assembly_id: str) -> dict[str, str | None] | None:
        """Return the source files of the code that began or resumed an assembly last, by path.

        The text of a file is None if it was too large to keep. The answer is None if no source is recorded, as for
        imports and for assemblies of a lakebatch before 0.2.
        """
        found = self.log.get(assembly_id).surroundings.get(SOURCE_HASH)
        files = None if found is None else self.source_log.files(found)
        return None if files is None else {file: kept.text for file, kept in files.items()}

    def logs(
        self, assembly_id: str | None = None, *, level: Level | None = None, part: str | None = None
    ) -> pl.DataFrame:
        """Return the log of an assembly, by default the newest, one row per record; see `lakebatch.assembly.logs`."""
        from lakebatch.assembly.logs import NAME, LogTable  # loaded when it is asked for

        assembly = self.log.newest() if assembly_id is None else self.log.get(assembly_id)
        return LogTable(self.table(NAME)).read(assembly, level=level, part=part)

    def history(self) -> pl.DataFrame:
        """Return every event, oldest first, with the version of the results table after it."""
        with suppress(LakebatchError):  # events are readable without results
            if self.results.exists():
                self.results.at()  # warns of what other programs did to it
        return history(self.log.events())

    def diff(
        self,
        before: int | Time,
        after: int | Time = "now",
        *,
        on_gap: OnGap = "warn",
        where: Where | None = None,
        preset: str | None = None,
        config: int | str | None = None,
    ) -> Difference:
        """Return the changes between two states, experiment versions or assemblies, see `lakebatch.analysis.diff`.

        For example ``noise.diff("v1", "v2")`` or ``noise.diff("paper-v1", "now")``. The selection by config, as in
        `lakebatch.lake.arguments.SelectionArguments`, holds for both.
        """
        from lakebatch.analysis import diff  # slow to import

        chosen = selection(where=where, preset=preset, config=config)
        return diff.compare(self, before, after, on_gap, chosen)
