"""Other readers of Delta tables read the same rows."""

import json
import os
import subprocess
import sys

import deltalake
import host
import polars as pl
import pyarrow.compute as pc
import pytest

QUESTION = "SELECT part, count(*) AS n, min(r2) AS low FROM t GROUP BY part ORDER BY part"
DUCKDB = """
import json, sys
from pathlib import Path
import duckdb, duckdb_extension_delta
(extension,) = Path(duckdb_extension_delta.__file__).parent.rglob("delta.duckdb_extension")
con = duckdb.connect(config={"allow_unsigned_extensions": True})
con.execute(f"LOAD '{extension}'")
con.execute(f"CREATE VIEW t AS FROM delta_scan('{sys.argv[1]}')")
print(json.dumps(con.sql(sys.argv[2]).fetchall()))
"""


@pytest.fixture
def table(stored, run):
    """Return the table of results after two runs and a compaction."""
    run()
    stored.optimize()
    return stored.results.uri


@pytest.fixture
def answer(stored, table):
    """Return lakebatch's answer."""
    rows = stored.reassemble()
    grouped = rows.group_by("part").agg(pl.len().alias("n"), pl.col("r2").min().alias("low")).sort("part")
    return grouped.rows()


@pytest.fixture(scope="session")
def duckdb_with_delta(tmp_path_factory):
    """Return a folder of packages with a DuckDB and its delta extension."""
    folder = tmp_path_factory.mktemp("duckdb")
    packages = ["duckdb==1.5.5", "duckdb-extension-delta==1.5.5"]
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, *packages]
    done = subprocess.run(install, env={**os.environ, **host.network}, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"DuckDB's delta extension cannot be installed: {done.stderr.splitlines()[-1]}")
    return folder


def test_polars_reads_the_same_rows(stored, table):
    rows = stored.reassemble()
    assert (
        pl.read_delta(table)
        .sort("assembly_id", "part", "repeat")
        .equals(rows.sort("assembly_id", "part", "repeat"))
    )


def test_pyarrow_reads_the_same_rows(table, answer):
    rows = deltalake.DeltaTable(table).to_pyarrow_dataset().to_table()
    for part, count, low in answer:
        own = rows.filter(pc.equal(rows["part"], part))
        assert (own.num_rows, pc.min(own["r2"]).as_py()) == (count, low)


def test_query_engine_of_deltalake_reads_the_same_rows(table, answer):
    engine = deltalake.QueryBuilder().register("t", deltalake.DeltaTable(table))
    assert pl.DataFrame(engine.execute(QUESTION)).rows() == answer


def test_delta_extension_of_duckdb_reads_the_same_rows(table, answer, duckdb_with_delta):
    command = [sys.executable, "-c", DUCKDB, table, QUESTION]
    environment = {**os.environ, "PYTHONPATH": str(duckdb_with_delta)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [tuple(row) for row in json.loads(done.stdout)] == answer


def test_delta_extension_of_duckdb_reads_a_table_after_a_purge(stored, run, table, duckdb_with_delta):
    run()
    bad = stored.assemblies()["assembly_id"][0]
    stored.discard(bad, "a wrong dose")
    stored.purge(bad, "no space", dry_run=False)
    question = "SELECT count(*) FROM t"
    command = [sys.executable, "-c", DUCKDB, table, question]
    environment = {**os.environ, "PYTHONPATH": str(duckdb_with_delta)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[stored.reassemble(on_gap="refuse").height]]
