"""Checks of the origin of tables: no lake copied over another, no experiment's folder copied within a lake."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from lakebatch.assembly.events import RUN_NUMBER
from lakebatch.assembly.tags import TRANSACTION as TAGGED
from lakebatch.ids import ASSEMBLY_ID
from lakebatch.maintenance.doctor.finding import Finding
from lakebatch.maintenance.inspection.table import InspectedTable
from lakebatch.storage.delta.foreign import EVENT
from lakebatch.storage.delta.log import LOST
from lakebatch.storage.delta.removal import PURGING

SEPARATE = "Remove nothing: copy each lake into a folder of its own, from where they were before."


def check_mixture(table: InspectedTable) -> Iterator[Finding]:
    """Whether all entries of the log are of one table: `cp -r` of a lake over another mixes their entries."""
    if not table.log.is_whole or any(entry.info.get("operation") == LOST for entry in table.log.entries):
        return
    for what in (*_other_ids(table), *_other_files(table), *_transactions(table)):
        yield Finding("origin", table.path, "problem", f"{what}: the log is mixed from two tables", SEPARATE)


def _other_ids(table: InspectedTable) -> Iterator[str]:
    ids = [(each["id"], entry.version) for entry in table.log.entries for each in entry.of("metaData")]
    for other, version in ids[1:]:
        if other != ids[0][0]:
            yield f"version {version} is of the table {other}, version {ids[0][1]} of {ids[0][0]}"
            return


def _other_files(table: InspectedTable) -> Iterator[str]:
    for path, version in table.lineage.removed_unknown[:1]:
        yield f"version {version} removes {path}, which no version added"


def _transactions(table: InspectedTable) -> Iterator[str]:
    """Yield a gap in the numbers of the commits of one assembly."""
    last: dict[str, int] = defaultdict(int)
    for entry in table.log.entries:
        for each in entry.of("txn"):
            name, number = str(each["appId"]), int(each["version"])
            # a vacuum and a purge advance the transactions of writers, so that these write their rows again
            expected = last[name] + (2 if entry.info.get(EVENT) in ("vacuumed", PURGING) else 1)
            if _is_numbered(name) and number != expected:
                yield f"version {entry.version} is commit {number} of {name}, after commit {last[name]}"
                return
            last[name] = number


def _is_numbered(name: str) -> bool:
    return name in (RUN_NUMBER, TAGGED) or ASSEMBLY_ID.fullmatch(name) is not None


def check_copies(ids: Mapping[str, str]) -> Iterator[Finding]:
    """Whether folders of experiments are copies of one another, by the ids of their tables."""
    folders: dict[str, list[str]] = defaultdict(list)
    for folder, table_id in ids.items():
        folders[table_id].append(folder)
    for same in folders.values():
        for copy in same[1:]:
            what = (
                f"{copy} is a copy of {same[0]}, so that every row of the lake counts twice in lake.results"
            )
            yield Finding("origin", copy, "note", what, "Move the copy out of the lake.")


def table_id(tables: Sequence[InspectedTable]) -> str | None:
    """Return the id of the first table of an experiment whose log records one."""
    for table in tables:
        for entry in table.log.entries:
            for each in entry.of("metaData"):
                return str(each["id"])
    return None
