"""Meaning and unit of columns and config keys, which headers of tables show as titles."""

from __future__ import annotations

from collections.abc import Mapping

from lakebatch.assembly.tables import RESULTS
from lakebatch.snapshot.dictionary import with_unit
from lakebatch.snapshot.published_layout import recorded_meanings
from lakebatch.snapshot.snapshot import Snapshot


def of_columns(snapshot: Snapshot, table: str = RESULTS) -> Mapping[str, str]:
    """Return meaning and unit of the columns of a table, by name."""
    state = snapshot.table(table)
    known = {} if state is None else state.described_columns
    return {name: with_unit(each.comment, each.unit) for name, each in known.items()}


def of_keys(snapshot: Snapshot) -> Mapping[str, str]:
    """Return meaning and unit of the config keys that the published table describes."""
    state = snapshot.tables.open_published()
    known = {} if state is None else recorded_meanings(state)
    return {key: with_unit(text, unit) for key, (text, unit) in known.items()}
