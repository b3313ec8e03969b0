"""The network: species, regulations, and refused configs."""

from __future__ import annotations

import numpy as np
import pytest

from lakebatch.errors import ConfigError
from lakebatch.experiments.virtual_cohort import DrugConfig, NetworkConfig, build_network
from lakebatch.experiments.virtual_cohort.config import free_edges
from lakebatch.experiments.virtual_cohort.tables import build_tables

SPEC = NetworkConfig()


def network(spec=SPEC, drugs=(), seed=1):
    return build_network(spec, drugs, np.random.default_rng(seed))


def edges(model):
    return [(edge.source, edge.target, edge.direction) for edge in model.regulations]


def test_network_has_species_layer_by_layer():
    names = "R1 R2 R3 I1_1 I1_2 I1_3 I2_1 I2_2 I2_3 O"
    assert network().species == tuple(names.split())


def test_network_names_forms_inactive_first():
    model = network(NetworkConfig(n_layers=0, n_cascades=1))
    assert model.form_names == ("R1", "O", "R1a", "Oa")
    assert model.outcome_forms == ("O", "Oa")


def test_network_without_layers_leads_to_the_outcome():
    assert edges(network(NetworkConfig(n_layers=0, n_cascades=2))) == [("R1", "O", "up"), ("R2", "O", "up")]


def test_network_keeps_custom_regulations():
    spec = NetworkConfig(custom_regulations=[["R1", "I1_2", "down"]])
    assert ("R1", "I1_2", "down") in edges(network(spec))


def test_random_regulations_are_new_and_inside():
    spec = NetworkConfig(n_regs=40, custom_regulations=[["R1", "I1_2", "down"]])
    added = edges(network(spec))[10:]
    pairs = [(source, target) for source, target, _ in edges(network(spec))]
    assert len(added) == 40
    assert len(set(pairs)) == len(pairs)
    assert all(source != target and "O" not in (source, target) for source, target, _ in added)
    assert {direction for _, _, direction in added} == {"up", "down"}


def test_random_regulations_can_take_every_free_edge():
    spec = NetworkConfig(n_layers=1, n_cascades=2)
    possible = len(free_edges(spec))
    assert possible == 4 * 3 - 2
    full = NetworkConfig(n_layers=1, n_cascades=2, n_regs=possible)
    assert len(network(full).regulations) == 4 + possible


def test_random_regulations_follow_the_generator():
    spec = NetworkConfig(n_regs=5)
    assert edges(network(spec, seed=4)) == edges(network(spec, seed=4))
    assert edges(network(spec, seed=4)) != edges(network(spec, seed=5))


def test_generator_is_unused_without_random_regulations():
    rng = np.random.default_rng(1)
    build_network(SPEC, (), rng)
    assert rng.random() == np.random.default_rng(1).random()


def test_drug_with_target_all_regulates_every_receptor_down():
    model = network(drugs=[DrugConfig(target_all=True)])
    assert edges(model)[-3:] == [("D", receptor, "down") for receptor in ("R1", "R2", "R3")]


def test_several_drugs_each_regulate():
    drugs = [DrugConfig(name="A"), DrugConfig(name="B", regulations=[["O", "up"]])]
    assert edges(network(drugs=drugs))[-2:] == [("A", "R1", "down"), ("B", "O", "up")]


def test_network_refuses_unknown_target_of_drug():
    with pytest.raises(ConfigError, match=r"drug\.regulations of D names R9, .* expected one of R1, R2"):
        network(drugs=[DrugConfig(regulations=[["R9", "down"]])])


@pytest.mark.parametrize("name", ["R1", "Oa", "D"])
def test_network_refuses_drug_name_that_is_taken(name):
    with pytest.raises(ConfigError, match=rf"drug\.name is '{name}', which is taken"):
        network(drugs=[DrugConfig(), DrugConfig(name=name)])


def test_elimination_without_feedback_has_no_fill_in():
    tables = build_tables(network(drugs=[DrugConfig()]))
    assert tables.n_entries == 10 + 9


@pytest.mark.parametrize("n_regs", [0, 5, 20, 62])
def test_elimination_solves_as_a_dense_solver_does(n_regs):
    from lakebatch.experiments.virtual_cohort import kernel

    model = network(NetworkConfig(n_regs=n_regs))
    tables = build_tables(model)
    rng = np.random.default_rng(2)
    dense = np.zeros((10, 10, kernel.LANES))
    entries = np.zeros((tables.n_entries, kernel.LANES))
    entries[:10] = dense[np.arange(10), np.arange(10)] = rng.uniform(5, 9, (10, kernel.LANES))
    targets = np.repeat(np.arange(10), np.diff(tables.first_edge))
    for (source, _, _, entry), target in zip(tables.edges, targets, strict=True):
        entries[entry] = dense[target, source] = rng.uniform(-1, 1, kernel.LANES)
    vector = rng.normal(size=(10, kernel.LANES))
    expected = np.linalg.solve(np.moveaxis(dense, 2, 0), vector.T[..., np.newaxis])[..., 0].T
    kernel.factorise(entries, tables.factor_program)
    kernel.solve(entries, tables.solve_program, vector)
    np.testing.assert_allclose(vector, expected, rtol=1e-10, atol=1e-12)
