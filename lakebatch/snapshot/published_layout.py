"""Columns of the table ``published``: those of the results, what identifies the assembly, and its config."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from lakebatch.assembly.record import UNDECIDED
from lakebatch.assembly.record_json import read_environment, read_tree, where
from lakebatch.assembly.tables import published_schema
from lakebatch.columns import Column
from lakebatch.experiment.provenance import SOURCE_HASH
from lakebatch.ids import canonical_json, content_hash
from lakebatch.snapshot.config_columns import common_type, settings
from lakebatch.snapshot.rows import PinnedRows
from lakebatch.storage.delta.schema import TableSchema
from lakebatch.storage.delta.version import TableVersion

MAX_TEXT = 1000
"""Length from which a text of a config is replaced by its hash: each row repeats it."""
CONFIG_KEY = "Config key "
"""Begin of the comment of a config's column."""
UNFIT = re.compile(r"[^A-Za-z0-9_]")
FIXED = (
    Column("experiment", "string", "Name of the experiment."),
    Column("experiment_version", "string", "Version of the experiment, such as v1."),
    Column("code_version", "string", "Version of the code that completed the assembly."),
    Column("source_hash", "string", "SHA-256 of the experiment's source; the table sources has the files."),
    Column("assembly_seed", "long", "Seed of the assembly."),
    Column("started_at", "timestamp", "When the assembly was begun, UTC."),
    Column("completed_at", "timestamp", "When the assembly was completed, UTC."),
)

Described = Mapping[str, tuple[str, str | None]]
"""Meaning and unit of the keys of a config."""


@dataclass(frozen=True)
class Key:
    """A key of configs: its column, and how its values are stored."""

    key: str
    column: str
    type: str

    def whole(self, value: Any) -> Any:
        """Return a value in the type of the column; lists and tables are JSON."""
        if value is None or self.type != "string":
            return float(value) if self.type == "double" and value is not None else value
        return value if isinstance(value, str) else canonical_json(value)

    def value(self, value: Any) -> Any:
        """Return a value as the table has it; a long text as its hash."""
        whole = self.whole(value)
        is_long = isinstance(whole, str) and len(whole) > MAX_TEXT
        return f"sha256:{content_hash(whole)}" if is_long else whole

    def described(self, known: Described) -> Column:
        """Return the column, with the meaning and the unit of the key where they are known."""
        text, unit = known.get(self.key, ("", None))
        return Column(
            self.column, self.type, f"{CONFIG_KEY}{self.key}{f': {text}' if text else '.'}", unit=unit
        )


@dataclass(frozen=True)
class Layout:
    """The columns of the published table of one state, and the values that all rows of an assembly share."""

    results: tuple[Column, ...]
    fixed: tuple[Column, ...]
    keys: tuple[Key, ...]
    completions: Mapping[str, Mapping[str, Any]] = field(repr=False)
    experiment: tuple[str, str]

    def schema(self, described: Described | None = None) -> TableSchema:
        """Return the schema of the table, with the meanings of config keys where they are known."""
        keys = (each.described(described or {}) for each in self.keys)
        return published_schema([*self.results, *self.fixed, *keys])

    def has_columns_of(self, state: TableVersion) -> bool:
        """Whether a state of the published table has these columns, in this order."""
        wanted = [(each.name, each.arrow.type) for each in self.schema().columns]
        return [(each.name, each.type) for each in state.file_schema()] == wanted

    def constants(self, assembly_id: str) -> dict[str, Any]:
        """Return the values that all rows of a completed assembly share, by column."""
        row = self.completions[assembly_id]
        environment = read_environment(row["environment"], where("environment", assembly_id, row["event"]))
        config = _settings(row["config"], assembly_id, row["event"])
        values = (
            *self.experiment,
            row["code_version"],
            environment.get(SOURCE_HASH),
            row["seed"],
            row["started_at"],
            row["at"],
        )
        fixed = dict(zip((each.name for each in self.fixed), values, strict=True))
        return fixed | {each.column: each.value(config.get(each.key)) for each in self.keys}


def layout(snapshot: PinnedRows) -> Layout:
    """Return the columns for a state of an experiment.

    Config keys are those of all assemblies that had begun by then, so that a decision changes no column.

    Raises
    ------
    DamageError
        If a config cannot be read.
    """
    pinned = snapshot.table()
    assert pinned is not None
    described = pinned.described_columns
    results = tuple(_plain(described[name]) for name in pinned.columns() if name in described)
    taken = {each.name.lower() for each in results}
    fixed = tuple(replace(each, name=free(each.name, taken)) for each in FIXED)
    trees = [
        _settings(*row) for row in snapshot.events.unique("config", maintain_order=True)
        .select("config", "assembly_id", "event").iter_rows()
    ]  # fmt: skip
    return Layout(
        results,
        fixed,
        tuple(_keys(trees, taken)),
        completions(snapshot.events),
        (snapshot.name, snapshot.experiment_version),
    )


def declared(results: Iterable[Column]) -> TableSchema:
    """Return the schema of the table where no config is known: without the columns of config keys."""
    return published_schema([*map(_plain, results), *FIXED])


def completions(events: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the event that completed each assembly last, with ``started_at``, by assembly.

    Later events of a completed assembly, such as notes and decisions, change nothing.
    """
    known = events.sort("run_number", "event").with_columns(
        before=pl.col("status").shift().over("assembly_id"),
        started_at=pl.col("at").first().over("assembly_id"),
    )
    ended = known.filter(pl.col("status") == "completed")
    is_end = pl.col("before").is_null() | pl.col("before").is_in(UNDECIDED)
    # the event that completed it may be lost
    chosen = pl.concat([ended.unique("assembly_id", keep="first"), ended.filter(is_end)])
    wanted = ("event", "at", "started_at", "code_version", "environment", "config", "seed")
    return {row["assembly_id"]: row for row in chosen.select("assembly_id", *wanted).iter_rows(named=True)}


def _plain(column: Column) -> Column:
    """Return a column of results as one that may be NULL, which every engine can write and read."""
    return replace(column, nullable=True)


def _settings(config: str, assembly_id: str, event: int) -> dict[str, Any]:
    return settings(read_tree(config, where("config", assembly_id, event)))


def recorded_meanings(state: TableVersion) -> Described:
    """Return the meanings and units of config keys that a state of the published table has."""
    found = {}
    for each in state.arrow_schema():
        metadata = {name.decode(): value.decode() for name, value in (each.metadata or {}).items()}
        key, has_text, text = metadata.get("comment", "").partition(": ")
        if has_text and key.startswith(CONFIG_KEY):
            found[key.removeprefix(CONFIG_KEY)] = (text, metadata.get("unit"))
    return found


def _keys(trees: Iterable[Mapping[str, Any]], taken: set[str]) -> Iterable[Key]:
    values: dict[str, list[Any]] = {}
    for tree in trees:
        for key, value in tree.items():
            values.setdefault(key, []).append(value)
    names = {key: _name(key, "_") for key in sorted(values)}
    count = Counter(name.lower() for name in names.values())
    for key, name in names.items():
        column = free(name if count[name.lower()] == 1 else _name(key, "__"), taken)
        yield Key(key, column, common_type(values[key]) or "string")


def _name(key: str, dot: str) -> str:
    """Return the column of a key.

    >>> _name("cohort.n_samples", "_")
    'config_cohort_n_samples'
    """
    return f"config_{UNFIT.sub('_', key.replace('.', dot))}"


def free(name: str, taken: set[str]) -> str:
    """Return a name that no other column has, in upper and lower case alike, and take it."""
    while name.lower() in taken:
        name = f"{name}_"
    taken.add(name.lower())
    return name
