"""SQL over a lake: every table is a view, and nothing else can be read."""

import shutil
import subprocess
import sys
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

import lakebatch
from lakebatch.cli.render import render
from lakebatch.errors import ConfigError, IncompleteError, IncompleteWarning, QueryError
from lakebatch.sql.session import Session


def rows(lake, text, parameters=None, **options):
    return lake.sql(text, parameters, **options).rows()


def test_results_equal_reassemble(filled):
    expected = filled["toy"].reassemble()
    answer = filled.sql("FROM toy.results ORDER BY assembly_id, level, part, repeat")
    assert answer.columns == expected.columns
    assert answer.equals(expected)


def test_every_table_is_a_view_that_can_be_read(filled):
    assert rows(filled, "SELECT count(*), count(DISTINCT part) FROM toy.results") == [(9, 3)]
    assert rows(filled, "SELECT status, parts_done, rows FROM toy.assemblies") == [("completed", 3, 9)]
    assert rows(filled, "SELECT status FROM toy.events ORDER BY event") == [("started",), ("completed",)]


def test_views_of_all_experiments_name_each(filled, tmp_path):
    text = Path("experiments/toy.py").read_text()
    Path("experiments/other_toy.py").write_text(
        text.replace('name = "toy"', 'name = "other-toy"').replace('"90"', '"91"')
    )
    lakebatch.run(filled, "other-toy", jobs=1, settings=["levels=[0]"])
    assert rows(filled, "SELECT experiment, count(*) FROM lake.results GROUP BY ALL ORDER BY ALL") == [
        ("other-toy", 3),
        ("toy", 9),
    ]
    assert rows(filled, "SELECT experiment, status FROM lake.assemblies ORDER BY ALL") == [
        ("other-toy", "completed"),
        ("toy", "completed"),
    ]
    assert rows(filled, "SELECT count(*) FROM other_toy.results") == [(3,)]
    with pytest.raises(
        ConfigError, match=r"A version belongs to one experiment, this lake has 2: toy, other-toy"
    ):
        filled.sql("SELECT 1", version=1)


@pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning")
def test_lake_at_a_version_and_at_a_time_is_unchanged(filled):
    version, moment = filled["toy"].results.version(), datetime.now(UTC)
    lakebatch.run(filled, "toy", jobs=1, settings=["levels=[0]"])
    count = "SELECT count(*) FROM toy.results"
    assert rows(filled, count) == [(12,)]
    assert rows(filled, count, version=version) == [(9,)]
    assert rows(filled, count, as_of=moment) == [(9,)]
    assert rows(filled, "SELECT count(*) FROM toy.assemblies", as_of=moment) == [(1,)]


def test_time_before_anything_was_recorded_is_an_error(filled):
    for text in ("SELECT count(*) FROM lake.results", "FROM toy.results"):
        with pytest.raises(
            ConfigError, match=r"^Nothing was recorded by 2020-01-01 23:59:59 UTC\. The first event is of"
        ):
            filled.sql(text, as_of="2020-01-01T23:59:59Z")


def test_experiment_without_runs_by_then_is_left_out_and_named(filled, tmp_path):
    moment = datetime.now(UTC)
    text = Path("experiments/toy.py").read_text().replace('name = "toy"', 'name = "later-toy"')
    Path("experiments/later_toy.py").write_text(text)
    lakebatch.run(filled, "later-toy", jobs=1)
    with pytest.warns(
        UserWarning, match=r"^Left out, since nothing of them was recorded by 20.* UTC: later-toy\.$"
    ):
        assert rows(filled, "SELECT count(*) FROM lake.results", as_of=moment) == [(9,)]


def test_empty_lake_has_empty_views(lake):
    assert rows(lake, "SELECT count(*) FROM lake.results") == [(0,)]
    assert lake.sql("FROM lake.results").columns[:3] == ["experiment", "version", "assembly_id"]
    assert lake.sql("FROM lake.assemblies").is_empty()


def test_experiment_without_a_completed_assembly_has_an_empty_view(lake, toy):
    lakebatch.run(lake, toy, jobs=1, settings=["fail=[0.1]"])
    answer = lake.sql("FROM toy.results", on_gap="ignore")
    assert answer.is_empty()
    assert answer.schema == lake["toy"].reassemble(on_gap="ignore").schema
    assert rows(lake, "SELECT count(*) FROM toy.results", include=("failed",), on_gap="ignore") == [(6,)]


def test_gaps_are_reported_as_by_reassembling(filled):
    lakebatch.run(filled, "toy", jobs=1, settings=["fail=[0.1]"])
    with pytest.warns(IncompleteWarning, match="left out, failed with 2 of 3 parts done"):
        filled.sql("SELECT 1")
    with pytest.raises(IncompleteError, match="left out"):
        filled.sql("SELECT 1", on_gap="refuse")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        filled.sql("SELECT 1", on_gap="ignore")


@pytest.mark.parametrize("name", ["it's", 'a "b"', "a b; DROP TABLE x", "ünï日", "{a,b}"])
def test_lake_in_a_folder_of_any_name_is_read(toy, tmp_path, name):
    lake = lakebatch.open_lake(tmp_path / name)
    lakebatch.run(lake, toy, jobs=1)
    shutil.copytree(lake.storage.uri, tmp_path / "a")  # also matched by a glob pattern
    assert rows(lake, "SELECT count(*) FROM toy.results") == [(9,)]
    assert lake["toy"].reassemble().height == 9


@pytest.mark.parametrize("value", [0.1, "0.1"])
def test_parameters_are_bound_as_values(filled, value):
    assert rows(filled, "SELECT count(*) FROM toy.results WHERE level = $level", {"level": value}) == [(3,)]


def test_parameter_is_never_read_as_sql(filled):
    text = "x' OR 1=1; DROP TABLE toy.events; --"
    assert rows(filled, "SELECT $text", {"text": text}) == [(text,)]
    assert rows(filled, "SELECT count(*) FROM toy.results WHERE part = $text", {"text": text}) == [(0,)]


@pytest.mark.parametrize("parameters", [{}, {"other": 1}, {"level": 1, "other": 1}])
def test_parameters_that_do_not_match_the_text_are_refused(filled, parameters):
    with pytest.raises(QueryError, match=r"DuckDB cannot answer this: .*parameter"):
        filled.sql("SELECT $level", parameters)


@pytest.mark.parametrize(
    "text",
    [
        "DESCRIBE toy.results",
        "SUMMARIZE toy.results",
        "SHOW ALL TABLES",
        "SHOW TABLES FROM toy",
        "EXPLAIN FROM toy.results",
        "VALUES (1)",
        "EXPLAIN ANALYZE FROM toy.results",
        "explain (format json) FROM toy.results",
        "EXPLAIN (SELECT 1)",
        "FROM range(3), unnest([1, 2])",
        "FROM query_table('toy.results')",
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) FROM n",
        "FROM toy.results UNION ALL FROM toy.results",
        "SELECT rank() OVER (ORDER BY mse) AS place FROM toy.results QUALIFY place < 3",
    ],
)
def test_describing_statements_are_answered(filled, text):
    assert filled.sql(text).height >= 1


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("SELEC 1", "Parser Error"),
        ("SELECT colour FROM toy.results", "colour"),
    ],
)
def test_invalid_query_is_one_line(filled, text, fault):
    with pytest.raises(QueryError, match=f"^DuckDB cannot answer this: .*{fault}[^\n]*$"):
        filled.sql(text)


def test_unknown_view_lists_the_known_ones(filled):
    with pytest.raises(
        QueryError, match=r"^There is no view 'toy.result'. Did you mean 'toy.results'\?.*toy.gaps"
    ):
        filled.sql("FROM toy.result")


def test_names_of_ctes_and_views_are_accepted_in_any_spelling(filled):
    text = """
        WITH a AS (FROM TOY.Results), b AS MATERIALIZED (FROM a UNION ALL FROM memory.toy.results)
        SELECT count(*) FROM B JOIN (WITH c AS (SELECT 1 AS one) FROM c) ON true
        WHERE part IN (SELECT part FROM a)
    """
    assert rows(filled, text) == [(18,)]
    assert rows(filled, "FROM query_table(['toy.results', 'toy.results']) SELECT count(*)") == [(18,)]
    assert filled.sql("FROM histogram(toy.results, mse)").height
    assert filled.sql("FROM information_schema.columns WHERE table_schema = 'toy'").height
    assert filled.sql("SHOW TABLES").columns == ["name"]


def test_columns_of_equal_names_are_renamed(filled):
    answer = filled.sql("SELECT 1 AS x, 2 AS x, 3 AS x_1, x + 1 AS y FROM (SELECT 1 AS x)")
    assert answer.row(0, named=True) == {"x": 1, "x_2": 2, "x_1": 3, "y": 2}
    joined = filled.sql(
        "SELECT * FROM toy.results AS r JOIN toy.assemblies AS a ON r.assembly_id = a.assembly_id"
    )
    assert {"seed", "seed_1", "error_1", "assembly_id_1"} <= set(joined.columns)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("'\\xFFa'::BLOB", "\\xFFa"),
        ("'101'::BIT", "101"),
        ("12345678901234567890123456789012345678901234567890::BIGNUM", "12345678901234567890123456789012345678901234567890"),
        ("340282366920938463463374607431768211455::UHUGEINT", "340282366920938463463374607431768211455"),
        ("['101'::BIT]", "[101]"),
        ("{'x': INTERVAL 1 DAY}", "{'x': 1 day}"),
        ("INTERVAL '1 month 2 days'", "1 month 2 days"),
        ("union_value(k := 1)", "1"),
        ("MAP {1: 2}", "{1=2}"),
        ("'12:00:00+02'::TIMETZ", "12:00:00+02"),
    ],
)  # fmt: skip
def test_values_without_a_frame_type_become_strings(lake, value, text):
    answer = lake.sql(f"SELECT {value} AS v")
    assert answer.item() == text
    for form in ("table", "csv", "json", "ndjson", "markdown"):
        assert render(answer, form)


@pytest.mark.parametrize(
    "value",
    [
        "'infinity'::DATE", "'-infinity'::TIMESTAMP", "'infinity'::TIMESTAMPTZ", "'infinity'::TIMESTAMP_S",
        "'infinity'::TIMESTAMP_NS", "DATE '10000-01-01'", "DATE '0001-01-01 (BC)'", "TIME '24:00:00'", "[DATE 'infinity']",
        "{'a': [MAP {'k': DATE 'infinity'}]}",
    ],
)  # fmt: skip
def test_time_out_of_range_is_refused_in_one_line(lake, value):
    with pytest.raises(
        QueryError, match=r"^Column 'v' has a date or time that is infinite .* Cast it to VARCHAR.$"
    ):
        lake.sql(f"SELECT {value} AS v")
    bounds = (
        "DATE '0001-01-01' AS a, TIMESTAMP '9999-12-31 23:59:59.999999' AS b, TIME '23:59:59.999999' AS c"
    )
    assert lake.sql(f"SELECT {bounds}").height == 1


def test_times_are_in_utc(filled):
    answer = filled.sql("SELECT recorded_at FROM toy.results LIMIT 1")
    assert answer.schema["recorded_at"] == pl.Datetime("us", "UTC")
    assert rows(filled, "SELECT TIMESTAMPTZ '2026-11-20 12:00' = TIMESTAMPTZ '2026-11-20T12:00Z'") == [
        (True,)
    ]


def test_durations_are_answered(filled):
    answer = filled.sql("SELECT INTERVAL '1 day 1.5 seconds' AS \"a b\", 7 AS x, NULL::INTERVAL AS c")
    assert answer.rows() == [(timedelta(days=1, seconds=1.5), 7, None)]
    assert render(answer, "csv") == "a b,x,c\nP1DT1.5S,7,"


def test_connection_belongs_to_the_user_and_can_be_reused(filled):
    with filled.connect() as connection:
        for _ in range(2):
            assert connection.sql("SELECT count(*) FROM toy.results").fetchall() == [(9,)]
        connection.execute("CREATE TABLE mine AS SELECT 1 AS x")
        assert connection.sql("FROM mine").fetchall() == [(1,)]


def test_connection_keeps_the_state_at_its_opening(filled):
    with filled.connect() as connection:
        lakebatch.run(filled, "toy", jobs=1)
        assert connection.sql("SELECT count(*) FROM toy.results").fetchall() == [(9,)]
        with pytest.raises(duckdb.Error):
            connection.execute("DELETE FROM toy.results")


def test_answer_that_fits_no_frame_is_one_line(lake):
    with pytest.raises(QueryError, match=r"^Cannot convert the result to a frame: [^\n]*$"):
        lake.sql("SELECT INTERVAL '1 day' AS x, 1 AS \"x|months\"")


@pytest.mark.filterwarnings("ignore::lakebatch.errors.IncompleteWarning")
def test_session_goes_on_when_its_files_are_merged_and_removed(copied_lake):
    text = "SELECT assembly_id, count(*) FROM toy.results GROUP BY ALL ORDER BY ALL"
    with Session(copied_lake.snapshot()) as session:
        before = session.answer(text)
        copied_lake.optimize()
        assert copied_lake.vacuum(keep_days=0, dry_run=False)["files"].sum() > 0
        assert session.answer(text).equals(before)
        assert session.answer("SELECT sum(mse) FROM lake.results").height == 1


def test_sum_of_integers_is_an_integer(lake):
    assert lake.sql("SELECT sum(i) AS n FROM range(4) AS t(i)").rows() == [(6,)]
    assert lake.sql("SELECT sum(i) AS n FROM range(4) AS t(i)").schema["n"] == pl.Int64()
    assert lake.sql("SELECT sum(9223372036854775807) AS n FROM range(2)").item() == 2 * (2**63 - 1)


def test_printed_setup_gives_a_plain_duckdb_the_same_views(filled):
    pinned = filled.snapshot()
    with duckdb.connect() as plain:
        plain.execute(pinned.sql_setup())
        for text in (
            "SELECT part, level, r2, error FROM toy.results ORDER BY ALL",
            "SELECT assembly_id, status, rows, seed, started_at FROM toy.assemblies ORDER BY ALL",
        ):
            assert plain.sql(text).pl().rows() == pinned.sql(text).rows()


def test_printed_setup_leaves_out_rows_outside_the_snapshot(filled, toy):
    text = "SELECT count(*) FROM toy.results"
    past = filled.snapshot(version=1)["toy"]
    assert past.ids() == []
    with duckdb.connect() as plain:
        plain.execute(filled.snapshot().sql_setup(["completed", "failed"]))
        assert (
            plain.sql(text).fetchall() == filled.snapshot().sql(text, include=["completed", "failed"]).rows()
        )


def test_answer_needs_no_pyarrow(filled):
    """To load it takes longer than most queries."""
    code = (
        "import sys, lakebatch; lake = lakebatch.open_lake(sys.argv[1]); "
        "print(lake.sql('SELECT level, sum(repeat) AS a, 1 AS \"A\" FROM toy.results GROUP BY level').columns); "
        "print([each for each in ('pyarrow', 'numpy', 'pandas') if each in sys.modules])"
    )
    command = [sys.executable, "-c", code, filled.storage.uri]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['level', 'a', 'A']", "[]"], done.stdout
