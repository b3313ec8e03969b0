"""Ways to damage the lake that the tests copy; each returns the file that the error must name."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import deltalake
import polars as pl

Damage = Callable[[Path], Path]
"""Takes the folder of ``toy``, whose results are created by versions 0 and 1; 2 to 4 are run 1, 5 to 7 run 2, 8, 9 run 3."""


def entry(table: Path, version: int) -> Path:
    """Return an entry of a table's log."""
    return table / "_delta_log" / f"{version:020d}.json"


def data_file(table: Path, run: str) -> Path:
    """Return one of the data files of a run."""
    return sorted(table.glob(f"assembly_id=*{run}/*.parquet"))[0]


def events_file(toy: Path) -> Path:
    """Return one of the files of events."""
    return sorted((toy / "assemblies").glob("*.parquet"))[0]


def emptied(file: Path) -> Path:
    """Empty a file, as a power cut does."""
    file.write_bytes(b"")
    return file


def cut(file: Path, to: int) -> Path:
    """Truncate a file."""
    file.write_bytes(file.read_bytes()[:to])
    return file


def gone(file: Path) -> Path:
    """Remove a file."""
    file.unlink()
    return file


def garbled(file: Path) -> Path:
    """Overwrite a page of a Parquet file; its size stays."""
    content = bytearray(file.read_bytes())
    content[60:120] = b"\x55" * 60
    file.write_bytes(content)
    return file


def value_changed(file: Path) -> Path:
    """Flip a bit of a stored number so that every reader takes it for another number."""
    content = bytearray(file.read_bytes())
    rows = pl.read_parquet(file)
    number = rows["mse"].to_numpy()[0].tobytes()
    content[content.index(number)] ^= 1
    file.write_bytes(content)
    assert not pl.read_parquet(file).equals(rows)
    return file


def foreign(toy: Path) -> Path:
    """Replace the results by a foreign table."""
    shutil.rmtree(toy / "results")
    deltalake.write_deltalake(str(toy / "results"), pl.DataFrame({"part": [1], "colour": ["red"]}))
    return toy / "results"


def edited(file: Path, old: str, new: str) -> Path:
    """Replace text in an entry of a log."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return file


def newer_schema(toy: Path) -> Path:
    """Make the results a table of a future lakebatch."""
    deltalake.DeltaTable(str(toy / "results")).alter.set_table_properties(
        {"lakebatch.schemaVersion": "99"}, raise_if_not_exists=False
    )
    return toy / "results"


def newer_protocol(toy: Path) -> Path:
    """Make the results a table of a future Delta protocol."""
    edited(entry(toy / "results", 1), '"minReaderVersion":1', '"minReaderVersion":99')
    return toy / "results"


def table_gone(toy: Path) -> Path:
    """Remove the results."""
    shutil.rmtree(toy / "results")
    return toy / "results"


def log_gone(toy: Path) -> Path:
    """Remove the log of the results."""
    shutil.rmtree(toy / "results" / "_delta_log")
    return toy / "results"


ENTRIES: dict[str, Damage] = {
    "entry empty": lambda toy: emptied(entry(toy / "results", 3)),
    "newest entry empty": lambda toy: emptied(entry(toy / "results", 9)),
    "entry cut off": lambda toy: cut(entry(toy / "results", 3), 700),
    "newest entry cut off": lambda toy: cut(entry(toy / "results", 9), 700),
    "entry missing": lambda toy: gone(entry(toy / "results", 3)),
    "entry of events empty": lambda toy: emptied(entry(toy / "assemblies", 3)),
}
"""Damaged entries of a log."""

TABLES: dict[str, Damage] = {
    "foreign table": foreign,
    "newer schema": newer_schema,
    "newer protocol": newer_protocol,
    "no table": table_gone,
    "no log": log_gone,
}
"""Tables that cannot be opened."""

DATA: dict[str, Damage] = {
    "file missing": lambda toy: gone(data_file(toy / "results", "run002")),
    "file empty": lambda toy: emptied(data_file(toy / "results", "run002")),
    "file cut off": lambda toy: cut(data_file(toy / "results", "run002"), 2000),
    "page garbled": lambda toy: garbled(data_file(toy / "results", "run002")),
}
"""Damaged data files of the second run."""

EVENTS: dict[str, Damage] = {
    "events missing": lambda toy: gone(events_file(toy)),
    "events cut off": lambda toy: cut(events_file(toy), 2000),
}
"""Damaged files of events."""
