"""The reads of older callers: the list of assemblies, and the frames under one name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from lakebatch.assembly.record import MADE_BY, Assembly, latest
from lakebatch.errors import ConfigError
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.legacy.frames.record import original_ids
from lakebatch.legacy.frames.results import OLDER_METRICS
from lakebatch.legacy.frames.table import FrameTable, frame_names
from lakebatch.legacy.scripts.attempts import by_original_id
from lakebatch.legacy.scripts.pandas_frames import load_pandas, to_pandas
from lakebatch.snapshot.gaps import Gap, report_gaps

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("assembly_id", "timestamp", "status")
OLDER_NAMES = {
    "model": "Model",
    "feature_set": "Feature Data",
    **OLDER_METRICS,
    "assembly_id": "Assembly ID",
}
LEVELS = {
    "parameter-distortion": "Distortion Factor",
    "expression-noise": "Expression Noise Level",
    "response-noise": "Response Noise Level",
}
"""Names of columns of results in the older layout."""


def assembly_list(events: pl.DataFrame | None) -> pd.DataFrame:
    """Return one row per id: the time at which the assembly was begun, and its status."""
    pandas = load_pandas()
    rows = [] if events is None else _listed(events)
    return pandas.DataFrame(rows, columns=list(COLUMNS), dtype=object)


def reassemble(stored: StoredExperiment, name: str, completed: Sequence[Assembly]) -> pd.DataFrame:
    """Return the frames that completed assemblies saved under a name, then the results that runs computed.

    Raises
    ------
    ConfigError
        If there is neither.
    """
    saved = _saved(stored, name, completed)
    computed = _computed(stored, name, [each for each in completed if MADE_BY not in each.settings])
    frames = [frame for frame in (to_pandas(saved), computed) if len(frame)]
    if not frames:
        names = ", ".join(frame_names(stored.storage, stored.folder)) or "nothing"
        raise ConfigError(f"Nothing completed was saved as {name!r}. Saved: {names}.")
    there = {*saved["assembly_id"], *computed.get("Assembly ID", ())}
    report_gaps([gap for each in completed for gap in _gaps(each, name, each.assembly_id in there)], "warn")
    return frames[0] if len(frames) == 1 else load_pandas().concat(frames, ignore_index=True)


def _listed(events: pl.DataFrame) -> list[tuple[str, str, str]]:
    begun = dict(events.filter(pl.col("event") == 0).select("assembly_id", "at").iter_rows())
    return [
        (wanted, f"{begun[each.assembly_id]:%Y%m%d_%H%M%S}", each.status)
        for wanted, each in by_original_id(latest(events)).items()
    ]


def _saved(stored: StoredExperiment, name: str, completed: Sequence[Assembly]) -> pl.DataFrame:
    table = FrameTable(stored.storage, stored.folder, name)
    if not table.table.exists():
        return pl.DataFrame(schema={"assembly_id": pl.String()})
    return table.read([each.assembly_id for each in completed])


def _computed(stored: StoredExperiment, name: str, completed: Sequence[Assembly]) -> pd.DataFrame:
    """Return the results of runs, with the column names of the older layout."""
    if name not in ("results", f"{stored.name.replace('-', '_')}_results"):
        completed = []
    ids = [each.assembly_id for each in completed]
    order = ["assembly_id", "level", "part", "feature_set", "model", "repeat"]
    rows = stored.results.at().scan(ids).sort(order).collect()
    return to_pandas(rows.rename(OLDER_NAMES | {"level": LEVELS.get(stored.name, "Level")}))


def _gaps(assembly: Assembly, name: str, is_saved: bool) -> list[Gap]:
    missing = [] if is_saved else [f"completed, nothing was saved as {name}"]
    ids = ", ".join(original_ids(assembly))
    return [Gap(ids, what) for what in (*missing, *assembly.known_gaps)]
