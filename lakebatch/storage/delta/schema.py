"""The schemas of all tables, from ``schemas/*.toml``, and the check of a frame before it is written."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from lakebatch.columns import OWN, Column, built_in, built_in_tables
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
    "binary": pl.Binary(),
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
    declares. Those in ``united`` are JSON lists that keep what earlier writers put into them. ``roles`` are the roles of
    columns where an experiment declares none, see `lakebatch.assembly.metrics`. A table that ``is_derived`` is made again
    from others, whatever is in it.
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
    united: tuple[str, ...] = ()
    is_derived: bool = False

    @property
    def late(self) -> list[Column]:
        """The columns that the first schema version did not have, and those that an experiment declares."""
        return [column for column in self.columns if column.since > 1 or column.own]

    def extended(
        self, columns: Sequence[Column], properties: Mapping[str, str], united: Sequence[str] = ()
    ) -> TableSchema:
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
            united=(*self.united, *united),
        )

    def completed(self, own: Iterable[Column]) -> TableSchema:
        """Return the schema with those own columns of a table that it lacks."""
        known = {column.name for column in self.columns}
        more = [column for column in own if column.name not in known]
        return replace(self, columns=(*self.columns, *more)) if more else self

    @property
    def own(self) -> list[Column]:
        """The columns that an experiment declares."""
        return [column for column in self.columns if column.own]

    @cached_property
    def arrow(self) -> pa.Schema:
        """The columns as an Arrow schema."""
        import pyarrow as pa

        return pa.schema([column.arrow for column in self.columns])

    @cached_property
    def polars(self) -> dict[str, pl.DataType]:
        """The columns as polars types, by name."""
        return {column.name: TYPES[column.type] for column in self.columns}

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The columns that are NOT NULL."""
        return tuple(column.name for column in self.columns if not column.nullable)

    def of_type(self, type: str) -> tuple[str, ...]:
        """Return the names of the columns of a type."""
        return tuple(column.name for column in self.columns if column.type == type)

    @property
    def large(self) -> tuple[str, ...]:
        """The columns that datasets and SQL leave out."""
        return tuple(column.name for column in self.columns if column.large)

    @property
    def in_datasets(self) -> dict[str, pl.DataType]:
        """The columns of datasets and of SQL as polars types, by name."""
        return {name: dtype for name, dtype in self.polars.items() if name not in self.large}

    @property
    def source(self) -> str:
        """The place that defines the columns."""
        if self.own and self.table not in built_in_tables():
            return f"the declaration of table {self.table!r}"
        return f"schemas/{self.table}.toml" + (" or the declared columns" if self.own else "")


@cache
def load_schema(table: str) -> TableSchema:
    """Return the schema of a table by name.

    >>> load_schema("results").partition_by
    ('assembly_id',)
    """
    if table not in built_in_tables():
        raise SchemaError(f"Unknown table {table!r}. Known: {', '.join(built_in_tables())}.")
    return parse_schema(built_in(table))


def parse_schema(text: str | Mapping[str, Any]) -> TableSchema:
    """Return the schema in a TOML document.

    Raises
    ------
    SchemaError
        If a column or constraint has an unknown version, or a column added later is not nullable.
    """
    document = tomllib.loads(text) if isinstance(text, str) else dict(text)
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
    return list(built_in_tables())


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
    return faults + _range_faults(values, column)


def _range_faults(values: pl.Series, column: Column) -> list[str]:
    """Return how values leave the range that an experiment declares, before a table is asked to commit them."""
    bounds = (("minimum", column.minimum, pl.Series.lt), ("maximum", column.maximum, pl.Series.gt))
    faults = []
    for key, bound, beyond in bounds if column.own and values.dtype != pl.Null else ():
        if bound is not None and (bad := values.filter(beyond(values, bound))).len():
            faults.append(
                f"column {column.name!r} has the {key} {bound:g}, and {bad.len()} values are beyond it, such as {bad[0]}"
            )
    return faults


def difference(actual: pa.Schema, schema: TableSchema) -> list[str]:
    """Return the differences of a table's Arrow schema from its schema, one clause per column.

    A column that a later schema version added may be missing; an experiment's own columns are left to `contradictions`.
    """
    own = {field.name for field in actual if OWN.encode() in (field.metadata or {})}
    own |= {column.name for column in schema.own}
    faults = []
    for column in (column for column in schema.columns if not column.own):
        index = actual.get_field_index(column.name)
        if index < 0 and column not in schema.late:
            faults.append(f"column {column.name!r} is missing, {schema.source} has it")
        elif index >= 0 and actual.field(index).type != column.arrow.type:
            faults.append(
                f"column {column.name!r} is {actual.field(index).type}, {schema.source} says {column.arrow.type}"
            )
    known = own | {column.name for column in schema.columns}
    unknown = [name for name in actual.names if name not in known and not schema.grows]
    return faults + [f"column {name!r} is not in {schema.source}" for name in unknown]


def contradictions(
    names: Collection[str], described: Mapping[str, Column], schema: TableSchema
) -> Iterator[str]:
    """Yield how a schema declares own columns otherwise than a table, which has rows of them, describes them.

    Parameters
    ----------
    names : collection of str
        The names of all columns of the table.
    described : mapping
        The own columns of the table by name.
    """
    for column in schema.own:
        if column.name in names and column.name not in described:
            yield f"the table has a column {column.name!r} of another tool"
        elif column.name in described and column.fixed != described[column.name].fixed:
            before, now = described[column.name].fixed, column.fixed
            yield "; ".join(
                f"the {key} of column {column.name!r} is {before[key]}, the experiment declares {now[key]}"
                for key in now
                if now[key] != before[key]
            )
