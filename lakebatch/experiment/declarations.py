"""Checks of the columns, tables, metrics, axis and groups that an experiment declares."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from lakebatch._text import nearest
from lakebatch.columns import (
    DATA,
    NUMBERS,
    RESERVED,
    STAMPED,
    Column,
    OwnTable,
    built_in,
    built_in_tables,
    table_names,
)
from lakebatch.errors import ExperimentError
from lakebatch.experiment import schema_files

if TYPE_CHECKING:
    from lakebatch.experiment.contract import Experiment

    AnyExperiment: TypeAlias = Experiment[Any, Any]

RESULTS = schema_files.RESULTS
TAKEN = {"bundles", "configs", "events", "frames", "gaps", "leases", "logs", "published", "sweeps"}
"""Folders and views that no own table can be called after."""
LISTS = ("tables", "columns", "metrics", "groups")


def complete(experiment: AnyExperiment, schemas: Path | None) -> None:
    """Check what an experiment declares, and complete it by the files in ``./schemas``.

    Raises
    ------
    LakebatchError
        If a declaration or a file cannot be used.
    """
    _check_lists(experiment)
    added = schema_files.result_columns(schemas) if schemas else ()
    tables = _with_files(experiment.tables, schemas)
    experiment.tables, experiment.project_columns = tables, added  # type: ignore[misc]
    _check_tables(tables)
    if type(experiment).own_columns is _default_own_columns():
        check_columns(experiment, (*experiment.columns, *added))
    else:
        check_own(experiment.columns)


def _default_own_columns() -> Any:
    from lakebatch.experiment.contract import Experiment

    return Experiment.own_columns


def result_columns(experiment: AnyExperiment, config: Any) -> tuple[Column, ...]:
    """Return the own columns of an experiment's results for a config, checked.

    Raises
    ------
    ExperimentError
        If they cannot be used.
    """
    columns = experiment.own_columns(config)
    if isinstance(columns, str) or not isinstance(columns, Sequence):
        raise ExperimentError(
            f"own_columns() returned {columns!r}. Expected a tuple of column() or metric()."
        )
    found = (*columns, *experiment.project_columns)
    check_columns(experiment, found)
    return found


def check_columns(experiment: AnyExperiment, own: Sequence[Column]) -> None:
    """Check the own columns of results, and the metrics, the axis and the groups among all columns.

    Raises
    ------
    ExperimentError
        If one of them cannot be used.
    """
    check_own(own, what="columns, with schemas/results.toml," if experiment.project_columns else "columns")
    columns = _built_in_columns(RESULTS) | {each.name: each for each in own}
    for name in experiment.metrics:
        _check_metric(name, columns)
    axis = _known(experiment.axis, columns, "axis")
    _check_scalar(axis, "axis")
    for name in experiment.groups:
        _check_scalar(_known(name, columns, "groups"), "groups")
    _check_baseline(experiment.baseline, axis)
    if axis.name in experiment.groups:
        raise ExperimentError(f"groups names {axis.name!r}, which is the axis. Leave it out of groups.")


def check_own(own: Iterable[Any], table: str = RESULTS, what: str = "columns") -> None:
    """Check that columns are declared ones, each once and none with a name that is taken."""
    own = list(own)
    for each in own:
        if not isinstance(each, Column) or not each.own:
            raise ExperimentError(f"{what} has {each!r}. Expected column(...) or metric(...).")
    taken = _built_in_columns(table) if table == RESULTS else dict.fromkeys(STAMPED)
    for name, count in Counter(each.name for each in own).items():
        if name in STAMPED:
            raise ExperimentError(f"{what} declares {name!r}, which lakebatch fills in. Leave it out.")
        if name in taken:
            raise ExperimentError(
                f"schemas/{table}.toml has a column {name!r} already. Choose another name for your own."
            )
        if table == RESULTS and name in RESERVED:
            raise ExperimentError(
                f"{what} declares {name!r}, a name that SQL views add. Choose another name."
            )
        if count > 1:
            raise ExperimentError(f"{what} declares {name!r} twice.")


def _check_lists(experiment: AnyExperiment) -> None:
    for name in LISTS:
        value = getattr(experiment, name)
        if not isinstance(value, tuple):
            hint = f" Write ({value!r},)." if isinstance(value, str) else ""
            raise ExperimentError(f"{name} is {_brief(value)}. Expected a tuple.{hint}")
    for name in ("metrics", "groups"):
        values = getattr(experiment, name)
        if others := [each for each in values if not isinstance(each, str)]:
            raise ExperimentError(f"{name} has {_brief(others[0])}. Expected names of columns.")
        if doubled := [each for each, count in Counter(values).items() if count > 1]:
            raise ExperimentError(f"{name} names {doubled[0]!r} twice.")
    if not isinstance(experiment.axis, str):
        raise ExperimentError(f"axis is {_brief(experiment.axis)}. Expected the name of a column.")


def _with_files(tables: Sequence[Any], schemas: Path | None) -> tuple[str | OwnTable, ...]:
    """Return the tables, with those that files declare in place of their names."""
    in_files = schema_files.own_tables(schemas) if schemas else ()
    for each in tables:
        if isinstance(each, OwnTable) and each.name in in_files:
            raise ExperimentError(
                f"table {each.name!r} is declared by the experiment and by {schema_files.FOLDER}/{each.name}.toml. "
                "Keep one of them."
            )
    return tuple(
        schema_files.own_table(schemas, each) if schemas and each in in_files else _declared(each, in_files)
        for each in tables
    )


def _declared(each: str | OwnTable, in_files: Sequence[str]) -> str | OwnTable:
    if isinstance(each, OwnTable) or each in DATA:
        return each
    if isinstance(each, str):
        hint = nearest(each, (*DATA, *in_files))
        raise ExperimentError(
            f"tables names {each!r}, which is no table that an experiment writes. {hint} Declare one of your own with "
            f"table(...) or in {schema_files.FOLDER}/{each}.toml."
        )
    raise ExperimentError(f"tables has {_brief(each)}. Expected names, or table(...).")


def _check_tables(tables: Sequence[str | OwnTable]) -> None:
    names = table_names(tables)
    if doubled := [name for name, count in Counter(names).items() if count > 1]:
        raise ExperimentError(f"tables names {doubled[0]!r} twice.")
    if names[-1:] != (RESULTS,):
        raise ExperimentError(
            f"tables is {', '.join(names) or 'empty'}. Expected {RESULTS!r} as the last: its rows mark a part as done."
        )
    for each in (each for each in tables if isinstance(each, OwnTable)):
        if each.name in (*built_in_tables(), *TAKEN):
            raise ExperimentError(f"table {each.name!r} has a name that lakebatch uses. Choose another name.")
        check_own(each.columns, each.name, f"table {each.name!r}")


def _check_metric(name: str, columns: Mapping[str, Column]) -> None:
    column = _known(name, columns, "metrics")
    if column.type != "double":
        raise ExperimentError(
            f"metrics names {name!r}, a column of type {column.type}. A metric is a double."
        )
    if column.own and column.higher_is_better is None:
        raise ExperimentError(f"metrics names {name!r}, which is no metric. Declare it with metric(...).")


def _known(name: str, columns: Mapping[str, Column], what: str) -> Column:
    if name not in columns:
        raise ExperimentError(
            f"{what} names {name!r}, which is no column of results. {nearest(name, columns)}"
        )
    return columns[name]


def _check_scalar(column: Column, what: str) -> None:
    if column.type.startswith("list<"):
        raise ExperimentError(f"{what} names {column.name!r}, a column of lists. Expected single values.")
    if column.type not in (*NUMBERS, "string", "boolean"):
        raise ExperimentError(
            f"{what} names {column.name!r}, a column of type {column.type}. Expected numbers, strings or booleans."
        )


def _check_baseline(baseline: Any, axis: Column) -> None:
    if baseline is None:
        return
    is_text, is_truth = isinstance(baseline, str), isinstance(baseline, bool)
    is_number = not is_truth and isinstance(baseline, int | float) and math.isfinite(baseline)
    if not (is_text or is_truth or is_number):
        raise ExperimentError(
            f"baseline is {_brief(baseline)}. Expected a value of the axis, or None without one."
        )
    if (is_text, is_truth) != (axis.type == "string", axis.type == "boolean"):
        raise ExperimentError(
            f"baseline is {_brief(baseline)}, and the axis {axis.name!r} is of type {axis.type}. Expected a value of it, "
            "or None without one."
        )


def _built_in_columns(table: str) -> dict[str, Column]:
    return {each["name"]: Column(**each) for each in built_in(table)["columns"]}


def _brief(value: Any) -> str:
    return f"{type(value).__name__} {value!r}"[:80]
