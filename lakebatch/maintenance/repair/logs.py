"""Checkpoints and the pointer to them, written anew from the entries of a log."""

from __future__ import annotations

from collections.abc import Iterator

from lakebatch.maintenance.doctor.table import ExaminedTable
from lakebatch.maintenance.repair.outcome import CannotHealError, Outcome, State
from lakebatch.storage.delta import checkpoints
from lakebatch.storage.delta.log import CHECKPOINT, FOLDER, POINTER, Fault, checkpoint_name

ANEW = "written anew from the entries of the log"


def heal_log(table: ExaminedTable, *, dry_run: bool) -> Iterator[Outcome]:
    """Yield what becomes of each damaged file of a log."""
    for fault in table.log.faults:
        if not fault.is_harmless and not fault.is_derived:
            yield Outcome("stays damaged", table.path, f"{fault.file} {fault.what}", fault.advice)
    derived = [fault for fault in table.log.faults if fault.is_derived]
    if not derived:
        return
    try:
        versions = _versions(table, derived)
        if not dry_run:
            _write(table, derived, versions)
    except CannotHealError as error:
        yield from (
            Outcome("stays damaged", table.path, f"{each.file} {each.what}", str(error)) for each in derived
        )
        return
    state: State = "can be healed" if dry_run else "healed"
    for each in derived:
        yield Outcome(state, table.path, f"{each.file} {each.what}", ANEW)


def _versions(table: ExaminedTable, derived: list[Fault]) -> list[int]:
    """Return which checkpoints to write, the newest last, to which the pointer leads then."""
    if not table.log.is_whole or not table.log.entries:
        raise CannotHealError("entries of the log are lost, from which it would be written")
    names = {fault.file.rpartition("/")[2] for fault in derived}
    damaged = {match[0]: int(match[1]) for name in names if (match := CHECKPOINT.fullmatch(name))}
    if any(name != checkpoint_name(version) for name, version in damaged.items()):
        raise CannotHealError("it is one of several files of a checkpoint, as other tools write them")
    there = [int(match[1]) for each in table.log.files if (match := CHECKPOINT.fullmatch(each.path))]
    due = {each for each in damaged.values() if each <= table.log.newest}
    newest = max((each for each in there if each <= table.log.newest), default=table.log.newest)
    return sorted({*due, newest})


def _write(table: ExaminedTable, derived: list[Fault], versions: list[int]) -> None:
    """Remove what is damaged, and the pointer, without which a log is read from its first entry; then write both."""
    damaged = (fault.file.rpartition("/")[2] for fault in derived)
    anew = (
        checkpoint_name(version) for version in versions
    )  # the engine leaves one that is there, and the pointer
    for name in dict.fromkeys([POINTER, *damaged, *anew]):
        table.storage.remove(f"{table.path}/{FOLDER}/{name}")
    for version in versions:
        checkpoints.write_at(table.storage.join(table.path), table.storage.options, version)
