"""Repair of checkpoints and of the pointer to them, from the entries of a log."""

from __future__ import annotations

from collections.abc import Iterator

from lakebatch.maintenance.inspection.table import InspectedTable
from lakebatch.maintenance.repair.outcome import CannotHealError, Outcome, healed
from lakebatch.storage.delta import checkpoints
from lakebatch.storage.delta.log import CHECKPOINT, FOLDER, POINTER, Fault, checkpoint_name

REWRITTEN = "written again from the entries of the log"


def heal_log(table: InspectedTable, *, dry_run: bool) -> Iterator[Outcome]:
    """Yield the outcome of each damaged file of a log."""
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
    for each in derived:
        yield Outcome(healed(dry_run), table.path, f"{each.file} {each.what}", REWRITTEN)


def _versions(table: InspectedTable, derived: list[Fault]) -> list[int]:
    """Return the versions of the checkpoints to write; the pointer will lead to the last one."""
    if not table.log.is_whole or not table.log.entries:
        raise CannotHealError("entries of the log are lost, from which it would be written")
    damaged = {fault.version for fault in derived if fault.version is not None}
    present = [int(match[1]) for each in table.log.files if (match := CHECKPOINT.fullmatch(each.path))]
    lost = {each for each in damaged if each <= table.log.newest}
    newest = max((each for each in present if each <= table.log.newest), default=table.log.newest)
    return sorted({*lost, newest})


def _write(table: InspectedTable, derived: list[Fault], versions: list[int]) -> None:
    """Remove damaged checkpoints, and the pointer, so that readers start at the first entry; then write both."""
    # all files of a damaged checkpoint: sidecars may belong to others, and no reader looks for them
    damaged = {fault.version for fault in derived}
    matches = [(match, each.path) for each in table.log.files if (match := CHECKPOINT.fullmatch(each.path))]
    files = [path for match, path in matches if int(match[1]) in damaged]
    # the engine overwrites neither a checkpoint nor the pointer
    rewritten = (checkpoint_name(version) for version in versions)
    for name in dict.fromkeys([POINTER, *files, *rewritten]):
        table.storage.remove(f"{table.path}/{FOLDER}/{name}")
    for version in versions:
        checkpoints.write_at(table.storage.join(table.path), table.storage.options, version)
