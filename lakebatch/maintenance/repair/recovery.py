"""The rows of damaged files: from other files, copies in commits, or a new computation; always proven."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from lakebatch.maintenance.inspection.lineage import Group, Lineage
from lakebatch.maintenance.repair.contents import Contents
from lakebatch.maintenance.repair.outcome import CannotHealError
from lakebatch.storage.delta.commit_metadata import (
    COPY,
    Words,
    copied_columns,
    decode,
    fingerprint,
    row_words,
)

Places: TypeAlias = npt.NDArray[np.int64]
Compute: TypeAlias = Callable[[Group], pl.DataFrame]
NO_PROOF = "its commit recorded no fingerprint, so that nothing proves which rows it had"


class Recovery:
    """The rows that the commits to one table added to one assembly.

    Parameters
    ----------
    assembly_id : str or None
        None for a table without partitions.
    """

    def __init__(self, contents: Contents, assembly_id: str | None) -> None:
        self.contents = contents
        self.assembly_id = assembly_id
        self._found: dict[int, pl.DataFrame] = {}
        self._merged: pl.DataFrame | None = None

    @property
    def lineage(self) -> Lineage:
        """The origin of the rows in each file."""
        return self.contents.table.lineage

    def missing(self, group: Group) -> list[Group]:
        """Return the commits whose rows must be computed to recover those of a group."""
        self._expected(group)
        return [each for each in dict.fromkeys(self.lineage.sources(group)) if self.present(each) is None]

    def files(self, group: Group, compute: Compute) -> dict[str, pl.DataFrame]:
        """Return the rows of each damaged file of a group; readable files of the group keep theirs.

        Raises
        ------
        CannotHealError
            If they cannot be recovered, or cannot be proven right.
        """
        rest = self.rows(group, compute)
        if len(group.files) == 1:
            return {group.files[0].path: rest}
        damaged = []
        if unknown := [each.path for each in group.files if each.path in self.contents.out_of_reach]:
            raise CannotHealError(f"{unknown[0]}, of the same commit, is out of reach")
        for each in group.files:
            own = self.contents.read(each.path) if self.contents.is_readable(each.path) else None
            without = None if own is None else _without(rest, own)
            if without is None:
                damaged.append(each)
            else:
                rest = without
        return dict(_divided(rest, [(each.path, each.rows) for each in damaged]))

    def rows(self, group: Group, compute: Compute) -> pl.DataFrame:
        """Return all rows of a group, in the order in which they were written where it is known."""
        expected = self._expected(group)
        sources = self.lineage.sources(group)
        for chosen in (sources, list(dict.fromkeys(sources))):
            frames = [self._original(each, compute) for each in chosen]
            rows = pl.concat(frames, how="diagonal") if frames else pl.DataFrame()
            if fingerprint([rows]) == expected:
                return rows
        raise CannotHealError("the files that it was merged from have other rows")

    def present(self, group: Group) -> pl.DataFrame | None:
        """Return the rows that a commit added, from whole files or from its own copy; None if neither has them."""
        if id(group) not in self._found:
            for rows in self._candidates(group):
                if rows is not None and fingerprint([rows]) == self.lineage.expected(group):
                    self._found[id(group)] = rows
                    break
        return self._found.get(id(group))

    def committed_at(self, part: str) -> datetime | None:
        """Return the time at which a part was committed, which all its rows have; None if there are none."""
        for group in self.lineage.originals(self.assembly_id):
            rows = self.present(group) if group.part == part else None
            if rows is not None and rows.height:
                at = rows["recorded_at"][0]
                return at if isinstance(at, datetime) else None
        return None

    def _expected(self, group: Group) -> str:
        expected = self.lineage.expected(group)
        if expected is None:
            raise CannotHealError(NO_PROOF)
        return expected

    def _original(self, group: Group, compute: Compute) -> pl.DataFrame:
        rows = self.present(group)
        if rows is None:
            self._expected(group)
            rows = self._found[id(group)] = compute(group)
        return rows

    def _candidates(self, group: Group) -> Iterator[pl.DataFrame | None]:
        paths = [each.path for each in group.files]
        if all(self.contents.is_whole(path) for path in paths):
            yield self.contents.read_all(paths)
        yield self._in_merged_files(group)
        yield self._in_commit(group)

    def _in_merged_files(self, group: Group) -> pl.DataFrame | None:
        """Return the rows of a commit from the files that its own were merged into."""
        merged, expected, count = self._merged_rows(), self.lineage.expected(group), group.rows
        if merged.is_empty() or expected is None or count is None:
            return None
        if group.part is not None:
            return once(merged.filter(pl.col("part") == group.part), count, expected)
        where = np.flatnonzero(row_words(merged) == np.uint64(int(expected, 16)))
        return _at(merged, where[:1]) if count == 1 and where.size else None

    def _merged_rows(self) -> pl.DataFrame:
        if self._merged is None:
            whole = [
                each.path
                for group in self.lineage.groups_of(self.assembly_id)
                for each in group.files
                if group.removed
                and each.assembly_id == self.assembly_id
                and self.contents.is_whole(each.path)
            ]
            self._merged = self.contents.read_all(whole)
        return self._merged

    def _in_commit(self, group: Group) -> pl.DataFrame | None:
        """Return the rows of a commit from the copy in it, if the copy has all columns."""
        schema = self.contents.table.schema
        text = group.entry.info.get(COPY)
        types = {name: each for name, each in schema.polars.items() if name not in schema.partition_by}
        if text is None or group.rows is None or copied_columns(schema) != list(types):
            return None
        try:
            rows = decode(text, types, group.rows)
        except ValueError:
            return None
        partition = {name: pl.lit(self.assembly_id) for name in schema.partition_by}
        return rows.with_columns(**partition).select(*schema.polars)


def _at(rows: pl.DataFrame, where: Places) -> pl.DataFrame:
    return rows.select(pl.all().gather(where))


def once(rows: pl.DataFrame, count: int, expected: str) -> pl.DataFrame | None:
    """Return repeated rows as often as they were committed; None if their fingerprint differs."""
    if rows.height and count and rows.height % count == 0:
        words = row_words(rows)
        for kept in (_every(words, rows.height // count), _every(words, None)):
            chosen = _at(rows, kept)
            if chosen.height == count and fingerprint([chosen]) == expected:
                return chosen
    return None


def _every(words: Words, times: int | None) -> Places:
    """Return positions without repetitions: one of every ``times`` equal rows, or the first of each value if None."""
    order = np.argsort(words, kind="stable")
    _, first, counts = np.unique(words[order], return_index=True, return_counts=True)
    rank = np.empty(words.size, np.int64)
    rank[order] = np.arange(words.size) - np.repeat(first, counts)
    totals = np.empty(words.size, np.int64)
    totals[order] = np.repeat(counts, counts)
    return np.flatnonzero(rank < (1 if times is None else np.maximum(1, totals // times)))


def _without(rows: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame | None:
    """Return the rows without some others; None if one of these is not among them."""
    own, removed = row_words(rows), row_words(others)
    order = np.argsort(own, kind="stable")
    values, counts = np.unique(removed, return_counts=True)
    first = np.searchsorted(own[order], values)
    present = np.searchsorted(own[order], values, side="right") - first
    if np.any(present < counts):
        return None
    out = np.concatenate([order[start : start + count] for start, count in zip(first, counts, strict=True)])
    return _at(rows, np.setdiff1d(np.arange(rows.height), out))


def _divided(
    rows: pl.DataFrame, files: Sequence[tuple[str, int | None]]
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the path and the rows of each file, in order."""
    start = 0
    for path, count in files:
        if count is None:
            raise CannotHealError("the log does not record the row count of each file of its commit")
        yield path, rows[start : start + count]
        start += count
    if start != rows.height:
        raise CannotHealError(f"its commit has {rows.height} rows left for files that had {start}")
