"""What a table is made with, and what one of an older schema version lacks of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import deltalake

from lakebatch.errors import SchemaError
from lakebatch.storage.delta.migrate import SCHEMA_VERSION, missing, stored_version
from lakebatch.storage.delta.schema import Column, TableSchema, difference

if TYPE_CHECKING:
    from lakebatch.storage.delta.version import Handle

FOR_EVER = "interval 36500 days"
PROPERTIES = {
    "delta.appendOnly": "true",
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": FOR_EVER,
    "delta.deletedFileRetentionDuration": FOR_EVER,
    "delta.dataSkippingNumIndexedCols": "0",
}
"""Least and greatest values of columns would be nine tenths of a checkpoint, which whoever opens the table reads; files are
told apart by assembly, and each has them inside."""


def create_table(uri: str, schema: TableSchema, options: Mapping[str, str]) -> None:
    """Create a table where there is none, in one commit."""
    deltalake.DeltaTable.create(
        uri,
        deltalake.Schema(_fields(schema.columns)),
        partition_by=list(schema.partition_by),
        name=schema.table,
        description=schema.description,
        configuration=PROPERTIES | {SCHEMA_VERSION: str(schema.version)},
        storage_options=dict(options),
        raise_if_key_not_exists=False,
        # a retry would create it once more over what another process has created
        commit_properties=deltalake.CommitProperties(max_commit_retries=0),
    )


def check_columns(handle: Handle, schema: TableSchema) -> None:
    """Raise `SchemaError` if a table has other columns than its schema says."""
    import pyarrow as pa

    faults = difference(pa.schema(handle.schema().to_arrow()), schema)
    if faults:
        raise SchemaError(
            f"{handle.root} is not a table of lakebatch: {'; '.join(faults)}. Move it away, or use another --lake."
        )


def _raise_version(handle: Handle, schema: TableSchema) -> bool:
    if stored_version(handle.root, handle.metadata().configuration) >= schema.version:
        return False
    handle.alter.set_table_properties({SCHEMA_VERSION: str(schema.version)}, raise_if_not_exists=False)
    return True


def _add_missing_properties(handle: Handle, schema: TableSchema) -> bool:
    present = handle.metadata().configuration
    absent = {name: value for name, value in PROPERTIES.items() if name not in present}
    if absent:
        handle.alter.set_table_properties(absent)
    return bool(absent)


def _add_missing_columns(handle: Handle, schema: TableSchema) -> bool:
    columns = missing(handle.names, schema)
    if columns:
        handle.alter.add_columns(_fields(columns))
    return bool(columns)


def _add_missing_constraints(handle: Handle, schema: TableSchema) -> bool:
    present = handle.metadata().configuration
    absent = {
        name: rule for name, rule in schema.constraints.items() if f"delta.constraints.{name}" not in present
    }
    if absent:
        handle.alter.add_constraint(absent)
    return bool(absent)


CHANGES: Mapping[str, Callable[[Handle, TableSchema], bool]] = {
    "set the schema version of": _raise_version,
    "set the properties of": _add_missing_properties,
    "add columns to": _add_missing_columns,
    "set the constraints of": _add_missing_constraints,
}
"""What brings an older table up to date, in this order, by what it does: each changes one thing, and says whether it had to.

The version comes first, so that older code says from then on what it lacks.
"""


def _fields(columns: Sequence[Column]) -> list[deltalake.Field]:
    import pyarrow as pa

    typed = deltalake.Schema.from_arrow(pa.schema([column.arrow for column in columns])).fields
    return [
        deltalake.Field(field.name, field.type, nullable=column.nullable, metadata=column.metadata)
        for field, column in zip(typed, columns, strict=True)
    ]
