"""Columns of the tables: those that lakebatch has, and those that an experiment declares."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from lakebatch.errors import ExperimentError

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


def column(
    name: str,
    type: str,
    meaning: str,
    *,
    unit: str | None = None,
    label: str | None = None,
    nullable: bool = True,
    volatile: bool = False,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Column:
    """Declare a column of one's own.

    Parameters
    ----------
    name : str
        Lower-case letters, digits and underscores.
    type : str
        One of `TYPES`.
    meaning : str
        A sentence that explains the values.
    unit : str, optional
        Unit of a measured number; "1" if it has none.
    label : str, optional
        Name on axes and in captions; by default the name.
    nullable : bool
        Whether values may be missing.
    volatile : bool
        Whether it differs between two runs of the same computation, as times do.
    minimum, maximum : float, optional
        Bounds of the values, which the table holds every row against.

    Raises
    ------
    ExperimentError
        If the declaration cannot be used.
    """
    return _checked(
        Column(
            name, type, meaning, nullable, unit, volatile,
            label=label, minimum=minimum, maximum=maximum, own=True,
        )
    )  # fmt: skip


def metric(
    name: str,
    meaning: str,
    *,
    unit: str = "1",
    label: str | None = None,
    higher_is_better: bool = True,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Column:
    """Declare a metric of one's own: a number in each row that says how good a result is.

    It is NULL only with a reason in the column ``error``. The parameters are those of `column`.

    Raises
    ------
    ExperimentError
        If the declaration cannot be used.
    """
    return _checked(
        Column(
            name, "double", meaning, True, unit,
            label=label, higher_is_better=higher_is_better, minimum=minimum, maximum=maximum, own=True,
        )
    )  # fmt: skip


def table(name: str, description: str, columns: Sequence[Column]) -> OwnTable:
    """Declare a table of one's own, whose rows are committed part by part.

    Parameters
    ----------
    name : str
        Lower-case letters, digits and underscores.
    description : str
        A sentence that says what one row is.
    columns : sequence of Column
        Its columns, see `column`; ``assembly_id``, ``part`` and ``recorded_at`` are filled in and not declared.

    Raises
    ------
    ExperimentError
        If the declaration cannot be used.
    """
    what = f"table {name!r}"
    _check_name(name, what)
    _check_sentence(description, what, "description")
    if isinstance(columns, str) or not isinstance(columns, Sequence):
        raise ExperimentError(f"{what} has the columns {columns!r}. Expected a list of column(...).")
    if not columns:
        raise ExperimentError(f"{what} has no columns. Declare at least one with column().")
    return OwnTable(name, description, tuple(columns))


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


def _checked(declared: Column) -> Column:
    what = f"column {declared.name!r}"
    _check_name(declared.name, what)
    if declared.type not in TYPES:
        raise ExperimentError(f"{what} has the type {declared.type!r}. Expected one of: {', '.join(TYPES)}.")
    _check_sentence(declared.comment, what, "meaning")
    for key, value in (("unit", declared.unit), ("label", declared.label)):
        if value is not None and not (isinstance(value, str) and value.strip()):
            raise ExperimentError(f"{what} has the {key} {value!r}. Expected a string.")
    for key in ("nullable", "volatile", "higher_is_better"):
        if not isinstance(value := getattr(declared, key), bool | None):
            raise ExperimentError(f"{what} has {key} = {value!r}. Expected True or False.")
    _check_bounds(declared, what)
    return declared


def _check_name(name: Any, what: str) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ExperimentError(f"{what}: expected a name of lower-case letters, digits and _.")
    if name in KEYWORDS:
        raise ExperimentError(f"{what} has the name of a word of SQL. Choose another name.")


def _check_sentence(text: Any, what: str, key: str) -> None:
    if not isinstance(text, str) or not text.strip():
        raise ExperimentError(f"{what} has the {key} {text!r}. Expected a sentence.")


def _check_bounds(declared: Column, what: str) -> None:
    bounds = {"minimum": declared.minimum, "maximum": declared.maximum}
    given = {key: value for key, value in bounds.items() if value is not None}
    if given and declared.type not in NUMBERS:
        raise ExperimentError(f"{what} is of type {declared.type} and cannot have bounds.")
    for key, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ExperimentError(f"{what} has the {key} {value!r}. Expected a finite number.")
    if len(given) == 2 and given["minimum"] > given["maximum"]:
        raise ExperimentError(
            f"{what} has the minimum {declared.minimum} above its maximum {declared.maximum}."
        )


def _text(value: bool | float | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(text: str | None) -> float | None:
    return float(text) if text else None
