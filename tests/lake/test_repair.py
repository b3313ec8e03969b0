"""Repair: a damaged lake becomes what it was, to the last bit, or stays as it is and says why."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import damage_done
import deltalake
import numpy as np
import polars as pl
import pytest

import lakebatch

COHORT = Path(__file__).with_name("cohort_experiment.py")
TABLES = ("assemblies", "results", "samples", "tags", "trajectories")
FOLDER = "92_v1_cohort"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Return a folder with a lake to be copied: merged and unmerged assemblies, a failed one, tags."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "experiments").mkdir()
    shutil.copy(COHORT, folder / "experiments" / "cohort.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        lake = lakebatch.open_lake(folder / "lake")
        lakebatch.run(lake, "cohort", jobs=1)
        lake["cohort"].tag("first")
        lake.optimize()
        patch.setattr("lakebatch.upkeep.tidy", lambda *_: None)
        for settings in ((), ["fail=[0.1]"], ["n_samples=7"]):
            lakebatch.run(lake, "cohort", jobs=1, settings=settings)
        lake["cohort"].tag("second", note="as published")
        assert lake["cohort"].assemblies()["rows"].to_list() == [15, 15, 10, 21]
    return folder


@pytest.fixture
def cohort(whole, tmp_path, monkeypatch) -> Path:
    """Return the folder of the experiment in a copy of that lake."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "lake" / FOLDER


def data_files(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.rglob("*.parquet")) if file.parent.name != "_delta_log"]


def versions(folder: Path) -> Iterator[tuple[str, int, pl.DataFrame]]:
    """Yield every table at every version, as a plain reader of Delta tables has it."""
    for name in TABLES:
        newest = deltalake.DeltaTable(str(folder / name)).version()
        for version in range(newest + 1):
            yield name, version, pl.read_delta(str(folder / name), version=version)


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort([name for name, dtype in rows.schema.items() if not dtype.is_nested()])


def check_same(folder: Path, whole: Path) -> None:
    """Every version of every table in one folder is in the other what it is there, to the last bit."""
    count = 0
    for name, version, expected in versions(whole):
        actual = pl.read_delta(str(folder / name), version=version)
        assert in_order(actual).equals(in_order(expected)), (name, version)
        count += 1
    assert count > 20


def flipped(file: Path, where: float = 0.4) -> Path:
    content = bytearray(file.read_bytes())
    content[int(len(content) * where)] ^= 0x10
    file.write_bytes(content)
    return file


WAYS: tuple[Callable[[Path], object], ...] = (
    damage_done.gone,
    damage_done.emptied,
    lambda file: damage_done.cut(file, 1000),
    damage_done.garbled,
    lambda file: file.write_bytes(b"\0" * file.stat().st_size),
)


@pytest.mark.parametrize("seed", range(3))
def test_third_of_all_data_files_is_restored_to_the_last_bit(cohort, whole, seed):
    rng = np.random.default_rng(seed)
    files = data_files(cohort)
    for index in rng.permutation(len(files))[: len(files) // 3]:
        WAYS[rng.integers(len(WAYS))](files[index])
    stored = lakebatch.open_lake(cohort.parent)["cohort"]
    planned = stored.repair()
    assert set(planned["state"]) == {"can be healed"}
    done = stored.repair(dry_run=False, jobs=1)
    assert set(done["state"]) == {"healed"}
    assert done.height == len(files) // 3
    check_same(cohort, whole / "lake" / FOLDER)
    assert stored.repair().is_empty()
    assert "problem" not in set(lakebatch.open_lake(cohort.parent).doctor(deep=True)["severity"])
