"""Data files that other programs brought into a table of lakebatch, or took out of it, told apart by the log.

Every commit of lakebatch that brings a file has an own key in its metadata. A file of any other commit is foreign, and no
dataset has its rows, unless it only repeats rows of lakebatch: a restored file, or the files of another engine's
compaction, whose row counts must fit. A foreign commit that takes files of lakebatch out leaves a gap, which is named.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import unquote

from lakebatch._text import one_line
from lakebatch.storage.delta.engine import FINGERPRINT
from lakebatch.storage.delta.log import Entry

MARK = "lakebatch."
"""Start of the keys that commits of lakebatch have in their metadata."""
EVENT = "lakebatch.event"
PURGED, REPAIRED = "purged", "repaired"
MAX_WORDS = 60
MAX_NAMED = 3


class Foreign(NamedTuple):
    """A file that a commit of another program brought, or took out, or merged with foreign rows.

    Attributes
    ----------
    version : int
        The version of the commit.
    engine : str
        Operation and engine, as the commit names them.
    rows : int
        Rows of the file; where rows of it were deleted by a deletion vector, their number.
    """

    path: str
    version: int
    engine: str
    assembly_id: str | None
    rows: int
    size: int = 0


@dataclass
class Origins:
    """What other programs have changed in a table up to a version.

    Attributes
    ----------
    version : int
        The newest version that was looked at.
    brought : dict
        Foreign files by path: no dataset has their rows.
    mixed : dict
        Files of a table without partitions in which foreign rows were merged with rows of lakebatch.
    taken : dict
        Files of lakebatch that a foreign commit took out, by path, or of which it deleted rows.
    """

    version: int = -1
    brought: dict[str, Foreign] = field(default_factory=dict)
    mixed: dict[str, Foreign] = field(default_factory=dict)
    taken: dict[str, Foreign] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether no other program has brought a file or taken one out."""
        return not (self.brought or self.mixed or self.taken)

    def follow_own(self, entry: Entry) -> None:
        """Follow a commit of lakebatch."""
        if self.is_clean:
            self.version = entry.version
            return
        added = [_added(each) for each in entry.of("add")]
        touched = {_assembly(each) for each in entry.of("remove") if self.is_foreign(unquote(each["path"]))}
        if touched and added and not _is_proven(entry):
            self._mix(entry, [each for each in added if each.assembly_id in touched], touched)
        else:
            for each in added:
                for kind in (self.brought, self.mixed, self.taken):
                    kind.pop(each.path, None)
        if entry.info.get(EVENT) == PURGED:
            purged = entry.info.get("lakebatch.assembly_id")
            self.taken = {path: each for path, each in self.taken.items() if each.assembly_id != purged}
        self.version = entry.version

    def is_foreign(self, path: str) -> bool:
        """Whether a file has rows that lakebatch did not write."""
        return path in self.brought or path in self.mixed

    def _mix(self, entry: Entry, added: Sequence[Foreign], touched: Iterable[str | None]) -> None:
        """Note a merge of foreign files with others: the merged file is foreign, the others are gone with it."""
        for each in added:
            kind = self.mixed if each.assembly_id is None else self.brought
            kind[each.path] = each._replace(version=entry.version, engine=engine_of(entry))
        for remove in entry.of("remove"):
            path = unquote(remove["path"])
            assembly_id = _assembly(remove)
            if assembly_id in touched and assembly_id is not None and not self.is_foreign(path):
                self.taken[path] = Foreign(path, entry.version, engine_of(entry), assembly_id, 0)


class Replay:
    """The origins of all files, from every entry of a log; right only where the log is whole."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.origins = Origins()
        self.known: dict[str, Foreign] = {}
        for entry in entries:
            self._follow(entry)

    def _follow(self, entry: Entry) -> None:
        if is_own(entry):
            self.origins.follow_own(entry)
            for each in map(_added, entry.of("add")):
                if not self.origins.is_foreign(each.path):
                    self.known[each.path] = each
            self._describe_taken()
        elif entry.of("add") or entry.of("remove"):
            self._follow_foreign(entry)
        self.origins.version = entry.version

    def _describe_taken(self) -> None:
        """Complete files that a merge took out by what their own commits say of them."""
        for path, each in self.origins.taken.items():
            if not each.size and (own := self.known.get(path)):
                self.origins.taken[path] = each._replace(rows=own.rows, size=own.size)

    def _follow_foreign(self, entry: Entry) -> None:
        """Sort the files that another program brought: restored, rewritten or foreign; and note what it took out."""
        actions = {unquote(each["path"]): each for each in entry.of("add")}
        removed = [own for each in entry.of("remove") if (own := self.known.get(unquote(each["path"])))]
        engine, rewritten = engine_of(entry), self._rewritten(entry)
        kept = self._kept(entry, rewritten)
        for path, action in actions.items():
            each = _added(action)._replace(version=entry.version, engine=engine)
            if path in self.known:
                self._restore(each, action)
            elif each.assembly_id in rewritten:
                self.known[path] = each
            else:
                (self.origins.mixed if kept else self.origins.brought)[path] = each
        for own in removed:
            if own.path not in actions and own.assembly_id not in rewritten and not kept:
                self.origins.taken[own.path] = own._replace(version=entry.version, engine=engine)

    def _restore(self, each: Foreign, action: Mapping[str, Any]) -> None:
        """Take a file of lakebatch that is back; with a deletion vector, rows of it are not."""
        self.origins.taken.pop(each.path, None)
        if vector := action.get("deletionVector"):
            self.origins.taken[each.path] = each._replace(rows=int(vector.get("cardinality") or 0))

    def _rewritten(self, entry: Entry) -> set[str | None]:
        """Return the assemblies whose files a commit only wrote again, by its own word and by the row counts."""
        if not _is_rewrite(entry):
            return set()
        before, after = Counter[str | None](), Counter[str | None]()
        strange: set[str | None] = set()
        for each in entry.of("remove"):
            own = self.known.get(unquote(each["path"]))
            if own is None:
                strange.add(_assembly(each))
            else:
                before[own.assembly_id] += own.rows
        for new in map(_added, entry.of("add")):
            after[new.assembly_id] += new.rows
        return {name for name in after.keys() & before.keys() if after[name] == before[name]} - strange

    def _kept(self, entry: Entry, rewritten: Collection[str | None]) -> bool:
        """Whether a commit merged foreign rows with all events or tags, which cannot be left out together."""
        return _is_rewrite(entry) and None in {_assembly(each) for each in entry.of("add")} - {*rewritten}


def _is_rewrite(entry: Entry) -> bool:
    """Whether a commit says of itself that it changed no row."""
    adds, removes = entry.of("add"), entry.of("remove")
    return bool(removes) and not any(each.get("dataChange", True) for each in (*adds, *removes))


def describe(table: str, origins: Origins, active: Collection[str], version: int) -> Iterator[str]:
    """Yield in one line each what other programs brought into a table by a version, and what they took out."""
    brought = [each for path, each in origins.brought.items() if path in active]
    mixed = [each for path, each in origins.mixed.items() if path in active]
    taken = [each for each in origins.taken.values() if each.version <= version]
    for found, words, end in (
        (brought, "has {} that lakebatch did not write", "; no dataset has them"),
        (mixed, "has files with {} among which are some that lakebatch did not write", ""),
        (taken, "lacks {} that another program took out", ""),
    ):
        if found:
            groups = Counter[tuple[str | None, int, str]]()
            for each in found:
                groups[each.assembly_id, each.version, each.engine] += each.rows
            named = [
                f"{_rows_in_words(rows)}{f' of {assembly_id}' if assembly_id else ''} (version {at}, {engine})"
                for (assembly_id, at, engine), rows in groups.items()
            ]
            more = [f"{len(named) - MAX_NAMED} more"] if len(named) > MAX_NAMED else []
            yield f"{table} {words.format(', '.join([*named[:MAX_NAMED], *more]))}{end}"


def _rows_in_words(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"


def is_own(entry: Entry) -> bool:
    """Whether lakebatch made a commit, or nothing tells who did."""
    info = entry.info
    return not info or info.get("operation") == "LOST" or any(key.startswith(MARK) for key in info)


def engine_of(entry: Entry) -> str:
    """Return operation and engine of a commit, as it names them."""
    info = entry.info
    engine = str(info.get("engineInfo") or info.get("clientVersion") or "an unnamed program")
    return one_line(f"{info.get('operation') or 'a commit'} by {engine}")[:MAX_WORDS]


def _is_proven(entry: Entry) -> bool:
    """Whether a commit of lakebatch brought rows that it had compared with recorded fingerprints."""
    return entry.info.get(EVENT) == REPAIRED or FINGERPRINT in entry.info


def _added(action: Mapping[str, Any]) -> Foreign:
    path = unquote(action["path"])
    return Foreign(path, -1, "", _assembly(action), _rows(action), int(action["size"]))


def _assembly(action: Mapping[str, Any]) -> str | None:
    """Return the assembly of a file, also where a removal does not name its partition."""
    values = action.get("partitionValues")
    if values is not None:
        return None if values.get("assembly_id") is None else str(values["assembly_id"])
    folder = unquote(action["path"]).partition("/")[0]
    return folder.removeprefix("assembly_id=") if folder.startswith("assembly_id=") else None


def _rows(action: Mapping[str, Any]) -> int:
    try:
        return int(json.loads(action["stats"])["numRecords"])
    except (KeyError, TypeError, ValueError):
        return 0
