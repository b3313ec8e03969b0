"""Write one patient's model as Antimony text, for tools that read SBML."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .network import NetworkModel, active_form
from .parameters import parameter_names


def to_antimony(
    model: NetworkModel, parameters: np.ndarray, initial_concentrations: np.ndarray, *, start: float = 0.0
) -> str:
    """Return one patient's model as Antimony text.

    Parameters
    ----------
    model : NetworkModel
        The network.
    parameters : float array, shape (n_parameters,)
        The patient's parameter set, columns as in `parameter_names`.
    initial_concentrations : float array, shape (n_species,), a.u.
        Inactive concentrations at the start, columns as in ``model.species``.
    start : float, a.u. of time
        First time point.

    Returns
    -------
    str
        A model with every X and Xa as species of a compartment of volume 1, and each drug as a parameter
        that an event raises from 0 to its dose. An event does not fire at the start of a simulation, so a
        drug that starts at the first time point or before has its dose from the beginning.

    Examples
    --------
    >>> from .cohort import generate_cohort
    >>> from .config import CohortConfig, CohortModelConfig, NetworkConfig
    >>> spec, patients = NetworkConfig(n_layers=0, n_cascades=1), CohortConfig(n_samples=1)
    >>> cohort = generate_cohort(CohortModelConfig(spec=spec, cohort=patients), np.random.default_rng(1))
    >>> totals = cohort.time_courses.totals  # all of it is inactive at the start
    >>> print(to_antimony(cohort.simulator.model, cohort.parameters[0], totals[0]).splitlines()[2])
      species R1 in cell, R1a in cell;
    """
    lines = ["model virtual_patient()", "  compartment cell = 1;"]
    for species, initial in zip(model.species, initial_concentrations, strict=True):
        lines += [f"  species {species} in cell, {active_form(species)} in cell;"]
        lines += [f"  {species} = {float(initial)!r}; {active_form(species)} = 0;"]
    for name, value in zip(parameter_names(model), parameters, strict=True):
        lines.append(f"  {name} = {float(value)!r};")
    lines += [line for species in model.species for line in _reactions(model, species)]
    lines += [line for drug in model.drugs for line in _drug(drug.name, drug.start, drug.dose, start)]
    return "\n".join([*lines, "end", ""])


def _reactions(model: NetworkModel, species: str) -> list[str]:
    """Return the activation and the deactivation of a species."""
    up, down = _terms(model, species, "up"), _terms(model, species, "down")
    active = active_form(species)
    inhibition = ""
    if model.down_regulation == "allosteric":
        inhibition = "".join(f" + Kil_{species}_activation_{name} * {form}" for name, form in down.items())
        down = {}
    forward = f"{_rate(species, 'activation', up)} * {species} / (Km_{species}_activation + {species})"
    backward = f"{_rate(species, 'deactivation', down)} * {active} / (Km_{species}_deactivation + {active})"
    forward = f"{forward} / (1{inhibition})" if inhibition else forward
    return [f"  {species} -> {active}; {forward};", f"  {active} -> {species}; {backward};"]


def _terms(model: NetworkModel, species: str, direction: str) -> dict[str, str]:
    """Return the regulators of a species, each with the concentration by which it acts."""
    edges = [edge for edge in model.regulations if (edge.target, edge.direction) == (species, direction)]
    names = [edge.source for edge in edges]
    return {name: name if model.is_drug(name) else active_form(name) for name in names}


def _rate(species: str, reaction: str, regulators: Mapping[str, str]) -> str:
    """Return the largest rate of a reaction."""
    weighted = (f" + Kw_{species}_{reaction}_{name} * {form}" for name, form in regulators.items())
    return f"(Vmax_{species}_{reaction}{''.join(weighted)})"


def _drug(name: str, onset: float, dose: float, start: float) -> list[str]:
    """Return a drug and its onset."""
    if onset <= start:
        return [f"  {name} = {dose!r};"]
    return [f"  {name} = 0;", f"  at (time >= {onset!r}): {name} = {dose!r};"]
