"""Sweeps as tables: one row per sweep, and one row per replicate of each point."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from lakebatch.assembly.sweep_claims import DROPPED, STATES, Replicate, assemblies_of, counts, replicates
from lakebatch.assembly.sweeps import Sweep
from lakebatch.snapshot import config_columns
from lakebatch.snapshot.snapshot import Snapshot

SWEEP_COLUMNS: dict[str, pl.DataType] = {
    "sweep": pl.String(),
    "changed_at": pl.Datetime("us", "UTC"),
    "user": pl.String(),
    "keys": pl.String(),
    "points": pl.Int64(),
    "replicates": pl.Int64(),
    **dict.fromkeys(STATES, pl.Int64()),
    "dropped": pl.Int64(),
}
"""The columns of `sweep_table`."""
POINT_COLUMNS: dict[str, pl.DataType] = {
    "sweep": pl.String(),
    "point": pl.Int64(),
    "replicate": pl.Int64(),
    "state": pl.String(),
    "assembly_id": pl.String(),
    "config_hash": pl.String(),
}
"""The first columns of `point_table`; a column per swept key follows."""


def of_snapshot(snapshot: Snapshot, sweep: Sweep) -> list[Replicate]:
    """Return the replicates of a sweep at the moment of a snapshot, those of dropped points with rows included."""
    assemblies = assemblies_of(sweep.name, snapshot.events, snapshot.leases)
    return replicates(sweep, assemblies, dropped=True)


def sweep_table(snapshot: Snapshot) -> pl.DataFrame:
    """Return one row per sweep of an experiment, with the number of replicates in each state."""
    rows = [_sweep_row(each, of_snapshot(snapshot, each)) for each in snapshot.sweeps]
    return pl.DataFrame(rows, schema=SWEEP_COLUMNS, orient="row")


def _sweep_row(sweep: Sweep, found: Sequence[Replicate]) -> dict[str, Any]:
    planned = [each for each in found if not each.point.dropped and each.number <= sweep.replicates]
    return {
        "sweep": sweep.name,
        "changed_at": sweep.at,
        "user": sweep.user,
        "keys": ", ".join(sweep.keys),
        "points": len(sweep.planned),
        "replicates": sweep.replicates,
        **counts(planned),
        "dropped": len(sweep.points) - len(sweep.planned),
    }


def point_table(found: Iterable[Replicate]) -> pl.DataFrame:
    """Return one row per replicate: sweep, point, replicate, state, assembly, and a typed column per swept key."""
    found = list(found)
    rows = [
        (
            each.claim.sweep,
            each.point.number,
            each.number,
            DROPPED if each.point.dropped else each.state,
            None if each.assembly is None else each.assembly.assembly_id,
            each.point.config_hash,
        )
        for each in found
    ]
    frame = pl.DataFrame(rows, schema=POINT_COLUMNS, orient="row")
    values = [config_columns.flatten(each.point.values) for each in found]
    return frame.with_columns(config_columns.columns(values, taken=("experiment", "version", *POINT_COLUMNS)))


def all_points(snapshots: Iterable[Snapshot]) -> pl.DataFrame:
    """Return `point_table` of every sweep of several experiments, with ``experiment`` and ``version`` (as ``v1``)."""
    origins: list[tuple[str, str]] = []
    found: list[Replicate] = []
    for snapshot in snapshots:
        name, _, version = snapshot.qualified_name.partition("@")
        for sweep in snapshot.sweeps:
            of_sweep = of_snapshot(snapshot, sweep)
            found += of_sweep
            origins += [(name, version)] * len(of_sweep)
    schema = {"experiment": pl.String(), "version": pl.String()}
    return pl.DataFrame(origins, schema=schema, orient="row").with_columns(point_table(found).get_columns())


def points_of(snapshot: Snapshot) -> pl.DataFrame:
    """Return `point_table` of every sweep of one experiment."""
    return all_points([snapshot]).drop("experiment", "version")
