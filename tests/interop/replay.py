"""The Delta log of a table, replayed without any engine: what each of them should find."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow.parquet as pq

Row = dict[str, Any]


def rows(table: str, version: int | None = None) -> list[Row]:
    """Return the rows of a version, by default of the newest, from its commits alone."""
    found: list[Row] = []
    for path, partition in _files(Path(table), version).items():
        read = pq.ParquetFile(Path(table) / unquote(path)).read().to_pylist()
        found += [{**row, **partition} for row in read]
    return found


def _files(table: Path, version: int | None) -> dict[str, dict[str, str]]:
    files: dict[str, dict[str, str]] = {}
    commits = sorted(table.glob("_delta_log/" + "[0-9]" * 20 + ".json"))
    assert commits, f"no log in {table}"
    for commit in commits:
        if version is not None and int(commit.stem) > version:
            break
        for action in map(json.loads, commit.read_text().splitlines()):
            if removed := action.get("remove"):
                files.pop(removed["path"], None)
            if added := action.get("add"):
                files[added["path"]] = added["partitionValues"]
    return files


def means(found: list[Row]) -> list[list[Any]]:
    """Return level, number of rows and mean of ``r2`` of each level."""
    levels = sorted({row["level"] for row in found})
    return [[level, *_mean([row["r2"] for row in found if row["level"] == level])] for level in levels]


def _mean(values: list[float]) -> tuple[int, float]:
    return len(values), sum(values) / len(values)
