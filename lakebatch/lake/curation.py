"""Decisions about the assemblies of one experiment, its tags, and the upkeep of its tables."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

import polars as pl

from lakebatch.assembly import decisions
from lakebatch.assembly.labels import check_note
from lakebatch.assembly.record import Assembly
from lakebatch.assembly.tables import RESULTS, ExperimentTables
from lakebatch.assembly.tags import Tag
from lakebatch.lake.arguments import PublicationArguments, check, takes
from lakebatch.maintenance import usage, vacuum
from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.moment import moment
from lakebatch.snapshot.pin import pin
from lakebatch.snapshot.times import Time

if TYPE_CHECKING:
    from lakebatch.publication.publish import Publication


class CuratedTables(ExperimentTables):
    """One experiment's tables in a lake, with the decisions about them and their upkeep."""

    def optimize(self, *, dry_run: bool = False) -> pl.DataFrame:
        """Merge the small files of each table, see `lakebatch.maintenance.optimize.optimize`."""
        from lakebatch.maintenance import optimize  # a tenth of all modules, and reading does without

        return optimize.optimize([self], dry_run=dry_run)

    def vacuum(self, *, keep_days: int = vacuum.KEEP_DAYS, dry_run: bool = True) -> pl.DataFrame:
        """Remove unused files, see `lakebatch.maintenance.vacuum.vacuum`."""
        return vacuum.vacuum([self], keep_days=keep_days, dry_run=dry_run)

    def repair(self, *, dry_run: bool = True, jobs: int | None = None) -> pl.DataFrame:
        """Repair damage where the result can be proven right, see `lakebatch.maintenance.repair.heal`."""
        from lakebatch.maintenance import repair  # needs numpy, which reading does without

        return repair.to_frame(repair.heal(self, dry_run=dry_run, jobs=jobs))

    def purge(self, assembly_id: str, reason: str = "", *, dry_run: bool = True) -> pl.DataFrame:
        """Remove the files of a discarded assembly for good, see `lakebatch.maintenance.purge.purge`."""
        from lakebatch.maintenance import purge  # as above

        return purge.purge(self, assembly_id, reason, dry_run=dry_run)

    def usage(self) -> pl.DataFrame:
        """Return the disk usage, see `lakebatch.maintenance.usage.usage`."""
        return usage.usage([self])

    def tag(
        self,
        name: str,
        *,
        note: str | None = None,
        version: int | None = None,
        as_of: Time | None = None,
    ) -> Tag:
        """Give a state, by default the newest, a permanent name: vacuum never removes its files.

        Raises
        ------
        NameClashError
            If the name stands for another state already.
        ConfigError
            If the name is that of an experiment version, such as ``v1``.
        """
        from lakebatch.maintenance import published  # as above

        which = moment(version, as_of)
        self.check_folders(("tags",))
        events_version = None if which.is_past else self.log.table.version()  # before the rows are pinned
        versions = {name: self._table_version(name) for name in self.data_tables()}
        versions |= {RESULTS: pin(self, which).version, "assemblies": events_version}
        draft = self.tag_log.draft(name, note, which.time, versions)
        self.tag_log.check_free(draft.tag)
        tag = self.tag_log.set(replace(draft, published_version=published.tagged_version(self, draft)))
        published.bring_up_to_date(self)  # after a past state, or what others completed meanwhile
        return tag

    def tags(self) -> pl.DataFrame:
        """Return every tag as a row, oldest first."""
        return self.tag_log.frame()

    @takes(PublicationArguments)
    def publish(
        self,
        tag: str,
        path: str | os.PathLike[str],
        *,
        tables: Collection[str] = (),
        on_gap: OnGap = "warn",
        **said: Unpack[PublicationArguments],
    ) -> Publication:
        """Write the state of a tag as a publication: a folder, or a file that ends in ``.zip``.

        For example ``noise.publish("paper-v1", "paper-v1.zip", authors=["Doe, Jane"], license="CC-BY-4.0")``.

        Parameters
        ----------
        path : path
            A folder that is new, empty, or an older publication, which is replaced; or a file.
        tables : collection of str
            Large tables to include: ``samples``, ``trajectories``, ``artifacts``.
        on_gap : {"warn", "refuse", "ignore"}
            What to do when the dataset lacks an assembly, a planned part or its baseline; the publication names gaps.
        **said
            What it says of itself, see `lakebatch.lake.arguments.PublicationArguments`; else ``lakebatch.toml`` says it.

        Raises
        ------
        ConfigError
            If it has no authors or no licence, and is no ``draft``.
        StorageError
            If it cannot be written.
        """
        from lakebatch.publication import publish  # slow to import, and matplotlib is an optional package

        check(said, PublicationArguments)
        return publish.publish(self, tag, path, tables=tables, on_gap=on_gap, given=said)

    def discard(self, assembly_id: str, reason: str) -> Assembly:
        """Exclude an assembly from the dataset, for a reason; no row is deleted, and `restore` undoes it.

        A process on another machine that computes it stops when it next reads the events.

        Raises
        ------
        AssemblyError
            If a process of this machine computes it, or it is discarded already.
        """
        from lakebatch.maintenance import published  # as above

        decided = decisions.discard(self, assembly_id, reason)
        published.bring_up_to_date(self)
        return decided

    def restore(self, assembly_id: str, reason: str) -> Assembly:
        """Give a discarded assembly the status that it had before.

        Raises
        ------
        AssemblyError
            If it is not discarded.
        """
        from lakebatch.maintenance import published  # as above

        decided = decisions.restore(self, assembly_id, reason)
        published.bring_up_to_date(self)
        return decided

    def note(self, assembly_id: str, text: str) -> Assembly:
        """Record a note about an assembly, without secrets; `assemblies` and `history` show it."""
        return decisions.add_note(self, self.log.get(assembly_id), check_note(text))

    def _table_version(self, name: str) -> int | None:
        table = self.table(name)
        return table.version() if table.exists() else None
