"""What all files of one publication are made from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from lakebatch._folders import Kind
from lakebatch._text import redact
from lakebatch._version import __version__
from lakebatch.assembly.record import Assembly
from lakebatch.assembly.sources import Files
from lakebatch.assembly.tags import Tag
from lakebatch.experiment.provenance import SOURCE_HASH
from lakebatch.publication.about import About
from lakebatch.publication.omitted import place
from lakebatch.snapshot import stored_dictionary
from lakebatch.snapshot.dictionary import ColumnEntry, Dictionary, TableEntry
from lakebatch.snapshot.published_layout import Described, Layout, layout
from lakebatch.snapshot.snapshot import Snapshot

KIND = Kind("publication", "README.md", "<!-- Publication of a lakebatch tag -->")
ASSEMBLIES = "assemblies"
MIN_HOME = 4
"""Length of the shortest path of a home folder that is replaced: others are parts of common words."""


@dataclass(frozen=True)
class TableFile:
    """One table of a publication: its entry in the dictionary, and the rows in its files."""

    entry: TableEntry
    columns: tuple[ColumnEntry, ...]
    rows: int

    @property
    def name(self) -> str:
        """The name of the table."""
        return self.entry.name

    @property
    def parquet(self) -> str | None:
        """The path of the Parquet file; None for the assemblies, which are a CSV file only."""
        return None if self.name == ASSEMBLIES else f"data/{self.name}.parquet"

    @property
    def csv(self) -> str:
        """The path of the CSV file."""
        return f"data/{self.name}.csv"


@dataclass(frozen=True)
class Material:
    """What all files of one publication are made from.

    Attributes
    ----------
    gaps : list of str
        What is missing in the dataset, in sentences; complete once the tables are written.
    mixtures : tuple of str
        What is mixed in it, in sentences.
    meanings : mapping
        Meaning and unit of the config keys.
    tables : list of TableFile
        The tables that were written so far, the results first.
    findings : list of str
        The sentences of the report, once it is written.
    not_drawn : dict
        The kinds of pictures that could not be drawn, with the reason.
    """

    snapshot: Snapshot
    tag: Tag
    about: About
    gaps: list[str] = field(default_factory=list)
    mixtures: tuple[str, ...] = ()
    meanings: Described = field(default_factory=dict)
    tables: list[TableFile] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    not_drawn: dict[str, str] = field(default_factory=dict)

    def impersonal(self, text: str) -> str:
        """Return a text for people without secrets, the place of the lake, and the user's home folder."""
        return without_home(redact(text).replace(place(self.snapshot), ""), str(Path.home()))

    @cached_property
    def dictionary(self) -> Dictionary:
        """The data dictionary of the experiment at the tag."""
        return stored_dictionary.of_snapshot(self.snapshot, str(self.snapshot.moment), published=False)

    @cached_property
    def assemblies(self) -> list[Assembly]:
        """The assemblies of the dataset, with their last event at the tag."""
        ids = set(self.snapshot.ids())
        return [each for each in self.snapshot.assemblies if each.assembly_id in ids]

    @cached_property
    def layout(self) -> Layout:
        """The columns of the table ``published`` at the tag, and when each assembly was begun and completed."""
        return layout(self.snapshot)

    @cached_property
    def started(self) -> Mapping[str, datetime]:
        """The time of the first event of each assembly."""
        return {name: each["started_at"] for name, each in self.layout.completions.items()}

    @cached_property
    def completed(self) -> Mapping[str, datetime]:
        """The time at which each assembly was completed; later notes and decisions change nothing."""
        return {name: each["at"] for name, each in self.layout.completions.items()}

    @cached_property
    def codes(self) -> Mapping[str, Files]:
        """The recorded source files of each state of the code, by source hash."""
        hashes = dict.fromkeys(source_hash(each) for each in self.assemblies)
        found = {each: self.snapshot.source_files(each) for each in hashes if each}
        return {each: files for each, files in found.items() if files}

    @property
    def date(self) -> str:
        """The date of the tag, in UTC: that of the publication, so that it does not depend on when it is made."""
        return self.tag.at.astimezone(UTC).date().isoformat()

    @property
    def description(self) -> str:
        """The description, with what the dataset lacks."""
        lacking = "; ".join(each.rstrip(".") for each in self.gaps)
        return (
            f"{self.about.description} The dataset is incomplete: {lacking}."
            if lacking
            else self.about.description
        )

    @property
    def size(self) -> str:
        """The size of the dataset in words."""
        count = len(self.assemblies)
        return (
            f"{self.tables[0].rows} rows of results from {count} {'assembly' if count == 1 else 'assemblies'}"
        )

    @property
    def software(self) -> str:
        """The program that made the publication."""
        return f"lakebatch {__version__}"


def without_home(text: str, home: str) -> str:
    """Return a text with ``~`` for a home folder, also for one that is cut off.

    >>> without_home("in /home/jane/data, in /home/ja...", "/home/jane")
    'in ~/data, in ~...'
    """
    if len(home) < MIN_HOME:
        return text
    cut = (f"{re.escape(home[:length])}(?=\\.\\.\\.)" for length in range(len(home) - 1, MIN_HOME, -1))
    return re.sub("|".join((re.escape(home), *cut)), "~", text)


def source_hash(assembly: Assembly) -> str:
    """Return the hash of the code that computed an assembly; empty if it was not recorded."""
    return str(assembly.surroundings.get(SOURCE_HASH) or "")


def iso(time: datetime) -> str:
    """Return a time in UTC to the microsecond.

    >>> iso(datetime(2026, 11, 23, 14, 22, 31, tzinfo=UTC))
    '2026-11-23T14:22:31.000000Z'
    """
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
