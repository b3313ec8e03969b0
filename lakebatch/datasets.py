"""What models were trained on, from the lake alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from lakebatch import registry
from lakebatch.assembly import Assembly
from lakebatch.config import from_record
from lakebatch.delta import Table
from lakebatch.errors import AssemblyError
from lakebatch.registry import AnyExperiment


def load(
    folder: str, open_table: Callable[[str], Table], assembly: Assembly, *, level: float, feature_set: str
) -> tuple[pl.DataFrame, pl.Series]:
    """Return the features and the target of one level of an assembly, exactly as models were trained on them.

    Parameters
    ----------
    folder : str
        The experiment's folder in the lake, which says its name and version.
    open_table : callable
        Opens one of the experiment's tables by name.

    Returns
    -------
    features : frame, one row per sample, one column per feature
    target : series, one value per sample

    Raises
    ------
    AssemblyError
        If the assembly did not keep its data, or not of this level.
    ExperimentError
        If the assembly has no such level or feature set.
    """
    experiment, config = recall(folder, assembly)
    tables = {name: _rows(open_table(name), assembly.assembly_id, level) for name in experiment.tables[:-1]}
    return experiment.dataset(tables, config, level=level, feature_set=feature_set)


def recall(folder: str, assembly: Assembly) -> tuple[AnyExperiment, Any]:
    """Return the experiment that an assembly is of, and the assembly's config.

    Raises
    ------
    AssemblyError
        If the code at hand is another version of the experiment.
    """
    experiment = registry.load(registry.get(folder.split("_", 2)[2]))
    if f"{experiment.number}_{experiment.version}_{experiment.name}" != folder:
        raise AssemblyError(
            f"{assembly.assembly_id} is of {folder}, this code has version {experiment.version} of it. "
            "Use the code that wrote it."
        )
    return experiment, from_record(experiment.config_model, assembly.settings)


def _rows(table: Table, assembly_id: str, level: float) -> pl.DataFrame:
    if not table.exists():
        raise AssemblyError(
            f"There is no table at {table.uri}: {assembly_id} kept no data. Run it again, storing it."
        )
    of_level = (pl.col("level") == level) | pl.col("level").is_null()
    return table.at().scan().filter((pl.col("assembly_id") == assembly_id) & of_level).collect()
