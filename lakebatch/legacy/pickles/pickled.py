"""A polars frame from the description of a pickled pandas frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from lakebatch.errors import LegacyError
from lakebatch.legacy.frames.columns import brief
from lakebatch.legacy.pickles import inert
from lakebatch.legacy.pickles.arrays import object_column, series, values
from lakebatch.legacy.pickles.inert import Inert

OLD_STATE = "0.14.1"
"""Key under which pandas before 1.3 keeps blocks and axes."""
FAULTS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
    pl.exceptions.PolarsError,
)
"""What goes wrong where a description is not that of a frame."""


def read_pickle(data: bytes) -> pl.DataFrame:
    """Return the data frame in a pickle; a row index that is more than a count becomes a column.

    Raises
    ------
    LegacyError
        If there is anything else in it, or anything is wrong with it.
    """
    root = inert.load(data)
    if not isinstance(root, Inert) or root.what != "DataFrame":
        raise LegacyError(f"it holds {_describe(root)}, not a data frame")
    try:
        return _frame(root)
    except FAULTS as error:
        if isinstance(error, LegacyError):
            raise
        raise LegacyError(
            f"its data frame is not one that pandas writes ({type(error).__name__}: {brief(error)})"
        ) from error


def _frame(root: Inert) -> pl.DataFrame:
    manager = root.state.get("_mgr", root.state.get("_data"))
    blocks, (columns_axis, rows_axis) = _blocks_and_axes(manager)
    names = [_label(each) for each in _axis(columns_axis)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise LegacyError(f"two of its columns are called {twice[0]!r}")
    columns = {
        place: column
        for block_values, places in blocks
        for place, column in zip(places, series(block_values), strict=True)
    }
    if sorted(columns) != list(range(len(names))):
        raise LegacyError(f"it has {len(names)} column names and data of {len(columns)}")
    index = _index_column(rows_axis, names)
    return pl.DataFrame([*index, *(columns[place].alias(name) for place, name in enumerate(names))])


def _blocks_and_axes(manager: Inert) -> tuple[Iterator[tuple[Any, Sequence[int]]], Sequence[Inert]]:
    if manager.what != "BlockManager":
        raise LegacyError(f"its data is a {manager.name}")
    if manager.args:
        blocks, axes = manager.args
        return ((each.args[0], _places(each.args[1])) for each in blocks), axes
    state = manager.state[3][OLD_STATE]
    return ((each["values"], _places(each["mgr_locs"])) for each in state["blocks"]), state["axes"]


def _places(placement: Inert) -> list[int]:
    if placement.what == "slice":
        start, stop, step = placement.args
        if max(abs(start), abs(stop)) > 1_000_000:
            raise LegacyError("it has more than a million columns")
        return list(range(start, stop, step))
    return [int(place) for place in values(placement)]


def _axis(axis: Inert) -> list[Any]:
    """Return the labels of an axis."""
    kind, state = _index(axis)
    if kind == "RangeIndex":
        return list(range(state["start"], min(state["stop"], state["start"] + 1_000_000), state["step"]))
    (labels,) = series(state["data"])
    return labels.to_list()


def _index_column(axis: Inert, names: Sequence[str]) -> list[pl.Series]:
    """Return the row index as a column, or nothing where it says no more than the order of the rows."""
    kind, state = _index(axis)
    name = state.get("name")
    if kind == "RangeIndex" and name is None:
        return []
    labels = pl.Series(_axis(axis)) if kind == "RangeIndex" else series(state["data"])[0]
    if name is None and labels.dtype.is_integer():
        return []
    title = "index" if name is None else _label(name)
    if title in names:
        raise LegacyError(f"its index and one of its columns are both called {title!r}")
    return [labels.alias(title)]


def _index(axis: Inert) -> tuple[str, dict[str, Any]]:
    if axis.what != "new_index" or axis.args[0].what not in ("Index", "RangeIndex"):
        raise LegacyError("its index has several levels, or is of a kind that is not supported")
    return axis.args[0].what, axis.args[1]


def _label(label: Any) -> str:
    plain = object_column([label])[0]
    if plain is None:
        raise LegacyError("one of its columns has no name")
    return str(plain)


def _describe(found: Any) -> str:
    return found.name if isinstance(found, Inert) else f"a {type(found).__name__}"
