"""A lake whose experiment stores everything that there is, and its publications."""

from __future__ import annotations

import contextlib
import shutil
import warnings
from pathlib import Path

import pytest

import lakebatch

FILE = Path(__file__).with_name("wide_experiment.py")
SAID = {
    "authors": ["Doe, Jane; 0000-0002-1825-0097; University", "Plato"],
    "license": "cc-by-4.0",
    "keywords": ["noise"],
    "doi": "10.5281/zenodo.1234567",
}
EVERY_TABLE = ("samples", "trajectories", "artifacts")


@pytest.fixture(scope="session")
def said():
    """Return what a publication says of itself."""
    return SAID


@pytest.fixture(scope="package")
def wide(tmp_path_factory):
    """Return a folder with a lake of two assemblies with different configs and one that failed, and their tag."""
    folder = tmp_path_factory.mktemp("wide")
    (folder / "experiments").mkdir()
    shutil.copy(FILE, folder / "experiments" / "wide.py")
    with contextlib.chdir(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lake = lakebatch.open_lake("lake")
        lakebatch.run(lake, "wide", jobs=1)
        lakebatch.run(lake, "wide", settings=["levels=[0.1, 0.2]", "bound=3", "comment='a, b'"], jobs=1)
        lakebatch.run(lake, "wide", settings=["fail=[0.1]"], jobs=1)
        lake["wide"].tag("paper")
    return folder


@pytest.fixture(scope="package")
def wide_published(wide):
    """Return the folder of the publication of the tag with every table, and the warnings that it gave."""
    with contextlib.chdir(wide), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        lakebatch.open_lake("lake")["wide"].publish("paper", "published", tables=EVERY_TABLE, **SAID)
    return wide / "published", [each.message for each in warned]


@pytest.fixture(scope="package")
def wide_publication(wide_published):
    """Return the publication of the tag with every table; to be read only."""
    return wide_published[0]
