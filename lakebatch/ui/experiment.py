"""The page of one experiment: what it is, its numbers and pictures now, and its history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakebatch.assembly import replica_sets
from lakebatch.assembly.record import Assembly, from_rows
from lakebatch.columns import DATA
from lakebatch.errors import LakebatchError
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.lake.lake import Lake
from lakebatch.snapshot.mixture import differing, key_texts
from lakebatch.snapshot.moment import Moment
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.snapshot.summary import history
from lakebatch.snapshot.sweeps import sweep_table
from lakebatch.ui import commands, pictures, titles
from lakebatch.ui.assembly import of_sets
from lakebatch.ui.page import Page
from lakebatch.ui.page_state import PageState

if TYPE_CHECKING:
    from lakebatch.analysis.report.content import Content

SECTIONS = ("experiment", "findings", "results", "statistics")
"""The sections of the report that the page shows, by key."""
MAX_EVENTS = 200
MAX_KEYS = 30
FIRST_ROWS = 10


@dataclass(frozen=True)
class Findings:
    """What the report says of the selected assemblies, or why it says nothing."""

    content: Content | None
    problem: str = ""

    @property
    def sections(self) -> list[Any]:
        """The sections that the page shows."""
        known = {} if self.content is None else {each.key: each for each in self.content.sections}
        return [known[key] for key in SECTIONS if key in known]


def experiment(lake: Lake, state: PageState, folder: str) -> Page:
    """Return the page of an experiment version, as it was at the moment of the state."""
    stored = lake[folder]
    snapshot = stored.at(state.selection.moment)
    found = findings(stored, state)
    drawn = list(pictures.figures(stored, state)) if found.content else []
    return Page(
        "experiment",
        stored.reference,
        {
            "folder": folder,
            "reference": stored.reference,
            "snapshot": snapshot,
            "dataset": snapshot.select(state.selection, may_be_empty=True).describe(),
            "findings": found,
            "contents": contents(found, drawn),
            "counts": counts(snapshot),
            "pictures": drawn,
            "metrics": [(each.name, each.label) for each in snapshot.roles.metrics],
            "by": dict(colours(snapshot)),
            "view": dict(state.view),
            "titles": titles.of_columns(snapshot),
            "tables": list(tables(snapshot)),
            "own_tables": dict(first_rows(snapshot)),
            "events": list(events(snapshot)),
            "left_out": max(0, snapshot.events.height - MAX_EVENTS),
            "tags": list(tags(stored, state)),
            "sweeps": list(sweep_table(snapshot).iter_rows(named=True)),
            "sets": replicate_sets(snapshot),
            "at_time": lambda time: state.at(Moment(time=time)),
            "at_tag": lambda tag: state.at(Moment(tag=tag)),
            "versions": other_versions(stored),
        },
        command=commands.experiment(stored.reference, state),
        python=commands.experiment_in_python(stored.reference, state),
    )


def findings(stored: StoredExperiment, state: PageState) -> Findings:
    """Return the content of the report of a selection, without its pictures drawn."""
    chosen = pictures.options(state)
    try:
        return Findings(pictures.drawing(stored, state, chosen.by).report(chosen).content)
    except LakebatchError as error:
        return Findings(None, str(error))


def contents(found: Findings, drawn: Sequence[pictures.Figure]) -> list[tuple[str, str, bool]]:
    """Return key and title of each section in the order of the page: pictures stand before statistics."""
    keys = [(each.key, each.title, True) for each in found.sections]
    place = len(keys) - (keys[-1:] == [("statistics", "Statistics", True)])
    return [*keys[:place], ("pictures", "Pictures", bool(drawn)), *keys[place:]]


def counts(snapshot: Snapshot) -> list[tuple[str, int]]:
    """Return the number of assemblies in each state."""
    completed = snapshot.last_events.height - len(snapshot.not_completed)
    states = [snapshot.state(each) for each in snapshot.not_completed]
    others = [(each, states.count(each)) for each in dict.fromkeys(states)]
    return [("completed", completed), *others] if completed else others


def colours(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Yield what colours of pictures can show, with its name: groups, configs, and config keys that differ."""
    yield from ((name, snapshot.roles.word(name)) for name in snapshot.roles.groups)
    trees = [key_texts(each.settings) for each in _of_each_config(snapshot)]
    keys = list(differing(trees))[:MAX_KEYS]
    if keys:
        yield "config", "config"
    yield from ((key, f"config key {key}") for key in keys)


def _of_each_config(snapshot: Snapshot) -> list[Assembly]:
    return from_rows(snapshot.last_events.unique("config_hash", keep="first", maintain_order=True))


def tables(snapshot: Snapshot) -> Iterator[tuple[str, int, str]]:
    """Yield name, number of rows and columns of each table that has rows of the assemblies."""
    ids = set(snapshot.last_events["assembly_id"])
    for name in snapshot.tables.names:
        if snapshot.table(name) is not None:
            rows = sum(count for each, count in snapshot.rows_by_assembly(name).items() if each in ids)
            columns = ", ".join(column.name for column in snapshot.schema(name).columns)
            yield name, rows, columns


def first_rows(snapshot: Snapshot) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the first rows of each table that the experiment declares, with its columns; or why they cannot be read."""
    for name in snapshot.tables.names:
        if name in DATA or snapshot.table(name) is None:
            continue
        try:
            rows = snapshot.collected(None, lambda rows: rows.head(FIRST_ROWS), table=name, on_gap="ignore")
        except LakebatchError as error:
            yield name, {"columns": [], "rows": [], "problem": str(error)}
        else:
            named = titles.of_columns(snapshot, name)
            yield name, {"columns": rows.columns, "rows": rows.rows(), "titles": named, "problem": ""}


def events(snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    """Yield the newest events, the newest first, each with the version of the results after it."""
    yield from history(snapshot.events).tail(MAX_EVENTS).reverse().iter_rows(named=True)


def tags(stored: StoredExperiment, state: PageState) -> Iterator[dict[str, Any]]:
    """Yield the tags of states up to the moment, the newest first."""
    version = stored.at(state.selection.moment).version
    known = [each for each in stored.tag_log.all() if each.results_version <= version]
    for each in sorted(known, key=lambda each: each.at, reverse=True):
        yield {"tag": each.tag, "at": each.at, "note": each.note or "", "version": each.results_version}


def replicate_sets(snapshot: Snapshot) -> list[tuple[list[Assembly], str]]:
    """Return the sets of replicates: members, and how far each set is."""
    found = replica_sets.of_sets(of_sets(snapshot)).values()
    return [(members, replica_sets.describe(members)) for members in found]


def other_versions(stored: StoredExperiment) -> list[tuple[str, str]]:
    """Return folder and name of the other experiment versions."""
    others = [each for each in stored.lake_folders() if each != stored.folder]
    siblings = [stored.sibling(each) for each in sorted(others) if each.split("_", 2)[2] == stored.name]
    return [(each.folder, each.reference) for each in siblings]
