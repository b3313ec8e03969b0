"""Fixtures of the tests of faults: the cleanup of leftover processes, and a folder in which ``lakebatch run toy`` works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import processes
import pytest


@pytest.fixture(autouse=True)
def _no_process_outlives_its_test() -> Iterator[None]:
    yield
    processes.kill_all()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a working directory with the experiment ``toy``."""
    return processes.make_working_directory(tmp_path / "work")
