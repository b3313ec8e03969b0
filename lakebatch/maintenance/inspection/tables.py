"""The tables of an experiment, with those of frames, as their files and logs describe them."""

from __future__ import annotations

import warnings

from lakebatch import _process as process
from lakebatch.assembly.tables import FRAMES, PUBLISHED, ExperimentTables
from lakebatch.columns import NAME
from lakebatch.errors import DamageWarning
from lakebatch.maintenance.inspection.table import InspectedTable
from lakebatch.storage.delta import log as deltalog
from lakebatch.storage.delta.schema import table_names
from lakebatch.storage.place import StoredFile


def inspected_tables(stored: ExperimentTables) -> dict[str, InspectedTable]:
    """Return the tables of an experiment by name; those of frames as ``frames/NAME``.

    Raises
    ------
    ForkError
        If this process was forked from one whose engines had been called.
    """
    process.check_fork()
    below: dict[str, list[StoredFile]] = {}
    for file in stored.storage.files(stored.folder):
        name, _, path = file.path.partition("/")
        if name == FRAMES:
            inner, _, path = path.partition("/")
            name = f"{FRAMES}/{inner}"
        if path:
            below.setdefault(name, []).append(StoredFile(path, file.size, file.at, file.fault))
    found = {name: InspectedTable(stored.storage, stored.folder, name, below[name]) for name in sorted(below)}
    return {name: each for name, each in found.items() if _is_table(each)}


def _is_table(table: InspectedTable) -> bool:
    """Whether a folder is a table of lakebatch: built-in, of frames, or an own one."""
    name = table.name
    if name in table_names() or name.startswith(f"{FRAMES}/"):
        return True
    return NAME.fullmatch(name) is not None and name != PUBLISHED and table.is_own


def has_unreadable_log(table: InspectedTable) -> bool:
    """Whether the log has something that is no file, or is too large, so that no engine may open the table."""
    return any(deltalog.fault_of(each) for each in table.log.files)


def tagged_versions(stored: ExperimentTables, name: str) -> list[int]:
    """Return the tagged versions of a table, from all tags that can be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamageWarning)
        found = [each.versions().get(name) for each in stored.tag_log.all()]
    return [each for each in found if each is not None]
