"""Repetition of an assembly from its record alone, and comparison row by row."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass

import polars as pl

from lakebatch.assembly.record import Assembly
from lakebatch.errors import AssemblyError
from lakebatch.experiment import registry
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.lake.lake import Lake, open_lake
from lakebatch.runner.progress import Progress
from lakebatch.runner.run import repeat
from lakebatch.snapshot import changes
from lakebatch.storage.delta.schema import load_schema


@dataclass(frozen=True)
class Verdict:
    """Result of running an assembly again.

    Attributes
    ----------
    changes : tuple of str
        Differences of code, Python and packages from those that wrote the assembly.
    tables : frame
        Per table and column: number of differing rows, and largest difference relative to the recorded value.
    rows : int
        Number of compared rows.
    """

    assembly_id: str
    changes: tuple[str, ...]
    rows: int
    tables: pl.DataFrame

    @property
    def reproduced(self) -> bool:
        """Whether every row is the same to the last bit, except for times."""
        return self.tables.is_empty()

    def __str__(self) -> str:
        if self.reproduced:
            verdict = f"verified: {self.rows} rows, all the same"
        else:
            worst = self.tables.sort("rows_differing", descending=True).row(0, named=True)
            verdict = (
                f"not reproduced: {worst['rows_differing']} rows differ in {worst['table']}.{worst['column']}"
            )
        return verdict + (f" ({'; '.join(self.changes)})" if self.changes else "")


COLUMNS: dict[str, pl.DataType] = {
    "table": pl.String(),
    "column": pl.String(),
    "rows_differing": pl.Int64(),
    "largest_relative_difference": pl.Float64(),
}


def verify(
    lake: Lake,
    name: str,
    assembly_id: str,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """Run an assembly again from its record, compare row by row, and record the verdict as an event.

    Raises
    ------
    AssemblyError
        If the assembly is not completed, or the experiment now plans other parts.
    """
    stored = lake[name]
    assembly = stored.log.get(assembly_id)
    if assembly.status != "completed":
        raise AssemblyError(f"{assembly_id} is {assembly.state}. Expected a completed assembly.")
    with tempfile.TemporaryDirectory(prefix="lakebatch-verify-") as folder:
        scratch = open_lake(folder)
        again = repeat(scratch, stored, assembly, jobs=jobs, progress=progress)
        verdict = _compare(stored, assembly, scratch[stored.folder], again)
    stored.note(assembly, str(verdict))
    return verdict


def _compare(
    stored: StoredExperiment, assembly: Assembly, other: StoredExperiment, again: Assembly
) -> Verdict:
    if again.status != "completed":
        raise AssemblyError(f"Running {assembly.assembly_id} again ended {again.status}: {again.error}")
    names = registry.load(registry.get(stored.name)).tables
    frames: list[pl.DataFrame] = []
    rows = 0
    for name in names:
        recorded, repeated = _rows(stored, name, assembly), _rows(other, name, again)
        rows += recorded.height
        frames.append(_differences(name, recorded, repeated))
    return Verdict(assembly.assembly_id, tuple(changes.since(stored.name, assembly)), rows, pl.concat(frames))


def _rows(stored: StoredExperiment, table: str, assembly: Assembly) -> pl.DataFrame:
    """Return the rows of one assembly in a fixed order, without volatile columns."""
    columns = [column for column in load_schema(table).columns if not column.volatile]
    snapshot = stored.snapshot()
    if snapshot.table(table) is None:
        return pl.DataFrame(
            schema={column.name: load_schema(table).polars[column.name] for column in columns}
        )
    own = snapshot.scan_one(assembly.assembly_id, table=table)
    order = [column.name for column in columns if column.type in ("string", "long", "integer")]
    ordered = own.select(column.name for column in columns).sort(order, maintain_order=True)
    return snapshot.computed(ordered, [assembly.assembly_id], table=table)


def _differences(table: str, recorded: pl.DataFrame, repeated: pl.DataFrame) -> pl.DataFrame:
    """Return one row per column that differs; a different row count counts as a column."""
    if recorded.height != repeated.height:
        missing = abs(recorded.height - repeated.height)
        return pl.DataFrame([(table, "number of rows", missing, None)], schema=COLUMNS, orient="row")
    found = []
    for name in recorded.columns:
        one, other = recorded[name], repeated[name]
        differing = int(one.ne_missing(other).sum())
        if differing:
            found.append((table, name, differing, _largest(one, other)))
    return pl.DataFrame(found, schema=COLUMNS, orient="row")


def _largest(one: pl.Series, other: pl.Series) -> float | None:
    """Return the largest difference relative to the recorded value; None if the values have no such difference."""
    if isinstance(one.dtype, pl.List) and one.dtype.inner in (pl.Float32, pl.Float64):
        if not one.list.len().equals(other.list.len()):
            return None
        one, other = one.explode(), other.explode()
    if not one.dtype.is_float():
        return None
    relative = ((other - one) / one).abs()
    largest = relative.filter(relative.is_finite()).max()
    return None if largest is None else float(largest)  # type: ignore[arg-type]
