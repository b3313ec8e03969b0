"""What a publication leaves out, in sentences for its README and metadata."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from lakebatch.artifacts import ARTIFACTS
from lakebatch.assembly.tables import RESULTS
from lakebatch.columns import DATA
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.storage.delta.damage import Fault


def sentences(snapshot: Snapshot, tables: Iterable[str]) -> list[str]:
    """Return what was left out of some tables, once they were read."""
    return list(dict.fromkeys(_each(snapshot, tables)))


def left_out(snapshot: Snapshot, tables: Collection[str]) -> list[str]:
    """Return what was not asked for, and what no publication has, each with the reason."""
    ids = snapshot.ids()
    counts = {each: snapshot.rows_by_assembly(each) for each in DATA}
    rows = {name: sum(known.get(each, 0) for each in ids) for name, known in counts.items()}
    found = [
        f"{name}: {rows[name]} rows, a large table that was not asked for (publish --with {name})"
        for name in DATA
        if rows[name] and name not in tables
    ]
    if ARTIFACTS in tables:
        found.append(
            "contents of artifacts: they may hold anything; data/artifacts.csv lists them with their SHA-256"
        )
    return [*found, "logs and saved frames: they may name users, machines and paths"]


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
