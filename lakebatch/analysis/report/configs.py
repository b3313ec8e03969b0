"""The configs of an experiment's runs: differences from a preset, and a command to repeat each."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lakebatch.assembly.record import Assembly
from lakebatch.errors import LakebatchError
from lakebatch.experiment import config, registry
from lakebatch.ids import leaves
from lakebatch.snapshot.config_origin import presets

ABSENT = "(not set)"


@dataclass(frozen=True)
class Difference:
    """A key with another value than in the preset."""

    key: str
    preset: str
    value: str


@dataclass(frozen=True)
class RunConfig:
    """One config, its assemblies, and the command to run it again.

    Attributes
    ----------
    number : int
        Its number, counted from 1 by the first run of the experiment.
    preset : str
        The nearest preset; empty if the experiment's code is not installed.
    differences : tuple of Difference
        Its differences from the preset.
    text : str
        The whole config as JSON.
    command : str
        The command to run it again, without the seed.
    """

    number: int
    hash: str
    assemblies: tuple[str, ...]
    preset: str
    differences: tuple[Difference, ...]
    text: str
    command: str


def run_configs(name: str, assemblies: list[Assembly], numbers: Mapping[str, int]) -> list[RunConfig]:
    """Return the different configs of some assemblies, by first run."""
    groups: dict[str, list[Assembly]] = {}
    for each in assemblies:
        groups.setdefault(each.config_hash, []).append(each)
    return [_run_config(name, group, numbers[key]) for key, group in groups.items()]


def _run_config(name: str, group: list[Assembly], number: int) -> RunConfig:
    settings = group[0].settings
    preset, differences = _nearest_preset(name, settings)
    return RunConfig(
        number=number,
        hash=group[0].config_hash,
        assemblies=tuple(each.assembly_id for each in group),
        preset=preset,
        differences=differences,
        text=json.dumps(settings, indent=2),
        command=_command(name, preset, differences, settings),
    )


def _nearest_preset(name: str, settings: Mapping[str, Any]) -> tuple[str, tuple[Difference, ...]]:
    """Return the preset with the fewest differences; none if the code is missing or another experiment version."""
    found = [(preset, tuple(_differences(tree, settings))) for preset, tree in presets(name)]
    return min(found, key=lambda each: len(each[1]), default=("", ()))


def _differences(preset: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[Difference]:
    before, after = dict(leaves(preset)), dict(leaves(settings))
    for key in sorted(before.keys() | after.keys()):
        if before.get(key, ABSENT) != after.get(key, ABSENT):
            yield Difference(key, _shown(before, key), _shown(after, key))


def _shown(values: Mapping[str, Any], key: str) -> str:
    return json.dumps(values[key], ensure_ascii=False) if key in values else ABSENT


def _command(name: str, preset: str, differences: tuple[Difference, ...], settings: Mapping[str, Any]) -> str:
    """Return the command to run a config again: with a preset and settings if they reproduce it, else with a file."""
    values = dict(leaves(settings))
    given = [f"{each.key}={_toml(values[each.key])}" for each in differences if each.key in values]
    words = ["lakebatch", "run", name]
    if preset and _reproduces(name, preset, given, settings):
        chosen = [] if preset == config.DEFAULT_PRESET else ["--preset", preset]
        return shlex.join([*words, *chosen, *(word for each in given for word in ("--set", each))])
    return shlex.join([*words, "--config", "config.json"])


def _reproduces(name: str, preset: str, given: list[str], settings: Mapping[str, Any]) -> bool:
    try:
        source = registry.get(name)
        model = config.resolve(source, registry.load(source), preset=preset, settings=given).model
    except LakebatchError:
        return False
    return bool(model.model_dump(mode="json") == settings)


def _toml(value: Any) -> str:
    """Return a value as TOML for ``--set``."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
