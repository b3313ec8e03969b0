"""Meanings and units of config keys, from the experiment's code where it is at hand."""

from __future__ import annotations

from lakebatch.assembly.tables import PUBLISHED, ExperimentTables
from lakebatch.errors import LakebatchError
from lakebatch.experiment import registry
from lakebatch.snapshot.published_layout import Described, recorded_meanings


def meanings(tables: ExperimentTables) -> Described:
    """Return meaning and unit of the config keys: those that the published table has, and those of the code."""
    table = tables.table(PUBLISHED)
    return {**described(tables), **(recorded_meanings(table.at()) if table.exists() else {})}


def described(tables: ExperimentTables) -> Described:
    """Return meaning and unit of the config keys of an experiment version; nothing if its code is not here."""
    from lakebatch.experiment import config_keys  # needs pydantic, and most updates do without

    try:
        kind = registry.load(registry.get(tables.name))
    except LakebatchError:
        return {}
    if (kind.version, kind.number) != (tables.experiment_version, tables.number):
        return {}
    known = dict(config_keys.units(kind.config_model))
    return {key: (text, known.get(key)) for key, text in config_keys.meanings(kind.config_model)}
