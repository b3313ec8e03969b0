"""Gaps, parts and damage of a snapshot, compared with its plan."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

import polars as pl

from lakebatch.assembly import dropped_samples as dropped
from lakebatch.assembly import missing_metrics as missing
from lakebatch.assembly.dropped_samples import DroppedSamples
from lakebatch.assembly.record import EVERY_STATUS, Assembly, Include, from_rows
from lakebatch.assembly.tables import RESULTS, SAMPLES
from lakebatch.errors import SchemaError, StorageError
from lakebatch.snapshot.gaps import Gap, OnGap, missing_from, why_missing
from lakebatch.snapshot.rows import PinnedRows
from lakebatch.snapshot.selection import COMPLETED, check_statuses
from lakebatch.storage.delta import omissions
from lakebatch.storage.delta.version import TableVersion, collect

PART_COLUMNS = {
    "assembly_id": pl.String(),
    "status": pl.String(),
    "part": pl.String(),
    "present": pl.Boolean(),
    "why": pl.String(),
}
"""The columns of `parts`."""
MISSING_METRICS_COLUMNS = {
    "assembly_id": pl.String(),
    "rows": pl.Int64(),
    "without_metric": pl.Int64(),
    "metric_errors": pl.String(),
}
"""The columns of `missing_metrics`."""
LOST_EVENTS = "its events are lost, or some of them"
# Selects the last events of assemblies without a gap; "counted" is the row count in the table
IS_COMPLETE = (
    pl.col("status").is_in(COMPLETED)
    & (pl.col("rows") == pl.col("counted").fill_null(0))
    & (pl.col("known_gaps").list.len() == 0)
)


def parts(snapshot: PinnedRows, on_gap: OnGap = "warn") -> pl.DataFrame:
    """Return one row per planned part of each assembly: whether it is present and, if not, why.

    Raises
    ------
    DamageError
        If a file of an assembly cannot be read, unless ``on_gap`` is "ignore": then its parts count as missing.
    """
    _, found = snapshot.tables.readable(RESULTS, snapshot.ids(EVERY_STATUS), on_gap)
    omissions.warn_of_faults(found)
    lost = dict.fromkeys(snapshot.uncertain, LOST_EVENTS)
    lost |= {each.assembly_id: each.what for each in found if each.assembly_id}
    lost |= {assembly_id: str(purge) for assembly_id, purge in snapshot.tables.purges.items()}
    rows = [
        row for each in snapshot.assemblies for row in _parts_of(snapshot, each, lost.get(each.assembly_id))
    ]
    return pl.DataFrame(rows, schema=PART_COLUMNS)


def missing_metrics(
    snapshot: PinnedRows, include: Include = EVERY_STATUS, on_gap: OnGap = "warn"
) -> pl.DataFrame:
    """Return the row count of each assembly, the count of its rows without a metric, and the reasons, by run number.

    Raises
    ------
    DamageError
        If a file of an assembly cannot be read, unless ``on_gap`` is "ignore": then its rows are left out.
    """
    if snapshot.table() is None:
        return pl.DataFrame(schema=MISSING_METRICS_COLUMNS)

    def read(pinned: TableVersion, ids: list[str]) -> pl.DataFrame:
        return collect(missing.tally(snapshot.rows_of(pinned, ids), "assembly_id"))

    tallied = snapshot.tables.read(RESULTS, snapshot.ids(include), on_gap, read)
    of_assembly = tallied.partition_by("assembly_id", as_dict=True)
    rows = []
    for each in snapshot.ids(include):
        if (each,) in of_assembly:
            found = missing.summarize(of_assembly[each,])
            rows.append((each, found.of, found.rows, found.why or None))
    return pl.DataFrame(rows, schema=MISSING_METRICS_COLUMNS, orient="row")


def dropped_samples(
    snapshot: PinnedRows, include: Include | None = None, on_gap: OnGap = "warn"
) -> dict[str, DroppedSamples]:
    """Return the dropped samples of each assembly that has any: as recorded, of those that have not ended from the rows.

    Raises
    ------
    DamageError
        If a file of an assembly that has not ended cannot be read, unless ``on_gap`` is "ignore".
    """
    ids = snapshot.ids(include)
    chosen = [each for each in snapshot.assemblies if each.assembly_id in ids]
    found = {each.assembly_id: each.dropped_samples for each in chosen}
    found |= _counted(snapshot, [each.assembly_id for each in chosen if each.status == "started"], on_gap)
    return {name: each for name, each in found.items() if each is not None}


def _counted(snapshot: PinnedRows, ids: list[str], on_gap: OnGap) -> dict[str, DroppedSamples]:
    """Return the dropped samples of some assemblies from their rows."""
    if not ids or snapshot.table(SAMPLES) is None or snapshot.table() is None:
        return {}

    def read(table: str, chosen: Callable[[pl.LazyFrame], pl.LazyFrame], of: list[str]) -> pl.DataFrame:
        return snapshot.tables.read(
            table, of, on_gap, lambda pinned, ids: collect(chosen(snapshot.rows_of(pinned, ids)))
        )

    tallied = read(SAMPLES, dropped.tally, ids)
    names = tallied["assembly_id"].unique().sort().to_list()
    sizes = dict(read(RESULTS, dropped.sizes, names).rows()) if names else {}
    return {name: dropped.summarize(tallied.filter(assembly_id=name), sizes.get(name) or 0) for name in names}


def gaps(snapshot: PinnedRows, include: Include | None = None) -> list[Gap]:
    """Return the gaps in a dataset of some assemblies: whole assemblies, planned parts, baselines."""
    statuses = snapshot.selection.statuses if include is None else check_statuses(include)
    rows, counted = snapshot.rows_by_assembly(), snapshot.counted.rename({"rows": "counted"})
    certain = snapshot.last_events.filter(~pl.col("assembly_id").is_in(list(snapshot.uncertain)))
    events = certain.join(counted, on="assembly_id", how="left", maintain_order="left")
    purges = snapshot.tables.purges
    is_purged = pl.col("assembly_id").is_in(list(purges))
    return _lost_events(snapshot.without_event) + [
        Gap(each.assembly_id, what)
        for each in from_rows(events.filter(~IS_COMPLETE | is_purged), snapshot.leases)
        for what in missing_from(
            each,
            snapshot.state(each),
            rows=rows.get(each.assembly_id, 0),
            done=lambda each=each: snapshot.parts_done(each),  # type: ignore[misc]
            included=each.status in statuses,
            purge=purges.get(each.assembly_id),
        )
    ]


def damage_gaps(snapshot: PinnedRows, include: Include | None = None) -> list[Gap]:
    """Return the known damage to some assemblies as gaps, table by table."""
    lost = [Gap("", str(fault)) for fault in snapshot.tables.lost]
    lost += _lost_events(snapshot.uncertain - snapshot.without_event)
    return [
        *lost,
        *(gap for name in snapshot.tables.names for gap in _table_damage_gaps(snapshot, include, name)),
    ]


def _lost_events(assembly_ids: Collection[str]) -> list[Gap]:
    return [Gap(each, f"left out, {LOST_EVENTS}") for each in sorted(assembly_ids)]


def _table_damage_gaps(snapshot: PinnedRows, include: Include | None, name: str) -> Iterator[Gap]:
    try:
        found = snapshot.faults(include, table=name) if snapshot.table(name) is not None else []
    except (StorageError, SchemaError) as error:
        yield Gap("", f"{name}: {error}")
        return
    for fault in found[len(snapshot.tables.lost) :]:
        yield Gap(fault.assembly_id or "", f"left out of {name}: {fault}")


def _parts_of(snapshot: PinnedRows, each: Assembly, fault: str | None) -> Iterator[dict[str, object]]:
    """Yield one row per planned part; those of a completed assembly are read only when its row count is wrong."""
    whole = each.status in COMPLETED and snapshot.rows_by_assembly().get(each.assembly_id, 0) == each.rows
    done = [] if fault else each.parts if whole else snapshot.parts_done(each)
    state = snapshot.state(each)
    status = snapshot.present_status(each)
    for part in each.parts:
        why = None if part in done else fault or why_missing(each, state, part)
        row = {"assembly_id": each.assembly_id, "status": status, "part": part}
        yield {**row, "present": part in done, "why": why}
