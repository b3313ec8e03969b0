"""An experiment with a config and the parts that it plans for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lakebatch.columns import table_names
from lakebatch.errors import ExperimentError
from lakebatch.experiment import config, origin, registry
from lakebatch.experiment.config import DEFAULT_PRESET, Layer
from lakebatch.experiment.contract import ConfigModel, Part
from lakebatch.experiment.provenance import SourceState
from lakebatch.experiment.registry import AnyExperiment, Source


@dataclass(frozen=True)
class RunPlan:
    """Everything about a run that is known before an assembly is begun or resumed."""

    source: Source
    experiment: AnyExperiment
    config: ConfigModel
    parts: tuple[Part, ...]

    @classmethod
    def resolve(
        cls,
        source: Source,
        *,
        preset: str = DEFAULT_PRESET,
        record: Layer | None = None,
        file: Path | None = None,
        settings: Iterable[str] = (),
        overrides: Mapping[str, Any] | None = None,
        swept: Mapping[str, Any] | None = None,
    ) -> RunPlan:
        """Return the plan for a config of several layers, see `lakebatch.experiment.config.resolve`."""
        experiment = registry.load(source)
        resolved = config.resolve(
            source,
            experiment,
            preset=preset,
            record=record,
            file=file,
            settings=settings,
            overrides=overrides,
            swept=swept,
        )
        return cls(source, experiment, resolved.model, _parts(experiment, resolved.model))

    @classmethod
    def from_record(cls, source: Source, record: Mapping[str, Any]) -> RunPlan:
        """Return the plan for the config of an assembly's record."""
        experiment = registry.load(source)
        model = config.from_record(experiment.config_model, record, imports=config.importable(source))
        return cls(source, experiment, model, _parts(experiment, model))

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the parts."""
        return tuple(part.key for part in self.parts)

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables that the parts write, the one that marks them as done last."""
        return table_names(self.experiment.tables)

    @property
    def marker(self) -> str:
        """The name of the table in which each part has rows."""
        return self.tables[-1]

    @property
    def written_in(self) -> str:
        """The name of the experiment's source file, or its class if it was given as one."""
        file = origin.source_file(self.source)
        return f"the class {type(self.experiment).__name__}" if file is None else file.name

    @cached_property
    def source_state(self) -> SourceState:
        """The files of the experiment's source, read once."""
        return origin.state(self.source)

    @cached_property
    def environment(self) -> dict[str, Any]:
        """What the rows depend on beside the config, see `lakebatch.experiment.origin.record`."""
        return origin.record(self.source, self.source_state)

    def work(self, parts: Iterable[Part]) -> int:
        """Return the amount of work in some of the parts, in the experiment's unit."""
        return sum(self.experiment.work(part, self.config) for part in parts)


def _parts(experiment: AnyExperiment, model: ConfigModel) -> tuple[Part, ...]:
    parts = tuple(experiment.parts(model))
    keys = [part.key for part in parts]
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    if repeated or not keys:
        what = f"gives the key {repeated[0]!r} to two parts" if repeated else "plans no part"
        raise ExperimentError(
            f"{experiment.name}.parts() {what}. Expected one part or more, each with its own key."
        )
    return parts
