"""Roles of the columns of results: metrics with their labels, units, directions and ranges; the axis; the groups."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakebatch._text import nearest
from lakebatch.columns import Column
from lakebatch.errors import SchemaError, UnknownNameError

# Properties of the table of results in which an experiment's declarations stand, as JSON; none for the built-in roles
METRIC_NAMES, AXIS, BASELINE, GROUPS = (
    f"lakebatch.{name}" for name in ("metrics", "axis", "baseline", "groups")
)
LEVEL = "level"
BUILT_IN_GROUPS = ("feature_set", "model")


@dataclass(frozen=True)
class Metric:
    """A column of ``results`` that says how well a model predicted.

    Attributes
    ----------
    name : str
        The column.
    label : str
        The name on axes and in captions.
    older_name : str
        The column in files of the older layout.
    unit : str
        "1" for a number without a unit.
    higher_is_better : bool
    minimum, maximum : float or None
        The range of possible values; None where it is open.
    """

    name: str
    label: str
    older_name: str
    unit: str = "1"
    higher_is_better: bool = True
    minimum: float | None = None
    maximum: float | None = None


METRICS = (
    Metric("pearson_r", "Pearson r", "Pearson Correlation", minimum=-1.0, maximum=1.0),
    Metric("r2", "R²", "R2 Score", maximum=1.0),
    Metric(
        "mse", "mean squared error", "Mean Squared Error", unit="a.u.^2", higher_is_better=False, minimum=0.0
    ),
)
"""Every metric, the default first."""
P_VALUE = Metric(
    "pearson_p", "p of Pearson r", "Pearson P-Value", higher_is_better=False, minimum=0.0, maximum=1.0
)
"""The p-value of the correlation: a column of ``results`` like a metric, but none to compare models by."""
BY_NAME = {each.name: each for each in METRICS}
NAMES = tuple(BY_NAME)
DEFAULT = NAMES[0]
COLUMNS = (*METRICS, P_VALUE)
"""The columns of ``results`` that are NULL only with a reason in ``error``."""


def label(name: str) -> str:
    """Return the label of a metric; any other name as it is.

    >>> label("pearson_r")
    'Pearson r'
    """
    return BY_NAME[name].label if name in BY_NAME else name


def ranked() -> tuple[str, ...]:
    """Return the metrics with higher values for better models, which can be ranked by their fraction of the baseline.

    >>> ranked()
    ('pearson_r', 'r2')
    """
    return tuple(each.name for each in METRICS if each.higher_is_better)


@dataclass(frozen=True)
class Axis:
    """The column that parts vary, the horizontal axis of plots.

    Attributes
    ----------
    baseline : float or None
        The value that everything is compared with; None if there is none.
    """

    name: str = LEVEL
    label: str = "level"
    unit: str = "1"
    baseline: float | None = 0.0
    type: str = "double"


@dataclass(frozen=True)
class Roles:
    """The roles of columns in one experiment's results.

    Attributes
    ----------
    metrics : tuple of Metric
        The metrics by which results are judged, the default first.
    axis : Axis
    groups : tuple of str
        The columns that tell apart what is compared.
    """

    metrics: tuple[Metric, ...] = METRICS
    axis: Axis = Axis()
    groups: tuple[str, ...] = BUILT_IN_GROUPS

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the metrics."""
        return tuple(each.name for each in self.metrics)

    @property
    def default(self) -> Metric:
        """The metric that is shown where none is asked for."""
        return self.metrics[0]

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


def of_column(column: Column) -> Metric:
    """Return the metric that an own column is."""
    return Metric(
        column.name,
        column.label or column.name,
        "",
        column.unit or "1",
        bool(column.higher_is_better),
        column.minimum,
        column.maximum,
    )


def results_properties(
    columns: Sequence[Column],
    metrics: Sequence[str],
    axis: str,
    baseline: float | None,
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
    read = {
        name: json.loads(properties[name])
        for name in (METRIC_NAMES, AXIS, BASELINE, GROUPS)
        if properties.get(name)
    }
    judged = [
        BY_NAME.get(name) or of_column(columns[name])
        for name in read.get(METRIC_NAMES, NAMES)
        if name in BY_NAME or name in columns
    ]
    name = read.get(AXIS, LEVEL)
    default = 0.0 if name == LEVEL else None
    column = columns[name]
    axis = Axis(name, column.label or name, column.unit or "1", read.get(BASELINE, default), column.type)
    return Roles(tuple(judged), axis, tuple(read.get(GROUPS, BUILT_IN_GROUPS)))
