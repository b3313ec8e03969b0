"""A lake can be read on Windows and is never written there, as far as a likeness of it can show."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

LIKENESS = Path(__file__).with_name("like_windows.py")
EVERY_MODULE = """
import importlib, json, pkgutil
import lakebatch
names = [each.name for each in pkgutil.walk_packages(lakebatch.__path__, "lakebatch.") if "__main__" not in each.name]
for name in names:
    importlib.import_module(name)
from lakebatch import _process
assert _process.IS_WINDOWS
print(len(names))
"""
READ = """
import json, sys
import lakebatch
lake = lakebatch.open_lake(sys.argv[1])
rows = lake["toy"].reassemble()
(count,) = lake.sql("SELECT count(*) AS n FROM toy.results").rows()[0]
events = lake["toy"].history()
print(json.dumps([rows.height, count, events.height]))
"""
ROWS = "import lakebatch; print(lakebatch.open_lake('lake')['toy'].history().rows()[0][0])"


@pytest.fixture(scope="module")
def project(template_lake, tmp_path_factory):
    """Return a copy of the project with a lake of four runs, three of the experiment ``toy``."""
    return shutil.copytree(template_lake, tmp_path_factory.mktemp("windows"), dirs_exist_ok=True)


def run(folder, *arguments):
    return subprocess.run(
        [sys.executable, str(LIKENESS), *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
    )


def script(folder, text, *arguments):
    (folder / "script.py").write_text(text)
    done = run(folder, folder / "script.py", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def command(folder, *arguments):
    return run(folder, "-m", "lakebatch", "--lake", "lake", *arguments)


def test_every_module_is_imported(project):
    assert script(project, EVERY_MODULE) > 300


def test_lake_is_read_from_python(project):
    assert script(project, READ, "lake") == [18, 18, 6]


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["history", "toy"],
        ["sql", "SELECT level, count(*) FROM toy.results GROUP BY ALL"],
        ["doctor", "--read-only"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_command_that_reads_works(project, arguments):
    done = command(project, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_rows_are_exported(project):
    done = command(project, "reassemble", "toy", "-o", "rows.parquet")
    assert done.returncode == 0, done.stderr
    assert pl.read_parquet(project / "rows.parquet").height == 18


def test_pages_are_exported(project):
    done = command(project, "ui", "--export", "pages")
    assert done.returncode == 0, done.stderr
    assert (project / "pages" / "index.html").is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "toy"],
        ["tag", "toy", "paper"],
        ["optimize", "toy", "--yes"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_command_that_writes_is_refused_in_one_line_and_changes_nothing(project, arguments):
    before = {file: file.stat().st_mtime_ns for file in (project / "lake").rglob("*")}
    done = command(project, *arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    # a tag first warns that the published table was not brought up to date
    assert done.stderr.splitlines(keepends=True)[-1] == (
        "Error: Cannot write to a lake on Windows, where lakebatch only reads. Expected Linux or macOS: do this in WSL.\n"
    )
    assert {file: file.stat().st_mtime_ns for file in (project / "lake").rglob("*")} == before


def test_lake_is_read_without_time_zones_of_the_system(project):
    """As on Windows and in small containers."""
    done = subprocess.run(
        [sys.executable, "-c", ROWS],
        cwd=project,
        env=os.environ | {"PYTHONTZPATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
