"""What other programs have brought into a table of lakebatch and taken out of it.

Every commit of lakebatch that brings a file has an own key in its metadata. A file of any other commit is foreign, and no
dataset has its rows, unless it only repeats rows of lakebatch: a restored file, or the files of another engine's
compaction, whose row counts must fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote

from lakebatch._text import one_line
from lakebatch.errors import SchemaError
from lakebatch.storage.delta.log import LOST, Entry

MARK = "lakebatch."
"""Start of the keys that commits of lakebatch have in their metadata."""
EVENT = "lakebatch.event"
"""Key in the metadata of a commit: what it does."""
PURGED, REPAIRED = "purged", "repaired"
"""Values of `EVENT` in a commit that takes the files of an assembly out, and in one that heals a table."""
MAX_WORDS = 60
MAX_NAMED = 3


class OriginFile(NamedTuple):
    """A data file, and the commit of another program that brought it or took it out.

    Attributes
    ----------
    rows : int
        Rows of the file; where a deletion vector hides some of them, the number of these.
    engine : str
        Operation and engine, as the commit names them; empty for a file of lakebatch.
    """

    path: str
    assembly_id: str | None
    rows: int
    size: int
    version: int = -1
    engine: str = ""


@dataclass
class Origins:
    """What other programs have changed in a table up to a version.

    Attributes
    ----------
    version : int
        The newest version that was looked at.
    brought : dict
        Foreign files by path, also those that have left the table since: no dataset has their rows.
    mixed : dict
        Files of a table without partitions in which foreign rows were merged with rows of lakebatch.
    taken : dict
        Files of lakebatch that are missing since a foreign commit, by path, or of which it hid rows.
    """

    version: int = -1
    brought: dict[str, OriginFile] = field(default_factory=dict)
    mixed: dict[str, OriginFile] = field(default_factory=dict)
    taken: dict[str, OriginFile] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether no other program has brought a file or taken one out."""
        return not (self.brought or self.mixed or self.taken)

    def changes_with(self, entry: Entry) -> bool:
        """Whether an entry may change what other programs have done: it is foreign, or touches their files."""
        if not is_own(entry):
            return bool(entry.of("add") or entry.of("remove"))
        if self.is_clean:
            return False
        touched = {unquote(each["path"]) for each in (*entry.of("add"), *entry.of("remove"))}
        is_purge = entry.info.get(EVENT) == PURGED
        return is_purge or bool(touched & {*self.brought, *self.mixed, *self.taken})


def inseparable(uri: str) -> SchemaError:
    """Return the error for foreign files in a table with deletion vectors, where no file can be left out."""
    return SchemaError(
        f"{uri} has deletion vectors and rows that lakebatch did not write, which cannot be told apart. "
        "Have the tool that wrote them take both out again, or restore the table from a backup."
    )


def is_own(entry: Entry) -> bool:
    """Whether lakebatch made a commit, or nothing tells who did."""
    info = entry.info
    return not info or info.get("operation") == LOST or any(key.startswith(MARK) for key in info)


def engine_of(entry: Entry) -> str:
    """Return operation and engine of a commit, as it names them."""
    info = entry.info
    engine = str(info.get("engineInfo") or info.get("clientVersion") or "an unnamed program")
    return one_line(f"{info.get('operation') or 'a commit'} by {engine}")[:MAX_WORDS]


def describe(table: str, origins: Origins, active: Collection[str], version: int) -> Iterator[str]:
    """Yield in one line each what other programs brought into a table by a version, and what they took out."""
    brought = [each for path, each in origins.brought.items() if path in active]
    mixed = [each for path, each in origins.mixed.items() if path in active]
    taken = [each for each in origins.taken.values() if each.version <= version]
    if brought:
        yield f"{table} has {_listed(brought)} that lakebatch did not write; no dataset has them"
    if mixed:
        yield f"{table} has {_listed(mixed)}, among them rows that lakebatch did not write"
    if taken:
        yield f"{table} lacks {_listed(taken)} that another program took out"


def _listed(files: Sequence[OriginFile]) -> str:
    """Return the row counts of files by assembly and commit."""
    groups = Counter[tuple[str | None, int, str]]()
    for each in files:
        groups[each.assembly_id, each.version, each.engine] += each.rows
    named = [
        f"{rows} row{'' if rows == 1 else 's'}{f' of {assembly_id}' if assembly_id else ''} "
        f"(version {version}, {engine})"
        for (assembly_id, version, engine), rows in groups.items()
    ]
    more = [f"and {len(named) - MAX_NAMED} more changes"] if len(named) > MAX_NAMED else []
    return ", ".join([*named[:MAX_NAMED], *more])
