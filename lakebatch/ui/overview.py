"""The overview: every assembly of the lake in one table."""

from __future__ import annotations

import json
import shlex
import warnings
from dataclasses import replace
from typing import Any

from lakebatch.lake.lake import Lake
from lakebatch.lake.snapshot import LakeSnapshot
from lakebatch.snapshot.selection import COMPLETED
from lakebatch.ui import assemblies, means, moments, sweep, watcher
from lakebatch.ui.file import File
from lakebatch.ui.page import Page
from lakebatch.ui.page_state import PageState

JSON = "application/json"
FIRST = 100
"""Assemblies that the page itself lists; its script lists the others."""


def overview(lake: Lake, state: PageState) -> Page:
    """Return the page of all assemblies of the selected experiments."""
    stamp = watcher.stamp(lake)
    pinned = snapshots(lake, state)
    table = {"stamp": stamp, **assemblies.table(pinned)}
    return Page(
        "overview",
        state.experiment or "Assemblies",
        {
            "table": table,
            "rows": assemblies.first_rows(table, FIRST),
            "every_row": lambda: assemblies.first_rows(table, table["count"]),
            "sweeps": sweep.table(at_moment(lake, state)),
            "every_metric": lambda: means.every_value(lake, pinned),
        },
        command=same_command(state),
        python=same_in_python(state),
    )


def same_command(state: PageState) -> str:
    """Return the command that lists the same assemblies."""
    words = ["lakebatch status", shlex.quote(state.experiment or ""), every_status(state).options]
    return " ".join(each for each in words if each not in ("", "''"))


def same_in_python(state: PageState) -> str:
    """Return the line of Python that lists the same assemblies."""
    arguments = every_status(state).arguments
    if state.experiment is not None:
        return f"lakebatch.open_lake()[{state.experiment!r}].assemblies({arguments})"
    given = ", ".join(["'SELECT * FROM lake.assemblies'", *filter(None, [arguments]), "on_gap='ignore'"])
    return f"lakebatch.open_lake().sql({given})"


def every_status(state: PageState) -> PageState:
    """Return the same selection of assemblies of any status."""
    return replace(state, selection=replace(state.selection, statuses=COMPLETED))


def rows_file(lake: Lake, state: PageState) -> File:
    """Return the table of the overview as JSON."""
    stamp = watcher.stamp(lake)
    return _json({"stamp": stamp, **assemblies.table(snapshots(lake, state))})


def metrics_file(lake: Lake, state: PageState, at: str) -> File:
    """Return the means of metrics at a value of the axis as JSON, with the warnings of what was read."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = means.metrics(lake, snapshots(lake, state), at)
    notices = list(dict.fromkeys(str(each.message) for each in caught))
    return _json({**found, "notices": notices})


def moments_file(lake: Lake, state: PageState) -> File:
    """Return the moments of the selected experiments as JSON, see `lakebatch.ui.moments`."""
    stored = lake.begun() if state.experiment is None else [lake[state.experiment]]
    return _json(moments.listed(moments.moments(stored)))


def _json(value: Any) -> File:
    return File(json.dumps(value, separators=(",", ":"), allow_nan=False).encode(), JSON)


def snapshots(lake: Lake, state: PageState) -> LakeSnapshot:
    """Return the snapshots of the selected experiments, with the selected assemblies."""
    return at_moment(lake, state).select(state.selection)


def at_moment(lake: Lake, state: PageState) -> LakeSnapshot:
    """Return the snapshots of the selected experiments, with every assembly."""
    stored = lake.begun() if state.experiment is None else [lake[state.experiment]]
    return LakeSnapshot.pin(stored, state.selection.moment)
