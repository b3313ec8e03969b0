"""The assemblies of an experiment that a selection chooses, by id and by config."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import polars as pl

from lakebatch._text import hint, nearest
from lakebatch.assembly import labels
from lakebatch.assembly.labels import SWEEP
from lakebatch.assembly.record import MADE_BY
from lakebatch.assembly.record_json import read_tree, where
from lakebatch.assembly.sweep_claims import is_of
from lakebatch.errors import ConfigError, LakebatchError, UnknownNameError
from lakebatch.experiment import registry
from lakebatch.ids import ASSEMBLY_ID, leaves
from lakebatch.snapshot.mixture import listed
from lakebatch.snapshot.selection import ABSENT, MIN_HASH, Condition, Selection, are_equal, look_up, shown

MAX_LISTED = 8
"""Most values or configs that an error lists."""

Accepts = Callable[[str, Mapping[str, Any]], bool]
"""Whether a config is chosen, by its hash and its tree."""


def config_numbers(last_events: pl.DataFrame) -> dict[str, int]:
    """Return the number of each config by its hash, counted from 1 by the first run; later runs change none."""
    hashes = last_events["config_hash"].unique(maintain_order=True)
    return {each: number for number, each in enumerate(hashes, 1)}


def choose(
    name: str, last_events: pl.DataFrame, numbers: Mapping[str, int], selection: Selection
) -> list[str]:
    """Return the ids of the assemblies of any status that a selection chooses; none if it fits none.

    Parameters
    ----------
    name : str
        The experiment's name.
    last_events : frame
        The last event of each assembly, by run number.
    numbers : mapping
        The number of each config by its hash.
    """
    rows = last_events
    if selection.assemblies:
        rows = rows.filter(pl.col("assembly_id").is_in(_ids(last_events, selection.assemblies)))
    if selection.sweep:
        rows = rows.filter(is_of(selection.sweep))
    if selection.where or selection.preset or selection.config:
        try:
            accepts = _accepted(name, numbers, selection)
        except LakebatchError:  # no code, or no such preset: `why_empty` raises it
            return []
        wanted = [key for key, tree in _trees(rows).items() if all(each(key, tree) for each in accepts)]
        rows = rows.filter(pl.col("config_hash").is_in(wanted))
    return rows["assembly_id"].to_list()


def why_empty(
    name: str, last_events: pl.DataFrame, numbers: Mapping[str, int], selection: Selection
) -> LakebatchError:
    """Return the error of a selection that chooses no assembly: what does not fit, and what there is."""
    known = last_events["assembly_id"].to_list()
    for each in selection.assemblies:
        if ASSEMBLY_ID.fullmatch(each) and each not in known:
            return UnknownNameError(
                f"There is no assembly {each} of {name}, {selection.moment}. List them with: lakebatch status"
            )
        labels.find(last_events, each)  # raises for a name that no assembly has
    if selection.sweep and last_events.filter(is_of(selection.sweep)).is_empty():
        sweeps = last_events["environment"].str.json_path_match(f"$.{SWEEP}.id").drop_nulls().unique().sort()
        one_of = nearest(selection.sweep, sweeps) if len(sweeps) else "None is of any sweep."
        return UnknownNameError(f"No assembly of {name} is of the sweep {selection.sweep!r}. {one_of}")
    _accepted(name, numbers, selection)  # raises for a preset that cannot be read
    trees = _trees(last_events)
    for condition in selection.where:
        if not any(condition.accepts(tree) for tree in trees.values()):
            return _no_value(name, condition, trees.values())
    there = [f"{numbers[each]} ({each[:MIN_HASH]})" for each in trees]
    return UnknownNameError(
        f"No assembly of {name} is in this selection: {selection}. Configs: {_few(there)}."
    )


def _ids(last_events: pl.DataFrame, assemblies: Collection[str]) -> list[str]:
    """Return the ids of assemblies that are given by id or by name; nothing for a name that none has."""
    found = []
    for each in assemblies:
        try:
            found.append(labels.find(last_events, each))
        except UnknownNameError:  # of another experiment of the lake; `why_empty` raises it
            continue
    return found


def _accepted(name: str, numbers: Mapping[str, int], selection: Selection) -> list[Accepts]:
    found: list[Accepts] = [
        lambda _, tree, condition=each: condition.accepts(tree)  # type: ignore[misc]
        for each in selection.where
    ]
    if selection.preset is not None:
        found.append(_like_preset(name, selection.preset))
    if (config := selection.config) is not None:
        found.append(
            lambda key, _: str(numbers[key]) == config or (len(config) >= MIN_HASH and key.startswith(config))
        )
    return found


def _like_preset(name: str, preset: str) -> Accepts:
    """Return whether a config is that of a preset; keys that it lacks have their defaults.

    Raises
    ------
    LakebatchError
        If the experiment's code cannot be loaded, or has no such preset.
    """
    from lakebatch.experiment import config as configs  # needs pydantic, and most selections do without

    source = registry.get(name)
    experiment = registry.load(source)
    wanted = configs.resolve(source, experiment, preset=preset).model.model_dump(mode="json")

    def accepts(_: str, tree: Mapping[str, Any]) -> bool:
        if MADE_BY in tree:
            return False
        try:
            record = configs.from_record(experiment.config_model, tree).model_dump(mode="json")
        except ConfigError:  # of another version of the code
            return False
        return are_equal(record, wanted)

    return accepts


def _trees(last_events: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Return each config by its hash, by first run."""
    first = last_events.unique("config_hash", keep="first", maintain_order=True)
    return {
        key: read_tree(text, where("config", assembly_id, event))
        for key, text, assembly_id, event in first.select(
            "config_hash", "config", "assembly_id", "event"
        ).iter_rows()
    }


def _no_value(name: str, condition: Condition, trees: Collection[Mapping[str, Any]]) -> LakebatchError:
    values = [look_up(tree, condition.key) for tree in trees]
    there = dict.fromkeys(shown(each) for each in values if each is not ABSENT)
    if there:
        return UnknownNameError(f"No assembly of {name} has {condition}. There: {_few(there)}.")
    keys = sorted({key for tree in trees for key, _ in leaves(tree)})
    return ConfigError(
        f"No config of {name} has the key {condition.key!r}. {hint(condition.key, keys)}"
        f"List the keys with: lakebatch config {name}"
    )


def _few(values: Iterable[str]) -> str:
    return listed(list(values), MAX_LISTED) or "none"
