"""PIVOT, and the other statements that people know from DuckDB's own shell."""

import duckdb
import pytest

import lakebatch
from lakebatch.errors import QueryError
from lakebatch.sql import pivot

TABLE = """
    SELECT * FROM (VALUES (10.0, 'a', 1), (2.0, 'b', 2), (2.0, 'it''s', 3), (NULL, 'a', 4)) AS t(level, name, value)
"""


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    return lakebatch.open_lake(tmp_path_factory.mktemp("lake"))


@pytest.mark.parametrize(
    "text",
    [
        "PIVOT t ON level USING sum(value)",
        "PIVOT t ON level USING sum(value), max(value) AS m GROUP BY name",
        "PIVOT t ON level, name USING sum(value) ORDER BY ALL LIMIT 1;",
        "PIVOT t ON level > 3 GROUP BY name",
        "PIVOT t ON name || '-' || level",
        "PIVOT t ON name IN ('a', 'it''s'), level",
        "PIVOT (FROM t WHERE value < 3) ON /* ON, */ level USING avg(value) -- end",
        "SELECT * FROM (PIVOT t ON name USING first(value) GROUP BY level)",
        "WITH u AS (PIVOT t ON name USING sum(value) GROUP BY level) PIVOT u ON level",
    ],
)
def test_pivot_answers_as_duckdb_does_with_columns_in_the_order_of_their_values(empty, text):
    ctes = f"WITH t AS ({TABLE})"
    text = f"{ctes}, {text.removeprefix('WITH ')}" if text.startswith("WITH") else f"{ctes} {text}"
    mine = empty.sql(
        text.replace("FROM (PIVOT t", f"FROM (PIVOT ({TABLE})").replace("AS (PIVOT t", f"AS (PIVOT ({TABLE})")
    )
    theirs = duckdb.sql(text).pl()
    assert set(mine.columns) == set(theirs.columns)
    assert sorted(mine.rows(), key=repr) == sorted(theirs.select(mine.columns).rows(), key=repr)


def test_columns_are_in_the_order_of_the_values(empty):
    text = f"PIVOT ({TABLE}) ON level USING sum(value) GROUP BY name"
    assert empty.sql(text).columns == ["name", "2.0", "10.0"]
    only = f"PIVOT (SELECT * FROM ({TABLE}) WHERE value < $top) ON level USING sum(value) GROUP BY name"
    assert empty.sql(only, {"top": 2}).columns == ["name", "10.0"]


def test_pivot_over_nothing_or_too_much_is_refused(empty):
    with pytest.raises(QueryError, match=r"^Cannot run PIVOT ON level: there is no row"):
        empty.sql(f"PIVOT (FROM ({TABLE}) WHERE value > 9) ON level")
    with pytest.raises(QueryError, match=r"^Cannot run PIVOT ON i: it has more than 1000 values"):
        empty.sql("PIVOT (SELECT range AS i FROM range(2000)) ON i")


def test_text_without_pivot_is_unchanged():
    for text in ("SELECT 'PIVOT t ON x' AS pivot", "SELECT 1 -- PIVOT t ON x", 'SELECT "PIVOT" FROM t'):
        assert pivot.with_values(text, lambda asked: pytest.fail(asked)) == text


@pytest.mark.parametrize(
    ("text", "columns", "first"),
    [
        ("UNPIVOT (SELECT 1 AS a, 2 AS b) ON a, b", ["name", "value"], ("a", 1)),
        (f"SUMMARIZE {TABLE}", None, None),
        (f"DESCRIBE {TABLE}", None, None),
        ("VALUES (1, 2), (3, 4)", ["col0", "col1"], (1, 2)),
        (f"FROM ({TABLE}) SELECT value", ["value"], (1,)),
        ("SHOW TABLES", ["name"], ("lake.assemblies",)),
        ("SELECT * FROM (SELECT 1 AS id) AS a, (SELECT 2 AS id) AS b", ["id", "id_1"], (1, 2)),
        ("SELECT 1 AS a, 2 AS a, 3 AS a_1", ["a", "a_2", "a_1"], (1, 2, 3)),
    ],
)
def test_statements_of_the_duckdb_shell_are_answered(empty, text, columns, first):
    answer = empty.sql(text)
    assert answer.height
    assert columns is None or (answer.columns, answer.row(0)) == (columns, first)
