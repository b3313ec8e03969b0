"""Reads what users write of a config: files, ``--set key=value``, and texts that stand in files."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from lakebatch.errors import ConfigError

FILE = "file:"
"""What a value begins with that is the path of a file, whose text is meant."""

Tree = dict[str, Any]


def parse_setting(text: str) -> Tree:
    """Return the tree that one ``key=value`` sets; the value is read as TOML, or as text where it is none.

    >>> parse_setting("cohort.n_samples=200")
    {'cohort': {'n_samples': 200}}
    >>> parse_setting("noise=lognormal")
    {'noise': 'lognormal'}
    """
    key, equals, value = text.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names):
        raise ConfigError(f"Cannot read --set {text!r}. Expected key=value, e.g. cohort.n_samples=200.")
    tree: Any = _value(value.strip())
    for name in reversed(names):
        tree = {name: tree}
    return dict(tree)


def read_file(file: Path) -> Tree:
    """Return the keys that a TOML, YAML or JSON file sets."""
    readers: dict[str, Callable[[str], Any]] = {
        ".toml": tomllib.loads,
        ".yaml": yaml.safe_load,
        ".yml": yaml.safe_load,
        ".json": json.loads,
    }
    if file.suffix not in readers:
        raise ConfigError(
            f"Cannot read the config {file}. Expected a name that ends in {', '.join(readers)}."
        )
    try:
        tree = readers[file.suffix](file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"Cannot read the config {file}: {error.strerror}.") from error
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"Cannot read the config {file}: {' '.join(str(error).split())}.") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"The config {file} holds {type(tree).__name__}. Expected a table of keys.")
    return tree


def insert_texts(tree: Tree, folder: Path) -> Tree:
    """Return a tree in which each value ``file:PATH`` is the text of that file; paths start in a folder.

    Raises
    ------
    ConfigError
        If a file cannot be read.
    """
    return {key: _with_texts(value, str(key), folder) for key, value in tree.items()}


def _with_texts(value: Any, key: str, folder: Path) -> Any:
    if isinstance(value, dict):
        return {name: _with_texts(each, f"{key}.{name}", folder) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_with_texts(each, f"{key}.{index}", folder) for index, each in enumerate(value)]
    if isinstance(value, str) and value.startswith(FILE):
        return _text(key, folder / value.removeprefix(FILE))
    return value


def _text(key: str, file: Path) -> str:
    """Return the text of the file that a key names."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(
            f"Config key {key!r} names the file {file}, which cannot be read: {reason}."
        ) from error


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
