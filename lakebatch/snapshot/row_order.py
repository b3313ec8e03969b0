"""The order of rows, and conditions that select them piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import polars as pl

ORDER = ("assembly_id", "level", "part", "feature_set", "model", "repeat", "sample", "species", "name")
"""The columns that rows are sorted by; a table may lack some of them."""
PIECE = 25_000
"""Approximate row count of a piece of several assemblies."""
LARGE = 200_000
"""Row count of an assembly that is read in pieces itself, and of those: each reads all its files, and keeps some rows."""


def in_order(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return rows sorted by assembly and, within an assembly, by level."""
    known = rows.collect_schema().names()
    return rows.sort([name for name in ORDER if name in known], maintain_order=True)


def put_in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows sorted by assembly, given that the rows of each assembly are in order."""
    if rows["assembly_id"].is_sorted():
        return rows
    return rows.sort([name for name in ORDER if name in rows.columns], maintain_order=True)


def batches(ids: Sequence[str], counts: Mapping[str, int]) -> Iterator[list[str]]:
    """Yield ids in batches of about the row count of a piece; a large assembly is a batch of its own."""
    total = 0
    numbered = []
    for each in ids:
        rows = counts.get(each, 0)
        numbered.append(((total // PIECE, each if rows > LARGE else None), each))
        total += rows
    for _, batch in groupby(numbered, key=lambda pair: pair[0]):
        yield [each for _, each in batch]


def count_parts(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return the row count of each part of an assembly, in the order of `by_level`."""
    keys = [name for name in ("level", "part") if name in rows.collect_schema().names()]
    return rows.group_by(keys).agg(pl.len()).sort(keys, maintain_order=True)


def by_level(parts: pl.DataFrame) -> Iterator[pl.Expr]:
    """Yield conditions that select a few counted parts of one level at a time, in the order of `in_order`."""
    offsets = parts["len"].cum_sum() - parts["len"]
    levels = parts["level"] if "level" in parts.columns else [None] * parts.height
    numbered = zip(offsets // LARGE, levels, parts["part"], strict=True)
    for (_, level), batch in groupby(numbered, key=lambda each: each[:2]):
        chosen = pl.col("part").is_in([part for *_, part in batch])
        if "level" in parts.columns:
            chosen &= pl.col("level").is_null() if level is None else pl.col("level") == level
        yield chosen
