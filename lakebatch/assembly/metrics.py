"""Roles of the columns of results: metrics with their labels, units, directions and ranges; the axis; the groups."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lakebatch import _html
from lakebatch._text import nearest
from lakebatch.columns import NUMBERS, Column
from lakebatch.errors import SchemaError, UnknownNameError
from lakebatch.storage.delta.schema import load_schema

# Properties of the table of results in which an experiment's declarations stand, as JSON; none for the built-in roles
METRIC_NAMES, AXIS, BASELINE, GROUPS = (
    f"lakebatch.{name}" for name in ("metrics", "axis", "baseline", "groups")
)
RESULTS = load_schema("results")
BUILT_IN = {column.name: column for column in RESULTS.columns}
LEVEL: str = RESULTS.roles["axis"]
BUILT_IN_GROUPS: tuple[str, ...] = tuple(RESULTS.roles["groups"])


@dataclass(frozen=True)
class Metric:
    """A column of ``results`` that says how good a result is.

    Attributes
    ----------
    name : str
        The column.
    label : str
        The name on axes and in captions.
    unit : str
        "1" for a number without a unit.
    higher_is_better : bool
    minimum, maximum : float or None
        The range of possible values; None where it is open.
    short : str
        The end of names of columns that summarise it.
    own : bool
        Whether an experiment declares it.
    """

    name: str
    label: str
    unit: str = "1"
    higher_is_better: bool = True
    minimum: float | None = None
    maximum: float | None = None
    short: str = ""
    own: bool = False

    @property
    def axis_label(self) -> str:
        """The label with the unit, if it has one."""
        return with_unit(self.label, self.unit)


def with_unit(label: str, unit: str) -> str:
    """Return a label with its unit in brackets; nothing for a number without a unit.

    >>> with_unit("waiting time", "s"), with_unit("accuracy", "1")
    ('waiting time (s)', 'accuracy')
    """
    return label if unit == "1" else f"{label} ({unit})"


def of_column(column: Column) -> Metric:
    """Return the metric that a column is."""
    return Metric(
        column.name,
        column.label or column.name,
        column.unit or "1",
        bool(column.higher_is_better),
        column.minimum,
        column.maximum,
        column.short or column.name,
        column.own,
    )


COLUMNS = tuple(of_column(each) for each in RESULTS.columns if each.higher_is_better is not None)
"""The built-in columns that are NULL only with a reason in ``error``: the metrics, and the p-value of one."""
METRICS = tuple(of_column(BUILT_IN[name]) for name in RESULTS.roles["metrics"])
"""Every built-in metric, the default first."""
BY_NAME = {each.name: each for each in METRICS}
NAMES = tuple(BY_NAME)


@dataclass(frozen=True)
class Axis:
    """The column that parts vary, the horizontal axis of plots.

    Attributes
    ----------
    baseline : float, str or None
        The value that everything is compared with; None if there is none.
    type : str
        One of `lakebatch.columns.TYPES`.
    """

    name: str = LEVEL
    label: str = LEVEL
    unit: str = "1"
    baseline: float | str | None = RESULTS.roles["baseline"]
    type: str = "double"

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return self.type in NUMBERS

    @property
    def is_level(self) -> bool:
        """Whether it is the built-in one, the level of a perturbation."""
        return self.name == LEVEL

    @property
    def axis_label(self) -> str:
        """The label with the unit, if it has one."""
        return with_unit(self.label, self.unit)

    @property
    def plural(self) -> str:
        """Its values, as a noun.

        >>> Axis().plural, Axis("points", "points drawn").plural
        ('levels', 'values of points drawn')
        """
        return f"{self.label}s" if self.is_level else f"values of {self.label}"

    def at(self, value: object) -> str:
        """Return one of its values with the name.

        >>> Axis().at(0.0), Axis("method", "method").at("uniform")
        ('level 0', 'method uniform')
        """
        return f"{self.label} {text_of(value)}"


def text_of(value: object) -> str:
    """Return a value of an axis or a group as text.

    >>> [text_of(each) for each in (0.1, 1000000, "uniform", True)]
    ['0.1', '1000000', 'uniform', 'true']
    """
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, repr=False)
class Roles:
    """The roles of columns in one experiment's results.

    Attributes
    ----------
    metrics : tuple of Metric
        The metrics by which results are judged, the default first.
    axis : Axis
    groups : tuple of str
        The columns that tell apart what is compared.
    labels : mapping
        The labels of groups whose columns have one.
    """

    metrics: tuple[Metric, ...] = METRICS
    axis: Axis = Axis()
    groups: tuple[str, ...] = BUILT_IN_GROUPS
    labels: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        groups = ", ".join(self.groups)
        return _html.short(
            f"<Roles: metrics {', '.join(self.names)}; axis {self.axis.name}; groups {groups}>"
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the metrics."""
        return tuple(each.name for each in self.metrics)

    @property
    def default(self) -> Metric:
        """The metric that is shown where none is asked for."""
        return self.metrics[0]

    @property
    def of_cohorts(self) -> bool:
        """Whether results are those of models on random splits of a cohort, as the built-in metrics are."""
        return not all(each.own for each in self.metrics)

    def metric(self, name: str | None = None) -> Metric:
        """Return a metric by name, by default the default one.

        Raises
        ------
        UnknownNameError
            If the results have no such metric.
        """
        if name is None:
            return self.default
        for each in self.metrics:
            if each.name == name:
                return each
        raise UnknownNameError(f"Unknown metric {name!r}. {nearest(name, self.names)}")

    def word(self, column: str) -> str:
        """Return the name of a group in captions.

        >>> Roles().word("feature_set")
        'feature set'
        """
        return self.labels.get(column) or column.replace("_", " ")


def results_properties(
    columns: Sequence[Column],
    metrics: Sequence[str],
    axis: str,
    baseline: float | str | None,
    groups: Sequence[str],
) -> dict[str, str]:
    """Return the properties of a table of results that `roles` reads; an empty string stands for the built-in role.

    Raises
    ------
    SchemaError
        If a name is that of no column, or of no metric.
    """
    own = {column.name: column for column in columns}
    judged = list(metrics) or [each.name for each in columns if each.higher_is_better is not None]
    known = [*BY_NAME, *(name for name, column in own.items() if column.higher_is_better is not None)]
    if unknown := [name for name in judged if name not in known]:
        raise SchemaError(f"metrics names {unknown[0]!r}, which is no metric. Metrics: {', '.join(known)}.")
    found: dict[str, object] = {METRIC_NAMES: judged} if judged and tuple(judged) != NAMES else {}
    if axis != LEVEL:
        found[AXIS] = axis
    if baseline is not None:
        found[BASELINE] = baseline
    if tuple(groups) != BUILT_IN_GROUPS:
        found[GROUPS] = list(groups)
    names = (METRIC_NAMES, AXIS, BASELINE, GROUPS)
    return {name: json.dumps(found[name]) if name in found else "" for name in names}


def roles(columns: Mapping[str, Column], properties: Mapping[str, str]) -> Roles:
    """Return the roles of the columns of a table of results.

    Parameters
    ----------
    columns : mapping
        All columns by name, the own ones as the table describes them.
    properties : mapping
        The properties of the table, see `results_properties`.
    """
    read: dict[str, Any] = {
        name: json.loads(properties[name])
        for name in (METRIC_NAMES, AXIS, BASELINE, GROUPS)
        if properties.get(name)
    }
    judged = [
        BY_NAME.get(name) or of_column(columns[name])
        for name in read.get(METRIC_NAMES, NAMES)
        if name in BY_NAME or name in columns
    ]
    groups = tuple(name for name in read.get(GROUPS, BUILT_IN_GROUPS) if name in columns)
    labels = {name: label for name in groups if (label := columns[name].label)}
    axis = columns.get(read.get(AXIS, LEVEL), columns[LEVEL])
    return Roles(tuple(judged) or METRICS, _axis(axis, read.get(BASELINE)), groups, labels)


def _axis(column: Column, baseline: float | str | None) -> Axis:
    default = Axis().baseline if column.name == LEVEL else None
    return Axis(
        column.name,
        column.label or column.name,
        column.unit or "1",
        default if baseline is None else baseline,
        column.type,
    )
