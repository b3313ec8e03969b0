"""Data files by their names and sizes: missing, of another size, or named by no commit."""

from __future__ import annotations

from collections.abc import Collection

from lakebatch.maintenance.inspection.reference import Reference
from lakebatch.maintenance.inspection.table import InspectedTable
from lakebatch.storage.delta.vacuum import is_within


def fault_of(table: InspectedTable, reference: Reference) -> str | None:
    """Return what is wrong with a data file, judged by its name and size; None if nothing is."""
    file = table.files.get(reference.path)
    if file is None:
        is_missing = table.is_required(reference) and not _is_new(table, reference.path)
        return "is missing" if is_missing else None
    if file.fault is not None:
        return file.fault
    return None if file.size == reference.size else f"has {file.size} bytes, its log says {reference.size}"


def _is_new(table: InspectedTable, path: str) -> bool:
    """Whether a file was written after the files were listed, by a commit that was read after that."""
    folder, _, name = f"{table.path}/{path}".rpartition("/")
    return any(each.path == name for each in table.storage.files(folder))


def is_data(path: str) -> bool:
    """Whether a path within a table is that of a data file; the log and other tools begin with ``_`` or ``.``."""
    return path.endswith(".parquet") and not path.startswith(("_", "."))


def orphans(table: InspectedTable) -> list[str]:
    """Return the paths of data files that no commit names, without those of inner tables and targets of links."""
    own = [path for path in table.files if is_data(path) and not is_within(path, table.inner_tables)]
    left = [path for path in own if path not in table.references]
    return [path for path in left if path not in table.link_targets]


def foreign_partitions(table: InspectedTable, known: Collection[str]) -> list[str]:
    """Return the assemblies that have orphans but no event."""
    folders = (path.partition("/")[0].partition("=") for path in orphans(table) if "/" in path)
    return sorted({value for name, _, value in folders if name == "assembly_id"} - set(known))
