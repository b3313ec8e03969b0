"""Rows of ``results`` from frames with the column names of the older layout."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from lakebatch.assembly.metrics import COLUMNS
from lakebatch.legacy.frames.columns import RESERVED
from lakebatch.legacy.frames.levels import level_in_text
from lakebatch.storage.delta.schema import load_schema

OLDER_METRICS = {
    "pearson_r": "Pearson Correlation",
    "r2": "R2 Score",
    "mse": "Mean Squared Error",
    "pearson_p": "Pearson P-Value",
}
"""Metrics in the older layout."""


def plain_name(column: str) -> str:
    """Return the name of a column in lower case, with ``_`` for all but letters and digits.

    >>> plain_name("R2 Score")
    'r2_score'
    """
    return re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")


ALIASES: Mapping[str, tuple[str, ...]] = {
    "level": ("level", "distortion_factor", "distortion_level", "parameter_distortion", "noise_level"),
    "feature_set": ("feature_set", "feature_data", "features"),
    "model": ("model", "model_name"),
    "repeat": ("repeat", "rep", "repetition"),
    "seed": ("seed", "random_state", "random_seed"),
    "n_train": ("n_train",),
    "n_test": ("n_test",),
    **{ours: (ours, plain_name(older)) for ours, older in OLDER_METRICS.items()},
    "fit_seconds": ("fit_seconds",),
    "n_clipped": ("n_clipped",),
    "n_warnings": ("n_warnings",),
    "error": ("error",),
}
"""Our columns and their older names: in lower case, with ``_`` for all but letters and digits."""
MODELS = {
    "Linear Regression": "linear_regression",
    "Random Forest": "random_forest",
    "Gradient Boosting": "gradient_boosting",
    "Support Vector Machine": "support_vector",
    "Neural Network": "neural_network",
}
"""Names of models in the older layout, and ours."""
FEATURE_SETS = {
    "original_feature_data": "initial",
    "last_time_data": "last",
    "dynamic_data": "dynamic",
    "combined_lp_data": "initial+last",
    "combined_dyn_data": "initial+dynamic",
}
"""Names of feature sets in the older layout, and ours."""
NOISY = {"noisy_feature_data": "initial", "original_feature_data": "initial_clean"}
"""Names of feature sets that mean others where the expression is noisy."""
METRICS = tuple(OLDER_METRICS)
RANGES: dict[str, tuple[float | None, float | None]] = {
    **{each.name: (each.minimum, each.maximum) for each in COLUMNS},
    "fit_seconds": (0.0, None),
}
COUNTS = ("repeat", "n_train", "n_test")
"""Columns that are left out if one of their numbers is negative."""
LEVEL = re.compile(r"[a-z_]+_(noise|distortion)_(level|factor)")
MAX_EXACT = 2.0**53
MAX_TEXT = 40


@dataclass(frozen=True)
class Results:
    """Rows of ``results``, and the frame's column of each of their columns."""

    rows: pl.DataFrame
    columns: Mapping[str, str]


def to_results(frame: pl.DataFrame, level: float | None = None) -> Results | None:
    """Return the rows of results in a frame, without the columns that lakebatch adds; None if it has no results.

    A frame has results if it has a metric, and a model or a feature set. A metric that is not finite or out of its
    range becomes NULL, with the value in ``error``; so does text in its place. Columns of other names or types are
    left out.

    Parameters
    ----------
    level : float, optional
        The level of the rows that have none.
    """
    dtypes = load_schema("results").polars
    found: dict[str, pl.Series] = {}
    columns: dict[str, str] = {}
    texts: dict[str, pl.Series] = {}
    for column in frame:
        ours = our_name(column.name)
        values = _values(column, ours, dtypes[ours]) if ours and ours not in found else None
        if ours and values is not None and not (ours in COUNTS and bool((values < 0).any())):
            found[ours], columns[column.name] = values, ours
            if column.dtype == pl.String and values.dtype != pl.String:
                texts[ours] = column
    has_metric = any(name in found and not _is_text_alone(found[name], texts.get(name)) for name in METRICS)
    if not found.keys() & {"model", "feature_set"} or not has_metric:
        return None
    rows = pl.DataFrame([values.alias(ours) for ours, values in found.items()])
    if level is not None:
        rows = rows.with_columns(
            level=pl.col("level").fill_null(level) if "level" in found else pl.lit(level)
        )
    return Results(_without_impossible(_renamed_values(rows), texts, "error" in found), columns)


def our_name(column: str) -> str | None:
    """Return the name in ``results`` of a column of the older layout; None if it has none.

    >>> [our_name(name) for name in ("R2 Score", "Feature Data", "Response Noise Level", "Timestamp")]
    ['r2', 'feature_set', 'level', None]
    """
    plain = plain_name(column)
    if LEVEL.fullmatch(plain):
        return "level"
    return next((ours for ours, names in ALIASES.items() if plain in names), None)


def _values(column: pl.Series, ours: str, dtype: pl.DataType) -> pl.Series | None:
    """Return a column as one of results; None if it cannot be that."""
    if ours == "level" and column.dtype == pl.String:
        levels = pl.Series(column.name, [level_in_text(each) for each in column], dtype=dtype)
        return None if _is_text_alone(levels, column) else levels
    values = _exactly(column, dtype)
    is_text = values is None and ours in METRICS and column.dtype == pl.String
    if is_text and column.str.contains(r"\d").any():  # numbers in a spelling that is not read
        return pl.Series(column.name, [None] * len(column), dtype=dtype)
    return values


def _is_text_alone(values: pl.Series, text: pl.Series | None) -> bool:
    """Whether no cell of a column of text is a number, and at least one has text."""
    return text is not None and values.null_count() == len(text) > text.null_count()


def _exactly(column: pl.Series, dtype: pl.DataType) -> pl.Series | None:
    """Return a column in another type, a column of text with NULL for what is no number; None if a value would change."""
    if column.dtype == dtype or column.dtype == pl.Null:
        return column.cast(dtype)
    if column.dtype == pl.String and dtype.is_numeric():
        return _numbers(column, dtype)
    if not column.dtype.is_numeric() or dtype == pl.String:
        return None
    if (
        column.dtype.is_integer()
        and dtype.is_float()
        and bool((column.cast(pl.Float64).abs() > MAX_EXACT).any())
    ):
        return None
    cast = column.cast(dtype, strict=False)
    return cast if cast.cast(column.dtype, strict=False).equals(column) else None


def _numbers(column: pl.Series, dtype: pl.DataType) -> pl.Series | None:
    """Return the numbers in a column of text, NULL for other text; None if there is text alone."""
    numbers = column.str.strip_chars().cast(pl.Float64, strict=False)
    if dtype.is_integer():
        is_exact = (numbers == numbers.floor()) & (numbers.abs() <= MAX_EXACT)
        numbers = numbers.set(~is_exact.fill_null(value=False), None)
    values = numbers.cast(dtype, strict=False)
    return None if _is_text_alone(values, column) else values


def _not_numbers(rows: pl.DataFrame, texts: Mapping[str, pl.Series]) -> dict[str, pl.Expr]:
    """Return the reason for each cell of text that is no number; NULL for the other cells."""
    return {
        name: pl.when(pl.lit(text.is_not_null() & rows[name].is_null())).then(
            pl.format("{} was '{}'", pl.lit(name), pl.lit(text.str.slice(0, MAX_TEXT)))
        )
        for name, text in texts.items()
        if name != "level"
    }


def _renamed_values(rows: pl.DataFrame) -> pl.DataFrame:
    changes = []
    if "model" in rows.columns:
        changes.append(pl.col("model").replace(MODELS))
    if "feature_set" in rows.columns:
        noisy = "noisy_feature_data" in rows["feature_set"]
        changes.append(pl.col("feature_set").replace(FEATURE_SETS | (NOISY if noisy else {})))
    return rows.with_columns(changes)


def _without_impossible(rows: pl.DataFrame, texts: Mapping[str, pl.Series], has_error: bool) -> pl.DataFrame:
    """Return the rows with NULL for each impossible number, and the number, or the text in its place, in ``error``."""
    not_numbers = _not_numbers(rows, texts)
    reasons = [pl.col("error")] if has_error else []
    reasons += not_numbers.values()
    changes = []
    for name, dtype in rows.schema.items():
        if not dtype.is_float():
            continue
        low, high = RANGES.get(name, (None, None))
        column = pl.col(name)
        bad = ~column.is_finite()
        bad = bad | (column < low) if low is not None else bad
        bad = bad | (column > high) if high is not None else bad
        reasons.append(pl.when(bad).then(pl.format("{} was {}", pl.lit(name), column)))
        if name in METRICS:
            is_silent = pl.col("error").is_null() if has_error else pl.lit(True)
            is_silent = is_silent & not_numbers[name].is_null() if name in not_numbers else is_silent
            reasons.append(pl.when(column.is_null() & is_silent).then(pl.lit(f"{name} was missing")))
        changes.append(pl.when(bad).then(None).otherwise(column).alias(name))
    error = pl.concat_str(reasons, separator="; ", ignore_nulls=True)
    return rows.with_columns(*changes, pl.when(error != "").then(error).otherwise(None).alias("error"))


def left_out(frame: pl.DataFrame, results: Results | None) -> list[str]:
    """Return the columns of a frame that its results lack; only the table of the frame has them."""
    known = results.columns if results else {}
    return [name for name in frame.columns if name not in known and name not in RESERVED]
