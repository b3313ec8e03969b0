"""The rows in a table's data files, and which of the files are damaged."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import polars as pl

from lakebatch.doctor.files import fault_of
from lakebatch.doctor.lineage import Group
from lakebatch.doctor.table import ExaminedTable
from lakebatch.doctor.values import UNREADABLE, Prints
from lakebatch.repair.outcome import CannotHealError


class Contents:
    """The data files of one table, each of which was read to its end.

    Attributes
    ----------
    damaged : dict
        What is wrong with a file that some version needs, by path.
    """

    def __init__(self, table: ExaminedTable) -> None:
        self.table = table
        self._prints = Prints(table)
        self.damaged: dict[str, str] = {}
        for reference in table.references.values():
            if what := fault_of(table, reference):
                self.damaged[reference.path] = what
        for path, reason in self._prints.faults.items():
            self.damaged[path] = f"cannot be read ({reason})"
        for reference in self._prints.changed():
            self.damaged[reference.path] = "holds other values than were committed"

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

    def damaged_groups(self) -> Iterator[tuple[Group, Sequence[str]]]:
        """Yield the commits whose files are damaged, oldest first, with these files."""
        for group in self.table.lineage.groups:
            paths = [each.path for each in group.files if each.path in self.damaged]
            if paths:
                yield group, paths
