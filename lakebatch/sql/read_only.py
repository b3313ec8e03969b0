"""Check of SQL by its syntax tree before it runs: it may only read the views."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from lakebatch._text import hint
from lakebatch.errors import QueryError

if TYPE_CHECKING:
    import duckdb

EXPLAIN = re.compile(
    r"\s*EXPLAIN\b(\s+ANALYZE\b)?(\s*\(\s*(ANALYZE|FORMAT\s+\w+)(\s*,\s*(ANALYZE|FORMAT\s+\w+))*\s*\))?",
    re.IGNORECASE,
)
"""The prefix of an explained statement; without comments, which could hide where the statement begins."""
READING_NODES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
NAMING_FUNCTIONS = {"query_table", "histogram", "histogram_values", "pragma_table_info"}
"""Table functions that read the view named by their first argument."""
READING_FUNCTIONS = NAMING_FUNCTIONS | {
    "duckdb_columns", "duckdb_constraints", "duckdb_functions", "duckdb_keywords", "duckdb_schemas", "duckdb_tables",
    "duckdb_types", "duckdb_views", "generate_series", "icu_calendar_names", "json_each",
    "json_tree", "pg_timezone_names", "pragma_version", "range", "repeat", "repeat_row", "summary", "unnest",
}  # fmt: skip
"""The table functions that read nothing but the views; others read files, change settings or run other SQL."""
# Keywords of that argument, which could also come later in the call
SOURCES = {"source", "tbl", "table_name"}
# Scalar functions that access settings, variables or a log
REFUSED_FUNCTIONS = {"current_setting", "getenv", "getvariable", "write_log", "currval", "nextval", "setval"}
# The engine's own views that list the views
CATALOG = {("information_schema", name) for name in ("columns", "schemata", "tables", "views")}
# SHOW may list the views, but not variables or databases
SHOWABLE = ("__show_tables_expanded", '"tables"')
NAME = re.compile(r'(?:"(?:[^"]|"")+"|[^\W\d]\w*)(?:\.(?:"(?:[^"]|"")+"|[^\W\d]\w*))*')
STEP = re.compile(r'"((?:[^"]|"")+)"|(\w+)')

Path: TypeAlias = tuple[str, ...]
"""The name of a view in lower case: schema and view, or catalog, schema and view."""


def check_reading(connection: duckdb.DuckDBPyConnection, text: str, views: Mapping[Path, str]) -> set[Path]:
    """Refuse anything but one statement that reads views; return the views that it reads.

    Checking for SELECT is not enough: a WITH clause with COPY writes files, a file name in place of a table reads
    them, and functions run other SQL. EXPLAIN ANALYZE runs the statement that it explains.

    Parameters
    ----------
    views : mapping
        The readable views, each with its name in SQL.

    Raises
    ------
    QueryError
        If the text is another statement, or a part of it could do more than read the views.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise QueryError(
            f"Cannot read the SQL: {error.reason} at character {error.start}. Expected UTF-8 text."
        ) from None
    tree = reading_tree(connection, text)
    return {path for part, known in _parts(tree) for path in _views_of_part(part, known, views)}


def reading_tree(connection: duckdb.DuckDBPyConnection, text: str) -> dict[str, Any]:
    """Return the syntax tree of one reading statement, or of the statement after EXPLAIN."""
    kinds = _kinds(connection, text)
    if kinds == ["MULTI"]:
        raise QueryError(
            "Cannot run PIVOT without the values of its columns. Name them as text, as in: "
            "PIVOT toy.results ON level IN ('0.0', '0.1') USING avg(r2)"
        )
    explained = EXPLAIN.match(text) if kinds == ["EXPLAIN"] else None
    tree = _tree(connection, text[explained.end() :] if explained else text)
    if (kinds == ["SELECT"] or explained) and len(tree.get("statements", [])) == 1:
        return tree
    reason = tree.get("error_message", "") if kinds == ["SELECT"] else ""
    raise QueryError(
        f"Cannot run {', '.join(kinds) or 'nothing'}{f' ({reason})' if reason else ''}. Expected one statement that "
        "reads: SELECT, DESCRIBE, SUMMARIZE, or EXPLAIN of one of these without a comment before it."
    )


def _kinds(connection: duckdb.DuckDBPyConnection, text: str) -> list[str]:
    """Return the kinds of the statements in a text; the Python interface lacks some of the engine's kinds."""
    kinds = []
    for statement in connection.extract_statements(text):
        try:
            kinds.append(statement.type.name)
        except ValueError:
            kinds.append(" ".join(statement.query.split()[:2]).upper())
    return kinds


def _tree(connection: duckdb.DuckDBPyConnection, text: str) -> dict[str, Any]:
    """Return the syntax tree of the statements in a text; it contains an error unless all are SELECT."""
    rows = connection.execute("SELECT json_serialize_sql($text)", {"text": text}).fetchall()
    try:
        return dict(json.loads(rows[0][0]))
    except RecursionError as error:
        raise QueryError(
            "Cannot run SQL that is nested this deeply. Expected a simpler statement."
        ) from error


def _parts(tree: Any) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
    """Yield every part of a tree with the table names that WITH defines there."""
    pending: list[tuple[Any, frozenset[str]]] = [(tree, frozenset())]
    while pending:
        each, known = pending.pop()
        if isinstance(each, list):
            pending += [(child, known) for child in each]
        elif isinstance(each, dict):
            yield each, known
            pending += _children(each, known)


def _children(part: dict[str, Any], known: frozenset[str]) -> Iterator[tuple[Any, frozenset[str]]]:
    """Yield the children of a part; a name in WITH is visible to the tables after it and to the rest of the query."""
    for entry in (part.get("cte_map") or {}).get("map", []):
        yield entry["value"], known
        known |= {entry["key"].lower()}
    own = {str(part["cte_name"]).lower()} if part.get("type") == "RECURSIVE_CTE_NODE" else frozenset[str]()
    for key, child in part.items():
        if key != "cte_map":
            yield child, known | own if key == "right" else known


def _views_of_part(part: dict[str, Any], known: Collection[str], views: Mapping[Path, str]) -> Iterator[Path]:
    """Yield the views that a part reads; refuse a part that could do more."""
    kind = part.get("type")
    if isinstance(kind, str) and kind.endswith("_NODE") and kind not in READING_NODES:
        name = kind.removesuffix("_NODE").removesuffix("_QUERY")
        raise QueryError(f"Cannot run {name} inside a query. Expected a query that only reads.")
    if kind == "BASE_TABLE":
        yield from _view(path_of(part), known, views)
    elif (
        kind == "SHOW_REF"
        and not part.get("query")
        and (part.get("table_name") or SHOWABLE[0]) not in SHOWABLE
    ):
        raise QueryError(f"Cannot show {part.get('table_name')}. Expected SHOW TABLES or DESCRIBE of a view.")
    elif kind == "TABLE_FUNCTION":
        yield from _check_table_function(part["function"], known, views)
    elif part.get("class") == "FUNCTION" and str(part.get("function_name")).lower() in REFUSED_FUNCTIONS:
        raise QueryError(
            f"Cannot run the function {part['function_name']!r}: a query can read the lake's views and nothing else."
        )


def _check_table_function(
    function: dict[str, Any], known: Collection[str], views: Mapping[Path, str]
) -> Iterator[Path]:
    name = str(function["function_name"])
    if name.lower() not in READING_FUNCTIONS:
        raise QueryError(
            f"Cannot run the table function {name!r}: a query can read the lake's views and nothing else. "
            f"Expected one of {', '.join(sorted(READING_FUNCTIONS))}."
        )
    if name.lower() in NAMING_FUNCTIONS:
        for path in _paths_of_function(function):
            yield from _view(path, known, views)


def _paths_of_function(function: dict[str, Any]) -> list[Path]:
    """Return the names in the first argument of a table function: a view, or a list of views."""
    arguments = function.get("arguments") or [{}]
    first = arguments[0].get("expression") or {}
    if any(each.get("name") in SOURCES for each in arguments):
        first = {}
    is_list = first.get("class") == "FUNCTION" and first.get("function_name") == "list_value"
    return (
        [_path_of_argument(each["expression"]) for each in first["arguments"]]
        if is_list
        else [_path_of_argument(first)]
    )


def _path_of_argument(expression: dict[str, Any]) -> Path:
    if expression.get("class") == "COLUMN_REF":
        return tuple(map(str, expression["column_names"]))
    text = str((expression.get("literal") or {}).get("text", ""))
    if expression.get("class") != "CONSTANT" or not NAME.fullmatch(text):
        raise QueryError(
            "Cannot read a view whose name is not written out. Expected its name, as in FROM toy.results."
        )
    return tuple(quoted.replace('""', '"') or plain for quoted, plain in STEP.findall(text))


def path_of(part: Mapping[str, Any]) -> Path:
    """Return the name of a table in the syntax tree, as it is written."""
    names = (part.get("qualified_name") or {}).get("path")
    return tuple(
        names or [part[key] for key in ("catalog_name", "schema_name", "table_name") if part.get(key)]
    )


def _view(path: Path, known: Collection[str], views: Mapping[Path, str]) -> Iterator[Path]:
    """Yield the view of a name, nothing for names from WITH and the engine's catalog; refuse any other."""
    lower = tuple(each.lower() for each in path)
    if lower in views:
        yield lower
    elif not (len(lower) == 1 and lower[0] in known) and lower not in CATALOG:
        names = sorted({name for each, name in views.items() if len(each) == 2}) or sorted(views.values())
        asked = ".".join(path)
        raise QueryError(
            f"There is no view {asked!r}. {hint(asked, names)}A query can read these and nothing else: {', '.join(names)}."
        )
