"""The schemas of all tables, from ``schemas/*.toml``, and the check of a frame before it is written."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib import resources
from typing import TYPE_CHECKING, Any

import polars as pl

from lakebatch.columns import OWN, Column
from lakebatch.errors import SchemaError

if TYPE_CHECKING:
    import pyarrow as pa  # at run time only where a table is written: most commands do without

TYPES: dict[str, pl.DataType] = {
    "string": pl.String(),
    "long": pl.Int64(),
    "integer": pl.Int32(),
    "double": pl.Float64(),
    "float": pl.Float32(),
    "boolean": pl.Boolean(),
    "timestamp": pl.Datetime("us", "UTC"),
    "list<string>": pl.List(pl.String()),
    "list<double>": pl.List(pl.Float64()),
    "list<float>": pl.List(pl.Float32()),
}

LOSSLESS: dict[pl.DataType, set[pl.DataType]] = {
    pl.Int64(): {pl.Int8(), pl.Int16(), pl.Int32(), pl.UInt8(), pl.UInt16(), pl.UInt32()},
    pl.Int32(): {pl.Int8(), pl.Int16(), pl.UInt8(), pl.UInt16()},
    pl.Float64(): {pl.Float32()},
}
"""Types that widen losslessly, by the type that they widen to."""


@dataclass(frozen=True)
class TableSchema:
    """A table: its columns, partitioning and constraints.

    ``late_constraints`` has the schema version of each constraint that the first version did not have.
    A table that ``grows`` accepts any further columns. ``properties`` are properties of the Delta table that an experiment
    declares. ``roles`` are those of columns where it declares none, see `lakebatch.assembly.metrics`.
    """

    table: str
    version: int
    description: str
    partition_by: tuple[str, ...]
    columns: tuple[Column, ...]
    constraints: dict[str, str]
    late_constraints: dict[str, int] = field(default_factory=dict)
    grows: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, Any] = field(default_factory=dict)

    @property
    def late(self) -> list[Column]:
        """The columns that the first schema version did not have, and those that an experiment declares."""
        return [column for column in self.columns if column.since > 1 or column.own]

    def extended(self, columns: Sequence[Column], properties: Mapping[str, str]) -> TableSchema:
        """Return the schema with the columns, their ranges and the properties that an experiment declares.

        Raises
        ------
        SchemaError
            If the table has a column of that name already.
        """
        known = {column.name for column in self.columns}
        if taken := sorted(known & {column.name for column in columns}):
            raise SchemaError(
                f"{self.source} has a column {taken[0]!r} already. Choose another name for your own."
            )
        rules = {f"{column.name}_in_range": column.rule for column in columns if column.rule}
        return replace(
            self,
            columns=(*self.columns, *columns),
            constraints=self.constraints | rules,
            properties={**self.properties, **properties},
        )

    @cached_property
    def arrow(self) -> pa.Schema:
        """The columns as an Arrow schema."""
        import pyarrow as pa

        return pa.schema([column.arrow for column in self.columns])

    @cached_property
    def polars(self) -> dict[str, pl.DataType]:
        """The columns as polars types, by name."""
        return {column.name: TYPES[column.type] for column in self.columns}

    @property
    def source(self) -> str:
        """The file that defines the columns."""
        return f"schemas/{self.table}.toml"


@cache
def load_schema(table: str) -> TableSchema:
    """Return the schema of a table by name.

    >>> load_schema("results").partition_by
    ('assembly_id',)
    """
    file = resources.files("lakebatch.schemas").joinpath(f"{table}.toml")
    if not file.is_file():
        raise SchemaError(f"Unknown table {table!r}. Known: {', '.join(table_names())}.")
    return parse_schema(file.read_text(encoding="utf-8"))


def parse_schema(text: str) -> TableSchema:
    """Return the schema in a TOML document.

    Raises
    ------
    SchemaError
        If a column or constraint has an unknown version, or a column added later is not nullable.
    """
    document = tomllib.loads(text)
    columns = tuple(Column(**column) for column in document.pop("columns"))
    rules = {name: _rule(value) for name, value in document.pop("constraints").items()}
    schema = TableSchema(
        columns=columns,
        partition_by=tuple(document.pop("partition_by")),
        constraints={name: rule for name, (rule, _) in rules.items()},
        late_constraints={name: since for name, (_, since) in rules.items() if since != 1},
        **document,
    )
    _check_versions(schema)
    return schema


def _rule(value: str | dict[str, Any]) -> tuple[str, int]:
    """Return a constraint's rule and the version that added it; a plain string is a rule of the first version."""
    return (value, 1) if isinstance(value, str) else (value["rule"], value["since"])


def _check_versions(schema: TableSchema) -> None:
    versions = {column.name: column.since for column in schema.columns} | schema.late_constraints
    faults = [
        f"{name!r} is since {since}, expected 1 to {schema.version}"
        for name, since in versions.items()
        if not 1 <= since <= schema.version
    ]
    faults += [
        f"column {column.name!r} was added later and must be nullable"
        for column in schema.late
        if not column.nullable or column.name in schema.partition_by
    ]
    if faults:
        raise SchemaError(f"{schema.source} cannot be used: {'; '.join(faults)}.")


def table_names() -> list[str]:
    """Return the names of all tables that have a schema."""
    files = resources.files("lakebatch.schemas").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def conform(frame: pl.DataFrame, schema: TableSchema) -> pl.DataFrame:
    """Return the frame with exactly the table's columns, or raise an error that names every mismatch.

    A missing nullable column is filled with NULL; narrower numbers are widened. Nothing else is cast, dropped or filled.

    Raises
    ------
    SchemaError
        If a column is missing, unknown or of another type, has NULL but is not nullable, or has NaN or an infinity.
    """
    expected = schema.polars
    faults = _unknown_columns(frame, schema)
    for column in schema.columns:
        faults += _column_faults(frame, column, expected[column.name], schema)
    if faults:
        raise SchemaError(f"Cannot append to {schema.table!r}: {'; '.join(faults)}.")
    missing = [
        pl.lit(None, dtype).alias(name) for name, dtype in expected.items() if name not in frame.columns
    ]
    return frame.with_columns(missing).select(pl.col(name).cast(dtype) for name, dtype in expected.items())


def _unknown_columns(frame: pl.DataFrame, schema: TableSchema) -> list[str]:
    known = {column.name for column in schema.columns}
    return [
        f"column {name!r} is not in {schema.source}. Remove it in run()"
        for name in frame.columns
        if name not in known
    ]


def _column_faults(
    frame: pl.DataFrame, column: Column, expected: pl.DataType, schema: TableSchema
) -> list[str]:
    if column.name not in frame.columns:
        return (
            [] if column.nullable else [f"column {column.name!r} is missing and {schema.source} requires it"]
        )
    values = frame[column.name]
    if not _widens(values.dtype, expected):
        return [
            f"column {column.name!r} is {values.dtype}, {schema.source} says {column.type.capitalize()}. "
            "Cast it in run()"
        ]
    return _value_faults(values, column)


def _widens(actual: pl.DataType, expected: pl.DataType) -> bool:
    return actual == expected or actual == pl.Null or actual in LOSSLESS.get(expected, set())


def _value_faults(values: pl.Series, column: Column) -> list[str]:
    faults = []
    if not column.nullable and values.null_count():
        faults.append(f"column {column.name!r} is NULL in {values.null_count()} rows and must not be")
    inner = values.explode() if isinstance(values.dtype, pl.List) else values
    if inner.dtype.is_float() and (count := int((~inner.is_finite()).sum())):
        faults.append(
            f"column {column.name!r} holds NaN or an infinity {count} times. Write NULL and say why in 'error'"
        )
    return faults


def difference(actual: pa.Schema, schema: TableSchema) -> list[str]:
    """Return the differences of a table's Arrow schema from its schema, one clause per column.

    A column that a later schema version added may be missing; an experiment's own columns may be missing or be others.
    """
    faults = []
    for column in schema.columns:
        index = actual.get_field_index(column.name)
        if index < 0 and column not in schema.late:
            faults.append(f"column {column.name!r} is missing, {schema.source} has it")
        elif index >= 0 and actual.field(index).type != column.arrow.type:
            faults.append(
                f"column {column.name!r} is {actual.field(index).type}, {schema.source} says {column.arrow.type}"
            )
    known = {column.name for column in schema.columns}
    unknown = [
        each.name
        for each in actual
        if each.name not in known and not schema.grows and OWN.encode() not in (each.metadata or {})
    ]
    return faults + [f"column {name!r} is not in {schema.source}" for name in unknown]
