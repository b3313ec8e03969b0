"""A network as integer tables, so that one compiled kernel integrates every network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from .network import NetworkModel
from .parameters import KineticParameter, kinetic_parameters

ACTIVATING, DEACTIVATING, INHIBITING = 0, 1, 2
INVERT, SCALE, UPDATE = 0, 1, 2


@dataclass(frozen=True)
class NetworkTables:
    """A network as arrays for the kernel, all int64 and C-contiguous.

    Attributes
    ----------
    constant_columns : shape (2 * n_species + n_edges,)
        Columns of the parameter set: Km of activation, Km of deactivation, Kw or Kil of each edge.
    rate_columns : shape (2 * n_species,)
        Columns of the parameter set: Vmax of activation, Vmax of deactivation.
    edges : shape (n_edges, 4)
        Source, role (activating, deactivating, inhibiting), row in the constants, matrix entry;
        ordered by target.
    first_edge : shape (n_species + 1,)
        Where the edges of each target begin.
    drug_edges : shape (n_drug_edges, 4)
        Drug, role, target, column of the parameter set.
    factor_program, solve_program : shape (n, 4)
        The LU factorisation of the stage matrix and its use on a right-hand side, as straight-line
        programs over the entries that are not zero.
    n_entries : int
        Entries of the stage matrix that are not zero, fill-in included; the diagonal comes first.
    """

    constant_columns: np.ndarray
    rate_columns: np.ndarray
    edges: np.ndarray
    first_edge: np.ndarray
    drug_edges: np.ndarray
    factor_program: np.ndarray
    solve_program: np.ndarray
    n_entries: int


def build_tables(model: NetworkModel) -> NetworkTables:
    """Return the tables of a network."""
    columns = {parameter: column for column, parameter in enumerate(kinetic_parameters(model))}
    regulators = [parameter for parameter in columns if parameter.regulator]
    inner = [parameter for parameter in regulators if not model.is_drug(parameter.regulator or "")]
    outer = [parameter for parameter in regulators if model.is_drug(parameter.regulator or "")]
    elimination = _eliminate(len(model.species), [_ends(model, parameter) for parameter in inner])
    return NetworkTables(
        _integers([*_reaction_columns(columns, "Km"), *(columns[parameter] for parameter in inner)]),
        _integers(_reaction_columns(columns, "Vmax")),
        _edge_table(model, inner, elimination),
        _first_edges(model, inner),
        _drug_table(model, outer, columns),
        _integers(elimination.factor, 4),
        _integers(elimination.solve, 4),
        len(elimination.entries),
    )


def _integers(values: Iterable[object], width: int = 0) -> np.ndarray:
    """Return integers as the kernel's array type: a vector, or rows of a width."""
    array = np.array(list(values), dtype=np.int64)
    return array.reshape(-1, width) if width else array


def _ends(model: NetworkModel, parameter: KineticParameter) -> tuple[int, int]:
    """Return (source, target) of a regulation between species."""
    return model.species.index(parameter.regulator or ""), model.species.index(parameter.species)


def _reaction_columns(columns: dict[KineticParameter, int], kind: str) -> list[int]:
    """Return the columns of one kind: every activation, then every deactivation."""
    return [
        column
        for reaction in ("activation", "deactivation")
        for parameter, column in columns.items()
        if (parameter.kind, parameter.reaction) == (kind, reaction)
    ]


def _role(parameter: KineticParameter) -> int:
    """Return how a regulator acts."""
    if parameter.kind == "Kil":
        return INHIBITING
    return ACTIVATING if parameter.reaction == "activation" else DEACTIVATING


def _edge_table(model: NetworkModel, inner: list[KineticParameter], elimination: _Elimination) -> np.ndarray:
    """Return the edges between species."""
    rows = []
    for edge, parameter in enumerate(inner):
        source, target = _ends(model, parameter)
        entry = elimination.entries[target, source]
        rows.append((source, _role(parameter), 2 * len(model.species) + edge, entry))
    return _integers(rows, 4)


def _first_edges(model: NetworkModel, inner: list[KineticParameter]) -> np.ndarray:
    """Return where the edges of each target begin; they come ordered by target."""
    targets = [_ends(model, parameter)[1] for parameter in inner]
    return np.searchsorted(targets, np.arange(len(model.species) + 1)).astype(np.int64)


def _drug_table(
    model: NetworkModel, outer: list[KineticParameter], columns: dict[KineticParameter, int]
) -> np.ndarray:
    """Return the edges from drugs."""
    drugs = [drug.name for drug in model.drugs]
    return _integers(
        [
            (drugs.index(edge.regulator or ""), _role(edge), model.species.index(edge.species), columns[edge])
            for edge in outer
        ],
        4,
    )


@dataclass
class _Elimination:
    """The programs of a sparse LU factorisation, and where each entry is stored."""

    entries: dict[tuple[int, int], int] = field(default_factory=dict)
    factor: list[tuple[int, int, int, int]] = field(default_factory=list)
    solve: list[tuple[int, int, int, int]] = field(default_factory=list)

    def entry(self, row: int, column: int) -> int:
        """Return where an entry is stored, which makes room for it at its first use."""
        return self.entries.setdefault((row, column), len(self.entries))


def _eliminate(n_species: int, edges: list[tuple[int, int]]) -> _Elimination:
    """Return the elimination of a matrix with a full diagonal and one entry per edge.

    Pivots are taken from the diagonal, each the one that can fill in least (Markowitz 1957,
    doi:10.1287/mnsc.3.3.255): none at all where the network has no feedback.
    """
    result = _Elimination()
    for row, column in [*((i, i) for i in range(n_species)), *((target, source) for source, target in edges)]:
        result.entry(row, column)
    left, backward = set(range(n_species)), []
    while left:
        pivot = min(left, key=lambda candidate: (_fill_in(result, candidate, left), candidate))
        left.remove(pivot)
        backward.append(_eliminate_pivot(result, pivot, left))
    result.solve += [operation for block in reversed(backward) for operation in block]
    return result


def _fill_in(elimination: _Elimination, pivot: int, left: set[int]) -> int:
    """Return how many entries a pivot could fill in at most."""
    others = left - {pivot}
    rows = sum((other, pivot) in elimination.entries for other in others)
    columns = sum((pivot, other) in elimination.entries for other in others)
    return rows * columns


def _eliminate_pivot(
    elimination: _Elimination, pivot: int, left: set[int]
) -> list[tuple[int, int, int, int]]:
    """Add the operations that eliminate a pivot; return those of its back substitution."""
    entry = elimination.entry
    rows = [row for row in sorted(left) if (row, pivot) in elimination.entries]
    columns = [column for column in sorted(left) if (pivot, column) in elimination.entries]
    elimination.factor.append((INVERT, entry(pivot, pivot), 0, 0))
    for row in rows:
        elimination.factor.append((SCALE, entry(row, pivot), entry(pivot, pivot), 0))
        for column in columns:
            operation = (UPDATE, entry(row, column), entry(row, pivot), entry(pivot, column))
            elimination.factor.append(operation)
        elimination.solve.append((UPDATE, row, entry(row, pivot), pivot))
    back = [(UPDATE, pivot, entry(pivot, column), column) for column in columns]
    return [*back, (SCALE, pivot, entry(pivot, pivot), 0)]
