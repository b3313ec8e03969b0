"""Declaration of columns, metrics and tables of one's own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lakebatch.columns import KEYWORDS, NAME, NUMBERS, TYPES, Column, OwnTable
from lakebatch.errors import ExperimentError


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
