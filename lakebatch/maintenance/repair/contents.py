"""The damaged data files of a table, and the rows of the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from lakebatch.maintenance.inspection.data_files import fault_of
from lakebatch.maintenance.inspection.lineage import Group
from lakebatch.maintenance.inspection.rows import UNREADABLE, Fingerprints, read_rows
from lakebatch.maintenance.inspection.table import InspectedTable
from lakebatch.maintenance.repair.outcome import CannotHealError, Outcome
from lakebatch.storage.delta.log import READABLE
from lakebatch.storage.local import DANGLING

BRING_BACK = "Bring back what it leads to; if that is lost, remove the link and repeat the command."


class Contents:
    """The data files of one table, each read to its end.

    Attributes
    ----------
    damaged : dict
        The damage of each file that some version needs, by path.
    out_of_reach : dict
        Why a file cannot be examined, and what to do, by path; it may be whole.
    """

    def __init__(self, table: InspectedTable) -> None:
        self.table = table
        self.damaged: dict[str, str] = {}
        fingerprints = Fingerprints(table)
        self._readable = fingerprints.known.keys()
        self.out_of_reach = {path: (reason, READABLE) for path, reason in fingerprints.out_of_reach.items()}
        for reference in table.references.values():
            what = fault_of(table, reference)
            if what and what.startswith(DANGLING):
                self.out_of_reach[reference.path] = f"{table.locate(reference.path)} {what}", BRING_BACK
            elif what:
                self.damaged[reference.path] = what
        for path, reason in fingerprints.faults.items():
            self.damaged[path] = f"cannot be read ({reason})"
        for reference in fingerprints.changed():
            self.damaged[reference.path] = "holds other values than were committed"

    def outcomes_out_of_reach(self) -> Iterator[Outcome]:
        """Yield the files that cannot be examined and are left as they are."""
        for path, (what, how) in self.out_of_reach.items():
            yield Outcome("stays damaged", self.table.path, what, how, self.table.locate(path))

    def is_whole(self, path: str) -> bool:
        """Whether a file is there with the rows that were committed."""
        return path in self._readable and path not in self.damaged

    def is_readable(self, path: str) -> bool:
        """Whether a file is there and can be read; its rows may be others than the committed ones."""
        return path in self._readable

    def read(self, path: str) -> pl.DataFrame:
        """Return the rows of a file, with the column that its partition stands for."""
        try:
            content = self.table.storage.read(f"{self.table.path}/{path}")
            return read_rows(content, self.table.references[path])
        except UNREADABLE as error:
            raise CannotHealError(f"{self.table.locate(path)} cannot be read any more ({error})") from error

    def read_all(self, paths: Sequence[str]) -> pl.DataFrame:
        """Return the rows of several files; an empty frame of none."""
        frames = [self.read(path) for path in paths]
        return pl.concat(frames, how="diagonal") if frames else pl.DataFrame()

    def whole_rows(self) -> pl.DataFrame:
        """Return the rows of the whole files that the newest version has."""
        return self.read_all([path for path in self.table.lineage.active if self.is_whole(path)])

    @property
    def damaged_assemblies(self) -> set[str]:
        """The assemblies with damaged files, of a table that is partitioned by assembly."""
        return {str(self.table.references[path].assembly_id) for path in self.damaged}

    def damaged_groups(self, assembly_id: str | None) -> Iterator[tuple[Group, Sequence[str]]]:
        """Yield the commits with damaged files of an assembly, oldest first, and these files."""
        for group in self.table.lineage.groups_of(assembly_id):
            paths = [each.path for each in group.files if each.path in self.damaged]
            if paths:
                yield group, paths
