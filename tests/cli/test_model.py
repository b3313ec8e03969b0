"""Command ``model``: other simulators repeat the recorded trajectories from its file."""

import numpy as np
import pytest
import roadrunner
from click.testing import CliRunner

import lakebatch
from lakebatch.cli.main import main
from lakebatch.errors import ConfigError, ExperimentError, UnknownNameError

PLAIN = (
    "species A, B; J: A -> B; V * k * A; compartment V = 2 * w; A in V; B in V; A = 10; B = 0; k = 0.1; w = 1"
)
STIMULATED = "species A, B; J: A -> B; k * s * A; A = 10; B = 0; k = 0.1; s = 1"
EVENTS = f"{STIMULATED}; at (s > 1.5): B = B + 100; at (time > 8), priority = 3: A = A + 1"
STIMULUS = '\n[sbml.stimulus]\nparameter = "s"\nbefore = 1.0\nafter = 2.5\nonset = 4.3\n'
MODELS = {
    "plain": (PLAIN, ""),
    "stimulated": (STIMULATED, STIMULUS),
    "events": (EVENTS, STIMULUS),
    "at-start": (STIMULATED, STIMULUS.replace("4.3", "0.0")),
}
SMALL = (
    "levels=[0, 2]",
    "cohort.n_samples=10",
    "evaluation.n_reps=1",
    'evaluation.models=["linear_regression"]',
    'evaluation.feature_sets=["initial"]',
)
NAME = "parameter-distortion"
SPAN = {"plain": (0, 10, 21), "network": (0, 1000, 100)}


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """Return a lake, and the id of an assembly of each model in it."""
    folder = tmp_path_factory.mktemp("models")
    lake = lakebatch.open_lake(folder / "lake")
    found = {}
    for name, (text, stimulus) in MODELS.items():
        (folder / f"{name}.ant").write_text(f"model q\n{text}\nend\n")
        file = folder / f"{name}.toml"
        file.write_text(
            f'[simulation]\nstop = 10.0\nn_points = 21\n[sbml]\nmodel = "file:{name}.ant"\ninputs = ["A"]\noutcome = "B"\n'
            f"{stimulus}"
        )
        found[name] = lakebatch.run(lake, NAME, config=file, settings=SMALL, seed=5, jobs=1).assembly_id
    settings = [*SMALL, "spec.n_regs=4"]
    found["network"] = lakebatch.run(lake, NAME, settings=settings, seed=5, jobs=1).assembly_id
    settings = [*SMALL, 'store="nothing"']
    found["nothing"] = lakebatch.run(lake, NAME, settings=settings, seed=5, jobs=1).assembly_id
    return lake, found


def simulated(text, names, span):
    """Return the concentrations that libRoadRunner simulates from a document; shape (n_names, n_times)."""
    runner = roadrunner.RoadRunner(text)
    runner.integrator.relative_tolerance = 1e-9
    runner.integrator.absolute_tolerance = 1e-10
    runner.timeCourseSelections = [f"[{name}]" for name in names]
    return np.array(runner.simulate(*span)).T


def recorded(stored, assembly_id, sample, level):
    rows = stored.reassemble(table="trajectories", assembly=[assembly_id], on_gap="ignore")
    rows = rows.filter(sample=sample)
    return rows.filter(rows["level"].is_null() if level is None else rows["level"] == level)


@pytest.mark.parametrize("level", [None, 2.0])
@pytest.mark.parametrize("name", [*MODELS, "network"])
def test_fresh_libroadrunner_repeats_the_recorded_trajectory(lake, name, level, tmp_path):
    opened, ids = lake
    file = tmp_path / "patient.xml"
    distorted = () if level is None else ("--level", str(level))
    asked = (f"{NAME}@v1", ids[name], "--sample", "7", *distorted, "-o", str(file))
    done = CliRunner().invoke(main, ["--lake", opened.storage.uri, "model", *asked])
    assert done.exit_code == 0, done.output
    expected = recorded(opened[NAME], ids[name], 7, level)
    names, values = expected["species"].to_list(), np.array(expected["values"].to_list())
    found = simulated(file.read_text(), names, SPAN["network" if name == "network" else "plain"])
    scale = np.abs(values).max(axis=1, keepdims=True)
    assert (np.abs(found - values) <= 2e-5 * scale).all()


def test_values_in_the_file_are_exact(lake):
    opened, ids = lake
    stored = opened[NAME]
    samples = stored.reassemble(table="samples", assembly=[ids["network"]], on_gap="ignore")
    row = samples.filter(samples["level"].is_null(), sample=3).row(0, named=True)
    runner = roadrunner.RoadRunner(stored.model(ids["network"], sample=3))
    for name, value in zip(row["parameter_names"], row["parameters"], strict=True):
        assert runner.getValue(name) == value
    for name, value in zip(row["initial_names"], row["initial"], strict=True):
        assert runner.getValue(f"init([{name}])") == value


def test_model_that_is_not_stored_is_drawn_again(lake):
    opened, ids = lake
    stored = opened[NAME]
    samples = opened[NAME].model(ids["nothing"], sample=3)
    assert samples.partition("-->")[2].count("<parameter ") > 20
    with pytest.raises(ExperimentError, match=r"sample 3 at level 2 are not in the lake: not stored"):
        stored.model(ids["nothing"], sample=3, level=2)
    with pytest.raises(UnknownNameError, match=r"no level 7\.0 in this assembly"):
        stored.model(ids["nothing"], sample=3, level=7.0)


def test_standard_output_has_the_document_alone(lake):
    opened, ids = lake
    asked = ("-q", "model", NAME, ids["events"], "--sample", "0", "-o", "-")
    done = CliRunner().invoke(main, ["--lake", opened.storage.uri, *asked])
    assert done.stdout.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<!-- parameter-distortion@v1 ')
    assert "Simulated from 0.0 to 10.0 with 21 time points." in done.stdout
    assert simulated(done.stdout, ["A", "B"], (0, 10, 21)).shape == (2, 21)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("--sample", "10", "-o", "x.xml"), "There is no sample 10 in this assembly. There are: 0 to 9."),
        (("--sample", "-1", "-o", "x.xml"), "There is no sample -1 in this assembly."),
        (("--sample", "1", "-o", "x.csv"), "Cannot write x.csv. Expected a name that ends in .xml, .sbml"),
    ],
)
def test_wrong_requests_are_refused_in_one_line(lake, asked, message, tmp_path, monkeypatch):
    opened, ids = lake
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["--lake", opened.storage.uri, "model", NAME, ids["plain"], *asked])
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_level_1_with_a_stimulus_is_refused():
    from lakebatch.experiments.virtual_cohort import SbmlConfig, SimulationConfig
    from lakebatch.experiments.virtual_cohort.sbml_simulator import build_sbml_simulator

    text = (
        '<sbml xmlns="http://www.sbml.org/sbml/level1" level="1" version="2"><model name="m"><listOfCompartments>'
        '<compartment name="c" volume="2"/></listOfCompartments><listOfSpecies><species name="A" compartment="c" '
        'initialAmount="10"/><species name="B" compartment="c" initialAmount="0"/></listOfSpecies><listOfParameters>'
        '<parameter name="k" value="0.1"/></listOfParameters><listOfReactions><reaction name="r"><listOfReactants>'
        '<speciesReference species="A"/></listOfReactants><listOfProducts><speciesReference species="B"/></listOfProducts>'
        '<kineticLaw formula="k*A"/></reaction></listOfReactions></model></sbml>'
    )
    span = SimulationConfig(stop=10.0, n_points=21)
    plain = build_sbml_simulator(SbmlConfig(model=text, outcome="B", inputs=("A",)), span)
    patient = np.array([0.3]), np.array([7.0])
    found = simulated(plain.to_sbml(*patient), ["A", "B"], (0, 10, 21))
    np.testing.assert_allclose(found, plain.simulate(*(each[None] for each in patient)).values[0], atol=1e-4)
    stimulus = {"parameter": "k", "before": 0.1, "after": 0.2, "onset": 5.0}
    config = SbmlConfig(model=text, outcome="B", inputs=("A",), stimulus=stimulus)
    with pytest.raises((ExperimentError, ConfigError), match=r"SBML level 1, .*convert it"):
        build_sbml_simulator(config, span).to_sbml(np.array([]), np.array([7.0]))
