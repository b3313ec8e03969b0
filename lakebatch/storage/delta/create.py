"""Creation of a table, and changes that bring one of an older schema version up to date."""

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
"""Properties of every table. Column min/max statistics would make up 90 % of every checkpoint, which each opening of a table
reads; readers select files by assembly, and each file has its own statistics."""


def create_table(uri: str, schema: TableSchema, options: Mapping[str, str]) -> None:
    """Create a table in one commit, unless there is one."""
    deltalake.DeltaTable.create(
        uri,
        deltalake.Schema(_fields(schema.columns)),
        partition_by=list(schema.partition_by),
        name=schema.table,
        description=schema.description,
        configuration=PROPERTIES | {SCHEMA_VERSION: str(schema.version)},
        storage_options=dict(options),
        raise_if_key_not_exists=False,
        # a retry would replace a table that another process has created
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
"""Changes that bring an older table up to date, in this order, by their action; each returns whether it changed the table.

The version comes first, so that older code then reports that it is too old.
"""


def _fields(columns: Sequence[Column]) -> list[deltalake.Field]:
    import pyarrow as pa

    typed = deltalake.Schema.from_arrow(pa.schema([column.arrow for column in columns])).fields
    return [
        deltalake.Field(field.name, field.type, nullable=column.nullable, metadata=column.metadata)
        for field, column in zip(typed, columns, strict=True)
    ]
