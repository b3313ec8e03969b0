"""Parsers of user-written config: files, ``--set key=value``, and ``file:PATH`` values."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from lakebatch import _files
from lakebatch._text import excerpt
from lakebatch.errors import ConfigError

FILE = "file:"
"""Prefix of a value that stands for the content of a file."""

Tree = dict[str, Any]


def parse_setting(text: str) -> Tree:
    """Return the tree that one ``key=value`` sets; the value is TOML, or a plain string if it is not.

    >>> parse_setting("cohort.n_samples=200")
    {'cohort': {'n_samples': 200}}
    >>> parse_setting("noise=lognormal")
    {'noise': 'lognormal'}
    """
    key, equals, value = text.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names) or len(names) > _files.MAX_DEPTH:
        raise ConfigError(
            f"Cannot read the setting {excerpt(text, 200)!r}. Expected key=value, e.g. cohort.n_samples=200."
        )
    tree: Any = parse_value(value.strip())
    for name in reversed(names):
        tree = {name: tree}
    return dict(tree)


def read_file(file: Path) -> Tree:
    """Return the keys that a TOML, YAML or JSON file sets.

    Raises
    ------
    ConfigError
        If it cannot be read, has a key twice, or would take unbounded time or memory.
    """
    readers: dict[str, Callable[[str], Any]] = {
        ".toml": _files.parse_toml,
        ".yaml": _yaml,
        ".yml": _yaml,
        ".json": _files.parse_json,
    }
    if file.suffix not in readers:
        raise ConfigError(
            f"Cannot read the config {file}. Expected a name that ends in {', '.join(readers)}."
        )
    try:
        tree = readers[file.suffix](_files.read_text(file))
    except (OSError, ValueError) as error:
        raise ConfigError(f"Cannot read the config {file}: {_reason(error)}.") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"The config {file} holds {type(tree).__name__}. Expected a table of keys.")
    return tree


def insert_texts(tree: Tree, folder: Path, keys: Collection[str]) -> Tree:
    """Return a tree with each value ``file:PATH`` replaced by that file's content; paths are relative to a folder.

    Parameters
    ----------
    keys : collection of str
        The keys that accept the content of a file, such as ``sbml.model``.

    Raises
    ------
    ConfigError
        If a file cannot be read, or another key has such a value.
    """
    return {key: _with_texts(value, str(key), folder, keys) for key, value in tree.items()}


def _with_texts(value: Any, key: str, folder: Path, keys: Collection[str]) -> Any:
    if isinstance(value, dict):
        return {name: _with_texts(each, f"{key}.{name}", folder, keys) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_with_texts(each, f"{key}.{index}", folder, keys) for index, each in enumerate(value)]
    if not isinstance(value, str) or not value.startswith(FILE):
        return value
    if ".".join(step for step in key.split(".") if not step.isdecimal()) not in keys:
        known = f"Only {', '.join(keys)} takes" if keys else "No key of this experiment takes"
        raise ConfigError(f"Config key {key!r} is {value!r}. {known} the text of a file.")
    return _text(key, folder / value.removeprefix(FILE))


def _text(key: str, file: Path) -> str:
    """Return the content of the file that a key refers to."""
    try:
        return _files.read_text(file)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"Config key {key!r} names the file {file}, which cannot be read: {_reason(error)}."
        ) from error


def _yaml(text: str) -> Any:
    from lakebatch.experiment import yaml_files as yaml_text  # PyYAML is slow to import

    return yaml_text.load(text)


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return " ".join(str(error).split()).rstrip(".")


def parse_value(text: str) -> Any:
    """Return a TOML value, or the string itself if it is not TOML."""
    try:
        tree = _files.parse_toml(f"value = {text}")
    except _files.ExcessError as error:
        raise ConfigError(f"Cannot read a setting with the value {excerpt(text, 40)!r}: {error}.") from error
    except ValueError:
        return text
    return tree["value"] if tree.keys() == {"value"} else text  # a second line may set another key
