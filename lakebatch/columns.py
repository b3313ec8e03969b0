"""Columns of the tables: those that lakebatch has, and those that an experiment declares."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa  # at run time only where a table is written: most commands do without

SQL_TYPES = {
    "string": "VARCHAR",
    "long": "BIGINT",
    "integer": "INTEGER",
    "double": "DOUBLE",
    "float": "FLOAT",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMPTZ",
    "binary": "BLOB",
}
TYPES = (*SQL_TYPES, "list<string>", "list<double>", "list<float>")
"""The types of columns."""
NUMBERS = ("long", "integer", "double", "float")
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
DATA = ("results", "samples", "trajectories", "artifacts")
"""The tables of lakebatch that parts write; a table that no part wrote to does not exist."""
STAMPED = ("assembly_id", "part", "recorded_at")
"""The columns that lakebatch fills in, in every table that parts write."""
RESERVED = {"experiment", "version", "config_hash"}
"""Columns that the views over all experiments add to those of ``results``."""
_WORDS = """
    all analyse analyze and anti any array as asc asof asymmetric both case cast check collate column constraint
    create cross current_date current_time current_timestamp current_user default deferrable desc describe
    distinct do else end except exists false fetch for foreign from full glob group having ilike in initially
    inner intersect interval into is isnull join lambda lateral leading left like limit natural not notnull null
    offset on only or order outer pivot pivot_longer pivot_wider placing primary qualify references returning
    right select semi session_user show similar some struct summarize symmetric table tablesample then to trailing
    trim true union unique unpivot user using variadic when where window with"""
KEYWORDS = frozenset(_WORDS.split())
"""Words of SQL that cannot name a column without quotes, in DuckDB or in the constraints of a table."""
# Keys of a field's metadata in the log of a table, beside Delta's "comment"
OWN = "lakebatch.own"
LABEL, DIRECTION, MINIMUM, MAXIMUM, VOLATILE = (
    f"lakebatch.{name}" for name in ("label", "higherIsBetter", "minimum", "maximum", "volatile")
)


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    type : str
        One of `TYPES`.
    comment : str
        Its meaning, as a sentence.
    unit : str, optional
        "1" for a number without a unit.
    volatile : bool
        Whether it differs between two runs of the same computation, as times do.
    since : int
        The schema version that added it.
    label : str, optional
        Name on axes and in captions; by default the name of the column.
    higher_is_better : bool, optional
        Set for a metric: whether a higher value is a better one.
    minimum, maximum : float, optional
        The range of its values; open where it is None.
    own : bool
        Whether an experiment declares it, so that only the experiment's own tables have it. NULL in such a column is
        refused when rows are checked, and not by the table, which older code goes on to write to.
    short : str, optional
        The end of names of columns that summarise it, such as ``mean_r``; by default its name.
    large : bool
        Whether its values are so large that datasets and SQL leave it out.
    """

    name: str
    type: str
    comment: str
    nullable: bool = True
    unit: str | None = None
    volatile: bool = False
    since: int = 1
    label: str | None = None
    higher_is_better: bool | None = None
    minimum: float | None = None
    maximum: float | None = None
    own: bool = False
    short: str | None = None
    large: bool = False

    @property
    def arrow(self) -> pa.Field:
        """The column as an Arrow field."""
        import pyarrow as pa

        types = {
            "string": pa.string(),
            "long": pa.int64(),
            "integer": pa.int32(),
            "double": pa.float64(),
            "float": pa.float32(),
            "boolean": pa.bool_(),
            "timestamp": pa.timestamp("us", tz="UTC"),
            "binary": pa.binary(),
        }
        inner = self.type.removeprefix("list<").removesuffix(">")
        return pa.field(
            self.name,
            types[inner] if inner == self.type else pa.list_(types[inner]),
            self.nullable or self.own,
        )

    @property
    def sql(self) -> str:
        """The column's type in SQL."""
        inner = self.type.removeprefix("list<").removesuffix(">")
        return SQL_TYPES[inner] + ("[]" if inner != self.type else "")

    @property
    def metadata(self) -> dict[str, str]:
        """What the schema of a Delta table says of the column; of an own one everything that readers need."""
        described = {"comment": self.comment} | ({"unit": self.unit} if self.unit else {})
        if not self.own:
            return described
        values = {
            OWN: True,
            LABEL: self.label,
            DIRECTION: self.higher_is_better,
            MINIMUM: None if self.minimum is None else float(self.minimum),
            MAXIMUM: None if self.maximum is None else float(self.maximum),
            VOLATILE: self.volatile or None,
        }
        return described | {name: _text(value) for name, value in values.items() if value is not None}

    @classmethod
    def from_metadata(cls, name: str, type: str, nullable: bool, metadata: Mapping[str, Any]) -> Column:
        """Return the own column that a field of a Delta table describes, see `metadata`."""
        direction = metadata.get(DIRECTION)
        return cls(
            name,
            type,
            metadata.get("comment", ""),
            nullable,
            metadata.get("unit") or None,
            volatile=metadata.get(VOLATILE) == "true",
            label=metadata.get(LABEL) or None,
            higher_is_better=None if direction is None else direction == "true",
            minimum=_number(metadata.get(MINIMUM)),
            maximum=_number(metadata.get(MAXIMUM)),
            own=True,
        )

    @property
    def fixed(self) -> dict[str, str | float | bool | None]:
        """What cannot change while a table has rows of the column, by the name of the property."""
        return {
            "type": self.type,
            "unit": self.unit,
            "direction": {None: "none", True: "higher is better", False: "lower is better"}[
                self.higher_is_better
            ],
            "minimum": self.minimum,
            "maximum": self.maximum,
        }

    @property
    def rule(self) -> str | None:
        """The range as a constraint in SQL; None if it is open."""
        bounds = [(">=", self.minimum), ("<=", self.maximum)]
        rules = [f"{self.name} {sign} {value!r}" for sign, value in bounds if value is not None]
        return f"{self.name} IS NULL OR ({' AND '.join(rules)})" if rules else None


@dataclass(frozen=True)
class OwnTable:
    """A table that an experiment declares, beside ``results``; see `table`."""

    name: str
    description: str
    columns: tuple[Column, ...]


def table_names(tables: Sequence[str | OwnTable]) -> tuple[str, ...]:
    """Return the names of tables that an experiment writes, built-in and own ones."""
    return tuple(each if isinstance(each, str) else each.name for each in tables)


@cache
def built_in(table: str) -> Mapping[str, Any]:
    """Return the schema of one of lakebatch's tables as its TOML document.

    >>> built_in("results")["partition_by"]
    ['assembly_id']
    """
    text = resources.files("lakebatch.schemas").joinpath(f"{table}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def built_in_tables() -> tuple[str, ...]:
    """Return the names of lakebatch's tables."""
    files = resources.files("lakebatch.schemas").iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


def _text(value: bool | float | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(text: str | None) -> float | None:
    return float(text) if text else None
