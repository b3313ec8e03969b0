"""Patients that cannot be simulated: left out at every level, recorded and counted; or named, where they fail the part."""

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.analysis.data import read
from lakebatch.analysis.report.composing import _warnings
from lakebatch.analysis.report.records import fault_section
from lakebatch.analysis.report.tables import Table
from lakebatch.cli.main import main
from lakebatch.cli.run_session import _outcome
from lakebatch.errors import ExperimentError, RunInterrupted, SimulationError
from lakebatch.executor.worker import prepare
from lakebatch.experiment import config, registry
from lakebatch.experiments.prediction.evaluation import evaluate
from lakebatch.experiments.prediction.feature_sets import FeatureSet
from lakebatch.experiments.prediction.noise import add_noise
from lakebatch.experiments.virtual_cohort import CohortConfig
from lakebatch.experiments.virtual_cohort.time_courses import TimeCourses
from lakebatch.ids import canonical_json
from lakebatch.runner.assembly_run import Progress

HIGH = {"response-noise": 0.5, "expression-noise": 1.0, "parameter-distortion": 3.0}
DROP = 'cohort.on_failure="drop"'
SEED = 7
N_SAMPLES = 40
TIMES = ("fit_seconds", "recorded_at", "assembly_id")


def settings_of(name, *more, max_steps=430):
    """Return settings under which some patients need too many steps: some always, some at the level alone."""
    return [
        f"levels=[0, {HIGH[name]}]",
        f"cohort.n_samples={N_SAMPLES}",
        "evaluation.n_reps=2",
        'evaluation.models=["linear_regression"]',
        'evaluation.feature_sets=["initial", "last"]',
        f"simulation.max_steps={max_steps}",
        *more,
    ]


def resolved(name, *settings):
    source = registry.get(name)
    experiment = registry.load(source)
    return experiment, config.resolve(source, experiment, settings=settings).model


def rows_of(stored, assembly_id, table):
    frame = stored.reassemble(table=table, assembly=[assembly_id], on_gap="ignore")
    return frame.drop(name for name in TIMES if name in frame.columns)


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Return a lake, and the assembly of each experiment in it that has dropped patients."""
    lake = lakebatch.open_lake(tmp_path_factory.mktemp("dropped") / "lake")
    return lake, {
        name: lakebatch.run(lake, name, settings=settings_of(name, DROP), seed=SEED, jobs=1) for name in HIGH
    }


@pytest.mark.parametrize("name", HIGH)
def test_dropped_patients_are_left_out_at_every_level(ended, name):
    lake, assemblies = ended
    assembly = assemblies[name]
    samples = rows_of(lake[name], assembly.assembly_id, "samples")
    clean = samples.filter(pl.col("level").is_null())
    dropped = clean.filter(pl.col("failure").is_not_null())
    assert 0 < dropped.height < N_SAMPLES / 2
    assert clean["sample"].to_list() == list(range(N_SAMPLES))
    assert dropped["target"].is_null().all()
    assert dropped["initial"].list.len().min() == 9
    results = rows_of(lake[name], assembly.assembly_id, "results")
    assert {*(results["n_train"] + results["n_test"])} == {N_SAMPLES - dropped.height}
    kept = set(clean.filter(pl.col("failure").is_null())["sample"])
    assert set(rows_of(lake[name], assembly.assembly_id, "trajectories")["sample"]) == kept
    at_level = samples.filter(level=HIGH[name])
    assert set(at_level.filter(pl.col("failure").is_null())["sample"]) == kept
    assert set(at_level["sample"]) - kept <= set(dropped["sample"])
    only_there = dropped.filter(pl.col("failure").str.starts_with("at level"))
    assert only_there.is_empty() == (name == "response-noise")
    assert set(only_there["sample"]) <= set(at_level["sample"])


@pytest.mark.parametrize("name", HIGH)
def test_other_patients_are_those_of_a_cohort_without_failures(ended, name, tmp_path):
    lake, assemblies = ended
    samples = rows_of(lake[name], assemblies[name].assembly_id, "samples")
    whole = lakebatch.open_lake(tmp_path / "lake")
    settings = settings_of(name, max_steps=100_000)
    reference = lakebatch.run(whole, name, settings=settings, seed=SEED, jobs=1)
    expected = rows_of(whole[name], reference.assembly_id, "samples")
    kept = samples.filter(pl.col("failure").is_null())
    columns = [each for each in kept.columns if each != "target" or name != "response-noise"]
    assert kept.height > N_SAMPLES
    for mine, other in ((kept, expected), (samples.drop("failure", "target"), expected)):
        joined = mine.join(other, on=["level", "sample"], how="left", nulls_equal=True, suffix="_")
        for column in set(columns) & set(mine.columns) - {"level", "sample", "failure"}:
            assert joined[column].equals(joined[f"{column}_"], check_names=False), column


@pytest.mark.parametrize("name", HIGH)
def test_dataset_of_the_kept_patients_gives_the_recorded_metrics(ended, name):
    lake, assemblies = ended
    assembly, level = assemblies[name], HIGH[name]
    recorded = rows_of(lake[name], assembly.assembly_id, "results").filter(level=level, feature_set="last")
    features, target = lake[name].dataset(assembly.assembly_id, level=level, feature_set="last")
    model = config.from_record(registry.load(registry.get(name)).config_model, assembly.settings)
    columns = FeatureSet("last", tuple(features.columns), features.to_numpy())
    again = evaluate(columns, target.to_numpy(), model.evaluation, recorded["seed"].to_list(), level=level)
    names = ["repeat", "n_train", "n_test", "mse", "r2", "pearson_r"]
    assert recorded.select(names).equals(again.select(names))


class StopAfterOne(Progress):
    def part_committed(self, outcome, rows):
        raise KeyboardInterrupt


def test_resumed_run_in_other_processes_has_the_same_rows(ended, tmp_path):
    lake, assemblies = ended
    name = "parameter-distortion"
    stored = lakebatch.open_lake(tmp_path / "lake")
    with pytest.raises(RunInterrupted):
        lakebatch.run(
            stored, name, settings=settings_of(name, DROP), seed=SEED, jobs=1, progress=StopAfterOne()
        )
    interrupted = stored[name].assemblies()["assembly_id"][0]
    assert {*stored[name].snapshot(include=["started"]).dropped_samples()} == {interrupted}
    resumed = lakebatch.resume(stored, name, jobs=2)
    assert resumed.dropped_samples == assemblies[name].dropped_samples
    for table in ("samples", "trajectories", "results"):
        expected = rows_of(lake[name], assemblies[name].assembly_id, table)
        assert rows_of(stored[name], resumed.assembly_id, table).equals(expected), table


def test_dropped_patients_are_counted_everywhere(ended, tmp_path):
    lake, assemblies = ended
    assembly = assemblies["parameter-distortion"]
    count = assembly.dropped_samples.samples
    text = f"{assembly.dropped_samples}"
    assert text.startswith(f"{count} of {N_SAMPLES} samples were dropped (")

    def output(*arguments):
        return CliRunner().invoke(main, ["--lake", lake.storage.uri, *arguments]).output.replace("\\", "")

    assert f"{assembly.assembly_id}: {text}" in output("status")
    assert f"{assembly.assembly_id}: {text}" in output("completeness", "parameter-distortion")
    for kind in ("levels", "trajectories"):
        picture = str(tmp_path / "picture.png")
        assert text in output("plot", "parameter-distortion", "--kind", kind, "-o", picture)
    assert f"; {text}" in _outcome(assembly)
    assert "dropped_samples" not in assembly.software
    row = lake["parameter-distortion"].assemblies().row(0, named=True)
    assert (row["samples_dropped"], row["samples_planned"]) == (count, N_SAMPLES)
    data = read(lake["parameter-distortion"].snapshot())
    assert _warnings(data) == (f"{text}.",)
    (dropped,) = [each for each in fault_section(data).parts if isinstance(each, Table)]
    assert dropped.rows[0][:3] == (assembly.assembly_id, str(count), str(N_SAMPLES))


def test_run_names_dropped_patients_and_lists_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = settings_of("response-noise", DROP, "levels=[0]", 'store="nothing"')
    arguments = [part for each in settings for part in ("--set", each)]
    done = CliRunner().invoke(main, ["-q", "run", "response-noise", "--seed", "7", "--jobs", "1", *arguments])
    assert (done.exit_code, done.stdout) == (0, "")
    warning, hint = done.stderr.splitlines()
    assert " of 40 samples were dropped (could not be integrated" in warning
    query = hint.partition("sql ")[2].strip("'")
    listed = CliRunner().invoke(main, ["sql", query, "--format", "csv"])
    assert f"Warning: {len(listed.stdout.splitlines()) - 1} of 40" in warning
    stored = lakebatch.open_lake("lake")["response-noise"]
    with pytest.raises(ExperimentError, match="not stored"):
        stored.dataset(stored.assemblies()["assembly_id"][0], level=0, feature_set="initial")


def test_too_few_patients_are_refused():
    experiment, model = resolved("response-noise", *settings_of("response-noise", DROP, max_steps=5))
    with pytest.raises(
        ExperimentError, match=r"40 of 40 patients cannot be simulated, .* too few .*: patient 0"
    ):
        prepare(experiment, model, SEED)


def test_failing_patient_is_named_with_its_values():
    experiment, model = resolved("response-noise", *settings_of("response-noise"))
    with pytest.raises(SimulationError) as failure:
        prepare(experiment, model, SEED)
    message = str(failure.value)
    assert "could not be integrated past time" in message
    assert "It has R1 = " in message
    assert "more values. Raise simulation.max_steps" in message
    assert 'cohort.on_failure = "drop"' in message
    assert "\n" not in message


def test_blocks_of_patients_keep_the_numbers_of_failures():
    experiment, model = resolved("response-noise", *settings_of("response-noise", DROP))
    cohort = prepare(experiment, model, SEED).cohort
    cuts = [0, 7, 19, N_SAMPLES]
    blocks = [
        cohort.simulator.simulate(cohort.parameters[a:b], cohort.initial_concentrations[a:b], drop=True)
        for a, b in pairwise(cuts)
    ]
    joined = TimeCourses.joined(blocks)
    assert joined.failures == cohort.time_courses.failures
    np.testing.assert_array_equal(joined.values, cohort.time_courses.values)


def test_noise_of_a_sample_does_not_depend_on_missing_ones():
    known = np.array([True, False, True, True])
    whole = add_noise(np.ones(4), 2.0, "additive", np.random.default_rng(1), scale=1.0)
    some = add_noise(
        np.where(known, 1.0, np.nan), 2.0, "additive", np.random.default_rng(1), 1.0, where=known
    )
    np.testing.assert_array_equal(some.values, np.where(known, whole.values, np.nan))
    np.testing.assert_array_equal(some.clipped, whole.clipped & known)


def test_record_of_a_config_leaves_out_the_default():
    assert "on_failure" not in CohortConfig().model_dump(mode="json")
    assert CohortConfig(on_failure="drop").model_dump(mode="json")["on_failure"] == "drop"
    _, model = resolved("response-noise", "cohort.n_samples=3")
    assert "on_failure" not in canonical_json(model.model_dump(mode="json"))
    shown = CliRunner().invoke(main, ["config", "response-noise", "--format", "csv"]).stdout
    assert 'cohort.on_failure,"""fail"""' in shown
