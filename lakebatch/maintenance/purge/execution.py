"""The steps of a purge.

First an event says what is to be purged and why. Then the tables lose the files in commits, then the files are deleted,
bundles first, and then a second event says that it is done. A purge that is stopped in between is named by `doctor` and by
readers, and goes on when it is called again. No step can be undone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import polars as pl

from lakebatch._text import redacted
from lakebatch._version import __version__
from lakebatch.assembly import labels, purges
from lakebatch.assembly.decisions import DISCARDED, decide
from lakebatch.assembly.purges import Purge
from lakebatch.assembly.record import Assembly, now
from lakebatch.assembly.tables import RESULTS, ExperimentTables
from lakebatch.errors import AssemblyError, ConfigError
from lakebatch.ids import canonical_json
from lakebatch.maintenance.published import purge as published
from lakebatch.maintenance.purge.holdings import Holding, bundles_of, holdings
from lakebatch.maintenance.purge.refusal import check_purgeable, check_untagged
from lakebatch.storage.delta import removal
from lakebatch.storage.delta.foreign import EVENT
from lakebatch.storage.place import StoredFile

COLUMNS: dict[str, pl.DataType] = {
    "experiment": pl.String(),
    "table": pl.String(),
    "assembly_id": pl.String(),
    "files": pl.Int64(),
    "rows": pl.Int64(),
    "bytes": pl.Int64(),
}
BUNDLES = "bundles"
METADATA = {"lakebatch.code_version": __version__}


def purge(
    experiment: ExperimentTables, assembly_id: str, reason: str = "", *, dry_run: bool = True
) -> pl.DataFrame:
    """Remove the files of a discarded assembly for good, and return what is removed.

    The log of each table stays valid, and the events keep a summary: the counts, the reason, and fingerprints with which a
    later computation can be compared. Past states that had the assembly name the purge as a gap.

    Parameters
    ----------
    reason : str
        Why; a purge that was stopped goes on with its recorded reason.

    Returns
    -------
    frame
        One row per table with files of the assembly: the files, their bytes, and the rows of the newest version. Empty
        if nothing is left.

    Raises
    ------
    AssemblyError
        If the assembly is not discarded, a process may still work on it, a tag needs it, or one of its folders is a link.
    ConfigError
        If a reason is needed and empty.
    """
    assembly = experiment.log.get(assembly_id)
    assembly_id = assembly.assembly_id  # a name may have been given
    check_purgeable(experiment, assembly)
    held = holdings(experiment, assembly_id)
    bundles = bundles_of(experiment, assembly_id)
    found = _to_frame(experiment, assembly_id, held, bundles)
    if assembly.purge is None and not reason.strip():
        raise ConfigError("The reason is empty. Say why with reason=TEXT (--reason).")
    is_left = not found.is_empty() or assembly.purge is None or not assembly.purge.done
    if not dry_run and is_left:
        _execute(experiment, assembly, reason, held, bundles)
    return found


def _execute(
    experiment: ExperimentTables,
    assembly: Assembly,
    reason: str,
    held: Sequence[Holding],
    bundles: Sequence[StoredFile],
) -> None:
    experiment.check_folders((RESULTS, "assemblies"), assembly.assembly_id)
    begun = assembly.purge or _begin(experiment, assembly, reason, held)
    for each in held:
        removal.remove(each.table, assembly.assembly_id, METADATA)
    left = [path for each in holdings(experiment, assembly.assembly_id) for path in _removable(each)]
    experiment.storage.remove_each([*(file.path for file in bundles), *left])
    published.purge(experiment, assembly.assembly_id)
    _end(experiment, begun)


def _removable(held: Holding) -> list[str]:
    """Return the paths of the files that may be deleted.

    A writer that was stopped before its commit can still have written one of them. So a commit to its transaction makes it
    look again and write its rows once more, and a file that it has committed stays: `doctor` names these rows.
    """
    if not held.stored:
        return []
    held.table.mark(
        METADATA | {EVENT: removal.PURGING, removal.ASSEMBLY: held.assembly_id}, advance=[held.assembly_id]
    )
    active = {
        f"{held.table.path}/{file.path}" for file in removal.own_files(held.table.at(), held.assembly_id)
    }
    return [file.path for file in held.stored if file.path not in active]


def _begin(experiment: ExperimentTables, assembly: Assembly, reason: str, held: Sequence[Holding]) -> Purge:
    """Record that the purge begins, and return it; that of another process if it was first."""
    tables = {each.name: each.summary() for each in held if not each.is_empty()}
    planned = Purge(
        assembly.assembly_id,
        now(),
        labels.user(),
        redacted(reason),
        assembly.parts_done,
        tables=tables,
    )
    begun = _record(experiment, planned, f"purge begins: {reason}", lambda latest: latest.purge is not None)
    try:
        check_untagged(experiment, assembly.assembly_id)  # a tag may have been set since the first look
    except AssemblyError as error:
        _withdraw(experiment, assembly.assembly_id, str(error))
        raise
    return begun.purge or planned


def _end(experiment: ExperimentTables, begun: Purge) -> None:
    """Record that all is removed; once more if rows came after the end of a purge."""
    text = f"purged{' again' if begun.done else ''}: {begun.reason}"
    done = replace(begun, done=True)
    _record(
        experiment, done, text, lambda latest: latest.purge == done and not begun.done, rows=0, parts_done=0
    )


def _record(
    experiment: ExperimentTables, purge: Purge, text: str, unless: Callable[[Assembly], bool], **changes: int
) -> Assembly:
    """Record an event of a purge."""
    latest = experiment.log.get(purge.assembly_id)
    signed = {labels.USER: labels.user(), purges.KEY: purge.record()}
    environment = canonical_json(latest.surroundings | signed)
    return decide(
        experiment,
        latest,
        "discarded",
        text,
        after=DISCARDED,
        unless=unless,
        environment=environment,
        **changes,
    )


def _withdraw(experiment: ExperimentTables, assembly_id: str, reason: str) -> None:
    """Record that a purge that has removed nothing will not be done."""
    latest = experiment.log.get(assembly_id)
    left = {name: value for name, value in latest.surroundings.items() if name != purges.KEY}
    text = f"purge withdrawn: {reason}"
    decide(experiment, latest, "discarded", text, after=DISCARDED, environment=canonical_json(left))


def _to_frame(
    experiment: ExperimentTables, assembly_id: str, held: Sequence[Holding], bundles: Sequence[StoredFile]
) -> pl.DataFrame:
    rows = [
        (experiment.reference, each.name, assembly_id, len(each.stored), each.rows, each.bytes)
        for each in held
        if not each.is_empty()
    ]
    if bundles:
        size = sum(file.size for file in bundles)
        rows.append((experiment.reference, BUNDLES, assembly_id, len(bundles), 0, size))
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")
