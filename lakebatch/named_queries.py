"""Named SQL queries: built in, and in ``./queries``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from lakebatch.config_text import parse_setting
from lakebatch.errors import ConfigError, NameClashError, UnknownNameError
from lakebatch.hints import nearest
from lakebatch.ids import check_name

BUILT_IN = "lakebatch.queries"
FOLDER = "queries"
PARAMETER = re.compile(r"--\s*\$(?P<name>\w+):\s*(?P<meaning>.*)")
DEFAULT = re.compile(r"\((?:(?P<optional>optional)|default: (?P<value>[^)]+))\)\s*$")
"""How the meaning of a parameter ends that can be left out; an optional one is NULL then."""


@dataclass(frozen=True)
class Query:
    """A named query: its text, the help of its first comment line, its parameters' meanings and defaults."""

    name: str
    text: str
    help: str
    parameters: dict[str, str]
    defaults: dict[str, Any]

    def describe_parameters(self) -> str:
        """Return the parameters as one text, with their defaults; those in brackets can be left out."""
        return ", ".join(self._describe(name) for name in self.parameters)

    def _describe(self, name: str) -> str:
        if name not in self.defaults:
            return name
        value = self.defaults[name]
        return f"[{name}]" if value is None else f"[{name}={value}]"


def find() -> dict[str, Query]:
    """Return every named query.

    Raises
    ------
    NameClashError
        If two files claim one name.
    """
    found: dict[str, Query] = {}
    for file in [*_sql_files(resources.files(BUILT_IN)), *_user_files(Path.cwd())]:
        query = _read(file)
        if query.name in found:
            raise NameClashError(f"Two queries are called {query.name!r}. Rename {FOLDER}/{file.name}.")
        found[query.name] = query
    return found


def get(name: str) -> Query:
    """Return a query by name."""
    known = find()
    if name not in known:
        raise UnknownNameError(f"Unknown query {name!r}. {nearest(name, known)}")
    return known[name]


def _user_files(directory: Path) -> list[Traversable]:
    if (
        directory / "lakebatch" / "named_queries.py"
    ).is_file():  # the source tree of lakebatch: built in already
        return []
    folder = directory / FOLDER
    return _sql_files(folder) if folder.is_dir() else []


def _sql_files(folder: Traversable) -> list[Traversable]:
    files = [file for file in folder.iterdir() if file.name.endswith(".sql")]
    return sorted(files, key=lambda file: file.name)


def _read(file: Traversable) -> Query:
    text = file.read_text(encoding="utf-8")
    name = check_name(file.name.removesuffix(".sql").replace("_", "-"), f"query file name ({file.name})")
    first = text.partition("\n")[0]
    parameters = {match["name"]: match["meaning"].strip() for match in PARAMETER.finditer(text)}
    return Query(
        name=name,
        text=text,
        help=first.removeprefix("--").strip() if first.startswith("--") else "",
        parameters=parameters,
        defaults=_defaults(parameters),
    )


def _defaults(parameters: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, meaning in parameters.items():
        match = DEFAULT.search(meaning)
        if match:
            found[name] = None if match["optional"] else parse_setting(f"{name}={match['value']}")[name]
    return found


def bind(arguments: Sequence[str], query: Query | None = None) -> dict[str, Any]:
    """Return the values of a query's parameters from ``name=value`` texts; values are read as TOML, else as text.

    Raises
    ------
    ConfigError
        If a text is not ``name=value``, or a named query's parameter is unknown or missing.
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
            raise ConfigError(f"Query {query.name!r} needs --param {name}=VALUE: {meaning}.")
