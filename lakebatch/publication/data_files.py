"""The tables of a publication as Parquet and CSV files of the same rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs
import pyarrow as pa
import pyarrow.parquet

from lakebatch._folders import NewFolder
from lakebatch.assembly.tables import RESULTS
from lakebatch.columns import DATA
from lakebatch.errors import UnknownNameError
from lakebatch.publication import assembly_rows
from lakebatch.publication.material import Material, TableFile
from lakebatch.snapshot import file_origin
from lakebatch.snapshot.dictionary import TableEntry
from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.pieces import read
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.snapshot.write_file import write

ON_REQUEST = ("samples", "trajectories", "artifacts")
"""The tables that a publication has only if they are asked for, since they are large."""
ROWS = 100_000
"""Rows of a row group, so that the files do not depend on how the lake keeps the rows."""
TIME = "%Y-%m-%dT%H:%M:%S%.6fZ"


def chosen(snapshot: Snapshot, more: Iterable[str]) -> list[str]:
    """Return the tables of a publication: results, own ones with rows, and those that are asked for.

    Raises
    ------
    UnknownNameError
        If a table is asked for that cannot be, or has no rows.
    """
    wanted = tuple(more)
    for each in wanted:
        if each not in ON_REQUEST:
            raise UnknownNameError(
                f"Unknown table {each!r} in tables (--with). Expected some of: {', '.join(ON_REQUEST)}. "
                "Results and the experiment's own tables are in every publication."
            )
        if not has_rows(snapshot, each):
            raise UnknownNameError(
                f"{snapshot.qualified_name} has no row in {each!r} at {snapshot.moment}. Leave it out of tables (--with)."
            )
    own = [each for each in snapshot.tables.names if each not in DATA and has_rows(snapshot, each)]
    return [RESULTS, *sorted(own), *(each for each in ON_REQUEST if each in wanted)]


def write_tables(material: Material, names: Iterable[str], new: NewFolder, on_gap: OnGap) -> None:
    """Write the tables into the folder ``data``, and note what was written."""
    origin = origin_of(material.snapshot)
    for name in names:
        material.tables.append(
            _write_table(material.snapshot, material.dictionary[name], origin, new, on_gap)
        )
    frame = assembly_rows.frame(material)
    entry = assembly_rows.entry(material)
    file = TableFile(entry, entry.columns, frame.height)
    write([_for_csv(frame)], new.place(file.csv))
    material.tables.append(file)


def origin_of(snapshot: Snapshot) -> dict[str, Any]:
    """Return where the rows come from, without the place of the lake, which says nothing to others."""
    return {name: value for name, value in file_origin.of_dataset(snapshot).items() if name != "lake"}


def has_rows(snapshot: Snapshot, name: str) -> bool:
    """Whether an assembly of the dataset has a row in a table."""
    rows = snapshot.rows_by_assembly(name)
    return any(rows.get(each) for each in snapshot.ids())


def _write_table(
    snapshot: Snapshot, entry: TableEntry, origin: dict[str, Any], new: NewFolder, on_gap: OnGap
) -> TableFile:
    described = snapshot.tables.existing(entry.name).arrow_schema()
    pieces = read(snapshot, snapshot.ids(), lambda: None, table=entry.name, on_gap=on_gap)
    parquet = new.place(f"data/{entry.name}.parquet")
    rows, _ = write(_in_groups(pieces), parquet, origin, described)
    names = pl.read_parquet_schema(parquet)
    write(_batches(parquet), new.place(f"data/{entry.name}.csv"))
    return TableFile(entry, tuple(entry[each] for each in names), rows)


def _in_groups(pieces: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield the same rows in frames of the same height, the last one shorter."""
    left: pl.DataFrame | None = None
    for piece in pieces:
        left = piece if left is None else pl.concat([left, piece])
        while left.height >= ROWS:
            yield left[:ROWS].rechunk()
            left = left[ROWS:]
    if left is not None:
        yield left.rechunk()


def _batches(parquet: Path) -> Iterator[pl.DataFrame]:
    """Yield the rows of a Parquet file as CSV files have them; at least one frame."""
    with pyarrow.parquet.ParquetFile(parquet) as opened:
        yield _for_csv(pl.DataFrame(opened.schema_arrow.empty_table()))
        for batch in opened.iter_batches(ROWS):
            yield _for_csv(pl.DataFrame(pa.table(batch)))


def _for_csv(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with times as ISO 8601, which spreadsheets and R read."""
    return frame.with_columns(cs.datetime().dt.strftime(TIME))
