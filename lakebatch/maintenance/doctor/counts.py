"""Checks of row counts: each assembly has the rows that its commits added, each event and tag is there once."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from lakebatch.maintenance.doctor.finding import Finding
from lakebatch.maintenance.inspection.lineage import Surplus
from lakebatch.maintenance.inspection.rows import KEYS, Fingerprints, contradictions
from lakebatch.maintenance.inspection.table import InspectedTable
from lakebatch.snapshot.changes import HASH_CHARACTERS


def check_rows(table: InspectedTable) -> Iterator[Finding]:
    """Whether the row count of each assembly is the one that its commits added, by the counts in the log."""
    if not table.log.is_whole:
        yield Finding("rows", table.path, "note", "cannot be counted before the log is whole")
        return
    for each in table.lineage.open_surpluses:
        yield Finding("rows", table.path, "problem", _describe(table, each), table.repair)
    for each in table.lineage.surpluses:
        if each.until is not None:
            advice = f"Version {each.until} corrected it; do not read these versions."
            yield Finding("rows", table.path, "note", _describe(table, each), advice)
    if not table.lineage.open_surpluses:
        yield Finding("rows", table.path, "ok", "as many as the commits added")


def _describe(table: InspectedTable, each: Surplus) -> str:
    of = f" of {each.assembly_id}" if each.assembly_id else ""
    when = (
        f"since version {each.since}"
        if each.until is None
        else f"in versions {each.since} to {each.until - 1}"
    )
    twice = [
        f"versions {first} and {second} both replaced the file {path}"
        for path, first, second in table.lineage.removed_twice
        if table.references[path].assembly_id == each.assembly_id
    ]
    why = f": {twice[0]}, so that its rows are there twice" if twice and each.rows > each.expected else ""
    return f"{each.rows} rows{of} are there {when}, its commits brought {each.expected}{why}"


def check_values_together(table: InspectedTable, fingerprints: Fingerprints) -> Iterator[Finding]:
    """Whether the rows of each assembly are, all together, those that its commits added."""
    miscounted = {each.assembly_id for each in table.lineage.open_surpluses}
    for assembly_id in dict.fromkeys(each.assembly_id for each in table.lineage.active.values()):
        expected = table.lineage.committed(assembly_id)
        actual = fingerprints.of_assembly(assembly_id)
        if expected and actual and actual != expected and assembly_id not in miscounted:
            of = f" of {assembly_id}" if assembly_id else ""
            what = f"the rows{of} are as many as its commits added, and not the same"
            yield Finding("rows", table.path, "problem", what, table.repair)


def check_keys(table: InspectedTable, rows: pl.DataFrame) -> Iterator[Finding]:
    """Whether each event of an assembly, each source file or each tag is there once."""
    keys = KEYS[table.name]
    differing = contradictions(rows, keys).unique(keys, maintain_order=True)
    for row in differing.select(keys).iter_rows(named=True):
        what = f"{_name_of(row)} is there twice, with different values"
        advice = "Nothing tells which of them is right: another lake may have been copied over this one."
        yield Finding("duplicates", table.path, "problem", what, advice)
    doubled = rows.filter(rows.is_duplicated()).unique(keys, maintain_order=True)
    for row in doubled.select(keys).iter_rows(named=True):
        yield Finding("duplicates", table.path, "problem", f"{_name_of(row)} is there twice", table.repair)


def _name_of(row: dict[str, object]) -> str:
    if "event" in row:
        return f"event {row['event']} of {row['assembly_id']}"
    if "file" in row:
        return f"the file {row['file']} of the source {str(row['source_hash'])[:HASH_CHARACTERS]}"
    return f"the tag {row['tag']!r}"
