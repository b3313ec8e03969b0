"""What the tests of the lake share: a small experiment and an empty lake."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import lakebatch

TOY = Path(__file__).parent / "lake" / "toy_experiment.py"


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of an experiment in the folder ``experiments`` of the working directory."""
    folder = tmp_path / "experiments"
    folder.mkdir()
    shutil.copy(TOY, folder / "toy.py")
    monkeypatch.chdir(tmp_path)
    return "toy"


@pytest.fixture
def lake(tmp_path: Path) -> lakebatch.Lake:
    """Return a lake in a folder that does not exist yet."""
    return lakebatch.open_lake(tmp_path / "lake")
