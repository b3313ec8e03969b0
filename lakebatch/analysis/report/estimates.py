"""Estimates of a report in words: numbers with as many digits as their interval allows, and what they are of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from lakebatch.analysis.plots.options import CONFIG, Chosen
from lakebatch.analysis.report.tables import cell
from lakebatch.analysis.wording import plural
from lakebatch.assembly.metrics import Roles

MAX_DECIMALS = 6
UNNAMED = "all"
# the name of rows without a feature set or a model, as in pictures


def named(rows: pl.DataFrame, roles: Roles) -> pl.DataFrame:
    """Return rows in which every value of a group has a name."""
    return rows.with_columns(pl.col(*roles.groups).fill_null(UNNAMED))


def main_group(rows: pl.DataFrame, roles: Roles) -> str:
    """Return the first group that tells rows apart; the first one if none does."""
    return next((name for name in roles.groups if rows[name].n_unique() > 1), roles.groups[0])


def estimate(row: Mapping[str, Any], unit: str = "1", what: str = "95 % interval ") -> str:
    """Return a mean with its interval, rounded to two digits of the half-width.

    >>> estimate({"mean": 0.68312, "low": 0.52841, "high": 0.83783})
    '0.68 (95 % interval 0.53 to 0.84)'
    >>> estimate({"mean": 12345.6, "low": 12000.1, "high": 12691.1}, "s", "")
    '12350 s (12000 to 12690 s)'
    >>> estimate({"mean": 0.5, "low": None, "high": None})
    '0.500'
    """
    suffix = "" if unit == "1" else f" {unit}"
    mean, low, high = row["mean"], row["low"], row["high"]
    if low is None:
        return f"{cell(mean)}{suffix}"
    half = (high - low) / 2
    decimals = _decimals(half) if half > 0 else None
    shown = [cell(each) if decimals is None else _rounded(each, decimals) for each in (mean, low, high)]
    return f"{shown[0]}{suffix} ({what}{shown[1]} to {shown[2]}{suffix})"


def _decimals(half: float) -> int | None:
    """Return the decimals that show two digits of a half-width, below 0 for tens; None where it needs an exponent."""
    decimals = 1 - math.floor(math.log10(half))
    return decimals if -MAX_DECIMALS <= decimals <= MAX_DECIMALS else None


def _rounded(value: float, decimals: int) -> str:
    return f"{round(value, decimals) + 0.0:.{max(decimals, 0)}f}"


def placed(row: Mapping[str, Any], table: pl.DataFrame, of: str, options: Chosen) -> str:
    """Return the group and the value of the axis of an estimate, in words."""
    at = f"at {options.axis.at(row[options.axis.name])}"
    return f"that {at}" if is_nameless(table, of) else f"that of {row[of]} {at}"


def is_nameless(table: pl.DataFrame, of: str) -> bool:
    """Whether there is nothing to compare but values of the axis."""
    return table[of].n_unique() == 1 and (of == CONFIG or table[of][0] == UNNAMED)


def how_many(table: pl.DataFrame, of: str, options: Chosen) -> str:
    """Return the number of groups in words, such as "3 feature sets"."""
    return f"{table[of].n_unique()} {plural(options.roles.word(of))}"
