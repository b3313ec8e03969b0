"""Tables of other schema versions: an older one is read and extended, a newer one is refused.

A version only adds columns, which are NULL in earlier rows. A property of the table has its version; without it, the table
has the first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import polars as pl

from lakebatch.errors import SchemaError
from lakebatch.storage.delta.schema import Column, TableSchema

SCHEMA_VERSION = "lakebatch.schemaVersion"
FIRST = 1


def stored_version(uri: str, properties: Mapping[str, str | None]) -> int:
    """Return the schema version in a table's properties."""
    value = properties.get(SCHEMA_VERSION) or str(FIRST)
    if not (value.isascii() and value.isdecimal()):
        raise SchemaError(
            f"{uri} has the schema version {value!r}. Expected a number; it is not of lakebatch."
        )
    return int(value)


def check_known(uri: str, properties: Mapping[str, str | None], schema: TableSchema) -> None:
    """Refuse a table of a newer version, whose columns may have an unknown meaning.

    Raises
    ------
    SchemaError
        If the table is newer.
    """
    stored = stored_version(uri, properties)
    if stored > schema.version:
        raise SchemaError(
            f"{uri} has schema version {stored}, this lakebatch knows {schema.version}. Install a newer lakebatch."
        )


def missing(names: Collection[str], schema: TableSchema) -> list[Column]:
    """Return the later columns that a table with these columns lacks."""
    return [column for column in schema.late if column.name not in names]


def filled(rows: pl.LazyFrame, names: Collection[str], schema: TableSchema) -> pl.LazyFrame:
    """Return rows with all later columns that they lack, as NULL, in the order of the schema."""
    added = missing(names, schema)
    if not added:
        return rows
    nulls = [pl.lit(None, schema.polars[column.name]).alias(column.name) for column in added]
    return rows.with_columns(nulls).select(ordered(names, schema))


def ordered(names: Collection[str], schema: TableSchema) -> list[str]:
    """Return the names of all columns, of a table and added later, in the order of the schema."""
    known = [column.name for column in schema.columns]
    late = {column.name for column in schema.late}
    return [name for name in known if name in names or name in late] + [n for n in names if n not in known]
