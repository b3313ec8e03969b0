"""Config keys as columns of rows: the value that each row's assembly has at a key, in the order of the values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from lakebatch._text import hint
from lakebatch.assembly.metrics import BUILT_IN_GROUPS
from lakebatch.assembly.record import Assembly
from lakebatch.errors import ConfigError
from lakebatch.ids import leaves
from lakebatch.snapshot.mixture import NOT_SET
from lakebatch.snapshot.selection import ABSENT, look_up, shown
from lakebatch.snapshot.snapshot import Snapshot

CONFIG = "config"
"""The column of rows that tells configs apart."""


def values_at(records: Iterable[Assembly], key: str) -> dict[str, Any]:
    """Return the value at a config key of each assembly, by id; `ABSENT` where its config lacks the key.

    Raises
    ------
    ConfigError
        If no config has the key.
    """
    records = list(records)
    found = {each.assembly_id: look_up(each.settings, key) for each in records}
    if records and all(value is ABSENT for value in found.values()):
        known = sorted({leaf for each in records for leaf, _ in leaves(each.settings)})
        raise ConfigError(f"No config has the key {key!r}. {hint(key, known)}Expected a config key.")
    return found


def ordered_texts(values: Iterable[Any]) -> dict[str, str]:
    """Return the texts of distinct values by canonical text: numbers by size, others as they come, "not set" last.

    >>> list(ordered_texts([10, 2, "a"])), list(ordered_texts([10, 2.5]))
    (['10', '2', 'a'], ['2.5', '10'])
    """
    distinct: list[Any] = []
    for each in values:
        if each is not ABSENT and each not in distinct:
            distinct.append(each)
    if all(isinstance(each, int | float) and not isinstance(each, bool) for each in distinct):
        distinct.sort()
    return {text_of(each): text_of(each) for each in distinct}


def text_of(value: Any) -> str:
    """Return a value as text; a float as short as it is read."""
    if value is ABSENT:
        return NOT_SET
    return f"{value:g}" if isinstance(value, float) else shown(value)


def config_key(by: str | None, snapshot: Snapshot) -> str | None:
    """Return what colours show if it is a config key; None for a group of the results and for ``config``."""
    if by is None or by in (CONFIG, *BUILT_IN_GROUPS, *snapshot.roles.groups):
        return None
    return by if any(look_up(each.settings, by) is not ABSENT for each in snapshot.assemblies) else None


def by_key(rows: pl.DataFrame, records: Iterable[Assembly], key: str) -> pl.DataFrame:
    """Return rows whose ``config`` is the value at a key, as ``KEY VALUE``, in the order of the values."""
    read = set(rows["assembly_id"].unique())
    found = values_at([each for each in records if each.assembly_id in read], key)
    order = [f"{key} {text}" for text in (*ordered_texts(found.values()), NOT_SET)]
    names = {assembly_id: f"{key} {text_of(value)}" for assembly_id, value in found.items()}
    named = pl.col("assembly_id").replace_strict(names, default=None, return_dtype=pl.String)
    place = pl.col(CONFIG).replace_strict(order, range(len(order)), return_dtype=pl.Int64)
    return rows.with_columns(named.alias(CONFIG)).sort(place, maintain_order=True)
