"""The tables of an export as CSV files."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from functools import partial

import polars as pl
import polars.selectors as cs

from lakebatch._text import redact
from lakebatch.errors import LakebatchError
from lakebatch.lake.snapshot import LakeSnapshot
from lakebatch.snapshot import replicates, summary

DIGITS = 12


def tables(snapshots: LakeSnapshot) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of each table, without those that cannot be read or have no row."""
    for name, each in snapshots.items():
        makers: dict[str, Callable[[], pl.DataFrame]] = {
            "assemblies": partial(summary.summarize, each),
            "parts": partial(each.completeness, "ignore"),
            "replicates": partial(replicates.compare, each, "ignore"),
            "history": partial(summary.history, each.events),
            "levels": partial(_levels, snapshots, name),
        }
        for table, make in makers.items():
            frame = _quietly(make)
            if frame is not None and frame.height:
                yield f"tables/{each.folder}/{table}.csv", csv(frame)


def _levels(snapshots: LakeSnapshot, name: str) -> pl.DataFrame:
    """Return the means by level, without their last digits, which depend on the order of sums in the engine."""
    found = snapshots.query("levels", {"experiment": name}, on_gap="ignore")
    return found.with_columns(cs.float().round_sig_figs(DIGITS))


def _quietly(make: Callable[[], pl.DataFrame]) -> pl.DataFrame | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the pages name gaps and mixtures
        try:
            return make()
        except LakebatchError:
            return None


def csv(frame: pl.DataFrame) -> bytes:
    """Return a frame as CSV, without secrets; lists and structs are JSON."""
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    plain = frame.with_columns(
        pl.col(nested).map_elements(lambda value: json.dumps(pl.Series(value).to_list()), pl.String)
    )
    return redact(plain.write_csv()).encode()
