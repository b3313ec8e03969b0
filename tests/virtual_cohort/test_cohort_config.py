"""The config tables: defaults of the study, and refused values."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from lakebatch.experiments.virtual_cohort import CohortModelConfig


def test_config_has_the_defaults_of_the_guide():
    assert CohortModelConfig().model_dump(mode="json") == {
        "spec": {
            "n_layers": 2,
            "n_cascades": 3,
            "n_regs": 0,
            "custom_regulations": [],
            "down_regulation": "deactivation",
        },
        "drug": {
            "name": "D",
            "start": 500.0,
            "dose": 500.0,
            "regulations": [["R1", "down"]],
            "target_all": False,
        },
        "parameter_generation": {
            "ic_range": [200.0, 1000.0],
            "param_range": [0.5, 2.0],
            "param_mul_range": [0.99, 1.01],
        },
        "simulation": {
            "start": 0.0,
            "stop": 1000.0,
            "n_points": 100,
            "relative_tolerance": 2e-07,
            "absolute_tolerance": 1e-07,
            "max_steps": 100_000,
        },
        "cohort": {"n_samples": 100, "excluded_layers": ["O"]},
        "sbml": None,
    }


def test_config_takes_one_drug_or_several():
    one = CohortModelConfig(drug={"dose": 10})
    several = CohortModelConfig(drug=[{"name": "A"}, {"name": "B", "start": 10}])
    assert [drug.dose for drug in one.drugs] == [10]
    assert [drug.name for drug in several.drugs] == ["A", "B"]


def test_config_survives_json():
    config = CohortModelConfig(drug=[{"name": "A"}], spec={"custom_regulations": [["R1", "I1_2", "up"]]})
    assert CohortModelConfig.model_validate_json(config.model_dump_json()) == config


def test_config_documents_every_key():
    tables = CohortModelConfig.model_json_schema()
    for table in [tables, *tables["$defs"].values()]:
        assert all(key.get("description") for key in table["properties"].values())


REFUSED = {
    "unknown source": (
        {"spec": {"custom_regulations": [["R9", "R1", "up"]]}},
        "custom_regulations has R9 -> R1, but there is no species 'R9'; expected one of R1, R2",
    ),
    "unknown target": (
        {"spec": {"custom_regulations": [["R1", "I3_1", "up"]]}},
        "custom_regulations has R1 -> I3_1, but there is no species 'I3_1'; expected one of",
    ),
    "unknown direction": (
        {"spec": {"custom_regulations": [["R1", "R2", "sideways"]]}},
        "'up' or 'down'",
    ),
    "self regulation": (
        {"spec": {"custom_regulations": [["R1", "R1", "up"]]}},
        "custom_regulations has R1 -> R1; expected two different species",
    ),
    "edge of a cascade": (
        {"spec": {"custom_regulations": [["R1", "I1_1", "down"]]}},
        "custom_regulations has R1 -> I1_1, an edge that is already there; expected every edge once",
    ),
    "edge twice": (
        {"spec": {"custom_regulations": [["R1", "R2", "up"], ["R1", "R2", "down"]]}},
        "custom_regulations has R1 -> R2, an edge that is already there",
    ),
    "too many random edges": ({"spec": {"n_regs": 67}}, "n_regs is 67; expected at most 66"),
    "no cascade": ({"spec": {"n_cascades": 0}}, "greater than or equal to 1"),
    "unknown key": ({"spec": {"layers": 3}}, "Extra inputs are not permitted"),
    "unknown target of a drug": (
        {"drug": {"regulations": [["R4", "down"]]}},
        "drug.regulations of D names R4, but there is no species 'R4'; expected one of R1",
    ),
    "target of a drug twice": (
        {"drug": {"regulations": [["R1", "down"], ["R1", "up"]]}},
        "regulations of drug D name R1 twice; expected once",
    ),
    "drug after the stop": (
        {"drug": {"start": 1000}},
        "drug.start of D is 1000; expected a time from simulation.start, 0, to before simulation.stop, 1000",
    ),
    "drug before the start": ({"drug": [{"start": -1}]}, "drug.start of D is -1; expected a time from"),
    "negative dose": ({"drug": {"dose": -1}}, "greater than or equal to 0"),
    "two drugs of one name": ({"drug": [{}, {}]}, "drug.name is 'D', which is taken"),
    "drug named like a species": ({"drug": {"name": "R1a"}}, "drug.name is 'R1a', which is taken"),
    "range upside down": (
        {"parameter_generation": {"param_range": [2, 0.5]}},
        "param_range is [2, 0.5]; expected [lower, upper]",
    ),
    "range from zero": (
        {"parameter_generation": {"ic_range": [0, 10]}},
        "ic_range is [0, 10]; expected both above 0",
    ),
    "infinite range": ({"parameter_generation": {"ic_range": [1, float("inf")]}}, "finite number"),
    "empty span": ({"simulation": {"stop": 0}}, "stop is 0; expected a time after start, 0"),
    "one point": ({"simulation": {"n_points": 1}}, "greater than or equal to 2"),
    "unknown layer": (
        {"cohort": {"excluded_layers": ["I3"]}},
        "cohort.excluded_layers has 'I3'; expected names out of R, I1, I2, O",
    ),
    "every layer excluded": (
        {"cohort": {"excluded_layers": ["R", "I1", "I2", "O"]}},
        "cohort.excluded_layers names every layer; expected one that varies",
    ),
    "no patients": ({"cohort": {"n_samples": 0}}, "greater than or equal to 1"),
}


@pytest.mark.parametrize(("values", "message"), REFUSED.values(), ids=REFUSED)
def test_config_refuses(values, message):
    with pytest.raises(ValidationError) as caught:
        CohortModelConfig(**values)
    assert message in str(caught.value)
    assert len(caught.value.errors()) == 1
