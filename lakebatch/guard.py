"""What SQL of a stranger may do: read. Told from the statement's syntax tree, before it is run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lakebatch.errors import QueryError

if TYPE_CHECKING:
    import duckdb

EXPLAIN = re.compile(
    r"\s*EXPLAIN\b(\s+ANALYZE\b)?(\s*\(\s*(ANALYZE|FORMAT\s+\w+)(\s*,\s*(ANALYZE|FORMAT\s+\w+))*\s*\))?",
    re.IGNORECASE,
)
"""What stands before an explained statement; no comment, since it could hide where that begins."""
READING_NODES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
READING_FUNCTIONS = {
    "duckdb_columns", "duckdb_constraints", "duckdb_functions", "duckdb_keywords", "duckdb_schemas", "duckdb_tables",
    "duckdb_types", "duckdb_views", "generate_series", "histogram", "histogram_values", "icu_calendar_names", "json_each",
    "json_tree", "pg_timezone_names", "pragma_table_info", "pragma_version", "query_table", "range", "repeat",
    "repeat_row", "summary", "unnest",
}  # fmt: skip
"""The table functions that reach nothing but the views; others read files, change settings or run other SQL."""


def check_reading(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """Refuse what is not one statement that reads.

    A SELECT alone does not do: the engine also writes files where one names COPY in its WITH clause, or hands
    SQL to a function. EXPLAIN ANALYZE carries out what it explains.

    Raises
    ------
    QueryError
        If the text is another statement, or holds a part that may do more than read.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise QueryError(
            f"Cannot read the SQL: {error.reason} at character {error.start}. Expected UTF-8 text."
        ) from None
    kinds = [statement.type.name for statement in connection.extract_statements(text)]
    explained = EXPLAIN.match(text) if kinds == ["EXPLAIN"] else None
    tree = _tree(connection, text[explained.end() :] if explained else text)
    if not (kinds == ["SELECT"] or explained) or len(tree.get("statements", [])) != 1:
        found = ", ".join(kinds) or "nothing"
        reason = tree.get("error_message", "") if kinds == ["SELECT"] else ""
        raise QueryError(
            f"Cannot run {found}{f' ({reason})' if reason else ''}. Expected one statement that reads: SELECT, DESCRIBE, "
            "SUMMARIZE, or EXPLAIN of one of these without a comment before it."
        )
    for part in _parts(tree):
        _check_part(part)


def _tree(connection: duckdb.DuckDBPyConnection, text: str) -> dict[str, Any]:
    """Return the syntax tree of the statements in a text; an error in it where they are not all SELECT."""
    rows = connection.execute("SELECT json_serialize_sql($text)", {"text": text}).fetchall()
    try:
        return dict(json.loads(rows[0][0]))
    except RecursionError as error:
        raise QueryError(
            "Cannot run SQL that is nested this deeply. Expected a simpler statement."
        ) from error


def _parts(tree: Any) -> Iterator[dict[str, Any]]:
    pending = [tree]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            yield each
            pending += each.values()
        elif isinstance(each, list):
            pending += each


def _check_part(part: dict[str, Any]) -> None:
    kind = part.get("type")
    if isinstance(kind, str) and kind.endswith("_NODE") and kind not in READING_NODES:
        name = kind.removesuffix("_NODE").removesuffix("_QUERY")
        raise QueryError(f"Cannot run {name} inside a query. Expected a query that only reads.")
    if kind == "TABLE_FUNCTION":
        name = str(part["function"]["function_name"])
        if name.lower() not in READING_FUNCTIONS:
            raise QueryError(
                f"Cannot run the table function {name!r}: a query can read the lake's views and nothing else. "
                f"Expected one of {', '.join(sorted(READING_FUNCTIONS))}."
            )
