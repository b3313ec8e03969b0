"""Data files as the entries of a log name them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from lakebatch.storage.delta.foreign import EVENT, PURGED
from lakebatch.storage.delta.log import Entry
from lakebatch.storage.delta.removal import ASSEMBLY


@dataclass(frozen=True)
class Reference:
    """A data file that a commit added: its path below the table, its size, row count and assembly, the commit's version.

    The row count is None where the log does not record it.
    """

    path: str
    size: int
    version: int
    assembly_id: str | None
    rows: int | None = None


def added(entry: Entry) -> list[Reference]:
    """Return the data files that a commit added."""
    return [
        Reference(
            unquote(each["path"]),
            int(each["size"]),
            entry.version,
            each["partitionValues"].get("assembly_id"),
            _rows(each),
        )
        for each in entry.of("add")
    ]


def removed(entry: Entry) -> list[str]:
    """Return the paths of the data files that a commit removed."""
    return [unquote(each["path"]) for each in entry.of("remove")]


def purged_by(entry: Entry) -> str | None:
    """Return the assembly whose files a commit took out for good; None if it is no purge."""
    return entry.info.get(ASSEMBLY) if entry.info.get(EVENT) == PURGED else None


def _rows(action: Mapping[str, Any]) -> int | None:
    try:
        return int(json.loads(action["stats"])["numRecords"])
    except (KeyError, TypeError, ValueError):
        return None
