"""Gaps in a dataset, and their report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import polars as pl

from lakebatch import _html
from lakebatch._text import nearest
from lakebatch.assembly import labels, shards
from lakebatch.assembly.purges import Purge
from lakebatch.assembly.record import Assembly, from_rows
from lakebatch.errors import ConfigError, DamageError, IncompleteError, IncompleteWarning, warn

OnGap: TypeAlias = Literal["warn", "refuse", "ignore"]
MAX_GAPS = 10
GAP_COLUMNS: dict[str, pl.DataType] = {"assembly_id": pl.String(), "what": pl.String()}


@dataclass(frozen=True, repr=False)
class Gap:
    """A gap in a dataset and its reason; the id is empty when the gap concerns several assemblies."""

    assembly_id: str
    what: str

    def __repr__(self) -> str:
        return _html.short(f"<Gap {self}>")

    def __str__(self) -> str:
        return f"{self.assembly_id}: {self.what}" if self.assembly_id else self.what


class Gaps(_html.Records[Gap]):
    """Gaps that a notebook shows as a table."""

    def __init__(self, gaps: Sequence[Gap]) -> None:
        super().__init__(gaps, "gaps", lambda each: {"assembly_id": each.assembly_id, "what": each.what})


def to_frame(gaps: Sequence[Gap]) -> pl.DataFrame:
    """Return gaps as a frame, one row per gap."""
    rows = [(gap.assembly_id or None, gap.what) for gap in gaps]
    return pl.DataFrame(rows, schema=GAP_COLUMNS, orient="row")


def missing_from(
    assembly: Assembly,
    state: str,
    *,
    rows: int,
    done: Callable[[], Sequence[str]],
    included: bool,
    purge: Purge | None = None,
) -> list[str]:
    """Return descriptions of the gaps of one assembly in a dataset.

    Parameters
    ----------
    rows : int
        The row count of the assembly in the table.
    done : callable
        Returns the committed parts; called only when the row count leaves them open.
    included : bool
        Whether the dataset includes the assembly.
    purge : Purge, optional
        The purge of its rows, perhaps later than the dataset's moment.
    """
    if assembly.status == "discarded" and not included:
        return []
    if purge is not None:
        return [f"{'' if included else 'left out, '}{purge}"]
    if assembly.status == "completed" and rows == assembly.rows:
        return list(assembly.known_gaps)
    try:
        present = done()
    except DamageError as error:
        return [f"{'' if included else 'left out, '}{state}, its parts cannot be counted: {error}"]
    if not included:
        why = f": {assembly.error}" if assembly.error else ""
        return [f"left out, {state} with {len(present)} of {assembly.parts_planned} parts done{why}"]
    missing = [
        f"{state}, no rows of part {part}{_shard_of(assembly, part)}"
        for part in assembly.parts
        if part not in present
    ]
    return [*missing, *_count_fault(assembly, rows), *assembly.known_gaps]


def why_missing(assembly: Assembly, state: str, part: str) -> str:
    """Return why a part has no rows: its recorded error, else the assembly's state."""
    return assembly.failures.get(part, f"{state}, never computed{_shard_of(assembly, part)}")


def _shard_of(assembly: Assembly, part: str) -> str:
    why = shards.why_missing(assembly, part)
    return f" ({why})" if why else ""


def _count_fault(assembly: Assembly, rows: int) -> list[str]:
    if assembly.status != "completed" or rows == assembly.rows:
        return []
    return [f"completed with {assembly.rows} rows, the table has {rows}"]


def not_published(events: pl.DataFrame, table: str) -> list[Gap]:
    """Return a gap for each assembly that was imported from a publication without a table, from their last events."""
    return [
        Gap(each.assembly_id, f"the publication that it was imported from has no {table}")
        for each in imported(events)
        if table in each.not_published
    ]


def imported(events: pl.DataFrame) -> list[Assembly]:
    """Return the assemblies of the events that come from publications."""
    is_imported = pl.col("environment").str.contains(f'"{labels.NOT_PUBLISHED}"', literal=True)
    return from_rows(events.filter(is_imported))


def report_gaps(gaps: list[Gap], on_gap: OnGap) -> None:
    """Warn of the gaps of a dataset, raise, or do nothing, as ``on_gap`` says."""
    check_on_gap(on_gap)
    if not gaps or on_gap == "ignore":
        return
    named = "; ".join(str(gap).rstrip(".") for gap in gaps[:MAX_GAPS])
    more = f"; and {len(gaps) - MAX_GAPS} more, see: lakebatch completeness" if len(gaps) > MAX_GAPS else ""
    message = f"The dataset is incomplete: {named}{more}."
    if on_gap == "refuse":
        raise IncompleteError(message)
    warn(message, IncompleteWarning)


def check_on_gap(on_gap: OnGap) -> None:
    """Raise `ConfigError` for a word that does not say what to do at a gap."""
    if on_gap not in get_args(OnGap):
        raise ConfigError(f"Unknown on_gap {on_gap!r}. {nearest(str(on_gap), get_args(OnGap))}")
