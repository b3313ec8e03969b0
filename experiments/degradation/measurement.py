"""Measurements of a cohort, which models are trained on, and their rows in ``samples`` and ``trajectories``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from lakebatch.errors import ExperimentError

from ..virtual_cohort.cohort import Cohort
from ..virtual_cohort.time_courses import TimeCourses

Tables = dict[str, pl.DataFrame]
ALL = slice(None)
BLOCK = 10_000
"""Number of samples whose rows are made at a time: all rows of a large cohort take as much memory as its simulation."""


def blocks(n_samples: int) -> list[slice]:
    """Return the samples in blocks.

    >>> blocks(12_000)
    [slice(0, 10000, None), slice(10000, 20000, None)]
    """
    return [slice(first, first + BLOCK) for first in range(0, n_samples, BLOCK)]


@dataclass(frozen=True, eq=False)
class Measurement:
    """Measurement of a cohort at one level.

    Attributes
    ----------
    input_names : tuple of str
        The columns of ``initial``.
    initial : float array, shape (n_samples, n_inputs), a.u.
        Measured initial concentrations.
    initial_clean : float array, shape (n_samples, n_inputs), a.u.
        True initial concentrations.
    time_courses : TimeCourses
        Simulated from the measured initial concentrations and the assumed parameters.
    target : float array, shape (n_samples,), a.u.
        Measured response.
    parameters : float array, shape (n_samples, n_parameters), optional
        Assumed parameters, where they differ from the true ones.
    n_clipped : int
        Values that noise made negative and that were clipped at 0.
    clipped : bool array, shape (n_samples,) or (n_samples, n_inputs), optional
        Which values these are; takes precedence over ``n_clipped``.
    """

    input_names: tuple[str, ...]
    initial: np.ndarray
    initial_clean: np.ndarray
    time_courses: TimeCourses
    target: np.ndarray
    parameters: np.ndarray | None = None
    n_clipped: int = 0
    clipped: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.clipped is not None:
            object.__setattr__(self, "n_clipped", int(np.count_nonzero(self.clipped)))

    def of_samples(self, samples: np.ndarray) -> Measurement:
        """Return the measurement of some samples, all of which could be simulated."""
        return replace(
            self,
            initial=self.initial[samples],
            initial_clean=self.initial_clean[samples],
            time_courses=self.time_courses.of_samples(samples),
            target=self.target[samples],
            parameters=None if self.parameters is None else self.parameters[samples],
            clipped=None if self.clipped is None else self.clipped[samples],
        )


def clean_measurement(cohort: Cohort) -> Measurement:
    """Return the measurement of a cohort without any perturbation."""
    initial = cohort.initial_concentrations
    return Measurement(cohort.simulator.input_names, initial, initial, cohort.time_courses, cohort.target)


def cohort_tables(cohort: Cohort, dropped: Mapping[int, str] | None = None, block: slice = ALL) -> Tables:
    """Return the rows that all levels share, of a block of samples: the clean cohort, with ``level`` NULL.

    A dropped sample has its reason and its values, and neither a target nor trajectories.
    """
    numbers = np.arange(len(cohort.target))[block]
    samples = pl.DataFrame(
        {
            "level": _nothing(len(numbers), pl.Float64()),
            "sample": numbers,
            "target": cohort.target[block],
            "initial_names": _repeated(cohort.simulator.input_names, len(numbers)),
            "initial": _lists(cohort.initial_concentrations[block]),
            "parameter_names": _repeated(cohort.simulator.parameter_names, len(numbers)),
            "parameters": _lists(cohort.parameters[block]),
        }
    )
    tables = {"samples": samples, "trajectories": _trajectories(cohort.time_courses, None, block)}
    return _without_dropped(tables, dropped or {}, dropped or {})


def level_tables(
    level: float,
    measured: Measurement,
    cohort: Cohort,
    dropped: Mapping[int, str] | None = None,
    block: slice = ALL,
) -> Tables:
    """Return the rows of one level, of a block of samples: only what the level changed, the rest is NULL or left out.

    Of dropped samples there are those that could not be simulated at this level.
    """
    numbers = np.arange(len(cohort.target))[block]
    n_samples = len(numbers)
    changed = {
        "target": (measured.target, cohort.target, pl.Float64()),
        "initial": (measured.initial, cohort.initial_concentrations, pl.List(pl.Float64)),
        "parameters": (measured.parameters, None, pl.List(pl.Float64)),
    }
    columns = {
        name: _nothing(n_samples, dtype) if values is clean else _column(values[block])
        for name, (values, clean, dtype) in changed.items()
    }
    # all columns of the cohort's rows, in their order, so that one part can hold both
    samples = pl.DataFrame(
        {
            "level": [float(level)] * n_samples,
            "sample": numbers,
            "target": columns["target"],
            "initial_names": _nothing(n_samples, pl.List(pl.String)),
            "initial": columns["initial"],
            "parameter_names": _nothing(n_samples, pl.List(pl.String)),
            "parameters": columns["parameters"],
        }
    )
    tables = {"samples": samples}
    is_own = measured.time_courses is not cohort.time_courses
    if is_own:
        tables["trajectories"] = _trajectories(measured.time_courses, level, block)
    return _without_dropped(tables, dropped or {}, measured.time_courses.failures if is_own else {})


def _without_dropped(tables: Tables, dropped: Mapping[int, str], failures: Mapping[int, str]) -> Tables:
    """Return tables without the dropped samples, but for the failures, which have their reason and no target."""
    samples = tables["samples"].with_columns(
        pl.Series("failure", [failures.get(each) for each in tables["samples"]["sample"]], dtype=pl.String)
    )
    if not dropped:
        return {**tables, "samples": samples}
    is_dropped, has_failed = pl.col("sample").is_in([*dropped]), pl.col("failure").is_not_null()
    target = pl.when(~has_failed).then("target").alias("target")
    kept = {name: frame.filter(~is_dropped) for name, frame in tables.items() if name != "samples"}
    return {"samples": samples.filter(~is_dropped | has_failed).with_columns(target), **kept}


def restore(tables: Mapping[str, pl.DataFrame], level: float, *, baseline: bool) -> Measurement:
    """Return the measurement of a cohort at a level, from the rows of the level and the shared ones.

    Raises
    ------
    ExperimentError
        If rows are missing, because they were not stored or the level has not been computed.
    """
    samples = tables["samples"].filter(pl.col("failure").is_null())
    shared = _of_level(samples, None)
    own = shared if baseline else _of_level(samples, level)
    courses = _of_level(tables["trajectories"], None if baseline else level)
    courses = _of_level(tables["trajectories"], None) if courses.is_empty() else courses
    for rows, what in ((shared, "samples"), (own, f"samples of level {level:g}"), (courses, "trajectories")):
        if rows.is_empty():
            raise ExperimentError(
                f"The {what} are not in the lake: not stored (config key 'store'), or not computed yet. "
                "See: lakebatch status"
            )
    clean = _matrix(shared["initial"])
    return Measurement(
        input_names=tuple(shared["initial_names"][0]),
        initial=clean if own["initial"].has_nulls() else _matrix(own["initial"]),
        initial_clean=clean,
        time_courses=_time_courses(courses),
        target=(shared if own["target"].has_nulls() else own)["target"].to_numpy(),
    )


def _of_level(table: pl.DataFrame, level: float | None) -> pl.DataFrame:
    column = pl.col("level")
    return table.filter(column.is_null() if level is None else column == level).sort(
        "sample", maintain_order=True
    )


def _trajectories(courses: TimeCourses, level: float | None, block: slice) -> pl.DataFrame:
    """Return one row per sample of a block and kept form."""
    numbers, values = np.arange(len(courses.values))[block], courses.values[block]
    n_samples, n_names, n_times = values.shape
    rows = n_samples * n_names
    totals = (
        _nothing(rows, pl.Float64()) if courses.totals is None else pl.Series(courses.totals[block].ravel())
    )
    return pl.DataFrame(
        {
            "level": pl.Series([level] * rows, dtype=pl.Float64),
            "sample": np.repeat(numbers, n_names),
            "species": _cycled(courses.names, n_samples),
            "counterpart": _cycled(courses.counterparts or [None] * n_names, n_samples),
            "values": _lists(values.reshape(rows, n_times)),
            "total": totals,
        }
    )


def _time_courses(rows: pl.DataFrame) -> TimeCourses:
    """Return the time courses of rows that are ordered by sample."""
    first = rows.filter(pl.col("sample") == rows["sample"][0])
    shape = (-1, first.height)
    totals = None if rows["total"].has_nulls() else rows["total"].to_numpy().reshape(shape)
    counterparts = () if totals is None else tuple(first["counterpart"])
    values = _matrix(rows["values"])
    return TimeCourses(tuple(first["species"]), values.reshape(*shape, values.shape[1]), counterparts, totals)


def _repeated(names: Sequence[str], times: int) -> pl.Series:
    """Return a column with the same list in each row."""
    return pl.Series([list(names)], dtype=pl.List(pl.String)).new_from_index(0, times)


def _cycled(names: Sequence[str | None], times: int) -> pl.Series:
    """Return a column that repeats some strings."""
    return pl.Series(names, dtype=pl.String).gather(np.tile(np.arange(len(names)), times))


def _column(values: np.ndarray) -> pl.Series:
    return _lists(values) if values.ndim == 2 else pl.Series(values)


def _lists(values: np.ndarray) -> pl.Series:
    """Return a matrix as a column with one list per row."""
    inner = pl.Series(np.ascontiguousarray(values))
    return inner.arr.to_list() if isinstance(inner.dtype, pl.Array) else inner


def _matrix(lists: pl.Series) -> np.ndarray:
    """Return a column of lists of one length as a matrix."""
    return lists.list.to_array(len(lists[0])).to_numpy()


def _nothing(length: int, dtype: pl.DataType) -> pl.Series:
    return pl.Series([None] * length, dtype=dtype)
