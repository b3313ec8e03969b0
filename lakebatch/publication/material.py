"""What all files of one publication are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

import polars as pl

from lakebatch._version import __version__
from lakebatch.assembly.record import Assembly
from lakebatch.assembly.tags import Tag
from lakebatch.columns import Column
from lakebatch.publication.about import About
from lakebatch.snapshot.snapshot import Snapshot


@dataclass(frozen=True)
class TableFile:
    """One table of a publication, as Parquet and as CSV of the same rows.

    Attributes
    ----------
    columns : tuple of Column
        In the order of the files.
    """

    name: str
    description: str
    rows: int
    columns: tuple[Column, ...]

    @property
    def parquet(self) -> str:
        """The path of the Parquet file."""
        return f"data/{self.name}.parquet"

    @property
    def csv(self) -> str:
        """The path of the CSV file."""
        return f"data/{self.name}.csv"


@dataclass(frozen=True)
class Material:
    """What all files of one publication are made from.

    Attributes
    ----------
    gaps, mixtures : tuple of str
        What is missing or mixed in the dataset, in sentences.
    tables : list of TableFile
        The tables that were written so far.
    """

    snapshot: Snapshot
    tag: Tag
    about: About
    gaps: tuple[str, ...] = ()
    mixtures: tuple[str, ...] = ()
    tables: list[TableFile] = field(default_factory=list)

    @cached_property
    def assemblies(self) -> list[Assembly]:
        """The assemblies of the dataset, with their last event at the tag."""
        ids = set(self.snapshot.ids())
        return [each for each in self.snapshot.assemblies if each.assembly_id in ids]

    @cached_property
    def started(self) -> Mapping[str, datetime]:
        """The time of the first event of each assembly."""
        first = self.snapshot.events.filter(pl.col("event") == 0)
        return dict(first.select("assembly_id", "at").iter_rows())

    @property
    def date(self) -> str:
        """The date of the tag, in UTC: that of the publication, so that it does not depend on when it is made."""
        return self.tag.at.astimezone(UTC).date().isoformat()

    @property
    def size(self) -> str:
        """The size of the dataset in words."""
        assemblies, rows = len(self.assemblies), self.tables[0].rows
        noun = "assembly" if assemblies == 1 else "assemblies"
        return f"{rows} rows of results from {assemblies} {noun}"

    @property
    def software(self) -> str:
        """The program that made the publication."""
        return f"lakebatch {__version__}"


def iso(time: datetime) -> str:
    """Return a time in UTC to the microsecond.

    >>> iso(datetime(2026, 11, 23, 14, 22, 31, tzinfo=UTC))
    '2026-11-23T14:22:31.000000Z'
    """
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
