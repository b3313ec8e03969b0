"""Training data of models, from the lake alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from lakebatch.artifacts import ARTIFACTS
from lakebatch.columns import table_names
from lakebatch.errors import AssemblyError
from lakebatch.experiment import registry
from lakebatch.ids import folder_name
from lakebatch.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    from lakebatch.experiment.registry import AnyExperiment


def load(
    snapshot: Snapshot, assembly_id: str, *, level: float, feature_set: str
) -> tuple[pl.DataFrame, pl.Series]:
    """Return the features and the target that models were trained on, at one level of an assembly.

    Returns
    -------
    features : frame, one row per sample, one column per feature
    target : series, one value per sample

    Raises
    ------
    AssemblyError
        If the assembly did not store its data, or not for this level.
    UnknownNameError
        If the assembly has no such level or feature set.
    """
    assembly_id = snapshot.assembly(assembly_id).assembly_id
    experiment, config = recall(snapshot, assembly_id)
    names = [each for each in table_names(experiment.tables)[:-1] if each != ARTIFACTS]
    tables = {name: _rows(snapshot, name, assembly_id, level) for name in names}
    return experiment.dataset(tables, config, level=level, feature_set=feature_set)


def recall(snapshot: Snapshot, assembly_id: str) -> tuple[AnyExperiment, Any]:
    """Return the experiment and the config of an assembly.

    Raises
    ------
    AssemblyError
        If the installed code has another experiment version.
    """
    from lakebatch.experiment.config import (
        from_record,  # needs pydantic, which readers of rows do not load
    )

    assembly = snapshot.assembly(assembly_id)
    experiment = registry.load(registry.get(snapshot.name))
    if folder_name(experiment.number, experiment.version, experiment.name) != snapshot.folder:
        raise AssemblyError(
            f"{assembly_id} is of {snapshot.folder}, this code has experiment version {experiment.version} of it. "
            "Use the code that wrote it."
        )
    return experiment, from_record(experiment.config_model, assembly.computed_settings())


def _rows(snapshot: Snapshot, table: str, assembly_id: str, level: float) -> pl.DataFrame:
    if snapshot.table(table) is None:
        raise AssemblyError(
            f"There is no table {table!r} in {snapshot.folder}: {assembly_id} stored nothing. Run it again, storing data."
        )
    chosen = snapshot.scan_one(assembly_id, table=table)
    if "level" in snapshot.schema(table).polars:  # an own table need not have it
        chosen = chosen.filter((pl.col("level") == level) | pl.col("level").is_null())
    return snapshot.computed(chosen, [assembly_id], table=table)
