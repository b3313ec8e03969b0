"""The training data of models, read back from the lake alone bit by bit."""

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.cli import main
from lakebatch.errors import ExperimentError, UnknownNameError
from lakebatch.experiment import registry
from lakebatch.experiment.config import from_record
from lakebatch.experiments.degradation.measurement import cohort_tables, restore
from lakebatch.experiments.prediction.evaluation import evaluate
from lakebatch.experiments.prediction.feature_sets import FeatureSet
from lakebatch.experiments.virtual_cohort.cohort import generate_cohort
from lakebatch.experiments.virtual_cohort.config import CohortConfig, CohortModelConfig

HIGH = {"response-noise": 0.5, "expression-noise": 1.0, "parameter-distortion": 3.0}
SETTINGS = (
    "cohort.n_samples=25",
    "evaluation.n_reps=2",
    'evaluation.models=["linear_regression", {name = "tree", path = "sklearn.tree.ExtraTreeRegressor"}]',
)
TIMES = ("fit_seconds", "recorded_at", "assembly_id", "part")


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    lake = lakebatch.open_lake(tmp_path_factory.mktemp("lake"))
    for name in HIGH:
        lakebatch.run(lake, name, preset="smoke", settings=SETTINGS, jobs=1)
    return lake


def refitted(stored, assembly_id, level, feature_set, rows):
    """Return the rows of fits on the dataset from the lake, in the splits recorded in its rows."""
    features, target = stored.dataset(assembly_id, level=level, feature_set=feature_set)
    experiment = registry.load(registry.get(stored.name))
    config = from_record(experiment.config_model, stored.log.get(assembly_id).settings)
    seeds = rows.select("repeat", "seed").unique().sort("repeat")["seed"].to_list()
    columns = FeatureSet(feature_set, tuple(features.columns), features.to_numpy())
    return evaluate(
        columns, target.to_numpy(), config.evaluation, seeds, level=level, n_clipped=rows["n_clipped"][0]
    )


@pytest.mark.parametrize("name", HIGH)
@pytest.mark.parametrize("baseline", [True, False], ids=["baseline", "perturbed"])
@pytest.mark.parametrize("feature_set", ["initial", "dynamic", "initial+last"])
def test_dataset_refitted_gives_the_recorded_metrics(lake, name, baseline, feature_set):
    stored, level = lake[name], 0.0 if baseline else HIGH[name]
    assembly_id = stored.assemblies()["assembly_id"][0]
    recorded = stored.reassemble().filter(level=level, feature_set=feature_set)
    again = refitted(stored, assembly_id, level, feature_set, recorded)
    order = ["model", "repeat"]
    recorded = recorded.drop(TIMES).sort(order)
    assert recorded.height == 4
    assert recorded.equals(again.drop("fit_seconds").sort(order).select(recorded.columns))


def test_dataset_of_clean_expression_differs_from_the_noisy_one(lake):
    stored = lake["expression-noise"]
    assembly_id = stored.assemblies()["assembly_id"][0]
    clean, _ = stored.dataset(assembly_id, level=1.0, feature_set="initial_clean")
    noisy, _ = stored.dataset(assembly_id, level=1.0, feature_set="initial")
    truth, _ = stored.dataset(assembly_id, level=0.0, feature_set="initial")
    assert clean.equals(truth)
    assert not clean.equals(noisy)


@pytest.mark.parametrize(
    ("level", "feature_set", "message"),
    [(0.7, "initial", "There is no level 0.7"), (0.0, "first", "There is no feature set first")],
)
def test_dataset_of_an_unknown_level_or_feature_set_is_refused(lake, level, feature_set, message):
    stored = lake["response-noise"]
    assembly_id = stored.assemblies()["assembly_id"][0]
    with pytest.raises(UnknownNameError, match=message):
        stored.dataset(assembly_id, level=level, feature_set=feature_set)
    words = ["dataset", stored.name, assembly_id, "--level", str(level), "--features", feature_set]
    done = CliRunner().invoke(main, ["--lake", str(lake.storage.uri), *words])
    assert (done.exit_code, message in done.stderr) == (2, True)


@pytest.mark.parametrize("level", ["0", "0.0", "-0.0", "-0"])
def test_baseline_is_one_level_in_any_spelling(lake, level):
    stored = lake["response-noise"]
    assembly_id = stored.assemblies()["assembly_id"][0]
    words = [
        "dataset",
        stored.name,
        assembly_id,
        "--level",
        level,
        "--features",
        "initial",
        "--format",
        "csv",
    ]
    done = CliRunner().invoke(main, ["--lake", str(lake.storage.uri), *words])
    assert done.exit_code == 0, done.output
    features, _ = stored.dataset(assembly_id, level=0.0, feature_set="initial")
    assert done.stdout.count("\n") == features.height + 1


def test_shared_data_is_stored_once(lake):
    samples = lake["response-noise"].table("samples").at().scan().collect()
    trajectories = lake["response-noise"].table("trajectories").at().scan().collect()
    assert trajectories["level"].is_null().all()
    assert trajectories.height == 25 * 10
    assert samples.filter(pl.col("level").is_null())["parameters"].list.len().unique().to_list() == [
        4 * 10 + 10
    ]  # four per species, one per edge
    assert samples.filter(level=0.5)["initial"].null_count() == 25
    assert samples.filter(level=0.5)["target"].null_count() == 0


@pytest.mark.parametrize(("store", "tables"), [("nothing", set()), ("samples", {"samples"})])
def test_storing_can_be_turned_off(tmp_path, store, tables):
    lake = lakebatch.open_lake(tmp_path / "lake")
    done = lakebatch.run(
        lake, "response-noise", preset="smoke", settings=[*SETTINGS, f"store={store}"], jobs=1
    )
    stored = lake["response-noise"]
    filled = {name for name in ("samples", "trajectories") if stored.table(name).at().scan().collect().height}
    assert filled == tables
    assert stored.reassemble().height == done.rows == 3 * 5 * 2 * 2
    with pytest.raises(ExperimentError, match="config key 'store'"):
        stored.dataset(done.assembly_id, level=0.0, feature_set="last")


def test_stored_time_courses_equal_the_cohort_bit_by_bit():
    config = CohortModelConfig(cohort=CohortConfig(n_samples=6))
    cohort = generate_cohort(config, np.random.default_rng(3))
    restored = restore(cohort_tables(cohort), 0.0, baseline=True)
    np.testing.assert_array_equal(restored.time_courses.trajectories(), cohort.time_courses.trajectories())
    np.testing.assert_array_equal(restored.initial, cohort.initial_concentrations)
    np.testing.assert_array_equal(restored.target, cohort.target)
    assert restored.time_courses.form_names == cohort.simulator.form_names


@pytest.mark.parametrize("name", HIGH)
def test_first_part_without_baseline_stores_cohort_and_level(tmp_path, name):
    lake, level = lakebatch.open_lake(tmp_path / "lake"), HIGH[name]
    done = lakebatch.run(lake, name, preset="smoke", settings=SETTINGS, overrides={"levels": [level]}, jobs=1)
    assert done.status == "completed", done.error
    recorded = lake[name].reassemble(on_gap="ignore").filter(feature_set="dynamic")
    again = refitted(lake[name], done.assembly_id, level, "dynamic", recorded)
    assert again["mse"].sort().equals(recorded["mse"].sort())
