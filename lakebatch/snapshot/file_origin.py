"""What an exported file says of where its rows come from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl

from lakebatch._version import __version__
from lakebatch.experiment.provenance import SOURCE_HASH
from lakebatch.snapshot.snapshot import Snapshot
from lakebatch.snapshot.snapshots import Snapshots


def of_dataset(snapshot: Snapshot, lake: str) -> dict[str, Any]:
    """Return the origin of rows of one experiment: lake, selection, state, assemblies, configs and code, for JSON.

    It depends on the dataset alone, not on the time of writing, so that two exports of one state are the same.

    Parameters
    ----------
    lake : str
        Folder or URI of the lake.
    """
    return {"lake": lake, **_of_experiment(snapshot), "lakebatch": __version__}


def of_query(snapshots: Snapshots, lake: str, query: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the origin of the answer to a query: lake, selection, the query, and every experiment that it could read."""
    return {
        "lake": lake,
        "selection": snapshots.describe(),
        "query": query,
        **({"parameters": dict(parameters)} if parameters else {}),
        "experiments": [_of_experiment(each) for each in snapshots.values()],
        "lakebatch": __version__,
    }


def _of_experiment(snapshot: Snapshot) -> dict[str, Any]:
    ids = snapshot.ids()
    chosen = snapshot.last_events.filter(pl.col("assembly_id").is_in(ids))
    return {
        "experiment": snapshot.name,
        "experiment_version": snapshot.experiment_version,
        "selection": snapshot.describe(),
        "state": _state(snapshot),
        "assemblies": ids,
        "configs": _configs(snapshot, chosen),
        "source_hashes": _different(chosen["environment"].str.json_path_match(f"$.{SOURCE_HASH}")),
        "code_versions": _different(chosen["code_version"]),
    }


def _state(snapshot: Snapshot) -> dict[str, Any]:
    """Return the version of the results, the tag or time that was asked for, and the time of the newest event."""
    moment, last = snapshot.moment, snapshot.events["at"].max()
    return {
        "results_version": snapshot.version,
        **({"tag": moment.tag} if moment.tag is not None else {}),
        **({"as_of": _text(moment.time)} if moment.time is not None else {}),
        "last_event": _text(last) if isinstance(last, datetime) else None,
    }


def _configs(snapshot: Snapshot, chosen: pl.DataFrame) -> list[dict[str, Any]]:
    """Return number, hash and count of assemblies of each config."""
    counts = chosen.group_by("config_hash", maintain_order=True).len()
    return [
        {"config": snapshot.config_numbers.get(config_hash), "hash": config_hash, "assemblies": count}
        for config_hash, count in counts.iter_rows()
    ]


def _different(values: pl.Series) -> list[str]:
    return values.drop_nulls().unique(maintain_order=True).to_list()


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
