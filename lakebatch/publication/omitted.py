"""What a publication leaves out because its files are damaged, in sentences for its README and metadata."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lakebatch.assembly.tables import RESULTS
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.storage.delta.damage import Fault


def sentences(snapshot: Snapshot, tables: Iterable[str]) -> list[str]:
    """Return what was left out of some tables, once they were read."""
    return list(dict.fromkeys(_each(snapshot, tables)))


def place(snapshot: Snapshot) -> str:
    """Return the beginning of each path of the lake, which says nothing to others."""
    return snapshot.tables.existing(RESULTS).uri.removesuffix(RESULTS)


def _each(snapshot: Snapshot, tables: Iterable[str]) -> Iterator[str]:
    beginning = place(snapshot)
    for name in tables:
        for fault in snapshot.tables.faults(name, snapshot.ids()):
            yield _sentence(name, fault).replace(beginning, "")


def _sentence(table: str, fault: Fault) -> str:
    whose = f"{fault.assembly_id}: left out of {table}" if fault.assembly_id else "left out"
    return f"{whose}, {fault.what}"
