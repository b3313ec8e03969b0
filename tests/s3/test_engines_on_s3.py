"""Engines of others read the selected files of a lake on S3."""

import files
import pytest
from environments import NotToBeHadError

import lakebatch

COLUMNS = ("assembly_id", "part", "repeat", "r2")


def test_engines_read_the_files_of_a_lake_on_s3(s3_lake):
    lake = lakebatch.open_lake(s3_lake.uri)
    lakebatch.run(lake, "toy", jobs=1)
    bad = lakebatch.run(lake, "toy", jobs=1)
    lake["toy"].discard(bad.assembly_id, "wrong")
    expected = files.values(lake["toy"].reassemble().to_dicts(), COLUMNS)
    try:
        found = files.rows(s3_lake.uri, "toy", "results", "arrow", "pandas", "duckdb", "dask", "daft")
    except NotToBeHadError as error:
        pytest.skip(f"engine not tried: those of files() on S3, {error}")
    assert {engine: files.values(rows, COLUMNS) for engine, rows in found.items()} == dict.fromkeys(
        found, expected
    )
    assert len(found) == 5
    assert len(expected) > 0
