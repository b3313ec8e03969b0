"""The signalling network: its species, and which of them regulates which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lakebatch.errors import ConfigError
from lakebatch.experiment import Diagram, Edge, Node

from .config import (
    OUTCOME,
    Direction,
    DownRegulation,
    DrugConfig,
    NetworkConfig,
    cascade_edges,
    check_drugs,
    free_edges,
    receptor_names,
)


@dataclass(frozen=True)
class Regulation:
    """One edge: a species or a drug that regulates a species up or down."""

    source: str
    target: str
    direction: Direction


@dataclass(frozen=True)
class NetworkModel:
    """A signalling network with its drugs; every species has an inactive form X and an active form Xa.

    Attributes
    ----------
    species : tuple of str
        Names of the inactive forms, layer by layer: receptors, intermediates, outcome.
    regulations : tuple of Regulation
        All edges: cascades, custom, random, drugs.
    drugs : tuple of DrugConfig
        The drugs, with onset and dose.
    down_regulation : "deactivation" or "allosteric"
        How a down regulator acts.
    """

    species: tuple[str, ...]
    regulations: tuple[Regulation, ...]
    drugs: tuple[DrugConfig, ...]
    down_regulation: DownRegulation

    @property
    def form_names(self) -> tuple[str, ...]:
        """Names of the simulated forms: every X, then every Xa, in the order of `species`."""
        return (*self.species, *(active_form(name) for name in self.species))

    @property
    def outcome_forms(self) -> tuple[str, str]:
        """The forms of the outcome, which features may have to exclude."""
        return OUTCOME, active_form(OUTCOME)

    def regulators(self, target: str, direction: Direction) -> tuple[str, ...]:
        """Return the names of the regulators of a species in a direction."""
        edges = (edge for edge in self.regulations if edge.target == target)
        return tuple(edge.source for edge in edges if edge.direction == direction)

    def is_drug(self, name: str) -> bool:
        """Return whether a name is a drug's."""
        return any(drug.name == name for drug in self.drugs)


def active_form(name: str) -> str:
    """Return the name of a species' active form.

    >>> active_form("R1")
    'R1a'
    """
    return f"{name}a"


def layer_of(name: str) -> str:
    """Return the layer of a species.

    >>> [layer_of(name) for name in ("R2", "I1_3", "O")]
    ['R', 'I1', 'O']
    """
    return name[0] if name[0] in ("R", OUTCOME) else name.partition("_")[0]


def build_network(spec: NetworkConfig, drugs: Sequence[DrugConfig], rng: np.random.Generator) -> NetworkModel:
    """Return the network of a config; its random regulations come from the generator.

    Parameters
    ----------
    spec : NetworkConfig
        Layers, cascades, custom and random regulations.
    drugs : sequence of DrugConfig
        Any number of drugs with distinct names.
    rng : numpy.random.Generator
        Draws the ``n_regs`` random regulations, and nothing else.

    Raises
    ------
    ConfigError
        If a drug's name is taken or it regulates a species that is not there.

    Examples
    --------
    >>> model = build_network(NetworkConfig(n_cascades=1), [DrugConfig()], np.random.default_rng(1))
    >>> [(edge.source, edge.target, edge.direction) for edge in model.regulations]
    [('R1', 'I1_1', 'up'), ('I1_1', 'I2_1', 'up'), ('I2_1', 'O', 'up'), ('D', 'R1', 'down')]
    """
    try:
        check_drugs(drugs, spec)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    edges = [Regulation(*edge, "up") for edge in cascade_edges(spec.n_layers, spec.n_cascades)]
    edges += [Regulation(*edge) for edge in spec.custom_regulations]
    edges += random_regulations(spec, rng)
    edges += [edge for drug in drugs for edge in drug_regulations(drug, spec)]
    return NetworkModel(spec.species, tuple(edges), tuple(drugs), spec.down_regulation)


def random_regulations(spec: NetworkConfig, rng: np.random.Generator) -> list[Regulation]:
    """Return ``n_regs`` different regulations on edges that are still free, each up or down."""
    free = free_edges(spec)
    chosen = rng.choice(len(free), size=spec.n_regs, replace=False) if spec.n_regs else []
    directions: tuple[Direction, Direction] = ("up", "down")
    return [Regulation(*free[edge], directions[rng.integers(2)]) for edge in chosen]


def drug_regulations(drug: DrugConfig, spec: NetworkConfig) -> list[Regulation]:
    """Return a drug's regulations: those listed, or with `target_all` every receptor down."""
    if drug.target_all:
        return [Regulation(drug.name, receptor, "down") for receptor in receptor_names(spec.n_cascades)]
    return [Regulation(drug.name, target, direction) for target, direction in drug.regulations]


def network_diagram(model: NetworkModel) -> Diagram:
    """Return a network as nodes and edges: drugs first, then layer by layer.

    Examples
    --------
    >>> model = build_network(NetworkConfig(n_layers=0, n_cascades=1), [DrugConfig()], np.random.default_rng(1))
    >>> [(node.name, node.layer, node.kind) for node in network_diagram(model).nodes]
    [('D', 0, 'drug'), ('R1', 1, 'species'), ('O', 2, 'outcome')]
    """
    layers = list(dict.fromkeys(layer_of(name) for name in model.species))
    drugs = tuple(Node(drug.name, 0, "drug") for drug in model.drugs)
    species = tuple(
        Node(name, 1 + layers.index(layer_of(name)), "outcome" if name == OUTCOME else "species")
        for name in model.species
    )
    edges = tuple(Edge(edge.source, edge.target, edge.direction == "up") for edge in model.regulations)
    return Diagram((*drugs, *species), edges)
