"""The rows of each data file, as the log alone tells: from which commits, how many, and with which fingerprint."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from lakebatch.maintenance.doctor.reference import Reference, added
from lakebatch.storage.delta.engine import FINGERPRINT, PART
from lakebatch.storage.delta.fingerprint import add
from lakebatch.storage.delta.log import Entry


@dataclass(frozen=True, eq=False)
class Group:
    """The data files that one commit added, of one assembly where it rearranged rows of several.

    Attributes
    ----------
    removed : tuple of str
        The files whose rows these are, where the commit rearranged rows; empty where it brought new ones.
    """

    entry: Entry
    files: tuple[Reference, ...]
    removed: tuple[str, ...]

    @property
    def recorded(self) -> str | None:
        """The fingerprint in the commit's metadata."""
        return self.entry.info.get(FINGERPRINT)

    @property
    def part(self) -> str | None:
        """The part whose rows the commit brought."""
        return self.entry.info.get(PART)

    @property
    def rows(self) -> int | None:
        """The number of rows in all files together."""
        return _total(each.rows for each in self.files)


@dataclass(frozen=True)
class Surplus:
    """Versions in which an assembly has another number of rows than its commits brought.

    Attributes
    ----------
    until : int or None
        The version that set it right; None if none has.
    """

    assembly_id: str | None
    rows: int
    expected: int
    since: int
    until: int | None


class Lineage:
    """Which commits the rows of each data file of a table are from; right only if its log is whole."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.group_of: dict[str, Group] = {}
        self.active: dict[str, Reference] = {}
        self.removed_twice: list[tuple[str, int, int]] = []
        self.removed_unknown: list[tuple[str, int]] = []
        self.surpluses: list[Surplus] = []
        self._removed_at: dict[str, int] = {}
        self._rows: Counter[str | None] = Counter()
        self._brought: Counter[str | None] = Counter()
        self._off: dict[str | None, Surplus] = {}
        for entry in entries:
            self._follow(entry)
        self.surpluses += self._off.values()

    def _follow(self, entry: Entry) -> None:
        touched = [*self._remove(entry), *self._add(entry)]
        for assembly_id in dict.fromkeys(touched):
            self._balance(assembly_id, entry.version)

    def _remove(self, entry: Entry) -> Iterator[str | None]:
        for action in entry.of("remove"):
            path = unquote(action["path"])
            reference = self.active.pop(path, None)
            if reference is not None:
                self._removed_at[path] = entry.version
                self._rows[reference.assembly_id] -= reference.rows or 0
                yield reference.assembly_id
            elif path in self._removed_at:
                self.removed_twice.append((path, self._removed_at[path], entry.version))
            else:
                self.removed_unknown.append((path, entry.version))

    def _add(self, entry: Entry) -> Iterator[str | None]:
        new = [each for each in added(entry) if each.path not in self.active]
        for each in new:
            self.active[each.path] = each
            self._rows[each.assembly_id] += each.rows or 0
            yield each.assembly_id
        for group in self._groups(entry, [each for each in new if each.path not in self.group_of]):
            self.group_of |= dict.fromkeys((each.path for each in group.files), group)
            for each in group.files:
                if not group.removed and (group.part is not None or each.assembly_id is None):
                    self._brought[each.assembly_id] += each.rows or 0

    def _groups(self, entry: Entry, new: list[Reference]) -> Iterator[Group]:
        """Yield the files that a commit added, apart by assembly where it says nothing of all of them together."""
        removes = entry.of("remove")
        is_rearranged = FINGERPRINT in entry.info or not any(each.get("dataChange") for each in removes)
        by_assembly: dict[str | None, list[Reference]] = defaultdict(list)
        for each in new:
            by_assembly[None if FINGERPRINT in entry.info else each.assembly_id].append(each)
        for files in by_assembly.values():
            own = {each.assembly_id for each in files}
            paths = (unquote(each["path"]) for each in removes if is_rearranged and _assembly(each) in own)
            yield Group(entry, tuple(files), tuple(paths))

    def _balance(self, assembly_id: str | None, version: int) -> None:
        """Note from which version to which an assembly has other rows than were brought."""
        rows, brought = self._rows[assembly_id], self._brought[assembly_id]
        if not brought and assembly_id is not None:  # other tools, or tests, have written all of it
            return
        before = self._off.pop(assembly_id, None)
        since = version if before is None else before.since
        if rows != brought:
            self._off[assembly_id] = Surplus(assembly_id, rows, brought, since, None)
        elif before is not None:
            ended = Surplus(assembly_id, before.rows, before.expected, since, version)
            self.surpluses.append(ended)

    @cached_property
    def groups(self) -> list[Group]:
        """Every group, in the order of the commits."""
        return list({id(group): group for group in self.group_of.values()}.values())

    @property
    def assembly_ids(self) -> set[str]:
        """The assemblies whose files the log names, now or before."""
        found = {each.assembly_id for group in self.groups for each in group.files}
        return {each for each in found if each is not None}

    def groups_of(self, assembly_id: str | None) -> list[Group]:
        """Return the groups that have rows of an assembly, in the order of the commits."""
        return self._by_assembly.get(assembly_id, [])

    def originals(self, assembly_id: str | None) -> list[Group]:
        """Return the commits that brought rows of an assembly, each once, in their order."""
        return [group for group in self.groups_of(assembly_id) if not group.removed]

    @cached_property
    def _by_assembly(self) -> dict[str | None, list[Group]]:
        found: dict[str | None, list[Group]] = defaultdict(list)
        for group in self.groups:
            for assembly_id in {each.assembly_id for each in group.files}:
                found[assembly_id].append(group)
        return found

    def expected(self, group: Group) -> str | None:
        """Return the fingerprint that the rows of a group must have; None if it is not known."""
        return self._expected.get(id(group))

    @cached_property
    def _expected(self) -> dict[int, str | None]:
        found: dict[int, str | None] = {}
        for group in self.groups:  # a commit removes only what an earlier one added
            found[id(group)] = group.recorded or self._summed(group, found)
        return found

    def _summed(self, group: Group, known: dict[int, str | None]) -> str | None:
        """Return the fingerprint of what a group removed; of a file beside others only that of all of them is known."""
        sources = {id(each): each for path in group.removed if (each := self.group_of.get(path))}
        covered = sum(len(each.files) for each in sources.values())
        prints = [known.get(key) for key in sources]
        together = [each for each in prints if each is not None]
        is_known = bool(group.removed) and covered == len(group.removed) and len(together) == len(prints)
        return add(together) if is_known else None

    def sources(self, group: Group) -> list[Group]:
        """Return the commits that brought the rows of a group, in the order in which they were merged.

        A commit whose rows are there twice is named twice.
        """
        found: list[Group] = []
        waiting = [group]
        while waiting:
            each = waiting.pop()
            if each.removed:
                waiting += reversed(self._merged(each))
            else:
                found.append(each)
        return found

    def _merged(self, group: Group) -> list[Group]:
        """Return what a commit merged: each group as often as all of its files were removed."""
        groups = [self.group_of[path] for path in group.removed if path in self.group_of]
        counts = Counter(map(id, groups))
        times = {id(each): max(1, counts[id(each)] // len(each.files)) for each in groups}
        return [each for each in dict.fromkeys(groups) for _ in range(times[id(each)])]


def _assembly(remove: Mapping[str, Any]) -> str | None:
    """Return whose rows a removed file has; also where the commit that added it is lost."""
    values = remove.get("partitionValues")
    if values is not None:
        return None if values.get("assembly_id") is None else str(values["assembly_id"])
    folder = unquote(remove["path"]).partition("/")[0]
    return folder.removeprefix("assembly_id=") if folder.startswith("assembly_id=") else None


def _total(numbers: Iterable[int | None]) -> int | None:
    known = list(numbers)
    counted = [each for each in known if each is not None]
    return sum(counted) if len(counted) == len(known) else None
