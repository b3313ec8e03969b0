"""Source files and environment of an experiment, by the origin from which it was loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lakebatch.experiment import given, provenance, registry
from lakebatch.experiment.provenance import SourceState
from lakebatch.experiment.registry import Source


def source_file(source: Source) -> Path | None:
    """Return the file that defines an experiment; None for one that was given as a class."""
    return None if source.payload else registry.source_file(registry.load(source))


def state(source: Source) -> SourceState:
    """Return the source of an experiment as it is now; that of a class as it was given."""
    if source.payload:
        return given.unpack(source.payload)[1]
    return provenance.read_source(registry.source_file(registry.load(source)))


def environment(source: Source, known: SourceState | None = None) -> dict[str, Any]:
    """Return what results depend on apart from the config, see `lakebatch.experiment.provenance.environment`."""
    experiment, file = registry.load(source), source_file(source)
    if file is None:
        known = state(source)
    return provenance.environment(file, experiment.version, known)


def record(source: Source, known: SourceState | None = None) -> dict[str, Any]:
    """Return the environment that an assembly records: `environment`, and the ``commit`` if there is one."""
    file = source_file(source)
    found = None if file is None else provenance.commit(file)
    return environment(source, known) | ({"commit": found} if found else {})
