"""What the tests of tables and assemblies share."""

import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

import lakebatch
from lakebatch.assembly.events import AssemblyLog
from lakebatch.assembly.record import Plan
from lakebatch.storage import Storage
from lakebatch.storage.delta.schema import conform, load_schema
from lakebatch.storage.delta.table import Table

GATE = """
import time
from pathlib import Path
Path("ready{number}").touch()
while not Path("go").exists():
    time.sleep(0.005)
"""


class ToySchema:
    """Names that many tests use."""

    folder = "90_v1_toy"
    assembly_id = "20261123_142230_run001"
    at = datetime(2026, 11, 23, 14, 22, 31, tzinfo=UTC)


@pytest.fixture
def open_table(tmp_path):
    """Return a function that opens a table of the lake anew, as another process would."""
    return lambda name="results": Table(Storage(str(tmp_path / "lake")), ToySchema.folder, load_schema(name))


@pytest.fixture
def results(open_table):
    """Return an empty table of results."""
    table = open_table()
    table.ensure()
    return table


@pytest.fixture
def log(open_table):
    """Return an empty log of assemblies."""
    table = open_table("assemblies")
    table.ensure()
    return AssemblyLog(table)


@pytest.fixture
def frame():
    """Return rows of one part, complete with what is filled in."""

    def build(part="p", rows=1, **columns):
        stamps = {"assembly_id": [ToySchema.assembly_id] * rows, "part": [part] * rows}
        times = pl.Series([ToySchema.at] * rows, dtype=pl.Datetime("us", "UTC"))
        given = {name: [value] * rows for name, value in columns.items()}
        return conform(pl.DataFrame({**stamps, "recorded_at": times, **given}), load_schema("results"))

    return build


@pytest.fixture
def plan():
    """Return a plan of two parts."""

    def build(**changes):
        fields = {
            "config": {"levels": [0.0, 0.1]},
            "parts": ("level=0", "level=0.1"),
            "base_seed": 42,
            "pinned_seed": None,
            "known_gaps": (),
            "code_version": "0.1.0",
            "environment": {},
        }
        return Plan(**(fields | changes))

    return build


@pytest.fixture
def run_together(tmp_path):
    """Return a function that runs scripts in processes of their own, all let go at one moment."""

    def run(imports: str, scripts: list[str]) -> list[str]:
        folder = tmp_path / "together"
        folder.mkdir()
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", imports + GATE.format(number=number) + script],
                cwd=folder,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number, script in enumerate(scripts)
        ]
        wait_for(lambda: len(list(folder.glob("ready*"))) == len(scripts), processes)
        (folder / "go").touch()
        outputs = [process.communicate(timeout=120)[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * len(scripts)
        return outputs

    return run


def wait_for(condition, processes=(), seconds=60):
    """Wait until something is so; fail if it takes too long or a process ends before."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "waited too long"
        assert all(process.poll() is None for process in processes), "a process ended too early"
        time.sleep(0.01)


@pytest.fixture
def wait_until():
    """Return `wait_for`."""
    return wait_for


@pytest.fixture
def names():
    """Return names that many tests use."""
    return ToySchema


@pytest.fixture
def parquet_files(tmp_path):
    """Return a function that lists the data files of a table."""
    return lambda table: sorted(Path(table.uri).rglob("part-*.parquet"))


@pytest.fixture
def run(lake, toy):
    """Return a function that runs the toy in this process."""
    return lambda *settings: lakebatch.run(lake, toy, jobs=1, settings=settings)


@pytest.fixture
def stored(lake, toy, run):
    """Return the toy after one complete run."""
    run()
    return lake[toy]
