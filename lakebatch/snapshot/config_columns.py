"""Configs as columns: one row per assembly, one typed column per config key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from lakebatch.assembly.record import MADE_BY
from lakebatch.assembly.record_json import read_tree, where
from lakebatch.snapshot.snapshot import Snapshot

IDENTITY = {"assembly_id": pl.String(), "config_hash": pl.String()}
LAKE_IDENTITY = {"experiment": pl.String(), "version": pl.String(), **IDENTITY}
MAX_INTEGER = 2**63 - 1


def of_experiment(snapshot: Snapshot) -> pl.DataFrame:
    """Return one row per assembly: ``assembly_id``, ``config_hash`` and a column per key, such as ``cohort.n_samples``.

    Raises
    ------
    DamageError
        If a config cannot be read.
    """
    return of_lake([snapshot]).drop("experiment", "version")


def of_lake(snapshots: Iterable[Snapshot]) -> pl.DataFrame:
    """Return the config of each assembly of several experiments, with ``experiment`` and ``version`` (as ``v1``)."""
    identities, values = [], []
    for snapshot in snapshots:
        name, _, version = snapshot.qualified_name.partition("@")
        known: dict[str, dict[str, Any]] = {}
        recorded = ("assembly_id", "config_hash", "config", "event")
        for assembly_id, config_hash, config, event in snapshot.last_events.select(recorded).iter_rows():
            if config not in known:
                known[config] = settings(read_tree(config, where("config", assembly_id, event)))
            identities.append((name, version, assembly_id, config_hash))
            values.append(known[config])
    frame = pl.DataFrame(identities, schema=LAKE_IDENTITY, orient="row")
    return frame.with_columns(columns(values))


def flatten(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a config by dotted key.

    >>> flatten({"cohort": {"n_samples": 60}, "levels": [0.0, 0.1]})
    {'cohort.n_samples': 60, 'levels': [0.0, 0.1]}
    """
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            found |= {f"{name}.{key}": each for key, each in flatten(value).items()}
        else:
            found[name] = value
    return found


def settings(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a config; of rows that no experiment computed, the tool that wrote them."""
    return {MADE_BY: tree[MADE_BY]} if MADE_BY in tree else flatten(tree)


def columns(settings: list[dict[str, Any]], taken: Iterable[str] = tuple(LAKE_IDENTITY)) -> list[pl.Series]:
    """Return one column per key, by name; a name that is taken gets ``_``, in upper and lower case alike, as in SQL."""
    known = set(taken)
    found = []
    for key in sorted({key for each in settings for key in each}):
        name = key
        while name.lower() in known:
            name = f"{name}_"
        known.add(name.lower())
        found.append(_column(name, [each.get(key) for each in settings]))
    return found


def _column(name: str, values: list[Any]) -> pl.Series:
    """Return values as booleans, numbers, strings or lists of these; as JSON where their types have nothing in common."""
    given = [each for each in values if each is not None]
    if given and all(isinstance(each, list) for each in given):
        dtype = _dtype([item for each in given for item in each])
        if dtype is not None:
            return pl.Series(name, values, dtype=pl.List(dtype), strict=False)
    dtype = _dtype(given)
    if dtype is None:
        return pl.Series(name, [None if each is None else _text(each) for each in values], dtype=pl.String)
    return pl.Series(name, values, dtype=dtype, strict=False)


def _dtype(values: list[Any]) -> pl.DataType | None:
    """Return the type of all values, None if they have none in common."""
    kinds = {type(each) for each in values}
    if kinds <= {str}:
        return pl.String()
    if kinds == {bool}:
        return pl.Boolean()
    if kinds == {int} and all(abs(each) <= MAX_INTEGER for each in values):
        return pl.Int64()
    return pl.Float64() if kinds <= {int, float} else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
