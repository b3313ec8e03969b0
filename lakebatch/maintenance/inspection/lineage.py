"""The origin of the rows in each data file, from the log alone: their commits, row counts and fingerprints."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from lakebatch.maintenance.inspection.reference import Reference, added, purged_by, removed
from lakebatch.storage.delta.commit_metadata import add
from lakebatch.storage.delta.engine import FINGERPRINT, PART
from lakebatch.storage.delta.log import Entry


@dataclass(frozen=True, eq=False)
class Group:
    """The data files that one commit added; where it merged files of several assemblies, those of one of them.

    Attributes
    ----------
    removed : tuple of str
        The files that the commit merged into these; empty where it added new rows.
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
        """The part whose rows the commit added."""
        return self.entry.info.get(PART)

    @property
    def rows(self) -> int | None:
        """The row count of all files together; None if the log lacks one of them."""
        counts = [each.rows for each in self.files if each.rows is not None]
        return sum(counts) if len(counts) == len(self.files) else None


@dataclass(frozen=True)
class Surplus:
    """A range of versions in which an assembly has more or fewer rows than its commits added.

    Attributes
    ----------
    until : int or None
        The version that corrected it; None if none has.
    """

    assembly_id: str | None
    rows: int
    expected: int
    since: int
    until: int | None


class Lineage:
    """The commits that added the rows of each data file of a table; right only if its log is whole.

    Parameters
    ----------
    foreign : collection of str
        Files of other programs, which are left out.
    """

    def __init__(self, entries: Iterable[Entry], foreign: Collection[str] = ()) -> None:
        self._foreign = foreign
        self.group_of: dict[str, Group] = {}
        self.active: dict[str, Reference] = {}
        self.removed_twice: list[tuple[str, int, int]] = []
        self.removed_unknown: list[tuple[str, int]] = []
        self.surpluses: list[Surplus] = []
        self._removed_at: dict[str, int] = {}
        self._rows: Counter[str | None] = Counter()
        self._committed_rows: Counter[str | None] = Counter()
        self._open: dict[str | None, Surplus] = {}
        for entry in entries:
            self._follow(entry)
        self.surpluses += self._open.values()

    def _follow(self, entry: Entry) -> None:
        touched = [*self._remove(entry), *self._add(entry)]
        for assembly_id in dict.fromkeys(touched):
            self._balance(assembly_id, entry.version)

    def _remove(self, entry: Entry) -> Iterator[str | None]:
        is_purge = purged_by(entry) is not None
        for path in (path for path in removed(entry) if path not in self._foreign):
            reference = self.active.pop(path, None)
            if reference is not None:
                self._removed_at[path] = entry.version
                self._rows[reference.assembly_id] -= reference.rows or 0
                if is_purge:
                    self._committed_rows[reference.assembly_id] = 0
                yield reference.assembly_id
            elif path in self._removed_at:
                self.removed_twice.append((path, self._removed_at[path], entry.version))
            else:
                self.removed_unknown.append((path, entry.version))

    def _add(self, entry: Entry) -> Iterator[str | None]:
        new = [each for each in added(entry) if not (each.path in self.active or each.path in self._foreign)]
        for each in new:
            self.active[each.path] = each
            self._rows[each.assembly_id] += each.rows or 0
            yield each.assembly_id
        for group in self._groups(entry, [each for each in new if each.path not in self.group_of]):
            self.group_of |= dict.fromkeys((each.path for each in group.files), group)
            for each in group.files:
                if not group.removed and (group.part is not None or each.assembly_id is None):
                    self._committed_rows[each.assembly_id] += each.rows or 0

    def _groups(self, entry: Entry, new: list[Reference]) -> Iterator[Group]:
        """Yield the files that a commit added, by assembly where it records no fingerprint of all of them together."""
        removes = entry.of("remove")
        is_merge = FINGERPRINT in entry.info or not any(each.get("dataChange") for each in removes)
        by_assembly: dict[str | None, list[Reference]] = defaultdict(list)
        for each in new:
            by_assembly[None if FINGERPRINT in entry.info else each.assembly_id].append(each)
        for files in by_assembly.values():
            own = {each.assembly_id for each in files}
            paths = (unquote(each["path"]) for each in removes if is_merge and _assembly(each) in own)
            yield Group(entry, tuple(files), tuple(paths))

    def _balance(self, assembly_id: str | None, version: int) -> None:
        """Note the versions in which an assembly has another row count than its commits added."""
        rows, committed = self._rows[assembly_id], self._committed_rows[assembly_id]
        before = self._open.pop(assembly_id, None)
        if (
            not committed and before is None and assembly_id is not None
        ):  # other tools, or tests, have written all of it
            return
        since = version if before is None else before.since
        if rows != committed:
            self._open[assembly_id] = Surplus(assembly_id, rows, committed, since, None)
        elif before is not None:
            ended = Surplus(assembly_id, before.rows, before.expected, since, version)
            self.surpluses.append(ended)

    def committed_rows(self, assembly_id: str | None) -> int:
        """Return how many rows the commits of lakebatch added for an assembly."""
        return self._committed_rows[assembly_id]

    @property
    def open_surpluses(self) -> list[Surplus]:
        """The surpluses that the newest version still has."""
        return [each for each in self.surpluses if each.until is None]

    @cached_property
    def groups(self) -> list[Group]:
        """Every group, in the order of the commits."""
        return list({id(group): group for group in self.group_of.values()}.values())

    @property
    def assembly_ids(self) -> set[str]:
        """The assemblies whose files the log names, now or before."""
        found = {each.assembly_id for group in self.groups for each in group.files}
        return {each for each in found if each is not None}

    def active_paths(self, assembly_id: str | None) -> list[str]:
        """Return the files of an assembly that the newest version has."""
        return [each.path for each in self.active.values() if each.assembly_id == assembly_id]

    def groups_of(self, assembly_id: str | None) -> list[Group]:
        """Return the groups with rows of an assembly, in the order of the commits."""
        return self._by_assembly.get(assembly_id, [])

    def originals(self, assembly_id: str | None) -> list[Group]:
        """Return the commits that added rows of an assembly, each once, in their order."""
        return [group for group in self.groups_of(assembly_id) if not group.removed]

    def committed(self, assembly_id: str | None) -> str | None:
        """Return the fingerprint of all rows that the commits of an assembly added; None if it is not recorded."""
        groups = self.originals(assembly_id)
        return add_all(each.recorded for each in groups if each.part is not None or assembly_id is None)

    @cached_property
    def _by_assembly(self) -> dict[str | None, list[Group]]:
        found: dict[str | None, list[Group]] = defaultdict(list)
        for group in self.groups:
            for assembly_id in {each.assembly_id for each in group.files}:
                found[assembly_id].append(group)
        return found

    def expected(self, group: Group) -> str | None:
        """Return the fingerprint that the rows of a group must have; None if it is not recorded."""
        return self._expected.get(id(group))

    @cached_property
    def _expected(self) -> dict[int, str | None]:
        found: dict[int, str | None] = {}
        for group in self.groups:  # a commit removes only files that an earlier one added
            found[id(group)] = group.recorded or self._summed(group, found)
        return found

    def _summed(self, group: Group, known: dict[int, str | None]) -> str | None:
        """Return the fingerprint of the files that a commit merged; of files added together, only their sum is known."""
        sources = {id(each): each for path in group.removed if (each := self.group_of.get(path))}
        covers_all = sum(len(each.files) for each in sources.values()) == len(group.removed)
        return add_all(known.get(key) for key in sources) if covers_all else None

    def sources(self, group: Group) -> list[Group]:
        """Return the commits that added the rows of a group, in the order in which they were merged.

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
        """Return the groups that a commit merged, each as often as all of its files were removed."""
        groups = [self.group_of[path] for path in group.removed if path in self.group_of]
        counts = Counter(map(id, groups))
        times = {id(each): max(1, counts[id(each)] // len(each.files)) for each in groups}
        return [each for each in dict.fromkeys(groups) for _ in range(times[id(each)])]


def add_all(fingerprints: Iterable[str | None]) -> str | None:
    """Return the fingerprint of all rows together; None if one of them is not known, or there is none."""
    found = list(fingerprints)
    known = [each for each in found if each is not None]
    return add(known) if known and len(known) == len(found) else None


def _assembly(remove: Mapping[str, Any]) -> str | None:
    """Return the assembly of a removed file, also where the commit that added it is lost."""
    values = remove.get("partitionValues")
    if values is not None:
        return None if values.get("assembly_id") is None else str(values["assembly_id"])
    folder = unquote(remove["path"]).partition("/")[0]
    return folder.removeprefix("assembly_id=") if folder.startswith("assembly_id=") else None
