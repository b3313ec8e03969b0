"""Repetition of an assembly from its record alone, and comparison row by row."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass

import polars as pl

from lakebatch import _html
from lakebatch.assembly import decisions, labels
from lakebatch.assembly.purges import Purge
from lakebatch.assembly.record import Assembly
from lakebatch.assembly.tables import ExperimentTables
from lakebatch.columns import table_names
from lakebatch.errors import AssemblyError, UnknownNameError
from lakebatch.experiment import registry
from lakebatch.experiment.provenance import SOURCE_HASH
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.lake.lake import Lake, open_lake
from lakebatch.maintenance.purge.holdings import data_tables, stable_fingerprint
from lakebatch.runner.assembly_run import Progress
from lakebatch.runner.run import repeat
from lakebatch.snapshot import changes, compare, source_diff
from lakebatch.storage.delta.engine import PART
from lakebatch.storage.delta.table import Table

FINGERPRINT = "fingerprint"
"""Stands for a column where only the fingerprint of the recorded rows is known."""


@dataclass(frozen=True, repr=False)
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
    not_compared : tuple of str
        Tables of an imported assembly that its publication lacks.
    source : str
        A unified diff from the recorded source to the present one; empty if it is the same.
    """

    assembly_id: str
    changes: tuple[str, ...]
    rows: int
    tables: pl.DataFrame
    source: str = ""
    not_compared: tuple[str, ...] = ()

    @property
    def reproduced(self) -> bool:
        """Whether every row is the same to the last bit, except for times."""
        return self.tables.is_empty()

    def __repr__(self) -> str:
        return _html.short(f"<Verdict on {self.assembly_id}: {self}>")

    def _repr_html_(self) -> str:
        differing = "" if self.reproduced else _html.section("Differences by column", self.tables)
        source = _html.folded("Changes of the source", self.source) if self.source else ""
        return _html.facts(f"{self.assembly_id}: {self}", {}) + differing + source

    def __str__(self) -> str:
        if self.reproduced:
            verdict = f"verified: {self.rows} rows, all the same"
        else:
            worst = self.tables.sort("rows_differing", descending=True).row(0, named=True)
            verdict = (
                f"not reproduced: {worst['rows_differing']} rows differ in {worst['table']}.{worst['column']}"
            )
        return verdict + (f" ({'; '.join(aside)})" if (aside := self._aside()) else "")

    def _aside(self) -> list[str]:
        if not self.not_compared:
            return [*self.changes]
        were = "was" if len(self.not_compared) == 1 else "were"
        return [*self.changes, f"{' and '.join(self.not_compared)} {were} not published: not compared"]


def verify(
    lake: Lake,
    name: str,
    assembly_id: str,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """Run an assembly again from its record, compare row by row, and record the verdict as an event.

    The rows of a purged assembly are compared by the fingerprints that its purge recorded.

    Raises
    ------
    AssemblyError
        If the assembly is not completed and was not when it was purged, or the code has another experiment version or
        plans other parts.
    """
    stored = lake[name]
    assembly = stored.log.get(assembly_id)
    assembly_id = assembly.assembly_id
    _check_complete(assembly)
    _check_code(stored, assembly)
    with tempfile.TemporaryDirectory(prefix="lakebatch-verify-") as folder:
        scratch = open_lake(folder)
        again = repeat(scratch, stored, assembly, jobs=jobs, progress=progress)
        verdict = _compare(stored, assembly, scratch[stored.folder], again)
    decisions.note(stored, assembly, str(verdict))
    return verdict


def _check_complete(assembly: Assembly) -> None:
    purge = assembly.purge
    if purge is not None and purge.parts < assembly.parts_planned:
        raise AssemblyError(
            f"{assembly.assembly_id} had {purge.parts} of {assembly.parts_planned} parts when it was {purge}. Only a "
            "complete assembly can be verified."
        )
    if assembly.status != "completed" and purge is None:
        raise AssemblyError(f"{assembly.assembly_id} is {assembly.state}. Expected a completed assembly.")


def _check_code(stored: StoredExperiment, assembly: Assembly) -> None:
    """Say where the code of an imported assembly is, unless it is installed here."""
    if labels.NOT_PUBLISHED not in assembly.surroundings:
        return
    try:
        registry.get(stored.name)
    except UnknownNameError as error:
        code = str(assembly.surroundings.get(SOURCE_HASH, ""))[:12]
        raise UnknownNameError(
            f"The code of {stored.name} is not installed here. Copy what is in code/{code}/ of the publication to "
            "./experiments, and repeat the command."
        ) from error


def _compare(
    stored: StoredExperiment, assembly: Assembly, other: StoredExperiment, again: Assembly
) -> Verdict:
    if again.status != "completed":
        raise AssemblyError(f"Running {assembly.assembly_id} again ended {again.status}: {again.error}")
    found, source = changes_since(stored, assembly)
    if assembly.purge is not None:
        tables = compare_fingerprints(assembly.purge, other, again.assembly_id)
        return Verdict(assembly.assembly_id, tuple(found), assembly.purge.rows, tables, source)
    declared = table_names(registry.load(registry.get(stored.name)).tables)
    absent = assembly.not_published
    names = [
        each for each in declared if each in stored.data_tables() and each not in absent
    ]  # others are newer
    frames: list[pl.DataFrame] = []
    rows = 0
    for name in names:
        recorded = compare.rows(stored.snapshot(), assembly.assembly_id, name)
        repeated = compare.rows(other.snapshot(), again.assembly_id, name)
        then = _columns_then(stored.table(name), assembly)
        recorded, repeated = (
            each.select([column for column in each.columns if column in then])
            for each in (recorded, repeated)
        )
        rows += recorded.height
        frames.append(compare.differences(recorded, repeated).select(pl.lit(name).alias("table"), "*"))
    return Verdict(assembly.assembly_id, tuple(found), rows, pl.concat(frames), source, absent)


def _columns_then(table: Table, assembly: Assembly) -> set[str]:
    """Return the columns that a table had when the last part of an assembly was committed: code may declare more today."""
    newest = table.at()
    if not newest.has_own_columns:
        return set(newest.columns())
    of_assembly = [
        each.version
        for each in table.commits()
        if PART in each.metadata and each.metadata.get("lakebatch.assembly_id") == assembly.assembly_id
    ]
    return set(table.at(max(of_assembly, default=newest.number)).columns())


def compare_fingerprints(purge: Purge, other: ExperimentTables, assembly_id: str) -> pl.DataFrame:
    """Return one row per table in which another assembly does not have the rows that a purge removed."""
    tables = dict(data_tables(other))
    actual = {
        name: stable_fingerprint(tables[name].at(), assembly_id) if name in tables else None
        for name in purge.tables
    }
    rows = [
        (name, FINGERPRINT, each.rows, None)
        for name, each in purge.tables.items()
        if each.rows and each.fingerprint != actual[name]
    ]
    return pl.DataFrame(rows, schema={"table": pl.String(), **compare.DIFFERENCE_COLUMNS}, orient="row")


def changes_since(stored: StoredExperiment, assembly: Assembly) -> tuple[list[str], str]:
    """Return what differs in code and packages since an assembly, one clause each, and a unified diff of the source."""
    mixture = stored.snapshot().mixtures([assembly.status]).get(assembly.assembly_id)
    found = [*([mixture] if mixture else []), *changes.since(stored, assembly)]
    return found, source_diff.since(stored, assembly)
