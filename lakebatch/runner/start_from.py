"""The recorded config that a new assembly starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lakebatch.assembly.record import Assembly
from lakebatch.errors import AssemblyError, ConfigError, UnknownNameError
from lakebatch.experiment import registry
from lakebatch.experiment.config import DEFAULT_PRESET, Layer
from lakebatch.experiment.plan import RunPlan
from lakebatch.experiment.registry import Source
from lakebatch.ids import ExperimentName, folder_name
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.lake.lake import Lake


@dataclass(frozen=True)
class Origin:
    """An assembly of the lake whose config a new one takes.

    Attributes
    ----------
    reference : str
        Its id, as NAME@v1:ID if it has another experiment version than the code.
    """

    reference: str
    assembly: Assembly

    @property
    def layer(self) -> Layer:
        """Its config, as a layer of the new one.

        Raises
        ------
        AssemblyError
            If no experiment computed it.
        """
        return Layer(f"assembly {self.reference}", self.assembly.computed_settings())


def find(lake: Lake, name: str, reference: str) -> Origin:
    """Return an assembly of an experiment, by its id or name; NAME@v1:ID is one of another experiment version.

    Without an experiment version, it is looked for in that of the code and then in the others, the newest first.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    experiment, _, wanted = reference.rpartition(":")
    plain = ExperimentName.parse(name).name
    if experiment and ExperimentName.parse(experiment).name != plain:
        raise ConfigError(
            f"{reference!r} is an assembly of another experiment. Expected one of {plain}: its config would not fit."
        )
    kind = registry.load(registry.get(name))
    own = folder_name(kind.number, kind.version, kind.name)
    stored = [lake[experiment]] if experiment else _versions(lake, plain, own)
    for each in stored:
        try:
            assembly = each.log.get(wanted)
        except UnknownNameError:
            if each is stored[-1]:
                raise
            continue
        return Origin(_reference(each, assembly, own), assembly)
    raise UnknownNameError(f"There is nothing of {plain!r} in {lake.storage.uri} to start from.")


def plan(
    lake: Lake, source: Source, start_from: str | None, preset: str | None, **layers: Any
) -> tuple[RunPlan, Origin | None]:
    """Return the plan of a run, and the assembly that it starts from, if any.

    Raises
    ------
    ConfigError
        If both a preset and an assembly are given, or the config cannot be used.
    """
    origin = origin_of(lake, source, start_from, preset)
    return resolve(source, origin, preset, **layers), origin


def origin_of(lake: Lake, source: Source, start_from: str | None, preset: str | None) -> Origin | None:
    """Return the assembly to start from; None for a preset.

    Raises
    ------
    ConfigError
        If both a preset and an assembly are given.
    """
    if start_from is None:
        return None
    if preset is not None:
        raise ConfigError(
            f"Both the preset {preset!r} and the assembly {start_from!r} were given. Expected one config to start from."
        )
    return find(lake, source.name, start_from)


def resolve(source: Source, origin: Origin | None, preset: str | None, **layers: Any) -> RunPlan:
    """Return the plan of a run that starts from an assembly, or from a preset."""
    if origin is None:
        return RunPlan.resolve(source, preset=preset or DEFAULT_PRESET, **layers)
    layer = origin.layer
    try:
        return RunPlan.resolve(source, record=layer, **layers)
    except ConfigError as error:
        if ":" not in origin.reference:
            raise
        raise ConfigError(
            f"The config of {origin.reference} does not fit this code, which has another experiment version: {error}"
        ) from error


def seed(origin: Origin | None, seed: int | None, *, same_seed: bool) -> int | None:
    """Return the seed that a run is given: its own, or that of the assembly that it starts from.

    Raises
    ------
    ConfigError
        If both are asked for, or there is no assembly to take it from.
    """
    if not same_seed:
        return seed
    if seed is not None:
        raise ConfigError("Both a seed and the same seed were asked for. Expected one of them.")
    if origin is None:
        raise ConfigError(
            "There is no assembly to take the same seed from. Name it with start_from=ASSEMBLY (--from)."
        )
    if origin.assembly.seed < 0:
        raise AssemblyError(f"{origin.reference} has no seed, since no run computed it.")
    return origin.assembly.seed


def _versions(lake: Lake, name: str, own: str) -> list[StoredExperiment]:
    """Return the experiment versions of an experiment in the lake: that of the code, then the newest ones."""
    found = [each for each in reversed(lake.experiments()) if each.name == name]
    return sorted(found, key=lambda each: each.folder != own)


def _reference(stored: StoredExperiment, assembly: Assembly, own: str) -> str:
    if stored.folder == own:
        return assembly.assembly_id
    return f"{stored.name}@{stored.experiment_version}:{assembly.assembly_id}"
