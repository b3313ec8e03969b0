"""Checks of how many rows there are: of each assembly those that its commits brought, each event and tag once."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from lakebatch.maintenance.doctor.finding import Finding
from lakebatch.maintenance.doctor.lineage import Surplus
from lakebatch.maintenance.doctor.table import ExaminedTable
from lakebatch.maintenance.doctor.values import Prints
from lakebatch.storage.delta.fingerprint import add

KEYS = {"assemblies": ["assembly_id", "event"], "tags": ["tag"]}
"""What a row of these tables is known by."""


def check_rows(table: ExaminedTable) -> Iterator[Finding]:
    """Whether each assembly has as many rows as its commits brought, as the log counts them."""
    if not table.log.is_whole:
        yield Finding("rows", table.path, "note", "cannot be counted before the log is whole")
        return
    now = [each for each in table.lineage.surpluses if each.until is None]
    for each in now:
        yield Finding("rows", table.path, "problem", _told(table, each), table.repair)
    for each in table.lineage.surpluses:
        if each.until is not None:
            yield Finding("rows", table.path, "note", _told(table, each), _reading(each))
    if not now:
        yield Finding("rows", table.path, "ok", "as many as the commits brought")


def _told(table: ExaminedTable, each: Surplus) -> str:
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


def _reading(each: Surplus) -> str:
    return f"It was set right in version {each.until}; leave these versions out."


def check_values_together(table: ExaminedTable, prints: Prints) -> Iterator[Finding]:
    """Whether the rows that each assembly has now are, all together, those that its commits brought."""
    off = {each.assembly_id for each in table.lineage.surpluses if each.until is None}
    for assembly_id in dict.fromkeys(each.assembly_id for each in table.lineage.active.values()):
        expected = brought(table, assembly_id)
        actual = prints.together(assembly_id)
        if expected and actual and actual != expected and assembly_id not in off:
            of = f" of {assembly_id}" if assembly_id else ""
            what = f"the rows{of} are as many as its commits brought, and not the same"
            yield Finding("rows", table.path, "problem", what, table.repair)


def brought(table: ExaminedTable, assembly_id: str | None) -> str | None:
    """Return the fingerprint of all rows that the commits of an assembly brought; None if one of them records none."""
    groups = table.lineage.originals(assembly_id)
    prints = [each.recorded for each in groups if each.part is not None or assembly_id is None]
    known = [each for each in prints if each is not None]
    return add(known) if known and len(known) == len(prints) else None


def check_keys(table: ExaminedTable, rows: pl.DataFrame) -> Iterator[Finding]:
    """Whether each event of an assembly, or each tag, is there once."""
    keys = KEYS[table.name]
    differing = rows.unique().filter(pl.struct(keys).is_duplicated()).unique(keys, maintain_order=True)
    for row in differing.select(keys).iter_rows(named=True):
        what = f"{_named(row)} is there twice, with different values"
        advice = "It cannot be told which is right: another lake may have been copied over this one."
        yield Finding("duplicates", table.path, "problem", what, advice)
    doubled = rows.filter(rows.is_duplicated()).unique(keys, maintain_order=True)
    for row in doubled.select(keys).iter_rows(named=True):
        yield Finding("duplicates", table.path, "problem", f"{_named(row)} is there twice", table.repair)


def _named(row: dict[str, object]) -> str:
    return f"event {row['event']} of {row['assembly_id']}" if "event" in row else f"the tag {row['tag']!r}"
