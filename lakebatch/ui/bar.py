"""The selection bar, which every page has: what is shown, and at which moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from lakebatch.assembly.record import EVERY_STATUS
from lakebatch.errors import LakebatchError
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.lake.lake import Lake
from lakebatch.lake.snapshot import LakeSnapshot
from lakebatch.snapshot.moment import NEWEST
from lakebatch.snapshot.selection import COMPLETED, Condition, shown
from lakebatch.ui import moments
from lakebatch.ui.moments import Place
from lakebatch.ui.page_state import PageState

Chip = tuple[str, str, str]
"""What is chosen, its value, and the address of the page without it."""


def bar(lake: Lake, state: PageState) -> Mapping[str, Any]:
    """Return what the selection bar shows and offers; its addresses are relative to any page."""
    stored = lake.begun()
    chosen = _chosen(lake, stored, state)
    walk = moments.moments(chosen)
    return {
        **empty(lake),
        "experiments": [each.reference for each in stored],
        "experiment": chosen[0].reference if state.experiment and chosen else None,
        "tags": sorted({tag.tag for each in chosen for tag in moments.tags_of(each)}),
        "chips": list(chips(state)),
        "where": conditions(state.selection.where),
        "moment": str(state.selection.moment),
        **_walk(state, moments.place(state.selection.moment, walk, _pinned(chosen, state))),
    }


def empty(lake: Lake) -> dict[str, Any]:
    """Return the bar of a page without a selection, such as that of an error."""
    return {
        "lake": str(lake.storage.uri),
        "statuses": EVERY_STATUS,
        "experiments": [],
        "experiment": None,
        "tags": [],
        "chips": [],
        "where": [],
        "moment": str(NEWEST),
        **_walk(PageState(), Place(0, 0, None, "", None, None)),
    }


def _chosen(lake: Lake, stored: list[StoredExperiment], state: PageState) -> list[StoredExperiment]:
    """Return the experiments that a page shows; none if there is none of its name, which the page itself says."""
    if state.experiment is None:
        return stored
    try:
        return [lake[state.experiment]]
    except LakebatchError:
        return []


def _pinned(chosen: list[StoredExperiment], state: PageState) -> Mapping[str, Any]:
    """Return the snapshots of a tag or a version, whose time their events tell; nothing of a time."""
    moment = state.selection.moment
    if moment.tag is None and moment.version is None:
        return {}
    try:
        return LakeSnapshot.pin(chosen, moment)
    except LakebatchError:  # the page itself says it
        return {}


def _walk(state: PageState, place: Place) -> dict[str, Any]:
    """Return the addresses of the states around this one, and of the newest."""
    before, after = moments.at(state, place.before), moments.at(state, place.after)
    is_past = state.selection.moment.is_past
    return {
        "place": place,
        "before": None if before is None else address(before),
        "after": None if after is None or not is_past else address(after),
        "now": address(state.at(NEWEST)),
        "is_past": is_past,
    }


def address(state: PageState) -> str:
    """Return the address of the same page with another selection, relative to it."""
    return f"?{urlencode([*state.pairs, *state.view])}"


def chips(state: PageState) -> Iterator[Chip]:
    """Yield what is chosen beside the default, each with the address of the page without it."""
    chosen = state.selection

    def without(**changes: Any) -> str:
        return address(replace(state, selection=replace(chosen, **changes)))

    if state.experiment is not None:
        yield "experiment", state.experiment, address(state.of(None))
    if chosen.moment.is_past:
        yield "moment", str(chosen.moment), without(moment=NEWEST)
    if chosen.statuses != COMPLETED:
        yield "rows of", ", ".join(chosen.statuses), without(statuses=COMPLETED)
    for name in ("preset", "config", "sweep"):
        if value := getattr(chosen, name):
            yield name, value, without(**{name: None})
    for each in chosen.assemblies:
        yield "assembly", each, without(assemblies=tuple(x for x in chosen.assemblies if x != each))
    for condition in chosen.where:
        yield "where", str(condition), without(where=tuple(x for x in chosen.where if x != condition))


def conditions(where: tuple[Condition, ...]) -> list[str]:
    """Return conditions as a form gives them back, such as ``cohort.n_samples=60``."""
    return [f"{each.key}={shown(value)}" for each in where for value in each.values]
