"""The config of an assembly beside the preset that it is most like: which keys differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lakebatch.assembly.record import MADE_BY
from lakebatch.errors import LakebatchError
from lakebatch.experiment import registry
from lakebatch.ids import leaves
from lakebatch.snapshot.selection import ABSENT, are_equal, look_up


@dataclass(frozen=True)
class ConfigRow:
    """One key of a config.

    Attributes
    ----------
    key : str
        The dotted key, as ``--set`` takes it.
    value : JSON value
        The recorded value.
    is_changed : bool
        Whether the preset has another value.
    preset_value : JSON value
        The value of the preset; None where it is the same or not known.
    """

    key: str
    value: Any
    is_changed: bool = False
    preset_value: Any = None


@dataclass(frozen=True)
class ConfigOrigin:
    """A config, key by key, and the preset that has most of its values; None where the code is not at hand."""

    rows: tuple[ConfigRow, ...]
    preset: str | None = None


def config_origin(name: str, settings: Mapping[str, Any]) -> ConfigOrigin:
    """Return a recorded config beside the preset with the fewest other values.

    Parameters
    ----------
    name : str
        The experiment, as NAME@v1.
    settings : mapping
        The recorded config.
    """
    known = () if MADE_BY in settings else presets(name)
    preset, tree = min(known, key=lambda each: _distance(settings, each[1]), default=("", {}))
    if not preset:
        return ConfigOrigin(tuple(ConfigRow(key, value) for key, value in leaves(settings)))
    return ConfigOrigin(tuple(_rows(settings, tree)), preset)


def presets(name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield name and config of each preset that can be read, the default one first; none for other code."""
    try:
        from lakebatch.experiment import (
            config as configs,  # needs pydantic, and most of a snapshot does without
        )

        source = registry.get(name)
        experiment = registry.load(source)
        names = configs.preset_names(source, experiment)
    except LakebatchError:
        return
    for preset in sorted(names, key=lambda each: each != configs.DEFAULT_PRESET):
        try:
            resolved = configs.resolve(source, experiment, preset=preset)
        except LakebatchError:  # a file that somebody is writing: the other presets are as good
            continue
        yield preset, resolved.model.model_dump(mode="json")


def _rows(settings: Mapping[str, Any], tree: Mapping[str, Any]) -> Iterator[ConfigRow]:
    for key, value in leaves(settings):
        there = look_up(tree, key)
        if there is ABSENT or are_equal(value, there):
            yield ConfigRow(key, value)
        else:
            yield ConfigRow(key, value, is_changed=True, preset_value=there)


def _distance(settings: Mapping[str, Any], tree: Mapping[str, Any]) -> int:
    """Return the number of keys with another value."""
    return sum(each.is_changed for each in _rows(settings, tree))
