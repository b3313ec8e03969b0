"""Columns and tables that a project declares in ``./schemas``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakebatch._files import parse_toml
from lakebatch._text import nearest
from lakebatch.columns import Column, OwnTable, built_in_tables, column, metric, table
from lakebatch.errors import ConfigError, ExperimentError
from lakebatch.experiment import foreign

FOLDER = "schemas"
RESULTS = "results"
KEYS = ("table", "description", "columns")
COLUMN_KEYS = (
    "name", "type", "comment", "unit", "label", "nullable", "volatile", "minimum", "maximum", "higher_is_better",
)  # fmt: skip
METRIC = "higher_is_better"
"""Key that makes a column a metric."""


def result_columns(folder: Path) -> tuple[Column, ...]:
    """Return the columns that ``results.toml`` in a folder adds to the results of its experiments; none without it.

    Raises
    ------
    ConfigError
        If the file cannot be used.
    """
    file = folder / f"{RESULTS}.toml"
    return _columns(file, _document(file)) if os.path.lexists(file) else ()


def own_tables(folder: Path) -> tuple[str, ...]:
    """Return the names of the tables that a folder declares.

    Raises
    ------
    ConfigError
        If a file has the name of one of lakebatch's tables other than ``results``.
    """
    names = [each.removesuffix(".toml") for each in foreign.listing(folder, ".toml")]
    for name in names:
        if name in built_in_tables() and name != RESULTS:
            raise ConfigError(
                f"{_shown(folder / name)}.toml: {name} is a table of lakebatch. Add columns to {RESULTS}, or "
                "choose another name for a table of your own."
            )
    return tuple(name for name in names if name != RESULTS)


def own_table(folder: Path, name: str) -> OwnTable:
    """Return a table that a folder declares.

    Raises
    ------
    ConfigError
        If the file cannot be used.
    """
    file = folder / f"{name}.toml"
    document = _document(file)
    try:
        return table(name, document.get("description"), _columns(file, document))  # type: ignore[arg-type]
    except ExperimentError as error:
        raise ConfigError(f"{_shown(file)}: {error}") from error


def _document(file: Path) -> Mapping[str, Any]:
    try:
        document = parse_toml(foreign.text(file))
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{_shown(file)}: {error}. Expected TOML.") from error
    _check_keys(document, KEYS, _shown(file))
    if document.get("table", file.stem) != file.stem:
        raise ConfigError(
            f"{_shown(file)}: table is {document['table']!r}. Expected {file.stem!r}, as the file."
        )
    columns = document.get("columns")
    if not isinstance(columns, list) or not all(isinstance(each, dict) for each in columns):
        raise ConfigError(f"{_shown(file)}: columns is {columns!r}. Expected tables [[columns]].")
    return document


def _columns(file: Path, document: Mapping[str, Any]) -> tuple[Column, ...]:
    return tuple(_column(each, file, number) for number, each in enumerate(document["columns"], 1))


def _column(given: Mapping[str, Any], file: Path, number: int) -> Column:
    where = f"{_shown(file)}, column {given.get('name', number)!r}"
    _check_keys(given, COLUMN_KEYS, where)
    if missing := [key for key in ("name", "type", "comment") if key not in given]:
        raise ConfigError(f"{where}: {missing[0]} is missing.")
    options = {key: value for key, value in given.items() if key not in ("name", "type", "comment")}
    try:
        if METRIC not in given:
            return column(given["name"], given["type"], given["comment"], **options)
        _check_metric(given)
        options = {key: value for key, value in options.items() if key not in ("nullable", "volatile")}
        return metric(given["name"], given["comment"], **options)
    except ExperimentError as error:
        raise ConfigError(f"{_shown(file)}, {error}") from error


def _check_metric(given: Mapping[str, Any]) -> None:
    what = f"column {given['name']!r}"
    if given["type"] != "double":
        raise ExperimentError(f"{what} has the type {given['type']!r}. A metric ({METRIC}) is a double.")
    if given.get("volatile") or not given.get("nullable", True):
        raise ExperimentError(f"{what}: a metric ({METRIC}) is nullable and not volatile.")


def _check_keys(given: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in given:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}. {nearest(key, known)}")


def _shown(file: Path) -> str:
    return f"{FOLDER}/{file.name}"
