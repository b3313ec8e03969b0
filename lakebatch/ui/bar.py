"""The selection bar, which every page has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lakebatch.lake.lake import Lake
from lakebatch.ui.page_state import PageState


def bar(lake: Lake, state: PageState) -> Mapping[str, Any]:
    """Return what the selection bar offers: the experiments, the tags, and the moment that is shown."""
    stored = lake.begun()
    chosen = [each for each in stored if state.experiment in (None, each.reference)]
    tags = sorted({tag.tag for each in chosen for tag in each.tag_log.all()})
    return {
        "lake": str(lake.storage.uri),
        "experiments": [each.reference for each in stored],
        "tags": tags,
        "moment": str(state.selection.moment),
    }
