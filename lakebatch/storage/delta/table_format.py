"""Format of a table: properties, schema version, columns and features; creation, migration and refusal of unknown formats.

A schema version only adds columns, which are NULL in earlier rows. A property of the table has its schema version; without
it, the table has the first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias

import deltalake
import polars as pl
from deltalake.schema import ArrayType

from lakebatch.columns import OWN, Column
from lakebatch.errors import SchemaError
from lakebatch.storage.delta.engine import Handle
from lakebatch.storage.delta.schema import TableSchema, contradictions, difference

SCHEMA_VERSION = "lakebatch.schemaVersion"
FIRST_SCHEMA_VERSION = 1
APPEND_ONLY = "delta.appendOnly"
FOR_EVER = "interval 36500 days"
PROPERTIES = {
    APPEND_ONLY: "true",
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": FOR_EVER,
    "delta.deletedFileRetentionDuration": FOR_EVER,
    "delta.dataSkippingNumIndexedCols": "0",
}
"""Properties of every table. Column min/max statistics would make up 90 % of every checkpoint, which each opening of a table
reads; readers select files by assembly, and each file has its own statistics."""
DELETIONS, MAPPING = "deletionVectors", "columnMapping"
# Features with which the files of a table are still its content
PLAIN = {"timestampNtz", "v2Checkpoint", "vacuumProtocolCheck", "variantType"}
# Features with which polars reads a table with deletion vectors
READ_BY_POLARS = {DELETIONS, "timestampNtz", "variantType"}
# Features with which the engine appends; it refuses others only at the commit
WRITTEN = {
    "appendOnly",
    "changeDataFeed",
    "checkConstraints",
    "generatedColumns",
    "invariants",
    "timestampNtz",
    "v2Checkpoint",
    "variantType",
    DELETIONS,
    MAPPING,
}
Change: TypeAlias = Callable[[Handle], object]
"""A call that changes the properties or columns of a table."""
FindChange: TypeAlias = Callable[[Handle, TableSchema], "Change | None"]
"""Returns the change that a table needs, None if it needs none."""
ADVICE = "Have the tool that added it take it out again (ALTER TABLE ... DROP FEATURE), or make a plain copy with that tool."


def create_table(
    uri: str, schema: TableSchema, options: Mapping[str, str], properties: Mapping[str, str] = PROPERTIES
) -> None:
    """Create a table in one commit, unless there is one."""
    deltalake.DeltaTable.create(
        uri,
        delta_schema(schema),
        partition_by=list(schema.partition_by),
        name=schema.table,
        description=schema.description,
        configuration={**properties}
        | {SCHEMA_VERSION: str(schema.version)}
        | {k: v for k, v in schema.properties.items() if v},
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
            f"{handle.root} is not a table of lakebatch: {'; '.join(faults)}. Have the tool that changed its columns "
            "change them back, or use another --lake."
        )
    for contradiction in contradictions(handle.names, own_columns(handle), schema):
        raise SchemaError(
            f"Cannot append to {schema.table!r}: {contradiction}. Declare it as before, choose another name, or raise the "
            "version of the experiment."
        )


def _raise_version(handle: Handle, schema: TableSchema) -> Change | None:
    if stored_schema_version(handle.root, handle.metadata().configuration) >= schema.version:
        return None
    return set_properties({SCHEMA_VERSION: str(schema.version)})


def _add_missing_properties(handle: Handle, schema: TableSchema) -> Change | None:
    present = handle.metadata().configuration
    wanted = {name: value for name, value in PROPERTIES.items() if name not in present}
    declared = {
        name: _united(present.get(name), value) if name in schema.united else value
        for name, value in schema.properties.items()
    }
    wanted |= {name: value for name, value in declared.items() if (present.get(name) or "") != value}
    return set_properties(wanted) if wanted else None


def set_properties(properties: Mapping[str, str]) -> Change:
    """Return the change that sets properties of a table."""
    return lambda handle: handle.alter.set_table_properties(dict(properties), raise_if_not_exists=False)


def _united(present: str | None, declared: str) -> str:
    """Return a JSON list with the entries of two: as it stands if it has all, else the declared ones first."""
    before, after = json.loads(present or "[]"), json.loads(declared or "[]")
    if set(after) <= set(before) and after[:1] in ([], before[:1]):
        return present or ""
    return json.dumps([*after, *(each for each in before if each not in after)])


def _add_missing_columns(handle: Handle, schema: TableSchema) -> Change | None:
    columns = _missing_columns(handle.names, schema)
    return (lambda handle: handle.alter.add_columns(_fields(columns))) if columns else None


def _add_missing_constraints(handle: Handle, schema: TableSchema) -> Change | None:
    present = handle.metadata().configuration
    absent = {
        name: rule for name, rule in schema.constraints.items() if f"delta.constraints.{name}" not in present
    }
    return (lambda handle: handle.alter.add_constraint(absent)) if absent else None


def _describe_columns(handle: Handle, schema: TableSchema) -> Change | None:
    """Return the change of the label, the meaning and the like of own columns, which say nothing about the values."""
    described = own_columns(handle)
    changed = {
        column.name: column.metadata
        for column in schema.own
        if column.name in described and column.metadata != described[column.name].metadata
    }

    def describe(handle: Handle) -> None:
        for name, metadata in changed.items():
            # the engine keeps the keys that it is not given
            gone = dict.fromkeys(described[name].metadata.keys() - metadata.keys(), "")
            handle.alter.set_column_metadata(name, metadata | gone)

    return describe if changed else None


CHANGES: Mapping[str, FindChange] = {
    "set the schema version of": _raise_version,
    "set the properties of": _add_missing_properties,
    "add columns to": _add_missing_columns,
    "set the constraints of": _add_missing_constraints,
    "describe the columns of": _describe_columns,
}
"""Changes that bring an older table up to date, in this order, by their action.

The version comes first, so that older code then reports that it is too old.
"""


def own_columns(handle: Handle, known: Collection[str] = ()) -> dict[str, Column]:
    """Return the columns that experiments declared, by name, as a table describes them.

    Parameters
    ----------
    known : collection of str
        Columns to leave out.
    """
    return {
        field.name: Column.from_metadata(field.name, _type_name(field.type), field.nullable, field.metadata)
        for field in handle.schema().fields
        if field.name not in known and OWN in field.metadata
    }


def _type_name(of: Any) -> str:
    """Return the type of a Delta field, one of `lakebatch.columns.TYPES` for an own column."""
    return f"list<{_type_name(of.element_type)}>" if isinstance(of, ArrayType) else str(of.type)


def delta_schema(schema: TableSchema) -> deltalake.Schema:
    """Return the columns of a schema with their comments, units and labels, as the log of a table has them."""
    return deltalake.Schema(_fields(schema.columns))


def _fields(columns: Sequence[Column]) -> list[deltalake.Field]:
    import pyarrow as pa

    typed = deltalake.Schema.from_arrow(pa.schema([column.arrow for column in columns])).fields
    return [
        deltalake.Field(
            field.name, field.type, nullable=column.nullable or column.own, metadata=column.metadata
        )
        for field, column in zip(typed, columns, strict=True)
    ]


def stored_schema_version(uri: str, properties: Mapping[str, str | None]) -> int:
    """Return the schema version in a table's properties."""
    value = properties.get(SCHEMA_VERSION) or str(FIRST_SCHEMA_VERSION)
    if not (value.isascii() and value.isdecimal()):
        raise SchemaError(
            f"{uri} has the schema version {value!r}. Expected a number; it is not of lakebatch."
        )
    return int(value)


def check_schema_version(uri: str, properties: Mapping[str, str | None], schema: TableSchema) -> None:
    """Refuse a table of a newer version, whose columns may have an unknown meaning.

    Raises
    ------
    SchemaError
        If the table is newer.
    """
    stored = stored_schema_version(uri, properties)
    if stored > schema.version:
        raise SchemaError(
            f"{uri} has schema version {stored}, this lakebatch knows {schema.version}. Install a newer lakebatch."
        )


def _missing_columns(names: Collection[str], schema: TableSchema) -> list[Column]:
    """Return the later columns that a table with these columns lacks."""
    return [column for column in schema.late if column.name not in names]


def with_late_columns(rows: pl.LazyFrame, names: Collection[str], schema: TableSchema) -> pl.LazyFrame:
    """Return rows with all later columns that they lack, as NULL, in the order of the schema."""
    added = _missing_columns(names, schema)
    if not added:
        return rows
    nulls = [pl.lit(None, schema.polars[column.name]).alias(column.name) for column in added]
    return rows.with_columns(nulls).select(column_order(names, schema))


def column_order(names: Collection[str], schema: TableSchema) -> list[str]:
    """Return the names of all columns, of a table and added later, in the order of the schema."""
    known = [column.name for column in schema.columns]
    late = {column.name for column in schema.late}
    return [name for name in known if name in names or name in late] + [n for n in names if n not in known]


def beyond_files(table: deltalake.DeltaTable) -> set[str]:
    """Return the features that keep the files of a table from being its content."""
    protocol = table.protocol()
    features = set(protocol.reader_features or ()) - PLAIN
    if protocol.min_reader_version == 2:
        features.add(MAPPING)
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") == "none":
        features.discard(MAPPING)  # supported, but not in use
    return features


def check_readable(table: deltalake.DeltaTable, uri: str) -> None:
    """Raise `SchemaError` if a table has a feature with which neither its files nor polars can be used to read it."""
    features = beyond_files(table)
    if DELETIONS in features and set(table.protocol().reader_features or ()) <= READ_BY_POLARS:
        return
    if features:
        raise SchemaError(
            f"{uri} needs {_listed(features)} to be read, which lakebatch does not know. {ADVICE}"
        )


def check_files(table: deltalake.DeltaTable, uri: str) -> None:
    """Raise `SchemaError` if the files of a table are not its content."""
    check_readable(table, uri)
    if features := beyond_files(table):
        raise SchemaError(
            f"{uri} needs {_listed(features)} to be read, which its files alone cannot answer. "
            "Read it with polars instead."
        )


def check_writable(table: deltalake.DeltaTable, uri: str) -> None:
    """Raise `SchemaError` if a table has a feature with which it cannot be read or appended to."""
    check_readable(table, uri)
    if unknown := set(table.protocol().writer_features or ()) - WRITTEN:
        raise SchemaError(
            f"{uri} needs {_listed(unknown)} to be written, which lakebatch does not know. {ADVICE}"
        )


def _listed(features: set[str]) -> str:
    return ", ".join(sorted(features))
