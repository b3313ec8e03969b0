"""The degradation experiments: effect of a level, division into parts, and the paired design."""

import numpy as np
import polars as pl
import pytest

from lakebatch.assembly.seeds import stream_generator
from lakebatch.errors import ConfigError
from lakebatch.experiment import config, registry
from lakebatch.experiments.degradation.config import DegradationConfig
from lakebatch.experiments.degradation.planning import MAX_PART_WORK, fits, plan_parts
from lakebatch.experiments.expression_noise import ExpressionNoise
from lakebatch.experiments.parameter_distortion import ParameterDistortion
from lakebatch.experiments.prediction.config import EvaluationConfig
from lakebatch.experiments.response_noise import ResponseNoise
from lakebatch.experiments.virtual_cohort.config import CohortConfig

NAMES = ("expression-noise", "parameter-distortion", "response-noise")
SMALL = ("cohort.n_samples=40", "evaluation.n_reps=2", 'evaluation.models=["linear_regression"]')


def resolved(name, *settings, preset="guide"):
    source = registry.get(name)
    experiment = registry.load(source)
    return experiment, config.resolve(source, experiment, preset=preset, settings=settings).model


def prepared(experiment, model, seed=7):
    return experiment.prepare(model, stream_generator(seed, "prepare"))


def rows_of(experiment, model, shared, level, seed=7):
    part = next(part for part in experiment.parts(model) if part.values["level"] == level)
    pieces = experiment.run(part, shared, model, stream_generator(seed, f"part:{part.stream}"))
    return pl.concat([piece["results"] for piece in pieces if "results" in piece])


@pytest.mark.parametrize(
    ("kind", "levels"),
    [
        (ParameterDistortion, (0, 1.1, 1.3, 1.5, 2.0, 3.0)),
        (ExpressionNoise, (0, 0.1, 0.2, 0.3, 0.5, 1.0)),
        (ResponseNoise, (0, 0.05, 0.1, 0.2, 0.3, 0.5)),
    ],
)
def test_default_levels_are_those_of_the_study(kind, levels):
    assert kind.config_model().levels == levels


@pytest.mark.parametrize("name", NAMES)
def test_baseline_is_the_clean_cohort(name):
    experiment, model = resolved(name, *SMALL)
    cohort = prepared(experiment, model).cohort
    measured = experiment.measure(0.0, cohort, model, np.random.default_rng(1))
    np.testing.assert_array_equal(measured.initial, cohort.initial_concentrations)
    np.testing.assert_array_equal(measured.time_courses.trajectories(), cohort.time_courses.trajectories())
    np.testing.assert_array_equal(measured.target, cohort.target)
    assert measured.n_clipped == 0


def test_response_noise_changes_the_target_alone():
    experiment, model = resolved("response-noise", *SMALL)
    cohort = prepared(experiment, model).cohort
    measured = experiment.measure(0.5, cohort, model, np.random.default_rng(1))
    np.testing.assert_array_equal(measured.time_courses.trajectories(), cohort.time_courses.trajectories())
    np.testing.assert_array_equal(measured.initial, cohort.initial_concentrations)
    assert (measured.target != cohort.target).all()


def test_response_noise_has_level_squared_times_the_variance():
    experiment, model = resolved("response-noise", "cohort.n_samples=4000")
    target = np.random.default_rng(2).normal(500, 20, 4000)
    cohort = prepared(experiment, resolved("response-noise", "cohort.n_samples=2")[1]).cohort
    large = type(cohort)(**{**vars(cohort), "target": target})
    measured = experiment.measure(0.3, large, model, np.random.default_rng(3))
    ratio = (measured.target - target).var() / (0.3**2 * target.var())
    assert abs(ratio - 1) < 4 * np.sqrt(2 / 4000)  # four standard errors of a sample variance


def test_expression_noise_changes_expression_and_its_simulation():
    experiment, model = resolved("expression-noise", *SMALL)
    cohort = prepared(experiment, model).cohort
    measured = experiment.measure(0.3, cohort, model, np.random.default_rng(1))
    assert (measured.initial != cohort.initial_concentrations).all()
    inputs = [cohort.simulator.form_names.index(name) for name in cohort.simulator.input_names]
    np.testing.assert_allclose(measured.time_courses.trajectories()[:, inputs, 0], measured.initial)
    np.testing.assert_array_equal(measured.target, cohort.target)


def test_expression_noise_that_falls_below_zero_is_clipped_and_counted():
    experiment, model = resolved("expression-noise", *SMALL)
    cohort = prepared(experiment, model).cohort
    measured = experiment.measure(20.0, cohort, model, np.random.default_rng(1))
    assert measured.n_clipped == np.count_nonzero(measured.initial == 0) > 0


def test_parameter_distortion_changes_trajectories_alone():
    experiment, model = resolved("parameter-distortion", *SMALL)
    cohort = prepared(experiment, model).cohort
    measured = experiment.measure(1.5, cohort, model, np.random.default_rng(1))
    np.testing.assert_array_equal(measured.initial, cohort.initial_concentrations)
    np.testing.assert_array_equal(measured.target, cohort.target)
    np.testing.assert_array_equal(
        measured.time_courses.trajectories()[:, :, 0], cohort.time_courses.trajectories()[:, :, 0]
    )
    assert (
        measured.time_courses.trajectories()[:, :, -1] != cohort.time_courses.trajectories()[:, :, -1]
    ).all()


def test_parameter_distortion_by_factor_one_is_the_baseline():
    experiment, model = resolved("parameter-distortion", *SMALL, "levels=[0.0, 1.0]")
    cohort = prepared(experiment, model).cohort
    measured = experiment.measure(1.0, cohort, model, np.random.default_rng(1))
    np.testing.assert_array_equal(measured.time_courses.trajectories(), cohort.time_courses.trajectories())


def test_initial_at_the_baseline_scores_the_same_in_all_experiments():
    frames = []
    for name in NAMES:
        experiment, model = resolved(name, *SMALL, 'evaluation.feature_sets=["initial"]')
        frames.append(rows_of(experiment, model, prepared(experiment, model), 0.0).drop("fit_seconds"))
    assert frames[0].height == 2
    assert frames[0].equals(frames[1])
    assert frames[0].equals(frames[2])


def test_splits_are_the_same_at_every_level():
    experiment, model = resolved("response-noise", *SMALL, 'evaluation.feature_sets=["initial"]')
    shared = prepared(experiment, model)
    seeds = {level: rows_of(experiment, model, shared, level)["seed"].to_list() for level in (0.0, 0.5)}
    assert seeds[0.0] == seeds[0.5] == list(shared.split_seeds)


def test_noise_is_the_same_in_every_part_of_a_level():
    settings = ("cohort.n_samples=2000", "evaluation.n_reps=4")
    experiment, model = resolved("response-noise", *settings)
    cohort = prepared(experiment, resolved("response-noise", "cohort.n_samples=20")[1]).cohort
    parts = [part for part in experiment.parts(model) if part.values["level"] == 0.2]
    targets = [
        experiment.measure(0.2, cohort, model, stream_generator(7, part.stream)).target for part in parts
    ]
    assert len(parts) > 5
    assert all((target == targets[0]).all() for target in targets)


@pytest.mark.parametrize(("n_samples", "test_size", "n_test"), [(1, 0.2, 1), (10, 0.99, 10), (2, 0.6, 2)])
def test_samples_that_cannot_be_split_are_refused_before_the_simulation(n_samples, test_size, n_test):
    settings = f"cohort.n_samples={n_samples}", f"evaluation.test_size={test_size}"
    experiment, model = resolved("response-noise", *settings)
    with pytest.raises(
        ConfigError, match=rf"cannot be split with .* = {test_size}: {n_test} would be tested"
    ):
        experiment.parts(model)


def test_samples_that_can_just_be_split_are_planned():
    experiment, model = resolved("response-noise", "cohort.n_samples=10", "evaluation.test_size=0.9")
    assert experiment.parts(model)


def test_plan_is_one_part_per_level_at_the_default_size():
    assert [part.key for part in plan_parts(ResponseNoise.config_model())] == [
        "level=0", "level=0.05", "level=0.1", "level=0.2", "level=0.3", "level=0.5",
    ]  # fmt: skip


@pytest.mark.parametrize(("n_samples", "n_reps"), [(10, 1), (100, 10), (1000, 10), (1000, 3), (20_000, 7)])
def test_plan_covers_every_fit_once_in_small_parts(n_samples, n_reps):
    model = DegradationConfig(
        levels=(0, 0.1), cohort=CohortConfig(n_samples=n_samples), evaluation=EvaluationConfig(n_reps=n_reps)
    )
    parts = plan_parts(model)
    covered = [
        (part.values["level"], name, repeat)
        for part in parts
        for name in part.values["feature_sets"]
        for repeat in part.values["repeats"]
    ]
    assert len(covered) == len(set(covered)) == 2 * 5 * n_reps
    assert sum(fits(part, model) for part in parts) == 2 * 5 * 5 * n_reps
    whole_repeat = 5 * n_samples
    assert all(fits(part, model) * n_samples <= max(MAX_PART_WORK, whole_repeat) for part in parts)
    assert len({part.key for part in parts}) == len(parts)


def test_plan_of_divided_levels_starts_with_wide_feature_sets():
    model = DegradationConfig(levels=(0, 0.1), cohort=CohortConfig(n_samples=600))
    keys = [part.key for part in plan_parts(model)]
    assert keys[:2] == ["level=0/initial+dynamic", "level=0.1/initial+dynamic"]
    assert keys[-1] == "level=0.1/initial"


def test_levels_without_the_baseline_are_a_named_gap():
    experiment, model = resolved("response-noise", "levels=[0.1]")
    (gap,) = experiment.known_gaps(model)
    assert "baseline, level 0" in gap
    assert experiment.known_gaps(resolved("response-noise")[1]) == []


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("levels=[0.1, 0.1]", "levels has 0.1 twice"),
        ("levels=[-0.1]", "levels has -0.1; expected numbers from 0 up"),
        ("levels=[]", "levels"),
        ("noise=pink", "'noise' is 'pink'"),
        ("drug.dose=-1", "'drug.dose' is -1"),
        ("evaluation.n_reps=0", "'evaluation.n_reps' is 0"),
        ("evaluation.n_rep=1", "Did you mean 'n_reps'?"),
    ],
)
def test_config_error_names_key_and_value(setting, message):
    with pytest.raises(ConfigError) as caught:
        resolved("response-noise", setting)
    assert message in str(caught.value)


def test_distortion_below_one_is_refused():
    with pytest.raises(ConfigError, match=r"levels has 0\.5; expected factors from 1 up"):
        resolved("parameter-distortion", "levels=[0, 0.5]")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("preset", ["guide", "without-outcome", "original", "demo", "smoke"])
def test_presets_fit_every_experiment(name, preset):
    _, model = resolved(name, preset=preset)
    assert model.cohort.n_samples == {"original": 1000, "demo": 150, "smoke": 30}.get(preset, 100)
    assert model.evaluation.outcome_features is (preset != "without-outcome")
    assert model.evaluation.standardise_target is (preset != "original")
    assert 0.0 in model.levels


def test_mechanistic_prediction_survives_small_distortions_only():
    """``last`` has the response itself at level 0; without the outcome species it never has."""
    only = ("evaluation.feature_sets=['last']", "evaluation.models=['linear_regression']")
    experiment, model = resolved("parameter-distortion", *only, preset="demo")
    shared = prepared(experiment, model)
    r = {level: rows_of(experiment, model, shared, level)["pearson_r"].mean() for level in (0.0, 1.1, 3.0)}
    assert r[0.0] > 0.999
    assert r[0.0] > r[1.1] > 0.7 > r[3.0]
    _, without = resolved("parameter-distortion", *only, "evaluation.outcome_features=false", preset="demo")
    assert rows_of(experiment, without, shared, 0.0)["pearson_r"].mean() < 0.7


def test_config_names_the_preset_that_leaves_the_outcome_out():
    source = registry.get("response-noise")
    experiment = registry.load(source)
    for preset, origin, value in (
        ("guide", "default", "true"),
        ("without-outcome", "preset without-outcome", "false"),
    ):
        (row,) = (
            each
            for each in config.describe(config.resolve(source, experiment, preset=preset))
            if each["key"] == "evaluation.outcome_features"
        )
        assert (row["origin"], row["value"]) == (origin, value)
