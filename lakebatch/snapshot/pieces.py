"""Rows of a dataset in frames small enough for any memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import polars as pl

from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.row_order import LARGE, batches, by_level, count_parts, in_order
from lakebatch.snapshot.rows import PinnedRows
from lakebatch.storage.delta import omissions
from lakebatch.storage.delta.version import TableVersion, collect


def read(
    snapshot: PinnedRows,
    ids: Sequence[str],
    report_mixtures: Callable[[], object],
    *,
    table: str,
    on_gap: OnGap,
) -> Iterator[pl.DataFrame]:
    """Yield the rows of some assemblies in order, a few assemblies or a few parts of a large one at a time."""
    counts = snapshot.rows_by_assembly(table)
    large = [each for each in ids if counts.get(each, 0) > LARGE]
    if on_gap == "ignore":  # a fault that is found later would leave half of an assembly
        snapshot.tables.read_files(table, large)
    ids, found = snapshot.tables.readable(table, ids, on_gap)
    omissions.warn_of_faults(found)
    report_mixtures()

    def read_in_order(pinned: TableVersion, ids: list[str]) -> pl.DataFrame:
        return collect(in_order(snapshot.rows_of(pinned, ids)))

    for batch in batches(sorted(ids), counts) if ids else [[]]:
        if batch[:1] in [[each] for each in large]:
            yield from _by_level(snapshot, batch, table)
        else:
            yield snapshot.tables.read(table, batch, on_gap, read_in_order)


def _by_level(snapshot: PinnedRows, ids: Sequence[str], table: str) -> Iterator[pl.DataFrame]:
    """Yield the rows of one large assembly in order, a few parts of one level at a time."""

    def rows(chosen: Callable[[pl.LazyFrame], pl.LazyFrame]) -> pl.DataFrame:
        return snapshot.tables.read(
            table, ids, "refuse", lambda pinned, ids: collect(chosen(snapshot.rows_of(pinned, ids)))
        )

    for wanted in by_level(rows(count_parts)):
        yield rows(lambda rows, wanted=wanted: in_order(rows.filter(wanted)))  # type: ignore[misc]
