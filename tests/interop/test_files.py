"""``snapshot.files()`` in the engines that are not among the packages of the tests."""

import os

import files
import pytest
from environments import NotToBeHadError

pytestmark = pytest.mark.filterwarnings("ignore::lakebatch.errors.IncompleteWarning")
COLUMNS = ("assembly_id", "part", "names", "running")
ON_DEMAND = "INTEROP_RAY"


def rows(life, engine, **where):
    """Return the curves that an engine reads, and those of lakebatch."""
    try:
        found = files.rows(life.lake.storage.uri, "curves", "curves", engine, **where)
    except NotToBeHadError as error:
        pytest.skip(f"engine not tried: {engine}, {error}")
    expected = life.stored.reassemble(table="curves").to_dicts()
    return files.values(found[engine], COLUMNS), files.values(expected, COLUMNS)


def test_daft_has_the_rows_and_lists_of_the_files(life):
    found, expected = rows(life, "daft")
    assert len(expected) == 12
    assert found == expected


@pytest.mark.slow
@pytest.mark.skipif(ON_DEMAND not in os.environ, reason=f"engine not tried: Ray, set {ON_DEMAND}=1")
def test_ray_has_the_rows_and_lists_of_the_files(life):
    found, expected = rows(life, "ray", requirements="requirements-ray.txt")
    assert found == expected
