"""Meanings of the views and columns that SQL shows: those of tables, and those that views add."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from lakebatch.columns import DATA, Column
from lakebatch.snapshot.dictionary import with_unit
from lakebatch.sql.catalog import quote_identifier, string_literal
from lakebatch.storage.delta.schema import load_schema

ASKED = re.compile(r"comment|duckdb_\w+|^\s*desc(ribe)?\b", re.IGNORECASE)
"""Queries that can show meanings; the others are answered without them."""
DESCRIBE = re.compile(r"\s*desc(?:ribe)?\s+(?:table\s+)?([\w.\"$-]+)\s*;?\s*", re.IGNORECASE)
VIEWS = {
    "assemblies": "One row per assembly: its status, progress, times, seed and config.",
    "events": load_schema("assemblies").description,
    "configs": "One row per assembly, with a column per key of its config.",
    "sweeps": "One row per replicate of each point of a sweep, with a column per swept key.",
    "gaps": "One row per gap in the datasets: what is missing, and why.",
}
ORIGIN = {
    "experiment": "Name of the experiment.",
    "version": "Experiment version, such as v1.",
    "assembly_id": "The assembly: YYYYMMDD_HHMMSS_runNNN, UTC.",
    "config_hash": "SHA-256 of the config of the assembly, hexadecimal.",
}
ADDED: dict[str, dict[str, str]] = {
    "assemblies": {
        "status": "started, completed, failed or discarded.",
        "parts_done": "Parts with rows.",
        "parts_planned": "Parts that the assembly has.",
        "rows": "Rows of the assembly in the results.",
        "started_at": "When the assembly began, UTC.",
        "changed_at": "When its last event was recorded, UTC.",
        "seed": "Seed from which every random number of the assembly derives.",
        "host": "Machine that recorded the last event.",
        "code_version": "Version of the code that ran.",
        "commit": "Commit of the code that ran, with a flag for uncommitted changes.",
        "config": "The whole config, as canonical JSON.",
        "error": "What failed, part by part; NULL when nothing did.",
        "without_metric": "Rows without a metric; NULL until the assembly ends.",
        "metric_errors": "Why these rows have no metric.",
        "samples_dropped": "Samples that were left out at all levels; NULL until the assembly ends.",
        "samples_planned": "Samples that the cohort was to have.",
        "drop_reason": "Why samples were left out.",
        "name": "Name that a person gave the assembly.",
        "user": "Who began the assembly.",
        "started_from": "Assembly whose config this one began with.",
        "note": "All notes of the assembly, oldest first.",
        "purged": "When, by whom and why the rows were removed for good; NULL if they were not.",
    },
    "sweeps": {
        "sweep": "Name of the sweep.",
        "point": "Number of the point in the sweep.",
        "replicate": "Number of the replicate of the point.",
        "state": "State of the replicate.",
    },
    "gaps": {
        "assembly_id": "The assembly with the gap; empty when the gap concerns several.",
        "what": "What is missing, and why.",
    },
}
KEYED = {"configs": "Config key {}.", "sweeps": "Swept config key {}."}


def of_view(view: str, columns: Mapping[str, Column], description: str = "") -> tuple[str, dict[str, str]]:
    """Return the meaning of a view, and those of its columns by name, with units.

    Parameters
    ----------
    columns : mapping
        The columns of the table behind it; those of the built-in table by default.
    description : str
        What an experiment's own table holds.
    """
    stored = {"events": "assemblies"}.get(view, view if view in DATA else None)
    known = columns or ({each.name: each for each in load_schema(stored).columns} if stored else {})
    meanings = {name: with_unit(each.comment, each.unit) for name, each in known.items()}
    about = VIEWS.get(view) or description or (load_schema(view).description if view in DATA else "")
    return about, ORIGIN | meanings | ADDED.get(view, {})


def statements(path: tuple[str, ...], kind: str, names: Mapping[str, str], about: str) -> Iterator[str]:
    """Yield the statements that give a view or table and its columns their meaning.

    Parameters
    ----------
    names : mapping
        The columns of the view, with their meanings.
    """
    view = ".".join(map(quote_identifier, path))
    if about:
        yield f"COMMENT ON {kind} {view} IS {string_literal(about)}"
    for name, meaning in names.items():
        yield f"COMMENT ON COLUMN {view}.{quote_identifier(name)} IS {string_literal(meaning)}"


def described(path: tuple[str, ...]) -> str:
    """Return the query for DESCRIBE: that of DuckDB, with the meaning and unit of each column."""
    catalog, schema, view = map(string_literal, path)
    return (
        "SELECT column_name, data_type AS column_type, if(is_nullable, 'YES', 'NO') AS \"null\", "
        'NULL::VARCHAR AS key, column_default AS "default", NULL::VARCHAR AS extra, comment FROM duckdb_columns() '
        f"WHERE database_name = {catalog} AND schema_name = {schema} AND table_name = {view} ORDER BY column_index"
    )
