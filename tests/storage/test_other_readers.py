"""Readers of Delta tables see a purge and an optimization; tests/interop asks more of more engines."""

import json
import subprocess

import deltalake
import environments
import polars as pl
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


def test_query_engine_of_deltalake_reads_the_same_rows(stored, run):
    run()
    stored.optimize()
    grouped = stored.reassemble().group_by("part").agg(pl.len().alias("n"), pl.col("r2").min().alias("low"))
    engine = deltalake.QueryBuilder().register("t", deltalake.DeltaTable(stored.results.uri))
    assert pl.DataFrame(engine.execute(QUESTION)).rows() == grouped.sort("part").rows()


def test_delta_extension_of_duckdb_reads_a_table_after_a_purge(stored, run):
    try:
        python = environments.python()
    except environments.NotToBeHadError as error:
        pytest.skip(f"engine not tried: DuckDB after a purge, {error}")
    run()
    run()
    bad = stored.assemblies()["assembly_id"][0]
    stored.discard(bad, "a wrong dose")
    stored.purge(bad, "no space", dry_run=False)
    command = [str(python), "-c", DUCKDB, stored.results.uri, "SELECT count(*) FROM t"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[stored.reassemble(on_gap="refuse").height]]
