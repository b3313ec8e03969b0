"""Purges: what the events record of assemblies whose rows were removed for good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from lakebatch._text import to_second
from lakebatch.assembly.record_json import read_environment, where
from lakebatch.errors import DamageError

KEY = "purged"
"""Environment key of the record, in the events of a discarded assembly from the begin of its purge on."""

WAY_OUT = (
    "Its rows are gone for good; compute them again with its config, which `lakebatch status NAME ASSEMBLY` shows, and: "
    "lakebatch run NAME --config FILE --seed {0}"
)
"""Advice where the rows of a purged assembly are asked for, with its seed."""


@dataclass(frozen=True)
class PurgedTable:
    """What a purge takes out of one table.

    Attributes
    ----------
    files, bytes : int
        All files of the assembly, also those that only past versions need.
    fingerprint : str or None
        The fingerprint of the rows without volatile columns, which the same computation gives again; None if they could
        not be read.
    """

    files: int
    rows: int
    bytes: int
    fingerprint: str | None = None


@dataclass(frozen=True)
class Purge:
    """The removal of an assembly's rows.

    Attributes
    ----------
    done : bool
        Whether all of it was removed; otherwise the purge was not finished.
    """

    assembly_id: str
    at: datetime
    by: str
    reason: str
    parts: int
    done: bool = False
    tables: Mapping[str, PurgedTable] = field(default_factory=dict)

    def __str__(self) -> str:
        begun = "" if self.done else " (not finished)"
        return f"purged{begun} on {to_second(self.at)} by {self.by}: {self.reason}"

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(each.rows for each in self.tables.values())

    @property
    def bytes(self) -> int:
        """The bytes of all files."""
        return sum(each.bytes for each in self.tables.values())

    def record(self) -> dict[str, Any]:
        """Return it as the tree that `from_record` reads."""
        tree = asdict(self) | {"at": self.at.isoformat(), "rows": self.rows, "bytes": self.bytes}
        return {name: value for name, value in tree.items() if name != "assembly_id"}


def from_record(assembly_id: str, record: Mapping[str, Any]) -> Purge:
    """Return the purge that the record of an assembly describes."""
    tables = {name: PurgedTable(**each) for name, each in record["tables"].items()}
    fields = {name: record[name] for name in ("by", "reason", "parts", "done")}
    return Purge(assembly_id, datetime.fromisoformat(record["at"]), tables=tables, **fields)


def find(events: pl.DataFrame) -> dict[str, Purge]:
    """Return the purges that events record, by assembly; those that are not finished too."""
    candidates = events.filter(
        (pl.col("status") == "discarded") & pl.col("environment").str.contains(f'"{KEY}":', literal=True)
    )
    ids = candidates["assembly_id"].unique()
    if ids.is_empty():
        return {}
    of_these = events.filter(pl.col("assembly_id").is_in(ids.implode())).sort("assembly_id", "event")
    last = of_these.filter(of_these["assembly_id"].is_last_distinct())
    found = {}
    for row in last.select("assembly_id", "event", "environment").iter_rows(named=True):
        place = where("environment", row["assembly_id"], row["event"])
        try:
            record = read_environment(row["environment"], place).get(KEY)
        except DamageError:  # whatever shows the assembly itself names it, and others can be read
            continue
        if record is not None:
            found[row["assembly_id"]] = from_record(row["assembly_id"], record)
    return found
