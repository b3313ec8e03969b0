"""Metrics of a fit: their names, labels, units, directions and ranges."""

from __future__ import annotations

from dataclasses import dataclass


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
