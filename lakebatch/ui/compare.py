"""The page that compares two to twelve assemblies, also of different experiments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lakebatch.assembly.metrics import Metric
from lakebatch.assembly.record import from_rows
from lakebatch.errors import ConfigError, UnknownNameError
from lakebatch.experiment.provenance import SOURCE_HASH
from lakebatch.ids import FOLDER
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.lake.lake import Lake
from lakebatch.snapshot import source_diff
from lakebatch.snapshot.mixture import NOT_SET
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.ui import commands, compare_metrics
from lakebatch.ui.code import CodeDiff, diff
from lakebatch.ui.compared import Compared
from lakebatch.ui.page import Page
from lakebatch.ui.page_state import PageState

MAX = 12
"""Assemblies on one page."""
MAX_OFFERED = 200


@dataclass(frozen=True)
class Table:
    """The values of some keys in each assembly: those that differ, and those that are the same."""

    differing: list[tuple[str, list[str]]]
    same: list[tuple[str, str]]


def compare(lake: Lake, state: PageState) -> Page:
    """Return the page of a comparison; the address names the assemblies as ``with=FOLDER/ID``."""
    found = compared(lake, state)
    metric = next(iter(state.viewed("metric")), None)
    metrics = common_metrics(found)
    chosen = _metric(metrics, metric)
    return Page(
        "compare",
        "Comparison" if len(found) > 1 else "Choose what to compare with",
        {
            "compared": found,
            "states": [each.snapshot.state(each.assembly) for each in found],
            "config": table([each.config for each in found]),
            "metrics": metrics,
            "metric": chosen,
            "means": compare_metrics.means(found, chosen),
            "shifts": compare_metrics.shifts_of(found, chosen),
            "diffs": list(diffs(found)),
            "environment": table([each.software for each in found]),
            "offered": list(offered(found)),
            "without": lambda each: without(found, each),
            "number": compare_metrics.number,
        },
        command=commands.compare(found, state, chosen),
        python=commands.compare_in_python(found, state, chosen),
    )


def compared(lake: Lake, state: PageState) -> list[Compared]:
    """Return the assemblies that an address names, each once, in that order.

    Raises
    ------
    ConfigError
        If there is none, or there are too many.
    """
    named = list(dict.fromkeys(state.viewed("with")))
    if not 1 <= len(named) <= MAX:
        raise ConfigError(
            f"The address names {len(named)} assemblies to compare. Expected 1 to {MAX}, each as with=FOLDER/ID."
        )
    snapshots: dict[str, tuple[StoredExperiment, Snapshot]] = {}
    found = [_compared(lake, state, each, snapshots) for each in named]
    return [replace(each, is_of_several=len(snapshots) > 1) for each in found]


def _compared(
    lake: Lake, state: PageState, name: str, snapshots: dict[str, tuple[StoredExperiment, Snapshot]]
) -> Compared:
    folder, _, assembly_id = name.partition("/")
    if not FOLDER.fullmatch(folder) or not assembly_id:
        raise UnknownNameError(f"{name!r} is no assembly to compare. Expected FOLDER/ID.")
    if folder not in snapshots:
        snapshots[folder] = (stored := lake[folder]), stored.at(state.selection.moment)
    stored, snapshot = snapshots[folder]
    return Compared(stored, snapshot, snapshot.assembly(assembly_id))


def table(trees: Sequence[Mapping[str, str]]) -> Table:
    """Return the values of each key in some assemblies, differing ones apart.

    >>> table([{"a": "1", "b": "2"}, {"b": "2"}])
    Table(differing=[('a', ['1', 'not set'])], same=[('b', '2')])
    """
    keys = dict.fromkeys(key for each in trees for key in each)
    rows = [(key, [each.get(key, NOT_SET) for each in trees]) for key in keys]
    return Table(
        [(key, values) for key, values in rows if len(set(values)) > 1],
        [(key, values[0]) for key, values in rows if len(set(values)) == 1],
    )


def common_metrics(found: Sequence[Compared]) -> list[Metric]:
    """Return the metrics that all experiments have, in the order of the first one."""
    known = [each.snapshot.roles.names for each in found]
    return [each for each in found[0].snapshot.roles.metrics if all(each.name in names for names in known)]


def _metric(metrics: Sequence[Metric], name: str | None) -> Metric | None:
    """Return the metric of a name, by default the first; None without any."""
    if name is None:
        return next(iter(metrics), None)
    for each in metrics:
        if each.name == name:
            return each
    known = ", ".join(each.name for each in metrics) or "none"
    raise UnknownNameError(f"The assemblies have no metric {name!r} in common. They have: {known}.")


def diffs(found: Sequence[Compared]) -> Iterator[CodeDiff]:
    """Yield the differences from the code of the first assembly to that of each other."""
    first, *others = found
    for each in others:
        title = f"From {first.label} to {each.label}"
        if not all(SOURCE_HASH in one.assembly.surroundings for one in (first, each)):
            yield CodeDiff(title, [("same", "The source of one of the two is not recorded.")])
            continue
        text = source_diff.between_assemblies(
            first.assembly, first.snapshot.source_files, each.assembly, each.snapshot.source_files
        )
        yield diff(title, text)


def offered(found: Sequence[Compared]) -> Iterator[tuple[str, str]]:
    """Yield key and label of the assemblies of the same experiments that could be added, newest first."""
    taken = {each.key for each in found}
    for each in {one.folder: one for one in found}.values():
        newest = each.snapshot.last_events.tail(MAX_OFFERED).reverse()
        for other in from_rows(newest, each.snapshot.leases):
            added = replace(each, assembly=other)
            if added.key not in taken:
                yield added.key, f"{added.label}, {each.snapshot.state(other)}"


def without(found: Sequence[Compared], left_out: Compared) -> list[tuple[str, str]]:
    """Return folder and id of all but one of the compared assemblies."""
    return [(each.folder, each.assembly.assembly_id) for each in found if each is not left_out]
