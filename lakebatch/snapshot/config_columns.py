"""Configs as columns: one row per assembly, one typed column per config key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from lakebatch.assembly.record import MADE_BY
from lakebatch.assembly.record_json import read_tree, where
from lakebatch.snapshot.rows import PinnedRows

IDENTITY = {"assembly_id": pl.String(), "config_hash": pl.String()}
LAKE_IDENTITY = {"experiment": pl.String(), "version": pl.String(), **IDENTITY}
MAX_INTEGER = 2**63 - 1
MAX_EXACT = 2**53
"""Largest integer up to which every integer is a double."""
POLARS: dict[str, pl.DataType] = {
    "string": pl.String(),
    "boolean": pl.Boolean(),
    "long": pl.Int64(),
    "double": pl.Float64(),
}
"""The types of columns of config keys."""


def of_experiment(snapshot: PinnedRows) -> pl.DataFrame:
    """Return one row per assembly: ``assembly_id``, ``config_hash`` and a column per key, such as ``cohort.n_samples``.

    Raises
    ------
    DamageError
        If a config cannot be read.
    """
    return of_lake([snapshot]).drop("experiment", "version")


def of_lake(snapshots: Iterable[PinnedRows]) -> pl.DataFrame:
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
        kind = common_type([item for each in given for item in each])
        if kind is not None:
            return pl.Series(name, values, dtype=pl.List(POLARS[kind]), strict=False)
    kind = common_type(given)
    if kind is None:
        return pl.Series(name, [None if each is None else _text(each) for each in values], dtype=pl.String)
    return pl.Series(name, values, dtype=POLARS[kind], strict=False)


def common_type(values: Iterable[Any]) -> str | None:
    """Return the type of a column that holds all values exactly; None if only JSON does.

    >>> common_type([1, None]), common_type([1, 0.5]), common_type([True]), common_type([None])
    ('long', 'double', 'boolean', 'string')
    >>> common_type([[1, 2]]), common_type([2**53 + 1, 0.5])
    (None, None)
    """
    given = [each for each in values if each is not None]
    kinds = {type(each) for each in given}
    if kinds <= {str}:
        return "string"
    if kinds == {bool}:
        return "boolean"
    if not kinds <= {int, float}:
        return None
    largest = max((abs(each) for each in given if isinstance(each, int)), default=0)
    if kinds == {int}:
        return "long" if largest <= MAX_INTEGER else None
    return "double" if largest <= MAX_EXACT else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
