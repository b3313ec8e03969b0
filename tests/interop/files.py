"""Rows of ``snapshot.files()`` in engines, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import environments

SCRIPT = Path(__file__).with_name("files_in_engine.py")
LIMIT_SECONDS = 300


def rows(
    lake: str, name: str, table: str, *engines: str, requirements: str = "requirements.txt"
) -> dict[str, list[dict[str, Any]]]:
    """Return the rows that each of some engines has of a table."""
    interpreter = environments.python(requirements)
    (packages,) = interpreter.parents[1].glob("lib/python*/site-packages")
    command = [sys.executable, str(SCRIPT), lake, name, table, str(packages), *engines]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, env=os.environ)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return found


def values(found: Sequence[dict[str, Any]], columns: Sequence[str]) -> list[list[Any]]:
    """Return the values of some columns, sorted."""
    return sorted([row[name] for name in columns] for row in found)
