"""Rows of an assembly without a metric: their count, and the most frequent reason of each model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from lakebatch._text import excerpt, one_line

KEY = "missing_metrics"
"""Environment key of the record in an assembly's last event."""
FORM = {"rows": int, "of": int, "why": str}
LACKS_METRIC = pl.col("error").is_not_null()
"""Selects the rows of ``results`` without a metric: a NULL metric has its reason in ``error``."""
MAX_MODELS = 3
MAX_REASON = 80
# characters of a reason


@dataclass(frozen=True)
class MissingMetrics:
    """Rows without a metric.

    Attributes
    ----------
    rows : int
        Their count.
    of : int
        The count of all rows.
    why : str
        The most frequent reason of each model; empty if there is no such row.
    """

    rows: int
    of: int
    why: str

    def __str__(self) -> str:
        verb = "has" if self.rows == 1 else "have"
        return f"{self.rows} of {self.of} rows {verb} no metric{f' ({self.why})' if self.why else ''}"

    def record(self) -> dict[str, Any]:
        """Return it as the tree that `from_record` reads."""
        return asdict(self)


def from_record(record: Mapping[str, Any] | None) -> MissingMetrics | None:
    """Return what the record of an assembly says; None if its code did not count."""
    return None if record is None else MissingMetrics(**{name: record[name] for name in FORM})


def is_record(record: Any) -> bool:
    """Whether a value in the record of an assembly has the form that `from_record` reads."""
    if record is None:
        return True
    return isinstance(record, dict) and all(isinstance(record.get(name), kind) for name, kind in FORM.items())


def tally(rows: pl.LazyFrame, *keys: str) -> pl.LazyFrame:
    """Return the row count for each model and reason, and for each value of some key columns."""
    return rows.group_by(*keys, "model", "error").len()


def summarize(tallied: pl.DataFrame) -> MissingMetrics:
    """Return the rows without a metric of what `tally` has counted."""
    lacking = tallied.filter(LACKS_METRIC)
    return MissingMetrics(int(lacking["len"].sum()), int(tallied["len"].sum()), describe(lacking))


def describe(lacking: pl.DataFrame) -> str:
    """Return the most frequent reason of each model, the model with most rows first.

    Parameters
    ----------
    lacking : frame
        Columns model, error and len, the row count of each model and reason.

    >>> describe(pl.DataFrame({"model": ["knn", "gp"], "error": ["ValueError: k > n", "too slow"], "len": [4, 2]}))
    'knn 4: ValueError: k > n; gp 2: too slow'
    """
    ranked = lacking.sort("len", "model", "error", descending=(True, False, False), nulls_last=True)
    models = ranked.group_by("model", maintain_order=True).agg(pl.col("len").sum(), pl.col("error").first())
    in_order = models.sort("len", descending=True, maintain_order=True).rows()
    shown = [_of_model(*row, is_only=len(in_order) == 1) for row in in_order[:MAX_MODELS]]
    more = len(in_order) - len(shown)
    return "; ".join([*shown, *([f"and {more} more models"] if more else [])])


def _of_model(model: str | None, rows: int, reason: str | None, *, is_only: bool) -> str:
    text = excerpt(one_line(reason or "no reason given"), MAX_REASON)
    count = "" if is_only else f"{rows}"
    name = " ".join(filter(None, (one_line(model or ""), count)))
    return f"{name}: {text}" if name else text
