"""Columns of the tables: those that lakebatch has, and those that an experiment declares."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
}
TYPES = (*SQL_TYPES, "list<string>", "list<double>", "list<float>")
"""The types of columns."""
NUMBERS = ("long", "integer", "double", "float")
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
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
        Whether an experiment declares it, so that only the experiment's own tables have it.
    short : str, optional
        The end of names of columns that summarise it, such as ``mean_r``; by default its name.
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
        }
        inner = self.type.removeprefix("list<").removesuffix(">")
        return pa.field(
            self.name, types[inner] if inner == self.type else pa.list_(types[inner]), self.nullable
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
            MINIMUM: self.minimum,
            MAXIMUM: self.maximum,
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
            metadata.get("unit"),
            volatile=metadata.get(VOLATILE) == "true",
            label=metadata.get(LABEL),
            higher_is_better=None if direction is None else direction == "true",
            minimum=_number(metadata.get(MINIMUM)),
            maximum=_number(metadata.get(MAXIMUM)),
            own=True,
        )

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
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ExperimentError(f"table({name!r}): expected a name of lower-case letters, digits and _.")
    return OwnTable(name, description, tuple(columns))


def type_name(field: pa.Field) -> str:
    """Return the type of an Arrow field, one of `TYPES`; the type as Arrow calls it if it is none of them."""
    for name in TYPES:
        if Column("", name, "").arrow.type == field.type:
            return name
    return str(field.type)


def _checked(declared: Column) -> Column:
    what = f"column {declared.name!r}"
    if not isinstance(declared.name, str) or not NAME.fullmatch(declared.name):
        raise ExperimentError(f"{what}: expected a name of lower-case letters, digits and _.")
    if declared.type not in TYPES:
        raise ExperimentError(f"{what} has the type {declared.type!r}. Expected one of: {', '.join(TYPES)}.")
    bounds = (declared.minimum, declared.maximum)
    if declared.type not in NUMBERS and bounds != (None, None):
        raise ExperimentError(f"{what} is of type {declared.type} and cannot have bounds.")
    if None not in bounds and bounds[0] > bounds[1]:  # type: ignore[operator]
        raise ExperimentError(f"{what} has the minimum {bounds[0]} above its maximum {bounds[1]}.")
    return declared


def _text(value: bool | float | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)
