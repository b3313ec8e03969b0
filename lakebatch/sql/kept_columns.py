"""Meaning and unit of the columns that an answer took unchanged from the views."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb

from lakebatch.errors import QueryError
from lakebatch.snapshot.snapshots import Snapshots
from lakebatch.sql.catalog import UNION
from lakebatch.sql.read_only import Path, path_of, reading_tree

if TYPE_CHECKING:
    import pyarrow as pa

CHANGES = ("replace_list", "rename_list", "expr", "alias")
"""Parts of ``*`` in the syntax tree that give columns other values or names."""
Fields: TypeAlias = "dict[str, pa.Field]"
Tables: TypeAlias = "Mapping[str, Fields]"
"""The described columns of each table of a query, by the name that the query uses."""


def described(snapshots: Snapshots, text: str) -> pa.Schema:
    """Return the columns that one query keeps as they are, with units and comments as metadata of the fields.

    These are columns that a plain SELECT from views names, or takes with ``*``, under their own names. What is
    computed, renamed, or comes from a subquery has no meaning that is known, and is left out.
    """
    import pyarrow as pa

    with closing(duckdb.connect()) as connection:
        try:
            (statement,) = reading_tree(connection, text)["statements"]
        except (duckdb.Error, QueryError):
            return pa.schema([])
    node = statement["node"]
    if node.get("type") != "SELECT_NODE" or node["cte_map"]["map"]:
        return pa.schema([])
    tables = dict(_tables(snapshots, node["from_table"]))
    return pa.schema(_kept(node["select_list"], tables))


def _tables(snapshots: Snapshots, part: Mapping[str, Any]) -> Iterator[tuple[str, Fields]]:
    """Yield each table of a FROM clause; one that is not a view of rows has no described column."""
    if part["type"] == "JOIN":
        yield from _tables(snapshots, part["left"])
        yield from _tables(snapshots, part["right"])
    elif part["type"] == "BASE_TABLE" and not part["column_name_alias"]:
        path = path_of(part)
        yield (part["alias"] or path[-1]).lower(), _fields(snapshots, path)
    else:
        yield str(part.get("alias")).lower(), {}


def _fields(snapshots: Snapshots, path: Path) -> Fields:
    """Return the described columns of a view; of one over all experiments those that mean the same in each."""
    if len(path) != 2:
        return {}
    schema, view = (each.lower() for each in path)
    chosen = [
        name
        for name, schemas in snapshots.schemas().items()
        if name in snapshots and (schema == UNION or schema in map(str.lower, schemas))
    ]
    found = [snapshots[each].table(view) for each in chosen if view in snapshots[each].tables.names]
    fields = [field for table in found if table is not None for field in table.arrow_schema()]
    return {each.name.lower(): each for each in _agreed(fields)}


def _kept(columns: Sequence[Mapping[str, Any]], tables: Tables) -> list[pa.Field]:
    """Return the described columns that a SELECT list keeps, without those whose name another column has too."""
    found, others = [], set()
    for each in columns:
        if each["class"] == "STAR":
            fields = _starred(each, tables)
            if fields is None:  # it can have any name
                return []
        else:
            fields = list(_named(each, tables))
        found += fields
        if not fields:
            others.add((each["alias"] or each.get("column_names", [""])[-1]).lower())
    return [each for each in _agreed(found) if each.name.lower() not in others]


def _starred(column: Mapping[str, Any], tables: Tables) -> list[pa.Field] | None:
    """Return the columns that ``*`` stands for; None if one of its tables is not described or it changes values."""
    chosen = column["relation_name"].lower()
    fields = [of_table for name, of_table in tables.items() if chosen in ("", name)]
    if not all(fields) or any(column[each] for each in CHANGES):
        return None
    return [field for of_table in fields for field in of_table.values()]


def _named(column: Mapping[str, Any], tables: Tables) -> Iterator[pa.Field]:
    """Yield the described column that an expression names without a change."""
    *table, name = column.get("column_names") or [""]
    if column["class"] != "COLUMN_REF" or column["alias"].lower() not in ("", name.lower()):
        return
    chosen = table[-1].lower() if table else ""
    for each, fields in tables.items():
        if chosen in ("", each) and name.lower() in fields:
            yield fields[name.lower()]


def _agreed(fields: list[pa.Field]) -> list[pa.Field]:
    """Return one field per name, unless two of a name differ in what they mean."""
    by_name: dict[str, list[pa.Field]] = {}
    for each in fields:
        by_name.setdefault(each.name, []).append(each)
    return [same[0] for same in by_name.values() if all(each.metadata == same[0].metadata for each in same)]
