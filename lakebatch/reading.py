"""The order in which rows are read, all at once or piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import polars as pl

from lakebatch.delta import collect

ORDER = ("assembly_id", "level", "part", "feature_set", "model", "repeat", "sample", "species")
"""What rows are ordered by, as far as a table has these columns."""
PIECE = 200_000
"""About how many rows are read at once."""


def in_order(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return rows in the order of the runs and, within a run, of its levels."""
    known = rows.collect_schema().names()
    return rows.sort([name for name in ORDER if name in known], maintain_order=True)


def put_in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows of which those of each assembly are in order, with the assemblies in theirs; often they are already."""
    if rows["assembly_id"].is_sorted():
        return rows
    return rows.sort([name for name in ORDER if name in rows.columns], maintain_order=True)


def in_pieces(rows: pl.LazyFrame, counts: Mapping[str, int], ids: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yield the same rows in the same order, as frames of some assemblies or of some levels of a large one."""
    for piece in _batches(sorted(ids), counts):
        of_these = rows.filter(pl.col("assembly_id").is_in(piece))
        if len(piece) > 1 or counts.get(piece[0], 0) <= PIECE:
            yield collect(in_order(of_these))
        else:
            yield from _by_level(of_these)


def _batches(ids: Sequence[str], counts: Mapping[str, int]) -> Iterator[list[str]]:
    """Yield ids in batches that hold about as many rows as a piece."""
    total = 0
    numbered = []
    for each in ids:
        numbered.append((total // PIECE, each))
        total += counts.get(each, 0)
    for _, batch in groupby(numbered, key=lambda pair: pair[0]):
        yield [each for _, each in batch]


def _by_level(rows: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Yield the rows of one assembly, a few parts of one level at a time, in the order of `in_order`."""
    parts = collect(rows.group_by("level", "part").agg(pl.len()).sort("level", "part", maintain_order=True))
    offsets = parts["len"].cum_sum() - parts["len"]
    numbered = zip(offsets // PIECE, parts["level"], parts["part"], strict=True)
    for (_, level), batch in groupby(numbered, key=lambda each: each[:2]):
        of_level = pl.col("level").is_null() if level is None else pl.col("level") == level
        wanted = of_level & pl.col("part").is_in([part for *_, part in batch])
        yield collect(in_order(rows.filter(wanted)))
