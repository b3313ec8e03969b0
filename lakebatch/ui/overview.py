"""The overview: every assembly of the lake in one table."""

from __future__ import annotations

import json
import warnings
from typing import Any

from lakebatch.lake.lake import Lake
from lakebatch.lake.snapshot import LakeSnapshot
from lakebatch.ui import assemblies, means
from lakebatch.ui.file import File
from lakebatch.ui.page import Page
from lakebatch.ui.page_state import PageState

JSON = "application/json"
FIRST = 100
"""Assemblies that the page itself lists; its script lists the others."""


def overview(lake: Lake, state: PageState) -> Page:
    """Return the page of all assemblies of the selected experiments."""
    pinned = snapshots(lake, state)
    table = assemblies.table(pinned)
    return Page(
        "overview",
        state.experiment or "Assemblies",
        {
            "table": table,
            "rows": assemblies.first_rows(table, FIRST),
            "every_metric": lambda: means.every_value(lake, pinned),
        },
        command=f"lakebatch status {state.experiment or ''}".strip(),
        python="",
    )


def rows_file(lake: Lake, state: PageState) -> File:
    """Return the table of the overview as JSON."""
    return _json(assemblies.table(snapshots(lake, state)))


def metrics_file(lake: Lake, state: PageState, at: str) -> File:
    """Return the means of metrics at a value of the axis as JSON, with the warnings of what was read."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = means.metrics(lake, snapshots(lake, state), at)
    notices = list(dict.fromkeys(str(each.message) for each in caught))
    return _json({**found, "notices": notices})


def _json(value: Any) -> File:
    return File(json.dumps(value, separators=(",", ":"), allow_nan=False).encode(), JSON)


def snapshots(lake: Lake, state: PageState) -> LakeSnapshot:
    """Return the snapshots of the selected experiments, with the selected assemblies."""
    stored = lake.begun() if state.experiment is None else [lake[state.experiment]]
    return LakeSnapshot.pin(stored, state.selection.moment).select(state.selection)
