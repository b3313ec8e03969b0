"""Which files of the published table are written anew, and from what.

New assemblies come as one file, and with them every file that has no more rows than all that is written anyway. So there
are only about as many files as the number of assemblies has binary digits, and a row is written about as often.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lakebatch.maintenance.published.contents import Content, Entries, Wanted, contents, total
from lakebatch.storage.delta.version import DataFile, TableVersion

MAX_BYTES = 32 * 1024 * 1024
"""Size from which a new file is begun."""
SMALL_BYTES = MAX_BYTES // 2
"""Size up to which a file is merged with others."""


@dataclass(frozen=True)
class Kept:
    """Rows of a file that are copied into a new one."""

    file: DataFile
    entries: Entries
    chosen: frozenset[str]


@dataclass(frozen=True)
class Rewrite:
    """Files that leave the table, the rows of them that are copied, and the assemblies whose rows come from the results."""

    wanted: Wanted
    removed: tuple[DataFile, ...]
    kept: tuple[Kept, ...]
    missing: tuple[str, ...]
    has_new_columns: bool


def plan(state: TableVersion, wanted: Wanted, *, merge: bool, anew: bool = False) -> Rewrite | None:
    """Return what brings a state of the table to the wanted rows; None if it has them.

    Parameters
    ----------
    merge : bool
        Merge all small files.
    anew : bool
        Copy no row of the table: one of its files is damaged.
    """
    found = [Content(each, None) for each in state.data_files()] if anew else contents(state)
    if not wanted.layout.has_columns_of(state):
        files = tuple(each.file for each in found)
        return Rewrite(wanted, files, (), tuple(wanted.entries), has_new_columns=True)
    known = total(found)
    right = {name for name, entry in wanted.entries.items() if known.get(name) == entry}
    dirty = [each for each in found if each.entries is None or not right.issuperset(each.entries)]
    missing = tuple(name for name in wanted.entries if name not in right)
    clean = [each for each in found if each not in dirty]
    copied = _kept(dirty, right)
    begun = sum(wanted.entries[name].rows for name in missing) + _rows(copied)
    if not (missing or dirty or merge):
        return None
    merged = _small(clean) if merge else _outgrown(clean, begun)
    if not (missing or dirty) and len(merged) < 2:
        return None
    return Rewrite(
        wanted,
        tuple(each.file for each in (*dirty, *merged)),
        (*copied, *_kept(merged, right)),
        missing,
        has_new_columns=False,
    )


def _kept(files: Iterable[Content], right: set[str]) -> tuple[Kept, ...]:
    known = ((each, frozenset(right.intersection(each.entries))) for each in files if each.entries)
    return tuple(Kept(each.file, each.entries or {}, chosen) for each, chosen in known if chosen)


def _rows(kept: Iterable[Kept]) -> int:
    return sum(each.entries[name].rows for each in kept for name in each.chosen)


def _small(files: Sequence[Content]) -> list[Content]:
    return [each for each in files if each.file.size < SMALL_BYTES]


def _outgrown(files: Sequence[Content], rows: int) -> list[Content]:
    """Return the small files that have no more rows than all that is written before them."""
    chosen = []
    for each in sorted(_small(files), key=lambda each: (each.file.rows, each.file.path)):
        if each.file.rows > rows:
            break
        chosen.append(each)
        rows += each.file.rows
    return chosen
