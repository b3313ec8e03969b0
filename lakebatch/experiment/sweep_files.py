"""Sweeps from files: tables of keys in TOML, YAML or JSON, and points as the rows of a CSV file."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lakebatch import _files
from lakebatch._text import nearest
from lakebatch.errors import ConfigError
from lakebatch.experiment.config_files import parse_value, read_file
from lakebatch.experiment.sweep_design import swept_keys
from lakebatch.experiment.sweep_values import SweptKeys
from lakebatch.ids import leaves

TABLE = "sweep"
OPTIONS = ("draws", "design", "seed", "replicates")


@dataclass(frozen=True)
class SweepFile:
    """The content of a file: swept keys, and values of the options that it sets."""

    swept: tuple[SweptKeys, ...]
    options: dict[str, Any] = field(default_factory=dict)


def read_sweep_file(file: Path) -> SweepFile:
    """Return the sweep in a file.

    Raises
    ------
    ConfigError
        If it cannot be read, or has another form.
    """
    if file.suffix == ".csv":
        return SweepFile((_of_csv(file),))
    tree = read_file(file)
    options = {key: value for key, value in tree.items() if key != TABLE}
    for key in options:
        if key not in OPTIONS:
            raise ConfigError(f"Unknown key {key!r} in {file}. {nearest(key, [TABLE, *OPTIONS])}")
    table = tree.get(TABLE)
    if not isinstance(table, dict) or not table:
        raise ConfigError(f"{file} has no table [{TABLE}] of keys and values. See: lakebatch help sweeps")
    return SweepFile(swept_keys(dict(leaves(table))), options)


def _of_csv(file: Path) -> SweptKeys:
    """Return the columns of a CSV file as zipped keys; each cell is parsed as the value of ``--set``."""
    try:
        rows = [row for row in csv.reader(io.StringIO(_files.read_text(file))) if row]
    except (OSError, ValueError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"Cannot read the sweep {file}: {reason}.") from error
    if len(rows) < 2:
        raise ConfigError(f"{file} has no point. Expected a line of keys, and a line of values per point.")
    keys = tuple(key.strip() for key in rows[0])
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(keys) or not all(cell.strip() for cell in row):
            raise ConfigError(f"Line {number} of {file} has not one value per key, {', '.join(keys)}.")
    values = tuple(tuple(parse_value(cell.strip()) for cell in row) for row in rows[1:])
    if not all(keys):
        raise ConfigError(f"A column of {file} has no key in the first line.")
    return SweptKeys(keys, values)
