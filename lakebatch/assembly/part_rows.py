"""Checks and stamps of the rows that an experiment returns, before they are committed."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from lakebatch.assembly import metrics
from lakebatch.errors import ExperimentError, SchemaError
from lakebatch.storage.delta.schema import TableSchema, conform


def stamped(
    frame: pl.DataFrame, schema: TableSchema, assembly_id: str, part: str, at: datetime
) -> pl.DataFrame:
    """Return the rows of a part with all columns of their table: assembly, part and time are filled in.

    Raises
    ------
    ExperimentError
        If the rows bring one of these three themselves.
    SchemaError
        If they do not fit the table's schema.
    """
    stamps = {
        "assembly_id": pl.lit(assembly_id),
        "part": pl.lit(part),
        "recorded_at": pl.lit(at).cast(pl.Datetime("us", "UTC")),
    }
    if given := stamps.keys() & set(frame.columns):
        raise ExperimentError(
            f"run() returned the columns {', '.join(sorted(given))}, which are filled in here. Leave them out."
        )
    known = {column.name for column in schema.columns}
    filled = frame.with_columns(**{name: stamps[name] for name in stamps if name in known})
    return conform(filled, schema)


def check_reasons(rows: pl.DataFrame, schema: TableSchema) -> None:
    """Refuse a metric that is NULL without a reason in ``error``; a metric may be left out.

    Raises
    ------
    SchemaError
        If there is one.
    """
    reasons = rows["error"] if "error" in rows.columns else pl.Series([None], dtype=pl.String)
    if reasons.dtype not in (pl.String, pl.Null):  # the schema check refuses it with the better message
        return
    is_silent = reasons.cast(pl.String).fill_null("").str.strip_chars() == ""
    own = [column.name for column in schema.own if column.higher_is_better is not None]
    for name in (*(each.name for each in metrics.COLUMNS), *own):
        if name not in rows.columns or name not in schema.polars or "error" not in schema.polars:
            continue
        if count := int((rows[name].is_null() & is_silent).sum()):
            raise SchemaError(
                f"Cannot append to {schema.table!r}: column {name!r} is NULL in {count} rows in which 'error' says "
                "nothing. Say there why it could not be computed, or leave the column out."
            )
