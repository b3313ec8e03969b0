"""Names for states of an experiment that must be found again, such as the state behind a publication."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime

import polars as pl

from lakebatch import _html
from lakebatch import _process as process
from lakebatch._text import nearest, redacted, to_second
from lakebatch._version import __version__
from lakebatch.assembly.record import now
from lakebatch.errors import ConfigError, NameClashError, UnknownNameError
from lakebatch.ids import VERSION, canonical_json, check_name, check_no_secret
from lakebatch.storage.delta import damage
from lakebatch.storage.delta.schema import conform
from lakebatch.storage.delta.table import Table
from lakebatch.storage.delta.version import TableVersion

TRANSACTION = "lakebatch.tags"
COLUMNS = ("results", "assemblies", "samples", "trajectories")
"""The tables whose version has a column of its own."""


@dataclass(frozen=True, repr=False)
class Tag:
    """A name for one state; the fields are the columns of ``tags``."""

    tag: str
    at: datetime
    note: str | None
    results_version: int
    assemblies_version: int | None
    as_of: datetime | None
    samples_version: int | None
    trajectories_version: int | None
    code_version: str
    host: str
    other_versions: str | None = None
    published_version: int | None = None

    def __repr__(self) -> str:
        note = f": {self.note}" if self.note else ""
        return _html.short(f"<Tag {self.tag}, version {self.results_version}, {to_second(self.at)}{note}>")

    def versions(self) -> Mapping[str, int]:
        """Return the version of each table that the tag needs, by table name."""
        found = {
            "results": self.results_version,
            "assemblies": self.assemblies_version,
            "samples": self.samples_version,
            "trajectories": self.trajectories_version,
            "published": self.published_version,
        }
        found |= json.loads(self.other_versions or "{}")
        return {name: version for name, version in found.items() if version is not None}


def _check_new(name: str) -> str:
    """Return the name of a new tag; `diff` and pictures take ``v1`` for an experiment version."""
    if VERSION.fullmatch(name):
        raise ConfigError(
            f"A tag cannot be called {name!r}, since that is an experiment version. Choose another name, "
            f"e.g. paper-{name}."
        )
    return check_name(name, "tag")


def _taken(known: Tag) -> NameClashError:
    return NameClashError(
        f"There is already a tag {known.tag!r}, of {known.at:%Y-%m-%d %H:%M} UTC, version "
        f"{known.results_version}. A tag is never moved; choose another name."
    )


class TagLog:
    """The tags of one experiment, in the table ``tags``; a tag is set once and never moved."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def draft(
        self, name: str, note: str | None, as_of: datetime | None, versions: Mapping[str, int | None]
    ) -> Tag:
        """Return a tag for the state that is in these versions of the tables, which `set` records.

        Raises
        ------
        ConfigError
            If the name is that of an experiment version, such as ``v1``.
        """
        others = {
            name: version for name, version in versions.items() if name not in COLUMNS and version is not None
        }
        return Tag(
            tag=check_no_secret(_check_new(name), "tag"),
            at=now(),
            note=note,
            as_of=as_of,
            **{f"{name}_version": versions.get(name) for name in COLUMNS},  # type: ignore[arg-type]
            other_versions=canonical_json(others) if others else None,
            code_version=__version__,
            host=process.host(),
        )

    def check_free(self, name: str) -> None:
        """Raise `NameClashError` if there is a tag of this name."""
        for known in self.all():
            if known.tag == name:
                raise _taken(known)

    def set(self, tag: Tag) -> Tag:
        """Record a tag, exactly once.

        Raises
        ------
        NameClashError
            If the tag exists for another state.
        """

        def row_after(state: TableVersion, last: int) -> pl.DataFrame | None:
            known = {each.tag: each for each in self._read(state)}.get(tag.tag)
            if known == tag:  # committed by an attempt that was reported as failed
                return None
            if known is not None:
                raise _taken(known)
            return self._frame(tag)

        tag = replace(tag, note=redacted(tag.note))
        self.table.ensure()
        self.table.append_once(TRANSACTION, row_after, {"lakebatch.tag": tag.tag})
        return tag

    def all(self) -> list[Tag]:
        """Return every tag, oldest first."""
        return self._read() if self.table.exists() else []

    def _read(self, state: TableVersion | None = None) -> list[Tag]:
        """Return every tag in a state of the table or a later one, oldest first."""
        rows = damage.newest_rows(self.table, state).sort("at", "tag")
        return [Tag(**row) for row in rows.iter_rows(named=True)]

    def get(self, name: str) -> Tag:
        """Return a tag by name.

        Raises
        ------
        UnknownNameError
            If there is no such tag.
        """
        known = {each.tag: each for each in self.all()}
        if name not in known:
            raise UnknownNameError(f"Unknown tag {name!r}. {nearest(name, known)}")
        return known[name]

    def frame(self) -> pl.DataFrame:
        """Return the tags as a frame, one row per tag."""
        return pl.DataFrame([asdict(each) for each in self.all()], schema=self.table.schema.polars)

    def _frame(self, tag: Tag) -> pl.DataFrame:
        return conform(pl.DataFrame([asdict(tag)], schema=self.table.schema.polars), self.table.schema)
