"""The keys of a config model: which take a list or the content of a file, and what each means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from lakebatch.experiment.config_files import Tree, parse_value


def file_keys(annotation: Any, key: str = "") -> Iterator[str]:
    """Yield the keys that accept the content of a file; tables in a list have the key of the list."""
    if not is_table(annotation):
        for inner in get_args(annotation):
            yield from file_keys(inner, key)
        return
    for name, field in annotation.model_fields.items():
        below = f"{key}.{name}" if key else name
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("file"):
            yield below
        yield from file_keys(field.annotation, below)


def meanings(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield every key of a model that takes a value, with its meaning."""
    for name, field in model.model_fields.items():
        nested = [each for each in (field.annotation, *get_args(field.annotation)) if is_table(each)]
        if nested and not is_list(field.annotation):
            yield from meanings(nested[0], f"{above}{name}.")
        else:
            yield f"{above}{name}", field.description or ""


def units(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield every key of a model that has a unit, with the unit."""
    for name, field in model.model_fields.items():
        nested = [each for each in (field.annotation, *get_args(field.annotation)) if is_table(each)]
        if nested and not is_list(field.annotation):
            yield from units(nested[0], f"{above}{name}.")
        elif isinstance(field.json_schema_extra, dict) and "unit" in field.json_schema_extra:
            yield f"{above}{name}", str(field.json_schema_extra["unit"])


def with_lists(tree: Tree, model: Any) -> Tree:
    """Return a tree in which a key that takes a list has one, also where a single value or ``0,0.1`` was typed."""
    fields: Mapping[str, Any] = model.model_fields if is_table(model) else {}
    return {key: _with_list(value, fields.get(key)) for key, value in tree.items()}


def _with_list(value: Any, field: Any) -> Any:
    if field is None:
        return value
    if isinstance(value, dict):
        (inner, *_) = (*filter(is_table, (field.annotation, *get_args(field.annotation))), None)
        return with_lists(value, inner)
    if not is_list(field.annotation) or isinstance(value, list | bool) or value == "":
        return value
    if not isinstance(value, str):
        return [value]
    return [parse_value(each.strip()) for each in value.split(",") if each.strip()]


def is_list(annotation: Any) -> bool:
    """Whether a value is a list of values that are no tables, and nothing else."""
    kinds = [each for each in _alternatives(annotation) if each is not type(None)]
    return bool(kinds) and all(
        get_origin(each) in (tuple, list, Sequence) and not any(tables_of(each)) for each in kinds
    )


def _alternatives(annotation: Any) -> Sequence[Any]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def tables_of(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the tables that a value may be, also in a list or a union."""
    if is_table(annotation):
        yield annotation
    for inner in get_args(annotation):
        yield from tables_of(inner)


def is_table(annotation: Any) -> bool:
    """Whether a value is a table of keys."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
