"""Schemas of the tables that an experiment writes, with the columns and tables that it declares."""

from __future__ import annotations

from lakebatch.assembly.metrics import METRIC_NAMES, results_properties
from lakebatch.assembly.tables import RESULTS, own_schema
from lakebatch.columns import OwnTable
from lakebatch.experiment.contract import ConfigModel
from lakebatch.experiment.declarations import result_columns
from lakebatch.experiment.registry import AnyExperiment
from lakebatch.storage.delta.schema import TableSchema, load_schema


def declared_schemas(experiment: AnyExperiment, config: ConfigModel) -> tuple[TableSchema, ...]:
    """Return the schemas of the tables that the parts of an experiment write, in order.

    Raises
    ------
    SchemaError
        If a declared column or table has the name of a built-in one.
    """
    return tuple(_schema(experiment, config, each) for each in experiment.tables)


def _schema(experiment: AnyExperiment, config: ConfigModel, declared: str | OwnTable) -> TableSchema:
    if isinstance(declared, OwnTable):
        return own_schema(declared.name, declared.description, declared.columns)
    schema = load_schema(declared)
    if declared != RESULTS:
        return schema
    columns = result_columns(experiment, config)
    properties = results_properties(
        columns, experiment.metric_names(config), experiment.axis, experiment.baseline, experiment.groups
    )
    return schema.extended(columns, properties, united=(METRIC_NAMES,))
