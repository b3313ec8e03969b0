"""A table as it would be if only lakebatch had written to it, compared with what it is, by every entry of its log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from lakebatch.storage.delta.engine import FINGERPRINT
from lakebatch.storage.delta.foreign import EVENT, PURGED, REPAIRED, OriginFile, Origins, engine_of, is_own
from lakebatch.storage.delta.log import Entry


class OwnView:
    """The files of a table by path; right only where its log is whole.

    Attributes
    ----------
    active : dict
        The files that the table has.
    own : dict
        The files that it should have: those that commits of lakebatch brought, or that only repeat their rows.
    known : dict
        All files that were ever in ``own``.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.active: dict[str, OriginFile] = {}
        self.own: dict[str, OriginFile] = {}
        self.known: dict[str, OriginFile] = {}
        self._foreign: dict[str, OriginFile] = {}
        self._mixed: dict[str, OriginFile] = {}
        self._hidden: dict[str, OriginFile] = {}
        self._taken_by: dict[str, tuple[int, str]] = {}
        self._version = -1
        for entry in entries:
            self._follow(entry)

    def _follow(self, entry: Entry) -> None:
        added = {each.path: each for each in map(_added, entry.of("add"))}
        removed = [unquote(each["path"]) for each in entry.of("remove")]
        for path in removed:
            self.active.pop(path, None)
        self.active |= added
        if is_own(entry):
            self._follow_own(entry, added, removed)
        elif added or removed:
            self._follow_foreign(entry, added, removed)
        self._version = entry.version

    def _follow_own(self, entry: Entry, added: Mapping[str, OriginFile], removed: list[str]) -> None:
        merged = set() if _is_proven(entry) else {path for path in removed if path in self._foreign}
        touched = {self._foreign[path].assembly_id for path in merged} if added else set()
        for path in removed:
            if not (path in self.own and self.own[path].assembly_id in touched):
                self.own.pop(path, None)
            self._hidden.pop(path, None)
        for path, each in added.items():
            if each.assembly_id in touched:
                self._foreign[path] = each._replace(version=entry.version, engine=engine_of(entry))
            else:
                self._take(each)
        if entry.info.get(EVENT) == PURGED:
            purged = entry.info.get("lakebatch.assembly_id")
            self.own = {path: each for path, each in self.own.items() if each.assembly_id != purged}

    def _take(self, each: OriginFile) -> None:
        self.own[each.path] = self.known[each.path] = each
        self._foreign.pop(each.path, None)

    def _follow_foreign(self, entry: Entry, added: Mapping[str, OriginFile], removed: list[str]) -> None:
        """Sort the files that another program brought: restored, rewritten or foreign; and note what it took out."""
        by = entry.version, engine_of(entry)
        rewritten = self._rewritten(entry, added, removed)
        for path in removed:
            if path in self.own and self.own[path].assembly_id in rewritten:
                del self.own[path]
            elif path in self.own and path not in added:
                self._taken_by[path] = by
        for path, each in added.items():
            if each.assembly_id in rewritten:
                self._take(each)
            elif path not in self.known:
                self._foreign[path] = each._replace(version=by[0], engine=by[1])
        self._follow_mixed(entry, added, removed, rewritten)
        self._hide(entry, by)
        for assembly_id in {each.assembly_id for each in added.values()}:
            self._settle(assembly_id)

    def _rewritten(
        self, entry: Entry, added: Mapping[str, OriginFile], removed: list[str]
    ) -> set[str | None]:
        """Return the assemblies whose files a commit only wrote again, by its own word and by the row counts."""
        if not _is_rewrite(entry):
            return set()
        before, after = Counter[str | None](), Counter[str | None]()
        for path in removed:
            if path in self.known:
                before[self.known[path].assembly_id] += self.known[path].rows
        for each in added.values():
            after[each.assembly_id] += each.rows
        strange = {self._foreign[path].assembly_id for path in removed if path in self._foreign}
        return {name for name in before.keys() & after.keys() if before[name] == after[name]} - strange

    def _follow_mixed(
        self, entry: Entry, added: Mapping[str, OriginFile], removed: list[str], rewritten: set[str | None]
    ) -> None:
        """Keep a file in which all events or tags were merged with foreign rows: it cannot be left out."""
        if not _is_rewrite(entry) or None in rewritten:
            return
        for path in [path for path in added if path in self._foreign and added[path].assembly_id is None]:
            self._mixed[path] = self._foreign.pop(path)
            self.own[path] = self.known[path] = added[path]
            for old in removed:
                self.own.pop(old, None)

    def _hide(self, entry: Entry, by: tuple[int, str]) -> None:
        """Note the rows of own files that a deletion vector hides."""
        for action in entry.of("add"):
            path, vector = unquote(action["path"]), action.get("deletionVector")
            self._hidden.pop(path, None)
            if vector and path in self.known:
                count = int(vector.get("cardinality") or 0)
                self._hidden[path] = self.known[path]._replace(rows=count, version=by[0], engine=by[1])

    def _settle(self, assembly_id: str | None) -> None:
        """Accept restored files whose rows are as many as those of the files that left."""
        extra = [each for path, each in self.active.items() if path not in self.own and path in self.known]
        extra = [each for each in extra if each.assembly_id == assembly_id]
        missing = [each for path, each in self.own.items() if path not in self.active]
        missing = [each for each in missing if each.assembly_id == assembly_id]
        if missing and _count(extra) == _count(missing):
            for each in missing:
                del self.own[each.path]
            self.own |= {each.path: each for each in extra}

    @property
    def missing(self) -> dict[str, OriginFile]:
        """The own files that a foreign commit took out, by path, and the version and the engine of that commit."""
        found = {}
        for path, each in self.own.items():
            if path not in self.active and path in self._taken_by:
                version, engine = self._taken_by[path]
                found[path] = each._replace(version=version, engine=engine)
        return found

    @property
    def origins(self) -> Origins:
        """What other programs have brought and taken out."""
        missing = self.missing
        short = {each.assembly_id for each in missing.values()}
        repeated = {
            path: each
            for path, each in self.active.items()
            if path in self.known and path not in self.own and each.assembly_id not in short
        }
        return Origins(self._version, repeated | self._foreign, dict(self._mixed), missing | self._hidden)


def _is_proven(entry: Entry) -> bool:
    """Whether a commit of lakebatch brought rows that it had compared with recorded fingerprints."""
    return entry.info.get(EVENT) == REPAIRED or FINGERPRINT in entry.info


def _is_rewrite(entry: Entry) -> bool:
    """Whether a commit says of itself that it changed no row."""
    adds, removes = entry.of("add"), entry.of("remove")
    return bool(removes) and not any(each.get("dataChange", True) for each in (*adds, *removes))


def _count(files: Iterable[OriginFile]) -> int:
    return sum(each.rows for each in files)


def _added(action: Mapping[str, Any]) -> OriginFile:
    assembly_id = action["partitionValues"].get("assembly_id")
    return OriginFile(
        unquote(action["path"]),
        None if assembly_id is None else str(assembly_id),
        _rows(action),
        int(action["size"]),
    )


def _rows(action: Mapping[str, Any]) -> int:
    try:
        return int(json.loads(action["stats"])["numRecords"])
    except (KeyError, TypeError, ValueError):
        return 0
