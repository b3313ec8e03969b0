"""What `resume` goes on with: an assembly or a sweep, named or the newest that is not finished."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from lakebatch.assembly import replica_sets
from lakebatch.assembly.record import NOTHING_TO_RESUME, is_resumable
from lakebatch.assembly.sweep_claims import Replicate
from lakebatch.errors import AssemblyError, ConfigError, UnknownNameError
from lakebatch.ids import ASSEMBLY_ID
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.lake.lake import Lake
from lakebatch.snapshot.sweeps import of_snapshot
from lakebatch.storage.delta import omissions


@dataclass(frozen=True)
class Resumable:
    """An assembly or, without one, a sweep of an experiment."""

    experiment: str
    assembly: str = ""
    sweep: str | None = None


def choose(lake: Lake, name: str | None = None, which: str | None = None) -> Resumable:
    """Return what to resume.

    Parameters
    ----------
    name : str, optional
        An experiment, or a sweep of any experiment.
    which : str, optional
        An assembly or a sweep of the experiment; by default the newest unfinished one.

    Raises
    ------
    AssemblyError
        If nothing is unfinished.
    UnknownNameError
        If there is nothing of this name.
    """
    if name is not None and which is None and (sweep := _sweep_of_any(lake, name)):
        return sweep
    if name is not None and which is not None:
        is_assembly = ASSEMBLY_ID.fullmatch(which) is not None or which not in _sweep_names(lake[name])
        return Resumable(name, which) if is_assembly else Resumable(name, sweep=which)
    found = list(_unfinished(lake, name))
    if not found:
        raise AssemblyError(NOTHING_TO_RESUME)
    return max(found, key=lambda each: each[0])[1]


def _sweep_names(stored: StoredExperiment) -> list[str]:
    return [each.name for each in stored.sweep_log.all()]


def _sweep_of_any(lake: Lake, name: str) -> Resumable | None:
    """Return the sweep of a name, if no experiment has this name."""
    if name in lake:
        return None
    having = [each.reference for each in lake.begun() if name in _sweep_names(each)]
    if len(having) > 1:
        raise ConfigError(
            f"Several experiments have a sweep {name!r}: {', '.join(having)}. "
            f"Name the experiment too: lakebatch resume {having[0]} {name}"
        )
    if not having:
        _refuse_unknown(lake, name)
    return Resumable(having[0], sweep=name)


def _refuse_unknown(lake: Lake, name: str) -> None:
    try:
        lake[name]
    except UnknownNameError as error:
        raise UnknownNameError(f"{str(error).rstrip('.')}. No sweep has this name either.") from None


def _unfinished(lake: Lake, name: str | None) -> Iterator[tuple[datetime, Resumable]]:
    """Yield the unfinished assemblies and sweeps of one experiment or the lake, each with the time of its last event."""
    if name is not None:
        yield from _unfinished_of(lake[name])
        return
    for stored in lake:
        with omissions.warn_and_skip(stored.reference):
            yield from list(_unfinished_of(stored))


def _unfinished_of(stored: StoredExperiment) -> Iterator[tuple[datetime, Resumable]]:
    snapshot = stored.snapshot()
    in_sweeps: set[str] = set()
    for sweep in snapshot.sweeps:
        found = of_snapshot(snapshot, sweep)
        if any(each.may_begin for each in found if _is_planned(each, sweep.replicates)):
            begun = [each.assembly for each in found if each.assembly is not None]
            in_sweeps |= {each.assembly_id for each in begun}
            times = [*(each.at for each in begun), *([sweep.at] if sweep.at else [])]
            yield max(times), Resumable(stored.reference, sweep=sweep.name)
    if open_set := replica_sets.newest_unfinished(snapshot.assemblies):
        yield open_set.at, Resumable(stored.reference, open_set.assembly_id)
    for each in snapshot.assemblies:
        if is_resumable(each) and each.assembly_id not in in_sweeps:
            yield each.at, Resumable(stored.reference, each.assembly_id)


def _is_planned(replicate: Replicate, count: int) -> bool:
    return not replicate.point.dropped and replicate.number <= count
