"""Conditions on the precision of a metric, such as ``ci(pearson_r) < 0.02``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast, get_args

from lakebatch._text import excerpt, nearest
from lakebatch.errors import ConfigError

Measure: TypeAlias = Literal["ci", "halfwidth", "sem"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
FORM = re.compile(
    r"\s*(?P<measure>\w+)\s*\(\s*(?P<metric>\w+)\s*\)\s*<\s*(?P<bound>[-+.\w]+?)\s*(?P<percent>%?)\s*",
    re.ASCII,
)
MAX_SHOWN = 80
# characters of a wrong condition that an error quotes
EXAMPLES = '"ci(pearson_r) < 0.02", "halfwidth(r2) < 0.01" or "sem(mse) < 5%"'


@dataclass(frozen=True)
class Condition:
    """An upper bound of the uncertainty of a metric's mean.

    Attributes
    ----------
    measure : {"ci", "halfwidth", "sem"}
        Width of the 95 % interval, half of it, or the standard error of the mean.
    bound : float
        In the unit of the metric; with ``is_relative``, a fraction of the absolute mean.
    """

    measure: Measure
    metric: str
    bound: float
    is_relative: bool = False

    @property
    def quantity(self) -> str:
        """What is bounded, such as ``ci(pearson_r)``."""
        return f"{self.measure}({self.metric})"

    def format(self, value: float) -> str:
        """Return a value of the quantity as text, with two digits.

        >>> parse("ci(mse) < 5%").format(0.0413), parse("ci(mse) < 5").format(0.0413)
        ('4.1%', '0.041')
        """
        return f"{100 * value:.2g}%" if self.is_relative else f"{value:.2g}"

    def __str__(self) -> str:
        bound = f"{100 * self.bound:g}%" if self.is_relative else f"{self.bound:g}"
        return f"{self.quantity} < {bound}"


def parse(text: str) -> Condition:
    """Return the condition that a text describes.

    >>> print(parse(" ci( pearson_r )<0.020 "))
    ci(pearson_r) < 0.02

    Raises
    ------
    ConfigError
        If it has another form, names no measure, or its bound is not above 0.
    """
    match = FORM.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        shown = excerpt(repr(text), MAX_SHOWN)
        raise ConfigError(
            f"The condition is {shown}. Expected a measure of a metric and its upper bound: {EXAMPLES}."
        )
    measure = match["measure"]
    if measure not in MEASURES:
        raise ConfigError(
            f"Unknown measure {measure!r} in the condition {text!r}. {nearest(measure, MEASURES)}"
        )
    bound = _number(match["bound"])
    if not 0 < bound < math.inf:
        raise ConfigError(
            f"The bound in the condition {text!r} is {match['bound']!r}. Expected a number above 0."
        )
    is_relative = bool(match["percent"])
    return Condition(
        cast(Measure, measure), match["metric"], bound / 100 if is_relative else bound, is_relative
    )


def parse_group(text: str) -> dict[str, str]:
    """Return the values by column that a text such as ``feature_set=last,model=ridge`` asks for.

    >>> parse_group("feature_set=last, model=ridge")
    {'feature_set': 'last', 'model': 'ridge'}

    Raises
    ------
    ConfigError
        If it has another form, or names a column twice.
    """
    found: dict[str, str] = {}
    for piece in text.split(",") if isinstance(text, str) else [""]:
        name, equals, value = (each.strip() for each in piece.partition("="))
        if not (name and equals and value) or name in found:
            raise ConfigError(
                f"The group is {excerpt(repr(text), MAX_SHOWN)}. Expected columns with one value each, such as "
                "feature_set=last,model=ridge."
            )
        found[name] = value
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
