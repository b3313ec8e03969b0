"""A config: defaults <- preset <- file <- ``--set``; checked, and with where each value came from."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from lakebatch import presets
from lakebatch.assembly import MADE_BY
from lakebatch.config_text import Tree, insert_texts, parse_setting, read_file
from lakebatch.errors import AssemblyError, ConfigError
from lakebatch.experiment import ConfigModel
from lakebatch.hints import nearest
from lakebatch.presets import DEFAULT_PRESET
from lakebatch.registry import AnyExperiment, Source


@dataclass(frozen=True)
class Layer:
    """Some keys of a config and where they came from."""

    origin: str
    values: Tree


@dataclass(frozen=True)
class Resolved:
    """A checked config and, for each key that a layer set, where its value came from."""

    model: ConfigModel
    origins: Mapping[str, str]

    def origin(self, key: str) -> str:
        """Return where the value of a key came from."""
        while key not in self.origins and "." in key:
            key = key.rpartition(".")[0]
        return self.origins.get(key, "default")


def resolve(
    source: Source,
    experiment: AnyExperiment,
    *,
    preset: str = DEFAULT_PRESET,
    file: Path | None = None,
    settings: Iterable[str] = (),
    overrides: Mapping[str, Any] | None = None,
) -> Resolved:
    """Return the config of an experiment from its layers, later ones winning.

    Raises
    ------
    ConfigError
        If a key is unknown or a value cannot be used; every fault is named, with key, value,
        expectation and origin.
    """
    layers = [Layer(f"preset {preset}", tree) for tree in presets.read(source, experiment, preset)]
    if file is not None:
        layers.append(Layer(str(file), insert_texts(read_file(file), file.parent)))
    layers += [Layer("--set", insert_texts(parse_setting(text), Path())) for text in settings]
    if overrides:
        layers.append(Layer("option", insert_texts(dict(overrides), Path())))
    return check(experiment.config_model, layers)


def check(model: type[ConfigModel], layers: Iterable[Layer]) -> Resolved:
    """Return the checked config that layers of keys make up."""
    values: Tree = {}
    origins: dict[str, str] = {}
    for layer in layers:
        values = merge(values, layer.values)
        origins |= dict.fromkeys(_leaves(layer.values), layer.origin)
    try:
        return Resolved(model.model_validate(values), origins)
    except ValidationError as error:
        raise ConfigError(
            " ".join(_fault(fault, model, values, origins) for fault in error.errors())
        ) from error


def from_record(model: type[ConfigModel], record: Mapping[str, Any]) -> ConfigModel:
    """Return the config that an assembly's record holds.

    Raises
    ------
    AssemblyError
        If no experiment computed the assembly.
    """
    if made_by := record.get(MADE_BY):
        raise AssemblyError(
            f"The assembly comes from {made_by} and not from a run: it can be read, and not be computed or checked again."
        )
    return check(model, [Layer("the assembly's record", dict(record))]).model


def merge(base: Tree, over: Tree) -> Tree:
    """Return one tree laid over another: tables are merged, everything else is replaced.

    A key made of digits reaches into a list: ``{"drug": {"0": {"dose": 1}}}``.

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
    """Yield one row per key: its value, unit, origin and meaning."""
    yield from _describe(resolved, resolved.model, "")


def _describe(resolved: Resolved, model: BaseModel, prefix: str) -> Iterator[dict[str, Any]]:
    for name, field in type(model).model_fields.items():
        key, value = f"{prefix}{name}", getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _describe(resolved, value, f"{key}.")
            continue
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        yield {
            "key": key,
            "value": json.dumps(model.model_dump(mode="json")[name]),
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


def _leaves(tree: Tree, prefix: str = "") -> Iterator[str]:
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _fault(fault: Any, model: type[ConfigModel], values: Tree, origins: Mapping[str, str]) -> str:
    key = ".".join(_steps(fault["loc"], values))
    origin = _origin(key, origins)
    if fault["type"] == "extra_forbidden":
        return f"Unknown config key {key!r}{origin}. {nearest(str(fault['loc'][-1]), _siblings(model, fault['loc']))}"
    if fault["type"] == "missing":
        return f"Config key {key!r} is missing. Set it with --set {key}=VALUE."
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "value_error":
        return f"Config{f' key {key!r}' if key else ''}{origin}: {message.rstrip('.')}."
    expectation = message.removeprefix("Input should be ")
    return f"Config key {key!r} is {fault['input']!r}{origin}. Expected {expectation}."


def _steps(location: Sequence[Any], values: Any) -> Iterator[str]:
    """Yield the keys that lead to a fault; the validator's own names for kinds of values are left out."""
    for index, step in enumerate(location):
        inside = isinstance(values, dict) and step in values
        if inside or (isinstance(values, list) and isinstance(step, int)):
            values = values[step]
            yield str(step)
        elif index == len(location) - 1:
            yield str(step)


def _origin(key: str, origins: Mapping[str, str]) -> str:
    while key and key not in origins:
        key = key.rpartition(".")[0]
    return f" (from {origins[key]})" if key else ""


def _siblings(model: type[BaseModel], steps: tuple[Any, ...]) -> list[str]:
    """Return the keys that are known in the table where an unknown one stood."""
    for step in steps[:-1]:
        annotation = model.model_fields[step].annotation if step in model.model_fields else None
        tables = [each for each in (annotation, *get_args(annotation)) if _is_table(each)]
        if len(tables) != 1:
            break
        model = tables[0]
    return list(model.model_fields)


def _is_table(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
