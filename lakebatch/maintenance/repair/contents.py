"""The rows in a table's data files, and which of the files are damaged."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import polars as pl

from lakebatch.maintenance.doctor.files import fault_of
from lakebatch.maintenance.doctor.lineage import Group
from lakebatch.maintenance.doctor.table import ExaminedTable
from lakebatch.maintenance.doctor.values import UNREADABLE, Prints
from lakebatch.maintenance.repair.outcome import CannotHealError, Outcome
from lakebatch.storage.delta.log import READABLE
from lakebatch.storage.local import DANGLING

BRING_BACK = "Bring back what it leads to; if that is lost, remove the link and repeat the command."


class Contents:
    """The data files of one table, each of which was read to its end.

    Attributes
    ----------
    damaged : dict
        What is wrong with a file that some version needs, by path.
    out_of_reach : dict
        Why it cannot be told whether a file is damaged, and what to do, by path.
    """

    def __init__(self, table: ExaminedTable) -> None:
        self.table = table
        self._prints = Prints(table)
        self.damaged: dict[str, str] = {}
        self.out_of_reach = {path: (reason, READABLE) for path, reason in self._prints.out_of_reach.items()}
        for reference in table.references.values():
            what = fault_of(table, reference)
            if what and what.startswith(DANGLING):
                self.out_of_reach[reference.path] = f"{table.locate(reference.path)} {what}", BRING_BACK
            elif what:
                self.damaged[reference.path] = what
        for path, reason in self._prints.faults.items():
            self.damaged[path] = f"cannot be read ({reason})"
        for reference in self._prints.changed():
            self.damaged[reference.path] = "holds other values than were committed"

    def aside(self) -> Iterator[Outcome]:
        """Yield the files that are left as they are, since they may be whole."""
        for path, (what, how) in self.out_of_reach.items():
            yield Outcome("stays damaged", self.table.path, what, how, self.table.locate(path))

    def is_whole(self, path: str) -> bool:
        """Whether a file is there with the rows that were committed."""
        return path in self._prints.known and path not in self.damaged

    def is_readable(self, path: str) -> bool:
        """Whether a file is there with rows, whatever they are."""
        return path in self._prints.known

    def read(self, path: str) -> pl.DataFrame:
        """Return the rows of a file, with the column that its partition stands for."""
        reference = self.table.references[path]
        try:
            rows = pl.read_parquet(
                io.BytesIO(self.table.storage.read(f"{self.table.path}/{path}")), hive_partitioning=False
            )
        except UNREADABLE as error:
            raise CannotHealError(f"{self.table.locate(path)} cannot be read any more ({error})") from error
        if reference.assembly_id is None:
            return rows
        return rows.with_columns(assembly_id=pl.lit(reference.assembly_id))

    def whole_rows(self) -> Iterator[pl.DataFrame]:
        """Yield the rows of each file that is whole and that the newest version has."""
        for path in self.table.lineage.active:
            if self.is_whole(path):
                yield self.read(path)

    @property
    def damaged_assemblies(self) -> set[str]:
        """Whose files are damaged, of a table that is partitioned by assembly."""
        return {str(self.table.references[path].assembly_id) for path in self.damaged}

    def damaged_groups(self, assembly_id: str | None) -> Iterator[tuple[Group, Sequence[str]]]:
        """Yield the commits whose files of an assembly are damaged, oldest first, with these files."""
        for group in self.table.lineage.groups_of(assembly_id):
            paths = [each.path for each in group.files if each.path in self.damaged]
            if paths:
                yield group, paths
