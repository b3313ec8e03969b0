"""Named SQL queries, built in and in ``./queries``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from lakebatch._text import nearest
from lakebatch.errors import ConfigError, NameClashError, UnknownNameError
from lakebatch.experiment import foreign
from lakebatch.experiment.config_files import parse_setting
from lakebatch.experiment.foreign import Foreign
from lakebatch.settings import in_project, is_source_tree, project_folder

BUILT_IN = "lakebatch.queries"
FOLDER = "queries"
PARAMETER = re.compile(r"--\s*\$(?P<name>\w+):\s*(?P<meaning>.*)")
DEFAULT = re.compile(r"\((?:(?P<optional>optional)|default: (?P<value>[^)]+))\)\s*$")
"""Suffix in the description of a parameter with a default; an optional one defaults to NULL."""


@dataclass(frozen=True)
class Query:
    """A named query: its SQL, its help (the first comment line), its parameters and their defaults."""

    name: str
    text: str
    help: str
    parameters: dict[str, str]
    defaults: dict[str, Any]
    is_built_in: bool = False

    def describe_parameters(self) -> str:
        """Return a description of the parameters with their defaults; those in brackets are optional."""
        return ", ".join(self._describe(name) for name in self.parameters)

    def _describe(self, name: str) -> str:
        if name not in self.defaults:
            return name
        value = self.defaults[name]
        return f"[{name}]" if value is None else f"[{name}={value}]"


def find() -> dict[str, Query]:
    """Return every named query; warn of files in ``./queries`` that are not queries.

    Raises
    ------
    NameClashError
        If two files claim one name.
    """
    queries, left_out = _found()
    foreign.warn(FOLDER, left_out)
    return queries


def get(name: str) -> Query:
    """Return a query by name.

    Raises
    ------
    UnknownNameError
        If it does not exist.
    ConfigError
        If the file with this name is not a valid query.
    """
    known, left_out = _found()
    if name not in known:
        foreign.check_not_left_out(name, left_out)
    foreign.warn(FOLDER, left_out)
    if name not in known:
        raise UnknownNameError(f"Unknown query {name!r}. {nearest(name, known)}")
    return known[name]


def _found() -> tuple[dict[str, Query], list[Foreign]]:
    """Return the queries by name, and the files in ``./queries`` that are not queries."""
    left_out: list[Foreign] = []
    with resources.as_file(resources.files(BUILT_IN)) as folder:
        found = {each.name: replace(each, is_built_in=True) for each in _read_all(folder, left_out)}
    for each in _read_all(in_project(FOLDER), left_out) if not is_source_tree(project_folder()) else ():
        if each.name in found:
            raise NameClashError(f"Two queries are called {each.name!r}. Rename the one in ./{FOLDER}.")
        found[each.name] = each
    return found, left_out


def _read_all(folder: Path, left_out: list[Foreign]) -> list[Query]:
    return list(foreign.read_each(folder, ".sql", _read, left_out))


def _read(file: Path) -> Query:
    name = foreign.name_of(file, "query")
    text = foreign.text(file)
    first = text.partition("\n")[0]
    parameters = {match["name"]: match["meaning"].strip() for match in PARAMETER.finditer(text)}
    about = first.removeprefix("--").strip() if first.startswith("--") else ""
    return Query(name, text, about, parameters, _defaults(parameters))


def _defaults(parameters: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, meaning in parameters.items():
        match = DEFAULT.search(meaning)
        if match:
            found[name] = None if match["optional"] else parse_setting(f"{name}={match['value']}")[name]
    return found


def bind(arguments: Sequence[str], query: Query | None = None) -> dict[str, Any]:
    """Return parameters from ``name=value`` strings; a value is TOML, else a string.

    Raises
    ------
    ConfigError
        If an argument is not ``name=value``, or a named query's parameter is unknown or missing.
    """
    values: dict[str, Any] = {}
    for argument in arguments:
        values |= parse_setting(argument)
    return values if query is None else fill(query, values)


def fill(query: Query, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a query's parameters, defaults included.

    Raises
    ------
    ConfigError
        If a parameter is unknown or missing.
    """
    _check_parameters(query, values)
    return {**query.defaults, **values}


def _check_parameters(query: Query, values: Mapping[str, Any]) -> None:
    for name in values.keys() - query.parameters.keys():
        raise ConfigError(
            f"Query {query.name!r} has no parameter {name!r}. {nearest(name, query.parameters)}"
        )
    for name, meaning in query.parameters.items():
        if name not in values and name not in query.defaults:
            raise ConfigError(f"Query {query.name!r} needs {name}=VALUE (--param {name}=VALUE): {meaning}.")
