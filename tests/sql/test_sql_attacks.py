"""Hostile SQL: every known way to reach a file, the network, a setting or a write."""

import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from processes import wait_until_computed

import lakebatch
from lakebatch.errors import QueryError

WRITE = "COPY (SELECT 1) TO '{seen}' (FORMAT csv, USE_TMP_FILE false)"
"""Overwrites a file in place; without the option the engine would need a second file name, which is refused."""


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """Return a lake with a completed and a failed assembly, and names of files inside and outside of it."""
    folder = tmp_path_factory.mktemp("attacked")
    (folder / "experiments").mkdir()
    toy = Path(__file__).parents[1].joinpath("toy_experiment.py").read_text()
    (folder / "experiments" / "toy.py").write_text(toy)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        lake = lakebatch.open_lake(folder / "lake")
        lakebatch.run(lake, "toy", jobs=1)
        lakebatch.run(lake, "toy", jobs=1, settings=["fail=[0.1]"])
        yield lake, _names(lake, folder)
    sys.modules.pop("_experiments_toy", None)


def _names(lake, folder):
    (folder / "outside.csv").write_text("a,b\n1,2\n")
    pl.DataFrame({"a": [1]}).write_parquet(folder / "outside.parquet")
    seen = lake["toy"].results.at().files(lake["toy"].snapshot().ids())
    unseen = [file for file in Path(lake["toy"].results.uri).rglob("*.parquet") if str(file) not in seen]
    log = Path(lake["toy"].results.uri, "_delta_log", "00000000000000000000.json")
    return {
        "outside": folder / "outside.csv",
        "parquet": folder / "outside.parquet",
        "seen": seen[0],
        "folder": Path(seen[0]).parent,
        "unseen": unseen[0],
        "log": log,
        "events": next(Path(lake["toy"].log.table.uri).glob("*.parquet")),
        "new": folder / "new",
    }


def _bytes(folder):
    return {file: file.read_bytes() for file in Path(folder).rglob("*") if file.is_file()}


def refused(attacked, text, message):
    """Run the text, which must be refused in one line and leave every file as it was."""
    lake, names = attacked
    before = _bytes(names["new"].parent)
    with pytest.raises(QueryError, match=message) as caught:
        lake.sql(text.format(**names), on_gap="ignore")
    assert "\n" not in str(caught.value)
    assert _bytes(names["new"].parent) == before


@pytest.mark.parametrize(
    "text",
    [
        "FROM '{outside}'",
        "FROM 'outside.csv'",
        "FROM '{parquet}'",
        "FROM '{unseen}'",
        "FROM '{seen}'",
        "SELECT (SELECT count(*) FROM '{seen}') FROM toy.results",
        "FROM toy.results JOIN '{seen}' USING (assembly_id)",
        "FROM (PIVOT '{seen}' ON level IN (0) USING count(*))",
        "PIVOT '{seen}' ON level",
        "PIVOT toy.results ON (SELECT max(r2) FROM '{seen}')",
        "UNPIVOT '{seen}' ON r2, mse",
        "SELECT * FROM toy.results WHERE r2 IN (SELECT r2 FROM '{seen}')",
        "SELECT list_transform([1], lambda x: (SELECT count(*) FROM '{seen}'))",
        "FROM '{events}'",
        "FROM '{log}'",
        "FROM '{folder}/*.parquet'",
        "FROM 'file://{parquet}'",
        "FROM '/proc/self/environ.csv'",
        "FROM 'https://127.0.0.1:9/x.parquet'",
        "FROM 's3://bucket/x.parquet'",
        "FROM query_table('{outside}')",
        "FROM query_table(['toy.results', '{seen}'])",
        "FROM query_table('{' || 'seen}')",
        "FROM histogram('{seen}', r2)",
        "FROM histogram_values('{seen}', r2)",
        "FROM histogram(col_name := r2, source := '{seen}')",
        "DESCRIBE '{outside}'",
        "DESCRIBE '{seen}'",
        "SUMMARIZE '{outside}'",
        "EXPLAIN ANALYZE FROM '{seen}'",
        "FROM outside_frame",
        "FROM pg_settings",
        "FROM pg_catalog.pg_settings",
        "FROM duckdb_settings",
        "FROM sqlite_master",
        "FROM system.main.duckdb_settings",
        # a name defined by WITH is known only in its own query, and only after its definition
        "SELECT (WITH pg_settings AS (SELECT 1) SELECT 1), (SELECT count(*) FROM pg_settings)",
        "WITH a AS (FROM pg_settings), pg_settings AS (SELECT 1) FROM a",
        "WITH pg_settings AS (FROM pg_settings) FROM pg_settings",
        "WITH RECURSIVE pg_settings AS (FROM pg_settings UNION ALL SELECT 1) FROM pg_settings",
        "WITH \"{seen}\" AS (SELECT 1) SELECT 1 UNION ALL SELECT count(*) FROM (SELECT 1), '{unseen}'",
    ],
)
def test_query_reads_only_the_views(attacked, text):
    outside_frame = pl.DataFrame({"a": [1]})
    assert outside_frame.height
    refused(
        attacked,
        text.replace("{' || 'seen}", "' || '{seen}"),
        "^(There is no view .*A query can read these and nothing else: lake.assemblies, .*toy.results"
        "|Cannot read a view whose name is not written out)",
    )


@pytest.mark.parametrize(
    "text",
    [
        "SELECT getenv('HOME')",
        "SELECT current_setting('s3_secret_access_key')",
        "SELECT system.main.current_setting('allowed_paths')",
        "SELECT CURRENT_SETTING(name) FROM (VALUES ('threads')) AS t(name)",
        "SELECT getvariable('x')",
        "SELECT write_log('x')",
        "SHOW VARIABLES",
        "SHOW DATABASES",
    ],
)
def test_query_reaches_no_setting_or_variable(attacked, text):
    refused(attacked, text, "^Cannot (run the function|show)")


def test_query_cannot_read_past_states_of_the_engine(attacked):
    refused(attacked, "SELECT * FROM toy.results AT (VERSION => 0)", "^DuckDB cannot answer this")


@pytest.mark.parametrize(
    "call",
    [
        "read_text('{outside}')",
        "read_csv('{outside}')",
        "read_blob('/etc/passwd')",
        "read_text('/proc/self/environ')",
        "read_json('{log}')",
        "read_parquet('{parquet}')",
        "read_parquet('{unseen}')",
        "read_parquet('{seen}')",
        "parquet_scan('{unseen}')",
        "parquet_metadata('{unseen}')",
        "parquet_schema('{unseen}')",
        "glob('/*')",
        "sniff_csv('{outside}')",
        "read_duckdb('{new}.db')",
        "read_text('https://127.0.0.1:9/x')",
        "duckdb_secrets()",
        "duckdb_settings()",
        "duckdb_extensions()",
        "which_secret('s3://x', 's3')",
        "query('SELECT 1')",
        "system.main.\"QUERY\"('SELECT 1')",
        "enable_logging(storage := 'file', storage_path := '{new}')",
        "enable_profiling(save_location := '{new}')",
        "checkpoint()",
        "pandas_scan(1)",
        "json_execute_serialized_sql(json_serialize_sql('WITH x AS ("
        "COPY (SELECT 1) TO ''{seen}'' (FORMAT csv, USE_TMP_FILE false)) SELECT 1'))",
    ],
)
def test_function_beyond_reading_the_views_is_refused(attacked, call):
    refused(attacked, f"FROM {call}", "^Cannot run the table function .*the lake's views and nothing else")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"WITH x AS ({WRITE}) SELECT 1", "^Cannot run COPY inside a query"),
        (f"EXPLAIN ANALYZE WITH x AS ({WRITE}) SELECT 1", "^Cannot run COPY inside a query"),
        (f"DESCRIBE WITH x AS ({WRITE}) SELECT 1", "^Cannot run COPY inside a query"),
        (f"FROM (WITH x AS ({WRITE}) SELECT 1)", "^Cannot run COPY inside a query"),
        ("EXPLAIN ANALYZE SELECT (SELECT 1 FROM glob('{seen}'))", "^Cannot run the table function 'glob'"),
        ("WITH x AS (DELETE FROM toy.events RETURNING *) FROM x", "^Cannot run DELETE inside a query"),
        (
            "WITH x AS (INSERT INTO toy.events FROM toy.events RETURNING *) FROM x",
            "^Cannot run INSERT inside",
        ),
        (
            "WITH x AS (UPDATE toy.events SET rows = 1 RETURNING *) FROM x",
            "^Cannot run UPDATE inside a query",
        ),
        (f"EXPLAIN ANALYZE {WRITE}", "^Cannot run EXPLAIN"),
        (f"EXPLAIN (ANALYZE, FORMAT json) {WRITE}", "^Cannot run EXPLAIN"),
        (f"EXPLAIN ANALYZE /* /* */ SELECT 1 -- */ {WRITE}", "^Cannot run EXPLAIN"),
        (f"/* /* */ EXPLAIN SELECT 1 -- */ EXPLAIN ANALYZE {WRITE}", "^Cannot run EXPLAIN"),
        ("EXPLAIN ANALYZE COPY (SELECT 1) TO '{new}'", "^Cannot run EXPLAIN"),
        ("EXPLAIN ANALYZE DELETE FROM toy.events", "^Cannot run EXPLAIN"),
        ("EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1", "^Cannot run EXPLAIN"),
        ("EXPLAIN ANALYZE SET threads = 1", "^Cannot run EXPLAIN"),
        ("EXPLAIN ANALYZE LOAD httpfs", "^Cannot run EXPLAIN"),
        ("COPY toy.events TO '{new}'", "^Cannot run COPY"),
        ("COPY toy.events FROM '{outside}'", "^Cannot run COPY"),
        ("EXPORT DATABASE '{new}'", "^Cannot run EXPORT"),
        ("IMPORT DATABASE '{new}'", "^Cannot run PRAGMA"),
        ("ATTACH '{new}'", "^Cannot run ATTACH"),
        ("DETACH memory", "^Cannot run DETACH"),
        ("INSTALL httpfs", "^Cannot run LOAD"),
        ("CREATE SECRET s (TYPE s3)", "^Cannot run CREATE"),
        ("CREATE OR REPLACE VIEW toy.results AS SELECT 1", "^Cannot run CREATE"),
        ("CREATE MACRO m() AS 1", "^Cannot run CREATE"),
        ("PREPARE p AS SELECT 1", "^Cannot run PREPARE"),
        ("TRUNCATE toy.events", "^Cannot run DELETE"),
        ("CHECKPOINT", "^Cannot run CALL"),
        ("UPDATE EXTENSIONS", "^Cannot run UPDATE EXTENSIONS. Expected one statement"),
        ("EXPLAIN ANALYZE UPDATE EXTENSIONS", "^(Cannot run|DuckDB cannot answer)"),
        ("VACUUM", "^Cannot run VACUUM"),
        ("CALL pragma_version()", "^Cannot run CALL"),
        ("PRAGMA show_tables", "^Cannot run"),
        ("SET threads = 1", "^Cannot run SET"),
        ("RESET threads", "^Cannot run SET"),
        ("ALTER VIEW toy.results RENAME TO x", "^Cannot run ALTER"),
        ("SELECT 1; PIVOT toy.results ON level", "^Cannot run SELECT, SELECT"),
        ("PIVOT toy.results ON level; COMMIT", "^Cannot run SELECT, TRANSACTION"),
        (
            "PIVOT toy.results ON level) FROM toy.events; COMMIT; SELECT (1",
            "^(Cannot run|DuckDB cannot answer)",
        ),
        ("PIVOT toy.results ON getenv('HOME')", "^Cannot run the function 'getenv'"),
        ("USE toy", "^Cannot run SET"),
        ("COMMIT; SELECT 1", "^Cannot run TRANSACTION, SELECT"),
        ("SELECT 1\0; COMMIT", "^(Cannot run|DuckDB cannot answer)"),
        ("SELECT 1 \udcff", "^Cannot read the SQL: surrogates not allowed"),
        (f"SELECT {'[' * 900}1{']' * 900}", "nested|depth"),
    ],
)
def test_statement_that_writes_or_changes_state_is_refused(attacked, text, message):
    refused(attacked, text, message)


def test_refused_write_would_destroy_a_file(attacked, tmp_path):
    """The engine's own restriction permits it: a readable file is also writable."""
    lake, names = attacked
    copy = tmp_path / "copy.parquet"
    copy.write_bytes(Path(names["seen"]).read_bytes())
    with lake.connect(on_gap="ignore") as connection:
        connection.execute(f"SET allowed_paths = ['{copy}']")
        connection.execute("SET enable_external_access = false")
        connection.execute("BEGIN TRANSACTION READ ONLY")
        connection.execute(f"WITH x AS ({WRITE.format(seen=copy)}) SELECT 1").fetchall()
    assert copy.read_text() == "1\n1\n"


def test_query_leaves_no_file_in_the_working_directory(attacked):
    lake, names = attacked
    before = _bytes(names["new"].parent)
    lake.sql("SELECT DISTINCT i FROM range(100000) AS t(i) ORDER BY i", on_gap="ignore")
    assert _bytes(names["new"].parent) == before
    assert not Path(".tmp").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_endless_query_is_ended_by_ctrl_c(tmp_path, number):
    endless = "SELECT count(*) FROM range(1000000) AS a(i), range(100000000) AS b(j) WHERE i * j = -1"
    command = [Path(sys.executable).with_name("lakebatch"), "--lake", "lake", "sql", endless]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until_computed(process.pid, 1.5)  # longer than the start of a command
            process.send_signal(number)
            warning, said = process.communicate(timeout=20)[1].splitlines()
            assert (warning.startswith("Warning: There is no lake in "), said) == (True, "Interrupted.")
        finally:
            process.kill()
    assert process.returncode == 130


@pytest.mark.parametrize(
    "name", ["03_v1_a--b", "03_v1_x-", "\u0663\u0663_v1_x", "03_v\u00b2_x", "03_v1_x\n", "03_v1_X"]
)
def test_folder_with_an_invalid_name_is_ignored(tmp_path, name):
    (tmp_path / name / "results" / "_delta_log").mkdir(parents=True)
    lake = lakebatch.open_lake(tmp_path)
    assert lake.begun() == []
    assert lake.sql("SELECT count(*) FROM lake.results").item() == 0
