"""The wheel is complete, and works from any folder without the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
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


def test_wheel_holds_one_package_and_all_its_data(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"lakebatch"}
    for folder, target, pattern in (
        ("lakebatch", "lakebatch", "**/*.py"),
        ("lakebatch", "lakebatch", "docs/*"),
        ("lakebatch", "lakebatch", "analysis/report/templates/*"),
        ("lakebatch", "lakebatch", "ui/assets/*"),
        ("lakebatch", "lakebatch", "ui/templates/*"),
        ("experiments", "lakebatch/experiments", "**/*.py"),
        ("experiments", "lakebatch/experiments", "**/*.toml"),
        ("experiments", "lakebatch/experiments", "models/*.ant"),
        ("schemas", "lakebatch/schemas", "*.toml"),
        ("queries", "lakebatch/queries", "*.sql"),
    ):
        files = [path for path in (ROOT / folder).glob(pattern) if path.is_file()]
        assert files
        missing = {f"{target}/{path.relative_to(ROOT / folder).as_posix()}" for path in files} - set(names)
        assert not missing


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
