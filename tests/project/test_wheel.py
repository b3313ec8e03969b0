"""The wheel is complete, and works from any folder without the checkout."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import host
import pytest

ROOT = Path(__file__).parents[2]
BUILT_FROM = ("lakebatch", "experiments", "queries", "schemas", "pyproject.toml", "README.md", "LICENSE")
BEFORE_THE_CHECKOUT = """
import sys
folder = sys.argv.pop(1)
sys.path.insert(0, folder)
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in f"{finder}".lower()]
import lakebatch
from lakebatch.cli import main
assert lakebatch.__file__.startswith(folder), lakebatch.__file__
main()
"""
"""The command line of the package in a folder, because this environment has an editable install."""
IGNORED = {"__pycache__", ".ipynb_checkpoints"}


def run(*command, cwd):
    environment = {**os.environ, **host.network}
    done = subprocess.run(
        [str(each) for each in command], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Return a wheel, built from a copy, because setuptools builds in the source folder."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in BUILT_FROM:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ".", cwd=folder)
    return next(folder.glob("*.whl"))


def test_wheel_holds_every_file_of_the_package_and_no_other(wheel):
    """Modules, manual, schemas, queries, presets, models, templates, styles and scripts; no tests."""
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = {
        f"lakebatch/{file.relative_to(ROOT).as_posix()}".replace("lakebatch/lakebatch/", "lakebatch/", 1)
        for folder in ("lakebatch", "experiments", "queries", "schemas")
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and not IGNORED & {*file.relative_to(ROOT).parts}
    }
    assert {"lakebatch/py.typed", "lakebatch/docs/sql.md", "lakebatch/schemas/results.toml"} <= files
    assert names == files


def test_wheel_says_what_it_is(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    about = HeaderParser().parsestr(archive.read(name).decode())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert about["License-Expression"] == "MIT"
    assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())
    assert about["Requires-Python"] == project["requires-python"] == ">=3.11"
    assert set(about.get_all("Provides-Extra")) == set(project["optional-dependencies"])
    assert about["Description-Content-Type"] == "text/markdown"
    assert about.get_payload().startswith("# lakebatch")


def test_wheel_alone_reads_its_data_from_any_folder(wheel, tmp_path):
    """With the packages of this environment, without the checkout; .ci/run installs it alone and runs jobs."""
    alone, elsewhere = tmp_path / "alone", tmp_path / "elsewhere"
    zipfile.ZipFile(wheel).extractall(alone)
    elsewhere.mkdir()
    lakebatch = (sys.executable, "-c", BEFORE_THE_CHECKOUT, alone)
    assert "response-noise" in run(*lakebatch, "list", cwd=elsewhere)
    assert "preset original" in run(
        *lakebatch, "config", "response-noise", "--preset", "original", cwd=elsewhere
    )
    assert "degradation" in run(*lakebatch, "queries", cwd=elsewhere)
    assert (
        run(*lakebatch, "help", "sql", cwd=elsewhere) == (ROOT / "lakebatch" / "docs" / "sql.md").read_text()
    )
    run(*lakebatch, "init", "study", cwd=elsewhere)
    assert "batch-effect" in run(*lakebatch, "list", cwd=elsewhere / "study")
