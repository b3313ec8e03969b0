"""Config from layers (defaults, preset, file, ``--set``), validated, with the origin of each value.

Presets are named sets of config values, in ``presets/*.toml`` beside the experiments.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import takewhile
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from lakebatch import _files
from lakebatch._text import excerpt, nearest
from lakebatch.errors import ConfigError, NameClashError, UnknownNameError
from lakebatch.experiment.config_files import Tree, insert_texts, parse_setting, read_file
from lakebatch.experiment.config_keys import file_keys, tables_of, with_lists
from lakebatch.experiment.contract import IMPORTS, ConfigModel
from lakebatch.experiment.registry import BUILT_IN, FOLDER, AnyExperiment, Source
from lakebatch.ids import MAX_SEED, leaves
from lakebatch.settings import SETTINGS_FILE, in_project, project_folder, read_settings

DEFAULT_PRESET = "guide"
"""The defaults; it exists for every experiment."""
PRESETS = "presets"
BY_EXPERIMENT = "experiment"
"""Table of a preset file for keys of single experiments."""
MODELS = "models"
"""Key of the project file for the packages that a record may import."""
MAX_SHOWN = 200
# characters of a wrong value that an error quotes


@dataclass(frozen=True)
class Layer:
    """Keys of a config with their origin."""

    origin: str
    values: Tree


@dataclass(frozen=True)
class Resolved:
    """A validated config, and the origin of each key that a layer set."""

    model: ConfigModel
    origins: Mapping[str, str]

    def origin(self, key: str) -> str:
        """Return the origin of a key's value."""
        while key not in self.origins and "." in key:
            key = key.rpartition(".")[0]
        return self.origins.get(key, "default")


def resolve(
    source: Source,
    experiment: AnyExperiment,
    *,
    preset: str = DEFAULT_PRESET,
    record: Layer | None = None,
    file: Path | None = None,
    settings: Iterable[str] = (),
    overrides: Mapping[str, Any] | None = None,
    swept: Mapping[str, Any] | None = None,
) -> Resolved:
    """Return the config of an experiment from its layers; a later layer overrides an earlier one.

    Parameters
    ----------
    record : Layer, optional
        The config of an assembly, in place of the preset; it imports only what `importable` allows.

    Raises
    ------
    ConfigError
        If a key is unknown or a value is invalid; the message lists every fault with key, value, expectation and
        origin.
    """
    settings = [settings] if isinstance(settings, str) else settings
    model = experiment.config_model
    bases = [] if record else read_preset(source, experiment, preset)
    layers = [record] if record else [Layer(f"preset {preset}", tree) for tree in bases]
    given = [(str(file), read_file(file), file.parent)] if file is not None else []
    given += [("--set", with_lists(parse_setting(text), model), Path()) for text in settings]
    given += [("option", dict(overrides), Path())] if overrides else []
    given += [("--sweep", dict(swept), Path())] if swept else []
    keys = list(file_keys(model))
    for origin, tree, folder in given:
        _check_numbers(tree, origin)
        layers.append(Layer(origin, insert_texts(tree, folder, keys)))
    context = {IMPORTS: importable(source)} if record else None
    return check(model, layers, context=context)


def preset_names(source: Source, experiment: AnyExperiment) -> list[str]:
    """Return the names of an experiment's presets."""
    return sorted({DEFAULT_PRESET, *_preset_files(source, experiment)})


def preset_summaries(source: Source, experiment: AnyExperiment) -> dict[str, str]:
    """Return the first sentence of the comment at the start of each preset, by name."""
    files = _preset_files(source, experiment)
    texts = {
        name: _preset_text(files[name]) if name in files else "" for name in preset_names(source, experiment)
    }
    return {name: _first_sentence(text) for name, text in texts.items()}


def _first_sentence(text: str) -> str:
    comment = takewhile(lambda line: line.startswith("#"), text.splitlines())
    return " ".join(line.lstrip("# ") for line in comment).partition(". ")[0].rstrip(".")


def read_preset(
    source: Source, experiment: AnyExperiment, name: str
) -> tuple[dict[str, Any], dict[str, Any]]:
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
        raise UnknownNameError(f"Unknown preset {name!r}. {nearest(name, preset_names(source, experiment))}")
    try:
        tree = _files.parse_toml(_preset_text(files[name]))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"Cannot read the preset {files[name]}: {reason}. Expected TOML.") from error
    particular = tree.pop(BY_EXPERIMENT, {})
    tables = [particular, *particular.values()] if isinstance(particular, dict) else [particular]
    if not all(isinstance(each, dict) for each in tables):
        raise ConfigError(
            f"{BY_EXPERIMENT!r} in the preset {files[name]} is no table of tables by experiment."
        )
    return tree, particular.get(experiment.name, {})


def check(
    model: type[ConfigModel], layers: Iterable[Layer], *, context: Mapping[str, Any] | None = None
) -> Resolved:
    """Return the validated config of some layers; a context is given for a record, see `from_record`."""
    values: Tree = {}
    origins: dict[str, str] = {}
    for layer in layers:
        values = merge(values, layer.values)
        origins |= dict.fromkeys((key for key, _ in leaves(layer.values)), layer.origin)
    try:
        return Resolved(model.model_validate(values, context=context), origins)
    except ValidationError as error:
        raise ConfigError(
            " ".join(_fault(fault, model, values, origins) for fault in error.errors())
        ) from error


def from_record(
    model: type[ConfigModel], record: Mapping[str, Any], *, imports: Collection[str] | None = None
) -> ConfigModel:
    """Return the config of an assembly's record.

    Parameters
    ----------
    imports : collection of str, optional
        The packages that it may import, see `importable`. By default none: this is enough for reading, and for a
        worker, whose parent process has validated the config.

    Raises
    ------
    ConfigError
        If the record does not fit the model.
    """
    layer = Layer("the assembly's record", dict(record))
    return check(model, [layer], context={IMPORTS: imports}).model


def importable(source: Source) -> list[str]:
    """Return the packages that a record may import: scikit-learn, the experiment's own, and those in ``lakebatch.toml``.

    Raises
    ------
    ConfigError
        If ``models`` in ``lakebatch.toml`` is not a list of packages.
    """
    named = read_settings().get(MODELS, [])
    if not isinstance(named, list) or not all(isinstance(each, str) and each for each in named):
        raise ConfigError(
            f"{MODELS!r} in {(project_folder() / SETTINGS_FILE).absolute()} is {named!r}. "
            "Expected a list of packages, e.g. ['my_models']."
        )
    own = source.module.rpartition(".")[0] or source.module
    return ["sklearn", BUILT_IN, own, *named]


def merge(base: Tree, over: Tree) -> Tree:
    """Return a tree with the values of another: tables are merged, other values replaced.

    A key of digits is an index of a list: ``{"drug": {"0": {"dose": 1}}}``.

    >>> merge({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}})
    {'a': {'b': 1, 'c': 3}}
    """
    result = copy.deepcopy(base)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            result[key] = merge(below, value)
        elif (
            isinstance(below, list) and isinstance(value, dict) and all(index.isdecimal() for index in value)
        ):
            result[key] = _merge_list(key, below, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def describe(resolved: Resolved) -> Iterator[dict[str, Any]]:
    """Yield one row per key with value, unit, origin and meaning."""
    yield from _describe(resolved, resolved.model, "")


def _preset_text(file: Traversable) -> str:
    """Return the content of a preset, which may be inside a zipped package."""
    return _files.read_text(file) if isinstance(file, Path) else _files.decode_text(file.read_bytes())


def _preset_files(source: Source, experiment: AnyExperiment) -> dict[str, Traversable]:
    found: dict[str, Traversable] = {}
    for folder in _preset_folders(source, experiment):
        for file in folder.iterdir() if folder.is_dir() else ():
            name = file.name.removesuffix(".toml")
            if name in found:
                raise NameClashError(f"Two presets of {experiment.name} are called {name!r}. Rename {file}.")
            if name != file.name:
                found[name] = file
    return found


def _preset_folders(source: Source, experiment: AnyExperiment) -> list[Traversable]:
    """Return the folders of presets: beside the experiment, and of the package in its ``presets``."""
    package = source.module.rpartition(".")[0]
    # a class has those of the folder that its file would be in
    folder = in_project(FOLDER) if source.payload else source.file and source.file.parent
    own: Traversable = folder or resources.files(package or source.module)
    borrowed = [resources.files(experiment.presets)] if experiment.presets not in (None, package) else []
    return [each.joinpath(PRESETS) for each in (own, *borrowed)]


def _check_numbers(tree: Any, origin: str, key: str = "") -> None:
    """Raise for integers that do not fit 64 bits."""
    below = (
        tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list | tuple) else ()
    )
    for name, value in below:
        _check_numbers(value, origin, f"{key}.{name}" if key else str(name))
    if isinstance(tree, int) and abs(tree) > MAX_SEED:
        raise ConfigError(f"Config key {key!r} is {tree} (from {origin}). Expected at most {MAX_SEED}.")


def _describe(resolved: Resolved, model: BaseModel, prefix: str) -> Iterator[dict[str, Any]]:
    for name, field in type(model).model_fields.items():
        key, value = f"{prefix}{name}", getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _describe(resolved, value, f"{key}.")
            continue
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        yield {
            "key": key,
            "value": json.dumps(to_jsonable_python(value)),
            "unit": extra.get("unit", ""),
            "origin": resolved.origin(key),
            "meaning": field.description or "",
        }


def _merge_list(key: str, below: list[Any], over: Tree) -> list[Any]:
    result = list(below)
    for index, value in over.items():
        if int(index) >= len(result):
            raise ConfigError(f"'{key}.{index}' is past the end of {key!r}, which has {len(result)} entries.")
        both = isinstance(result[int(index)], dict) and isinstance(value, dict)
        result[int(index)] = merge(result[int(index)], value) if both else value
    return result


def _fault(fault: Any, model: type[ConfigModel], values: Tree, origins: Mapping[str, str]) -> str:
    key = ".".join(_steps(fault["loc"], values))
    origin = _origin(key, origins)
    if fault["type"] == "extra_forbidden":
        return f"Unknown config key {key!r}{origin}. {nearest(str(fault['loc'][-1]), _siblings(model, fault['loc']))}"
    if fault["type"] == "missing":
        return f"Config key {key!r} is missing. Set it with overrides={{{key!r}: VALUE}} (--set {key}=VALUE)."
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "value_error":
        return f"Config{f' key {key!r}' if key else ''}{origin}: {message.rstrip('.')}."
    expected = message.replace("Input should be ", "Expected ", 1).rstrip(".")
    return f"Config key {key!r} is {_shown(fault['input'])}{origin}. {expected}."


def _shown(value: Any) -> str:
    """Return the representation of a value, shortened if it is long."""
    return excerpt(repr(value), MAX_SHOWN)


def _steps(location: Sequence[Any], values: Any) -> Iterator[str]:
    """Yield the keys on the path to a fault, without names for members of unions, which are no identifiers."""
    for index, step in enumerate(location):
        inside = isinstance(values, dict) and step in values
        if inside or (isinstance(values, list) and isinstance(step, int)):
            values = values[step]
            yield str(step)
        elif index == len(location) - 1 and str(step).isidentifier():
            yield str(step)


def _origin(key: str, origins: Mapping[str, str]) -> str:
    while key and key not in origins:
        key = key.rpartition(".")[0]
    return f" (from {origins[key]})" if key else ""


def _siblings(model: type[BaseModel], steps: tuple[Any, ...]) -> list[str]:
    """Return the known keys of the table that holds an unknown key."""
    tables = [model]
    for step in steps[:-1]:
        fields = [table.model_fields[step] for table in tables if step in table.model_fields]
        if fields:
            tables = [each for field in fields for each in tables_of(field.annotation)]
    return list(dict.fromkeys(key for table in tables for key in table.model_fields))
