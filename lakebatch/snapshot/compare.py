"""Comparison of the rows of two assemblies."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.selection import COMPLETED
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.storage.delta.schema import TableSchema

DIFFERENCE_COLUMNS: dict[str, pl.DataType] = {
    "column": pl.String(),
    "rows_differing": pl.Int64(),
    "largest_relative_difference": pl.Float64(),
}
"""The columns of `differences`."""
# Replaces the column name when the two sides have unequal row counts
ROW_COUNT = "number of rows"


def stable_columns(schema: TableSchema) -> list[str]:
    """Return the columns of a table that are the same whenever the same rows are computed."""
    return [column.name for column in schema.columns if not column.volatile and not column.large]


def rows(snapshot: Snapshot, assembly_id: str, table: str) -> pl.DataFrame:
    """Return the rows of one assembly in a fixed order, without volatile columns."""
    schema = snapshot.schema(table)
    columns = stable_columns(schema)
    if snapshot.table(table) is None:
        return pl.DataFrame(schema={name: schema.polars[name] for name in columns})
    stable = snapshot.scan_one(assembly_id, table=table).select(columns)
    ordered = stable.sort(_order(stable.collect_schema()), maintain_order=True)
    return snapshot.computed(ordered, [assembly_id], table=table)


def _order(schema: pl.Schema) -> list[str]:
    """Return the columns to sort by: floats last, since they may differ where keys agree."""
    sortable = [name for name, dtype in schema.items() if not dtype.is_nested()]
    return sorted(sortable, key=lambda name: schema[name].is_float())


def differences(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Return one row per column that differs between two frames of `rows`; unequal row counts are one row alone.

    A column that only one of them has, since code of another time declared it, is NULL in the other.
    """
    if before.height != after.height:
        missing = abs(before.height - after.height)
        return pl.DataFrame([(ROW_COUNT, missing, None)], schema=DIFFERENCE_COLUMNS, orient="row")
    found = []
    for name in dict.fromkeys([*before.columns, *after.columns]):
        one, other = _column(before, name, after), _column(after, name, before)
        count = int(one.ne_missing(other).sum()) if one.dtype == other.dtype else before.height
        if count:
            found.append((name, count, _largest(one, other)))
    return pl.DataFrame(found, schema=DIFFERENCE_COLUMNS, orient="row")


def _column(frame: pl.DataFrame, name: str, other: pl.DataFrame) -> pl.Series:
    """Return a column of a frame; NULL of the other frame's type without it."""
    if name in frame.columns:
        return frame[name]
    return pl.repeat(None, frame.height, dtype=other[name].dtype, eager=True).alias(name)


def _largest(before: pl.Series, after: pl.Series) -> float | None:
    """Return the largest difference relative to the value before; None for other types than floats."""
    if isinstance(before.dtype, pl.List) and before.dtype.inner in (pl.Float32, pl.Float64):
        if not before.list.len().equals(after.list.len()):
            return None
        before, after = before.explode(), after.explode()
    if not before.dtype.is_float():
        return None
    if before.dtype != after.dtype:
        return None
    relative = ((after - before) / before).abs()
    largest = relative.filter(relative.is_finite()).max()
    return None if largest is None else float(largest)  # type: ignore[arg-type]


def digests(
    snapshot: Snapshot,
    ids: Collection[str],
    table: str,
    on_gap: OnGap,
    among: Collection[str] | None = None,
) -> dict[str, str]:
    """Return a digest of the rows of each completed assembly: equal where `differences` finds nothing.

    Parameters
    ----------
    among : collection of str, optional
        The columns to compare.
    """
    stable = stable_columns(snapshot.schema(table))
    columns = [name for name in stable if among is None or name in among]

    def hashes(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.select("assembly_id", pl.struct(columns).hash().alias("hash"))

    hashed = snapshot.collected(COMPLETED, hashes, table=table, on_gap=on_gap, only=ids)
    sums = hashed.group_by("assembly_id").agg(pl.len(), pl.col("hash").sum().alias("sum"))
    return {key: f"{count}:{total}" for key, count, total in sums.iter_rows()}
