"""The config tables of a virtual cohort: network, drugs, parameters, simulation and samples."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Tag, ValidationInfo, field_validator, model_validator

from lakebatch.experiment import ConfigModel, setting

from .ranges import check_range
from .sbml_config import SbmlConfig, with_custom_tolerances
from .stimulus_config import check_times

Direction: TypeAlias = Literal["up", "down"]
DownRegulation: TypeAlias = Literal["deactivation", "allosteric"]

OUTCOME = "O"
"""Name of the outcome species and of its layer."""


def receptor_names(n_cascades: int) -> tuple[str, ...]:
    """Return the names of the receptors.

    >>> receptor_names(2)
    ('R1', 'R2')
    """
    return tuple(f"R{cascade}" for cascade in range(1, n_cascades + 1))


def layer_names(n_layers: int) -> tuple[str, ...]:
    """Return the names of the layers, from the receptors to the outcome.

    >>> layer_names(2)
    ('R', 'I1', 'I2', 'O')
    """
    return ("R", *(f"I{layer}" for layer in range(1, n_layers + 1)), OUTCOME)


def species_names(n_layers: int, n_cascades: int) -> tuple[str, ...]:
    """Return the names of all species but the drugs, layer by layer.

    >>> species_names(1, 2)
    ('R1', 'R2', 'I1_1', 'I1_2', 'O')
    """
    cascades = range(1, n_cascades + 1)
    intermediates = (f"I{layer}_{cascade}" for layer in range(1, n_layers + 1) for cascade in cascades)
    return (*receptor_names(n_cascades), *intermediates, OUTCOME)


def cascade_edges(n_layers: int, n_cascades: int) -> tuple[tuple[str, str], ...]:
    """Return the (from, to) edges of the cascades, R_c -> I1_c -> ... -> O.

    >>> cascade_edges(1, 1)
    (('R1', 'I1_1'), ('I1_1', 'O'))
    """
    edges = []
    for cascade in range(1, n_cascades + 1):
        chain = [f"R{cascade}", *(f"I{layer}_{cascade}" for layer in range(1, n_layers + 1)), OUTCOME]
        edges += pairwise(chain)
    return tuple(edges)


class NetworkConfig(ConfigModel):
    """The signalling network: its layers, cascades and additional regulations."""

    n_layers: int = setting(
        2, help="Intermediate layers between the receptors and the outcome.", unit="1", ge=0, le=100
    )
    n_cascades: int = setting(
        3, help="Cascades, each from one receptor down to the outcome.", unit="1", ge=1, le=100
    )
    n_regs: int = setting(
        0, help="Random regulations added between receptors and intermediates.", unit="1", ge=0
    )
    custom_regulations: tuple[tuple[str, str, Direction], ...] = setting(
        (), help='Regulations to add, each as [from, to, "up" or "down"].'
    )
    down_regulation: DownRegulation = setting(
        "deactivation", help="How a down regulator acts: speeds deactivation, or inhibits activation."
    )

    @property
    def species(self) -> tuple[str, ...]:
        """All species but the drugs."""
        return species_names(self.n_layers, self.n_cascades)

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers, from the receptors to the outcome."""
        return layer_names(self.n_layers)

    @model_validator(mode="after")
    def _check_custom_regulations(self) -> NetworkConfig:
        edges = set(cascade_edges(self.n_layers, self.n_cascades))
        for source, target, _ in self.custom_regulations:
            where = f"custom_regulations has {source} -> {target}"
            check_known(source, self.species, where)
            check_known(target, self.species, where)
            if source == target:
                raise ValueError(f"{where}; expected two different species.")
            if (source, target) in edges:
                raise ValueError(f"{where}, an edge that is already there; expected every edge once.")
            edges.add((source, target))
        return self

    @model_validator(mode="after")
    def _check_n_regs(self) -> NetworkConfig:
        possible = len(free_edges(self))
        if self.n_regs > possible:
            raise ValueError(f"n_regs is {self.n_regs}; expected at most {possible}, the edges still free.")
        return self


def free_edges(config: NetworkConfig) -> tuple[tuple[str, str], ...]:
    """Return the (from, to) edges that a random regulation may still take.

    Between distinct species other than the outcome, without the cascades' and the custom ones.
    """
    taken = set(cascade_edges(config.n_layers, config.n_cascades))
    taken |= {(source, target) for source, target, _ in config.custom_regulations}
    inner = [name for name in config.species if name != OUTCOME]
    pairs = ((source, target) for source in inner for target in inner if source != target)
    return tuple(pair for pair in pairs if pair not in taken)


def check_known(name: str, known: Sequence[str], where: str) -> None:
    """Raise ValueError if a species is not one of the known ones."""
    if name not in known:
        raise ValueError(f"{where}, but there is no species {name!r}; expected one of {', '.join(known)}.")


class DrugConfig(ConfigModel):
    """A drug: absent before its start, at a constant concentration from then on."""

    name: str = setting("D", help="Name of the drug.", pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    start: float = setting(500.0, help="Time from which the drug is present.", unit="a.u. of time")
    dose: float = setting(500.0, help="Concentration of the drug from its start on.", unit="a.u.", ge=0)
    regulations: tuple[tuple[str, Direction], ...] = setting(
        (("R1", "down"),), help='What the drug regulates, each as [species, "up" or "down"].'
    )
    target_all: bool = setting(False, help="Regulate every receptor down, in place of `regulations`.")

    @model_validator(mode="after")
    def _check_regulations(self) -> DrugConfig:
        targets = [target for target, _ in self.regulations]
        twice = sorted({target for target in targets if targets.count(target) > 1})
        if twice:
            raise ValueError(f"regulations of drug {self.name} name {twice[0]} twice; expected once.")
        return self


class ParameterConfig(ConfigModel):
    """The ranges that kinetic parameters and initial concentrations are drawn from."""

    ic_range: tuple[float, float] = setting(
        (200.0, 1000.0), help="Lowest and highest initial concentration.", unit="a.u."
    )
    param_range: tuple[float, float] = setting(
        (0.5, 2.0), help="Lowest and highest factor on each nominal kinetic parameter.", unit="1"
    )
    param_mul_range: tuple[float, float] = setting(
        (0.99, 1.01), help="Lowest and highest second factor on each kinetic parameter.", unit="1"
    )

    @field_validator("ic_range", "param_range", "param_mul_range")
    @classmethod
    def _check_range(cls, value: tuple[float, float], info: ValidationInfo) -> tuple[float, float]:
        return check_range(value, info.field_name or "")


class SimulationConfig(ConfigModel):
    """The time span, its grid and the accuracy of the integration."""

    start: float = setting(0.0, help="First time point.", unit="a.u. of time")
    stop: float = setting(1000.0, help="Last time point.", unit="a.u. of time")
    n_points: int = setting(
        100, help="Time points, evenly spaced, first and last included.", unit="1", ge=2, le=1_000_000
    )
    relative_tolerance: float = setting(
        2e-7,
        help="Local error allowed relative to the smaller form of a species (of a custom model, to a variable). "
        "The default, of a custom model 1e-10, keeps every value to 1e-5 of itself, or of 1e-9 of the largest; "
        "excluded are models that amplify small errors, such as chaotic ones.",
        unit="1",
        ge=1e-12,
        le=1e-2,
    )
    absolute_tolerance: float = setting(
        1e-7,
        help="Local error allowed beside the relative one; of a custom model, for a variable of about 1000, and "
        "for others in proportion; its default is 1e-15 there.",
        unit="a.u.",
        gt=0,
    )
    max_steps: int = setting(
        100_000, help="Steps per patient before the integration is given up.", unit="1", ge=1, le=10**12
    )

    @model_validator(mode="after")
    def _check_span(self) -> SimulationConfig:
        if self.stop <= self.start:
            raise ValueError(f"stop is {self.stop:g}; expected a time after start, {self.start:g}.")
        return self


class CohortConfig(ConfigModel):
    """How many patients, and which species vary between them."""

    n_samples: int = setting(100, help="Patients in the cohort.", unit="1", ge=1, le=10_000_000)
    excluded_layers: tuple[str, ...] = setting(
        (OUTCOME,), help="Layers whose initial concentration is the middle of `ic_range` in every patient."
    )
    on_failure: Literal["fail", "drop"] = setting(
        "fail",
        help="What a patient that cannot be simulated does: fail the part, or be dropped at all levels and counted.",
        later=True,
    )


def _table_or_list(value: Any) -> str:
    """Tell one drug from a list of drugs, so that only the right one is validated."""
    return "a list" if isinstance(value, list | tuple) else "a table"


Drugs: TypeAlias = Annotated[
    Annotated[DrugConfig, Tag("a table")] | Annotated[tuple[DrugConfig, ...], Tag("a list")],
    Discriminator(_table_or_list),
]


NETWORK_KEYS = ("spec", "drug", "parameter_generation.ic_range", "cohort.excluded_layers")
"""What only the built-in network has."""


class CohortModelConfig(ConfigModel):
    """What defines a virtual cohort; experiments on one derive their config from this."""

    spec: NetworkConfig = setting(NetworkConfig(), help="The signalling network.")
    drug: Drugs = setting(DrugConfig(), help="The drug: one table, or a list of tables.")
    parameter_generation: ParameterConfig = setting(
        ParameterConfig(), help="How kinetic parameters and initial concentrations are drawn."
    )
    simulation: SimulationConfig = setting(SimulationConfig(), help="The simulated span and its accuracy.")
    cohort: CohortConfig = setting(CohortConfig(), help="The patients.")
    sbml: SbmlConfig | None = setting(
        None,
        help="A custom model in place of spec and drug, as a table of model, outcome, inputs, "
        "input_range, parameters and stimulus.",
    )

    @property
    def outcome_forms(self) -> tuple[str, ...]:
        """The forms of the outcome species, which features may have to exclude; the last is the response."""
        return (OUTCOME, f"{OUTCOME}a") if self.sbml is None else (self.sbml.outcome,)

    @property
    def drugs(self) -> tuple[DrugConfig, ...]:
        """The drugs, also where there is only one."""
        return self.drug if isinstance(self.drug, tuple) else (self.drug,)

    @property
    def onsets(self) -> dict[str, float | tuple[float, ...]]:
        """When each drug, or the stimulus, sets in, or its times if it does so repeatedly; a.u. of time."""
        if self.sbml is None:
            return {drug.name: drug.start for drug in self.drugs}
        times: dict[str, set[float]] = {}
        for stimulus in self.sbml.stimuli:
            times.setdefault(stimulus.target, set()).update(begin for begin, _ in stimulus.spans)
        return {name: tuple(sorted(each)) if len(each) > 1 else each.pop() for name, each in times.items()}

    _set_tolerances = model_validator(mode="before")(with_custom_tolerances)

    @model_validator(mode="after")
    def _check_drugs(self) -> CohortModelConfig:
        if self.sbml is not None:
            return self
        check_drugs(self.drugs, self.spec)
        for drug in self.drugs:
            check_onset(drug, self.simulation)
        return self

    @model_validator(mode="after")
    def _check_sbml(self) -> CohortModelConfig:
        if self.sbml is None:
            return self
        for key in NETWORK_KEYS:
            if _value_at(self, key) != _value_at(type(self).model_construct(), key):
                raise ValueError(
                    f"{key} is set, which is the built-in network's, and so is sbml, which replaces that; "
                    "expected one of them."
                )
        for stimulus in self.sbml.stimuli:
            check_times(stimulus, self.simulation.start, self.simulation.stop)
        return self

    @model_validator(mode="after")
    def _check_excluded_layers(self) -> CohortModelConfig:
        layers, excluded = self.spec.layers, self.cohort.excluded_layers
        for layer in excluded:
            if layer not in layers:
                raise ValueError(
                    f"cohort.excluded_layers has {layer!r}; expected names out of {', '.join(layers)}."
                )
        if set(layers) <= set(excluded):
            raise ValueError("cohort.excluded_layers names every layer; expected one that varies.")
        return self


def check_drugs(drugs: Sequence[DrugConfig], spec: NetworkConfig) -> None:
    """Raise ValueError if a drug's name is taken or one of its targets is unknown."""
    taken = {form for name in spec.species for form in (name, f"{name}a")}
    for drug in drugs:
        if drug.name in taken:
            raise ValueError(f"drug.name is {drug.name!r}, which is taken; expected a name of its own.")
        taken.add(drug.name)
        for target, _ in () if drug.target_all else drug.regulations:
            check_known(target, spec.species, f"drug.regulations of {drug.name} names {target}")


def check_onset(drug: DrugConfig, simulation: SimulationConfig) -> None:
    """Raise ValueError if a drug starts outside the simulated span."""
    if not simulation.start <= drug.start < simulation.stop:
        raise ValueError(
            f"drug.start of {drug.name} is {drug.start:g}; expected a time from simulation.start, "
            f"{simulation.start:g}, to before simulation.stop, {simulation.stop:g}."
        )


def _value_at(config: ConfigModel, key: str) -> Any:
    """Return the value of a key that may lead through tables."""
    return reduce(getattr, key.split("."), config)
