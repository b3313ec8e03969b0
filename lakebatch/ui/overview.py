"""The overview: every assembly of the lake in one table."""

from __future__ import annotations

from lakebatch.lake.lake import Lake
from lakebatch.lake.snapshot import LakeSnapshot
from lakebatch.snapshot.summary import summarize
from lakebatch.ui.page import Page
from lakebatch.ui.page_state import PageState


def overview(lake: Lake, state: PageState) -> Page:
    """Return the page of all assemblies of the selected experiments."""
    rows = [
        {"experiment": name, "folder": each.folder} | row
        for name, each in snapshots(lake, state).items()
        for row in summarize(each).iter_rows(named=True)
    ]
    name = state.experiment or ""
    return Page(
        "overview",
        name or "Assemblies",
        {"rows": rows},
        command=f"lakebatch status {name}".strip(),
        python=f"lakebatch.open_lake()[{name!r}].assemblies()"
        if name
        else "lakebatch.open_lake().snapshot()",
    )


def snapshots(lake: Lake, state: PageState) -> LakeSnapshot:
    """Return the snapshots of the selected experiments, with the selected assemblies."""
    stored = lake.begun() if state.experiment is None else [lake[state.experiment]]
    return LakeSnapshot.pin(stored, state.selection.moment).select(state.selection)
