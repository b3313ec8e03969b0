"""The data dictionary: tables and columns of an experiment with types, units, meanings and constraints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

import polars as pl

from lakebatch import _html
from lakebatch._text import nearest
from lakebatch.assembly import metrics
from lakebatch.assembly.metrics import Roles, text_of
from lakebatch.assembly.tables import PUBLISHED, RESULTS
from lakebatch.columns import DATA, Column, built_in_tables
from lakebatch.errors import UnknownNameError
from lakebatch.snapshot import plain_words, published_layout
from lakebatch.storage.delta.schema import TableSchema, load_schema

FORMAT = 1
"""The version of `Dictionary.as_dict`; raised when a key changes its meaning or goes."""
EVENTS = "assemblies"
REFERENCES = {
    "logs": {"event": "assemblies.event"},
    "trajectories": {"sample": "samples.sample"},
}
"""Columns that refer to a column of another table; besides, every assembly_id refers to an assembly."""
FRAME_COLUMNS = ("table", "column", "type", "unit", "nullable", "meaning", "role", "range", "refers_to")


@dataclass(frozen=True)
class ColumnEntry:
    """One column of a table.

    Attributes
    ----------
    type : str
        What it holds, in plain words.
    delta_type, sql_type : str
        Its type in Delta and in SQL.
    unit : str or None
        "1" for a number without a unit, None where units do not apply or are not known.
    meaning : str
        Its meaning, as a sentence.
    label : str or None
        The name on axes and in captions.
    better : str or None
        "higher" or "lower" for a metric.
    minimum, maximum : float or None
        The range of its values; None where it is open.
    role : str or None
        "metric", "axis" or "group".
    baseline : float, str or None
        The value of the axis that everything is compared with.
    refers_to : str or None
        The column of another table that it refers to, such as ``assemblies.assembly_id``.
    own : bool
        Whether the experiment declares it.
    in_datasets : bool
        Whether datasets and SQL have it.
    """

    name: str
    type: str
    delta_type: str
    sql_type: str
    unit: str | None
    nullable: bool
    meaning: str
    label: str | None = None
    better: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    role: str | None = None
    baseline: float | str | None = None
    refers_to: str | None = None
    own: bool = False
    in_datasets: bool = True

    @property
    def range(self) -> str:
        """The range in words, empty where it is open."""
        bounds = (("at least", self.minimum), ("at most", self.maximum))
        return " and ".join(f"{words} {value:g}" for words, value in bounds if value is not None)

    @property
    def role_in_words(self) -> str:
        """The role with the direction or the baseline, such as ``metric, higher is better``."""
        words = [self.role, f"{self.better} is better" if self.better else None]
        words += [f"baseline {text_of(self.baseline)}"] if self.baseline is not None else []
        return ", ".join(each for each in words if each)

    @property
    def described(self) -> str:
        """Meaning and unit in one line, as comments in SQL have them."""
        return with_unit(self.meaning, self.unit)


@dataclass(frozen=True)
class Constraint:
    """A rule that a table refuses to break: as SQL, and in words."""

    name: str
    rule: str
    meaning: str


@dataclass(frozen=True)
class TableEntry:
    """One table.

    Attributes
    ----------
    written : bool
        Whether it exists; a table that nothing was written to does not.
    rows : int or None
        The number of rows of the selected assemblies; None where it is not known without reading them.
    own : bool
        Whether the experiment declares it.
    """

    name: str
    description: str
    columns: tuple[ColumnEntry, ...]
    constraints: tuple[Constraint, ...] = ()
    partition_by: tuple[str, ...] = ()
    written: bool = False
    rows: int | None = None
    own: bool = False

    def __getitem__(self, name: str) -> ColumnEntry:
        for each in self.columns:
            if each.name == name:
                return each
        known = [each.name for each in self.columns]
        raise UnknownNameError(f"Unknown column {name!r} of {self.name}. {nearest(name, known)}")


@dataclass(frozen=True, repr=False)
class Dictionary:
    """The data dictionary of an experiment, or of the tables that every experiment has.

    Attributes
    ----------
    experiment : str or None
        The name of the experiment, such as ``response-noise``; None for the tables of every experiment.
    version : str or None
        The experiment version, such as ``v1``.
    state : str or None
        The state that was read; None if nothing was.
    """

    tables: tuple[TableEntry, ...]
    experiment: str | None = None
    version: str | None = None
    state: str | None = None

    @property
    def title(self) -> str:
        """What it describes, in one line."""
        if self.experiment is None:
            return "Tables of every experiment"
        name = self.experiment if self.version is None else f"{self.experiment}@{self.version}"
        return f"{name}, {self.state or 'as declared, without a run'}"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tables."""
        return tuple(each.name for each in self.tables)

    def __getitem__(self, name: str) -> TableEntry:
        for each in self.tables:
            if each.name == name:
                return each
        raise UnknownNameError(f"Unknown table {name!r}. {nearest(name, self.names)}")

    def __iter__(self) -> Iterator[TableEntry]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)

    def __repr__(self) -> str:
        return _html.short(f"<Dictionary of {self.title}: {', '.join(self.names)}>")

    def _repr_html_(self) -> str:
        parts = [f"<p><strong>{escape(self.title)}</strong></p>"]
        for table in self.tables:
            frame = self.only(table.name).frame().drop("table")
            inside = _html.table(
                frame.columns,
                [[_html.cell(value, 10 * _html.WIDTH) for value in row] for row in frame.iter_rows()],
                max_rows=frame.height,
            )
            head = f"{escape(table.name)}: {escape(table.description)}"
            parts.append(f"<details><summary>{head}</summary>{inside}</details>")
        return "".join(parts)

    def only(self, table: str) -> Dictionary:
        """Return the dictionary of one table.

        Raises
        ------
        UnknownNameError
            If there is no such table.
        """
        return Dictionary((self[table],), self.experiment, self.version, self.state)

    def frame(self) -> pl.DataFrame:
        """Return one row per column of each table."""
        schema = dict.fromkeys(FRAME_COLUMNS, pl.String()) | {"nullable": pl.Boolean()}
        rows = [_row(table, column) for table in self.tables for column in table.columns]
        return pl.DataFrame(rows, schema=schema, orient="row")

    def as_dict(self) -> dict[str, Any]:
        """Return everything as values for JSON; ``format`` is raised when a key changes its meaning or goes."""
        return {"format": FORMAT, **asdict(self)}


def with_unit(meaning: str, unit: str | None) -> str:
    """Return a meaning with its unit in brackets; nothing for a number without a unit.

    >>> with_unit("Wall time of the fit.", "s"), with_unit("A ratio.", "1")
    ('Wall time of the fit. [s]', 'A ratio.')
    """
    return f"{meaning} [{unit}]" if unit and unit != "1" else meaning


def in_order(tables: Iterable[TableEntry]) -> tuple[TableEntry, ...]:
    """Return tables in the order of reading: results, what else parts write, own ones, and the record of the runs."""
    places = {name: place for place, name in enumerate(DATA)}
    return tuple(
        sorted(
            tables,
            key=lambda each: (places.get(each.name, len(places) + (not each.own)), each.name),
        )
    )


def built_in() -> Dictionary:
    """Return the dictionary of the tables that every experiment has."""
    schemas = [load_schema(name) for name in built_in_tables()]
    results = load_schema(RESULTS)
    return Dictionary(
        in_order(
            table_entry(each, Roles()) for each in (*schemas, published_layout.declared(results.columns))
        )
    )


def declared(schemas: Sequence[TableSchema], experiment: str, version: str | None = None) -> Dictionary:
    """Return the dictionary of an experiment that has not run, from the schemas of the tables that its parts write."""
    own = {schema.table: schema for schema in schemas}
    results = own.get(RESULTS, load_schema(RESULTS))
    roles = metrics.roles({each.name: each for each in results.columns}, results.properties)
    names = [*built_in_tables(), *(name for name in own if name not in built_in_tables())]
    known = [own.get(name) or load_schema(name) for name in names]
    tables = (table_entry(each, roles) for each in (*known, published_layout.declared(results.columns)))
    return Dictionary(in_order(tables), experiment, version)


def table_entry(
    schema: TableSchema,
    roles: Roles,
    *,
    columns: Sequence[Column] | None = None,
    constraints: Mapping[str, str] | None = None,
    description: str | None = None,
    written: bool = False,
    rows: int | None = None,
) -> TableEntry:
    """Return the entry of a table from its schema, with what the stored table says instead where it is given."""
    rules = schema.constraints if constraints is None else constraints
    return TableEntry(
        schema.table,
        description or schema.description,
        tuple(
            _column(schema.table, each, roles) for each in (schema.columns if columns is None else columns)
        ),
        tuple(Constraint(name, rule, plain_words.of_rule(rule)) for name, rule in sorted(rules.items())),
        schema.partition_by,
        written,
        rows,
        schema.table not in (*built_in_tables(), PUBLISHED),
    )


def _column(table: str, column: Column, roles: Roles) -> ColumnEntry:
    return ColumnEntry(
        column.name,
        plain_words.of_type(column.type),
        column.type,
        column.sql,
        column.unit,
        column.nullable,
        column.comment,
        column.label,
        None if column.higher_is_better is None else "higher" if column.higher_is_better else "lower",
        column.minimum,
        column.maximum,
        **(_role(column.name, roles) if table in (RESULTS, PUBLISHED) else {}),
        refers_to=_reference(table, column.name),
        own=column.own,
        in_datasets=not column.large,
    )


def _role(name: str, roles: Roles) -> dict[str, Any]:
    if name in roles.names:
        return {"role": "metric"}
    if name == roles.axis.name:
        return {"role": "axis", "baseline": roles.axis.baseline}
    return {"role": "group"} if name in roles.groups else {}


def _reference(table: str, column: str) -> str | None:
    if column == "assembly_id" and table != EVENTS:
        return f"{EVENTS}.{column}"
    return REFERENCES.get(table, {}).get(column)


def _row(table: TableEntry, column: ColumnEntry) -> tuple[Any, ...]:
    return (
        table.name,
        column.name,
        column.type,
        column.unit,
        column.nullable,
        column.meaning,
        column.role_in_words or None,
        column.range or None,
        column.refers_to,
    )
