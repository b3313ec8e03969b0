"""Named sets of config values, in ``presets/*.toml`` beside the experiments."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from lakebatch import _files
from lakebatch._text import nearest
from lakebatch.errors import ConfigError, NameClashError, UnknownNameError
from lakebatch.experiment.registry import AnyExperiment, Source

DEFAULT_PRESET = "guide"
"""The defaults; it exists for every experiment."""

FOLDER = "presets"
PARTICULAR = "experiment"
"""Table of a preset file for keys of single experiments."""


def names(source: Source, experiment: AnyExperiment) -> list[str]:
    """Return the names of an experiment's presets."""
    return sorted({DEFAULT_PRESET, *_preset_files(source, experiment)})


def read(source: Source, experiment: AnyExperiment, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the keys that a preset sets for all experiments, and those for this experiment alone.

    Raises
    ------
    UnknownNameError
        If there is no such preset.
    """
    files = _preset_files(source, experiment)
    if name not in files:
        if name == DEFAULT_PRESET:
            return {}, {}
        raise UnknownNameError(f"Unknown preset {name!r}. {nearest(name, names(source, experiment))}")
    try:
        tree = _files.parse_toml(_text(files[name]))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"Cannot read the preset {files[name]}: {reason}. Expected TOML.") from error
    particular = tree.pop(PARTICULAR, {})
    tables = [particular, *particular.values()] if isinstance(particular, dict) else [particular]
    if not all(isinstance(each, dict) for each in tables):
        raise ConfigError(f"{PARTICULAR!r} in the preset {files[name]} is no table of tables by experiment.")
    return tree, particular.get(experiment.name, {})


def _text(file: Traversable) -> str:
    """Return the content of a preset, which may be inside a zipped package."""
    return _files.read_text(file) if isinstance(file, Path) else _files.decode_text(file.read_bytes())


def _preset_files(source: Source, experiment: AnyExperiment) -> dict[str, Traversable]:
    found: dict[str, Traversable] = {}
    for folder in _folders(source, experiment):
        for file in folder.iterdir() if folder.is_dir() else ():
            name = file.name.removesuffix(".toml")
            if name in found:
                raise NameClashError(f"Two presets of {experiment.name} are called {name!r}. Rename {file}.")
            if name != file.name:
                found[name] = file
    return found


def _folders(source: Source, experiment: AnyExperiment) -> list[Traversable]:
    """Return the folders of presets: beside the experiment, and of the package in its ``presets``."""
    package = source.module.rpartition(".")[0]
    own: Traversable = source.file.parent if source.file else resources.files(package or source.module)
    borrowed = [resources.files(experiment.presets)] if experiment.presets not in (None, package) else []
    return [each.joinpath(FOLDER) for each in (own, *borrowed)]
