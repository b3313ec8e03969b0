"""The data tables behind a snapshot, and their faults."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TypeAlias, TypeVar

from lakebatch import _process as process
from lakebatch._text import nearest
from lakebatch.assembly.purges import Purge
from lakebatch.assembly.tables import RESULTS
from lakebatch.columns import DATA
from lakebatch.errors import AssemblyError, IncompleteWarning, StorageError, UnknownNameError, warn
from lakebatch.snapshot.gaps import OnGap, check_on_gap
from lakebatch.storage.delta import damage, omissions
from lakebatch.storage.delta.damage import Fault
from lakebatch.storage.delta.reader import retry_on_compaction
from lakebatch.storage.delta.version import TableVersion

Result = TypeVar("Result")

Read = Callable[[TableVersion, list[str]], Result]
"""Reads the rows of some assemblies from a table."""
Check: TypeAlias = "Callable[[str], object] | None"

GONE = "Its rows are gone for good."
OPEN_AGAIN = "This state was opened before that; open it again to read the rest."


class PinnedTables:
    """The data tables of one experiment in their newest state, opened again after a compaction.

    Parameters
    ----------
    folder : str
        The experiment's folder in the lake.
    open_table : callable
        Returns the newest state of a table by name, None if it was never written.
    opened : mapping
        The tables that are already open.
    lost : sequence of Fault
        Faults of the experiment's events, which concern every table.
    find_names : callable
        Returns the names of the tables, built-in and own ones.
    at_version : callable, optional
        Returns the results at a version.
    purges : mapping
        The purges until the snapshot was opened, also those after its moment, by assembly.
    find_purges : callable
        Returns the purges until now.
    open_published : callable
        Returns the newest state of the published table, None if there is none.
    not_published : collection of str
        The tables that are missing in publications from which assemblies were imported.
    """

    def __init__(
        self,
        folder: str,
        open_table: Callable[[str], TableVersion | None],
        opened: dict[str, TableVersion | None],
        lost: Sequence[Fault] = (),
        find_names: Callable[[], Sequence[str]] = lambda: DATA,
        at_version: Callable[[int], TableVersion] | None = None,
        purges: Mapping[str, Purge] | None = None,
        find_purges: Callable[[], dict[str, Purge]] = dict,
        open_published: Callable[[], TableVersion | None] = lambda: None,
        not_published: Collection[str] = (),
    ) -> None:
        self.open_published = open_published
        self.not_published = frozenset(not_published)
        self._at_version = at_version
        self._folder = folder
        self._open_table = open_table
        self._tables = opened
        self._inside: dict[str, dict[str, Fault]] = {}
        self.lost = tuple(lost)
        self._find_names = find_names
        self.purges = dict(purges or {})
        self._find_purges = find_purges
        self._purged_since: dict[str, Purge] = {}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the tables that parts write: the built-in ones, written or not, and the experiment's own."""
        return tuple(self._find_names())

    def columns_at(self, version: int) -> tuple[str, ...]:
        """Return the columns that the results had at a version, which has no own ones that were declared later."""
        newest = self.existing(RESULTS)
        if self._at_version is None or not newest.has_own_columns:
            return tuple(newest.columns())
        return tuple(self._at_version(version).columns())

    def check_not_purged(self, ids: Collection[str], *, before: bool = False) -> None:
        """Raise `AssemblyError` if the rows of an assembly were purged after the snapshot was opened.

        With ``before``, also if they were purged before that.
        """
        for each in ids:
            if purge := self._purged_since.get(each):
                raise AssemblyError(f"{each} was {purge}. {OPEN_AGAIN}")
            if before and (purge := self.purges.get(each)):
                raise AssemblyError(f"{each} was {purge}. {GONE}")

    @contextmanager
    def translate_purges(self, ids: Collection[str]) -> Iterator[None]:
        """Raise the error of a missing file as one that names the purge, if the assembly was purged meanwhile."""
        try:
            yield
        except StorageError:
            self._purged_since = self._find_later_purges()
            self.check_not_purged(ids)
            raise

    def _find_later_purges(self) -> dict[str, Purge]:
        return {name: purge for name, purge in self._find_purges().items() if name not in self.purges}

    def get(self, name: str) -> TableVersion | None:
        """Return a table by name, None if it was never written.

        Raises
        ------
        UnknownNameError
            If it is neither a built-in table nor one of the experiment's own.
        """
        process.check_fork()
        if name not in self._tables:
            if name not in DATA and name not in self.names:
                raise UnknownNameError(f"Unknown table {name!r}. {nearest(name, self.names)}")
            self._tables[name] = self._open_table(name)
            self._purged_since = self._find_later_purges()
        return self._tables[name]

    def existing(self, name: str) -> TableVersion:
        """Return a table by name.

        Raises
        ------
        UnknownNameError
            If it was never written.
        """
        pinned = self.get(name)
        if pinned is None and name in self.not_published:
            raise UnknownNameError(
                f"There is no table {name!r} in {self._folder}: it was not part of the publication that was imported. "
                "Ask its authors to publish it too (lakebatch help publication)."
            )
        if pinned is None:
            raise UnknownNameError(f"There is no table {name!r} in {self._folder}: it was never written.")
        return pinned

    def renew(self) -> bool:
        """Open the newest files of the tables, which changes no row; return whether any table has newer files."""
        before = {name: table.number for name, table in self._tables.items() if table is not None}
        self._tables |= {name: self._open_table(name) for name in before}
        renewed = any(table and table.number != before.get(name) for name, table in self._tables.items())
        if renewed:
            self._inside.clear()
            self._purged_since = self._find_later_purges()
        return renewed

    def faults(self, name: str, ids: Collection[str]) -> list[Fault]:
        """Return the known faults of some assemblies, those of the events first."""

        def look() -> None:
            if found := self._on_disk(name, ids):
                raise _FaultsError(found)

        try:
            retry_on_compaction(look, self.renew, _FaultsError)
        except _FaultsError as error:
            return self._all_faults(name, ids, error.faults)
        return self._all_faults(name, ids, [])

    def _on_disk(self, name: str, ids: Collection[str]) -> list[Fault]:
        return list(damage.find_faults(self.existing(name), ids))

    def _all_faults(self, name: str, ids: Collection[str], on_disk: Sequence[Fault]) -> list[Fault]:
        inside = [fault for assembly_id, fault in self._inside.get(name, {}).items() if assembly_id in ids]
        return [*self.lost, *sorted([*on_disk, *inside], key=lambda fault: fault.assembly_id or "")]

    def read_files(self, name: str, ids: Collection[str], check: Check = None) -> bool:
        """Read every file of some assemblies and keep the faults; return whether any is new."""
        known = self._inside.setdefault(name, {})
        found = {
            fault.assembly_id: fault
            for fault in damage.find_unreadable(self.existing(name), ids, check)
            if fault.assembly_id is not None and fault.assembly_id not in known
        }
        known.update(found)
        return bool(found)

    def readable(self, name: str, ids: Sequence[str], on_gap: OnGap) -> tuple[list[str], list[Fault]]:
        """Return the readable ones among some assemblies, and the faults of the others.

        Raises
        ------
        StorageError
            If any cannot be read, unless ``on_gap`` is "ignore"; a `DamageError` if it is damaged.
        """
        check_on_gap(on_gap)
        found = self.faults(name, ids)
        if found and on_gap != "ignore":
            raise omissions.refusal(found)
        if on_gap != "ignore":
            self.check_not_purged(ids)
        return unaffected(ids, found), found

    def read(self, name: str, ids: Sequence[str], on_gap: OnGap, read: Read[Result]) -> Result:
        """Read some assemblies, again after a compaction, and return the result.

        Raises
        ------
        StorageError
            If any cannot be read, unless ``on_gap`` is "ignore"; a `DamageError` if it is damaged.
        """
        check_on_gap(on_gap)
        if on_gap == "ignore":
            result, found = self.read_readable(name, ids, read)
            omissions.warn_of_faults(found)
            self._warn_of_purged(ids)
            return result

        def read_all() -> Result:
            if faults := self._all_faults(name, ids, self._on_disk(name, ids)):
                raise omissions.refusal(faults)
            self.check_not_purged(ids)
            try:
                with damage.translate_read_errors(self.existing(name), ids):
                    return read(self.existing(name), list(ids))
            except StorageError as error:
                raise omissions.with_way_out(error) from error

        return retry_on_compaction(read_all, self.renew, StorageError)

    def _warn_of_purged(self, ids: Collection[str]) -> None:
        for each in self._purged_since.keys() & set(ids):
            warn(f"Left out: {each} was {self._purged_since[each]}", IncompleteWarning)

    def read_readable(
        self, name: str, ids: Sequence[str], read: Read[Result], check: Check = None
    ) -> tuple[Result, list[Fault]]:
        """Read the readable ones among some assemblies; return the result and the faults of the others.

        Parameters
        ----------
        check : callable, optional
            Reads the file at a path in another engine too, to find the file that this engine cannot read.
        """
        self.existing(name)  # its error is final: the rest of a table without a log cannot be read
        on_disk: list[Fault] = []
        is_read = True

        def read_readable() -> tuple[Result, list[Fault]]:
            nonlocal on_disk, is_read
            before, on_disk = on_disk, self._on_disk(name, ids)
            is_read = not on_disk or on_disk == before
            if not is_read:
                raise _FaultsError(on_disk)
            found = self._all_faults(name, ids, on_disk)
            return read(self.existing(name), unaffected(ids, found)), found

        def renew() -> bool:
            # a fault is left out only when no newer state explains it
            return self.renew() or not is_read or self.read_files(name, unaffected(ids, on_disk), check)

        try:
            return retry_on_compaction(read_readable, renew, (_FaultsError, *damage.READ_ERRORS))
        except StorageError:
            raise
        except damage.READ_ERRORS as error:
            raise damage.read_error(self.existing(name), error) from error


class _FaultsError(Exception):
    """Files that cannot be read, possibly since a compaction replaced them."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(faults)
        self.faults = faults


def unaffected(ids: Sequence[str], found: Collection[Fault]) -> list[str]:
    """Return the assemblies without a fault."""
    lost = {fault.assembly_id for fault in found}
    return [each for each in ids if each not in lost]
