"""Mixtures in a dataset: several configs, codes or experiment versions that are read together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from lakebatch.assembly.labels import SWEEP
from lakebatch.assembly.record import MADE_BY, WORKERS
from lakebatch.errors import MixtureError, MixtureWarning, warn
from lakebatch.experiment.provenance import SOURCE_HASH
from lakebatch.ids import leaves
from lakebatch.snapshot import changes
from lakebatch.snapshot.changes import FilesOf
from lakebatch.snapshot.selection import OnMix

NOT_SET = "not set"
"""The value of a key that a config lacks, in words."""
CHOICE = "config, where or assembly (--config, --where, --assembly)"
MAX_NAMED = 3
MAX_KEYS = 3
MAX_VALUES = 4
MAX_LENGTH = 60
TREES = ("packages", WORKERS)
# keys of an environment with more than a string that rows depend on


def report(mixtures: Sequence[str], on_mix: OnMix) -> None:
    """Warn of mixtures in one line, raise, or do nothing, as ``on_mix`` says.

    Raises
    ------
    MixtureError
        If there is a mixture and ``on_mix`` is "refuse".
    """
    if not mixtures or on_mix == "ignore":
        return
    named = "; ".join(mixtures[:MAX_NAMED])
    more = f"; and {len(mixtures) - MAX_NAMED} more" if len(mixtures) > MAX_NAMED else ""
    if on_mix == "refuse":
        raise MixtureError(f"The dataset is a mixture: {named}{more}. Choose with {CHOICE}.")
    warn(
        f"{named}{more} (choose with {CHOICE}; silence with on_mix='ignore' or --on-mix ignore).",
        MixtureWarning,
    )


def report_versions(selected: str, others: Sequence[str], on_mix: OnMix) -> None:
    """Warn that other experiment versions are left out, which is no mixture; unless mixtures are ignored."""
    if others and on_mix != "ignore":
        named = ", ".join(others)
        warn(
            f"This is {selected}; other experiment versions are left out: {named}. Read them by name.",
            MixtureWarning,
        )


def between_versions(read: Iterable[tuple[str, str]]) -> list[str]:
    """Return descriptions of experiments that are read in several experiment versions together.

    >>> between_versions([("toy", "v1"), ("toy", "v2"), ("other-toy", "v1")])
    ['toy has 2 experiment versions: v1, v2; tell them apart by the column version']
    """
    versions: dict[str, list[str]] = {}
    for name, version in read:
        versions.setdefault(name, []).append(version)
    return [
        f"{name} has {len(found)} experiment versions: {', '.join(found)}; tell them apart by the column version"
        for name, found in versions.items()
        if len(found) > 1
    ]


def of_assemblies(name: str, events: pl.DataFrame, files_of: FilesOf = changes.not_recorded) -> Iterator[str]:
    """Yield descriptions of differences between assemblies in one dataset, by their last events.

    Parameters
    ----------
    files_of : callable, optional
        Returns the source files with a source hash; without it, hashes are named.
    """
    computed = events.filter(pl.col("config").str.json_path_match(f"$.{MADE_BY}").is_null())
    configs = computed.unique("config_hash", maintain_order=True)["config"].to_list()
    if len(configs) > 1 and (differences := _differences(configs, _swept_keys(computed))):
        yield f"{computed.height} assemblies of {name} have {len(configs)} configs: {differences}"
    environments = _environments(computed)
    codes = changes.distinct(environments)
    if len(codes) > 1:
        clauses = changes.between(environments, files_of)
        yield f"{computed.height} assemblies of {name} were computed by {len(codes)} codes: {'; '.join(clauses)}"


def _environments(events: pl.DataFrame) -> list[dict[str, Any]]:
    """Return what rows depend on in the environments of assemblies, each different one once."""
    texts = events["environment"]
    found = pl.DataFrame(
        {key: texts.str.json_path_match(f"$.{key}") for key in (SOURCE_HASH, "python", *TREES)}
    )
    rows = found.unique(maintain_order=True).iter_rows(named=True)
    return [
        {key: json.loads(value) if key in TREES else value for key, value in row.items() if value}
        for row in rows
    ]


def key_texts(tree: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of a config as strings, by dotted key."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in leaves(tree)}


def differing(configs: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """Return the keys with different values in some configs, in order, with the value in each config.

    >>> differing([{"a": "1", "b": "2"}, {"a": "1"}])
    {'b': ['2', 'not set']}
    """
    keys = sorted({key for each in configs for key in each})
    values = {key: [each.get(key, NOT_SET) for each in configs] for key in keys}
    return {key: each for key, each in values.items() if len(set(each)) > 1}


def _swept_keys(events: pl.DataFrame) -> list[str]:
    """Return the keys that the sweep of some assemblies varies; none unless all of them are of one sweep."""
    sweeps = events["environment"].str.json_path_match(f"$.{SWEEP}.id")
    if sweeps.null_count() or sweeps.n_unique() != 1:
        return []
    keys = events["environment"].str.json_path_match(f"$.{SWEEP}.keys").unique()
    return sorted({key for each in keys for key in json.loads(each)})


def _is_swept(key: str, swept: Iterable[str]) -> bool:
    """Whether a key of a config, a table above it, or an item of its list is swept."""
    return any(f"{key}.".startswith(f"{each}.") or each.startswith(f"{key}.") for each in swept)


def _differences(configs: Sequence[str], swept: Sequence[str]) -> str:
    """Return a description of the keys with different values, without those that are swept."""
    found = differing([key_texts(json.loads(each)) for each in configs])
    described = [
        f"{key} {listed(list(dict.fromkeys(values)))}"
        for key, values in found.items()
        if not _is_swept(key, swept)
    ]
    more = f"; and {len(described) - MAX_KEYS} more keys" if len(described) > MAX_KEYS else ""
    return "; ".join(described[:MAX_KEYS]) + more


def listed(values: Sequence[str], most: int = MAX_VALUES) -> str:
    """Return some values in one line, long ones shortened."""
    shown = [
        value if len(value) <= MAX_LENGTH else f"{value[: MAX_LENGTH - 3]}..." for value in values[:most]
    ]
    return ", ".join([*shown, *(["..."] if len(values) > most else [])])
