"""The data dictionary of an experiment in a lake, at the moment of a snapshot."""

from __future__ import annotations

from collections.abc import Iterator

from lakebatch.assembly.tables import RESULTS
from lakebatch.columns import DATA, built_in_tables
from lakebatch.snapshot.dictionary import Dictionary, TableEntry, in_order, table_entry
from lakebatch.snapshot.published_layout import layout, recorded_meanings
from lakebatch.snapshot.rows import PinnedRows
from lakebatch.snapshot.selection import COMPLETED
from lakebatch.storage.delta.constraints import PREFIX
from lakebatch.storage.delta.schema import load_schema
from lakebatch.storage.delta.version import TableVersion


def of_snapshot(snapshot: PinnedRows, state: str, *, published: bool = True) -> Dictionary:
    """Return the data dictionary of an experiment, from its tables alone: no code of the experiment is needed.

    At a past state, results have the columns that they had, and an experiment's own tables that had no row yet are
    left out. Without ``published``, the table of that name is left out, for which all configs are read.
    """
    others = [name for name in built_in_tables() if name not in DATA]
    tables = [_data_table(snapshot, name) for name in snapshot.tables.names if _existed(snapshot, name)]
    recorded = [table_entry(load_schema(name), snapshot.roles) for name in others]
    return Dictionary(
        in_order([*tables, *recorded, *(_published(snapshot) if published else ())]),
        snapshot.name,
        snapshot.experiment_version,
        state,
    )


def _published(snapshot: PinnedRows) -> Iterator[TableEntry]:
    """Yield the entry of the table ``published`` at the moment, with a column per config key."""
    if snapshot.table() is None:
        return
    state = snapshot.tables.open_published()
    schema = layout(snapshot).schema(recorded_meanings(state) if state else None)
    yield table_entry(schema, snapshot.roles, written=state is not None, rows=_rows(snapshot, RESULTS))


def _existed(snapshot: PinnedRows, name: str) -> bool:
    if name in DATA or not snapshot.moment.is_past:
        return True
    rows = snapshot.rows_by_assembly(name)
    return any(rows.get(each) for each in snapshot.last_events["assembly_id"])


def _data_table(snapshot: PinnedRows, name: str) -> TableEntry:
    table = snapshot.table(name)
    if table is None:
        return table_entry(snapshot.schema(name), snapshot.roles)
    described = table.described_columns
    return table_entry(
        snapshot.schema(name),
        snapshot.roles,
        columns=[described[each] for each in _names(table) if each in described],
        constraints=_constraints(table),
        description=table.description,
        written=True,
        rows=_rows(snapshot, name),
    )


def _names(table: TableVersion) -> list[str]:
    shown = table.columns()
    return [*shown, *(each.name for each in table.schema.columns if each.name not in shown)]


def _constraints(table: TableVersion) -> dict[str, str]:
    """Return the constraints that the table enforces, and those that newer code adds at the next commit."""
    stored = {
        key.removeprefix(PREFIX): rule for key, rule in table.properties.items() if key.startswith(PREFIX)
    }
    return {**table.schema.constraints, **stored}


def _rows(snapshot: PinnedRows, name: str) -> int | None:
    """Return the number of rows of the selected assemblies, if the log alone tells it."""
    ids = snapshot.ids()
    completed = set(snapshot.ids(COMPLETED))
    if not completed.issuperset(ids):
        return None
    counts = snapshot.rows_by_assembly(name)
    return sum(counts.get(each, 0) for each in ids)
