"""The baseline script: the study with one patient, one value and one fit at a time, and pickles at the end.

One libRoadRunner model for all patients, whose initial concentrations are set as ``init(X)``, which makes it
regenerate its code; one pandas Series for each number of the dynamic features; joblib over the fits of scikit-learn.
"""

# ruff: noqa: S301
from __future__ import annotations

import pickle
from pathlib import Path

import antimony
import numpy as np
import pandas as pd
import roadrunner
from joblib import Parallel, delayed
from scipy.stats import pearsonr
from sklearn.compose import TransformedTargetRegressor
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lakebatch.experiments.prediction.models import STANDARD_MODELS, Model, build_regressor
from lakebatch.experiments.response_noise import ResponseNoiseConfig
from lakebatch.experiments.virtual_cohort.antimony import to_antimony
from lakebatch.experiments.virtual_cohort.cohort import Cohort


def study(config: ResponseNoiseConfig, cohort: Cohort, folder: Path) -> pd.DataFrame:
    """Return the results of a response-noise study of a cohort's patients, simulated and evaluated again."""
    trajectories = time_courses(cohort)
    features = feature_sets(trajectories, cohort, config)
    target = np.array([each["[Oa]"].iloc[-1] for each in trajectories])
    rng = np.random.default_rng(config.evaluation.seed)
    for level in config.levels:
        noisy = np.maximum(target + rng.normal(0, level * target.std(), len(target)), 0)
        rows = Parallel(n_jobs=2)(
            delayed(fitted)(values, noisy, model, repeat, config.evaluation.standardise_target)
            for values in features.values()
            for model in STANDARD_MODELS.values()
            for repeat in range(config.evaluation.n_reps)
        )
        frame = pd.DataFrame(rows).assign(level=level)
        (folder / f"response-noise_{level}.pkl").write_bytes(pickle.dumps(frame))
    return pd.concat(
        [pickle.loads((folder / f"response-noise_{level}.pkl").read_bytes()) for level in config.levels]
    )


def time_courses(cohort: Cohort) -> list[pd.DataFrame]:
    """Return a frame of time courses for each patient."""
    model, names = cohort.simulator.model, cohort.simulator.parameter_names
    totals, span = cohort.time_courses.totals, cohort.simulator.config
    antimony.clearPreviousLoads()
    assert antimony.loadAntimonyString(to_antimony(model, cohort.parameters[0], totals[0])) != -1
    runner = roadrunner.RoadRunner(antimony.getSBMLString("virtual_patient"))
    runner.timeCourseSelections = ["time", *(f"[{form}]" for form in model.form_names)]
    frames = []
    for parameters, initial in zip(cohort.parameters, totals, strict=True):
        for species, value in zip(model.species, initial, strict=True):
            runner[f"init({species})"] = value
        runner.resetAll()
        for name, value in zip(names, parameters, strict=True):
            runner[name] = value
        table = runner.simulate(span.start, span.stop, span.n_points)
        frames.append(pd.DataFrame(np.array(table), columns=runner.timeCourseSelections))
    return frames


def feature_sets(
    trajectories: list[pd.DataFrame], cohort: Cohort, config: ResponseNoiseConfig
) -> dict[str, pd.DataFrame]:
    """Return the five feature sets."""
    forms = [
        name
        for name in trajectories[0].columns[1:]
        if config.evaluation.outcome_features or name not in ("[O]", "[Oa]")
    ]
    initial = pd.DataFrame(cohort.initial_concentrations, columns=cohort.simulator.input_names)
    last = pd.DataFrame([{f"last {form}": each[form].iloc[-1] for form in forms} for each in trajectories])
    dynamic = pd.DataFrame([dynamic_features(each[forms]) for each in trajectories])
    both = {"initial+last": [initial, last], "initial+dynamic": [initial, dynamic]}
    sets = {"initial": initial, "last": last, "dynamic": dynamic}
    return sets | {name: pd.concat(parts, axis=1) for name, parts in both.items()}


def dynamic_features(patient: pd.DataFrame) -> pd.Series:
    """Return ten numbers for each form, each computed as a separate Series."""
    return pd.concat(
        [
            pd.Series({f"{name} {form}": value})
            for form in patient.columns
            for name, value in _ten_numbers(patient[form]).items()
        ]
    )


def _ten_numbers(course: pd.Series) -> dict[str, float]:
    points, start, end = len(course), course.iloc[0], course.iloc[-1]
    left = points
    while left > 1 and abs(course.iloc[left - 1] - course.iloc[left - 2]) < 0.01:
        left -= 1
    if start == 0:
        change = 1000.0
    elif end >= start:
        change = (end - start) / start
    else:
        change = -1000.0 if end == 0 else -(start - end) / end
    return {
        "auc": np.trapezoid(course) / points,
        "median": course.median(),
        "tfc": change,
        "tmax": course.idxmax() / points,
        "max": course.max(),
        "tmin": course.idxmin() / points,
        "min": course.min(),
        "ttsv": left / points,
        "tsv": course.iloc[left - 1],
        "init": start,
    }


def fitted(
    values: pd.DataFrame, target: np.ndarray, model: Model, seed: int, standardise_target: bool
) -> dict[str, object]:
    """Return one row of results."""
    train, test, train_target, test_target = train_test_split(
        values.to_numpy(), target, test_size=0.2, random_state=seed
    )
    regressor = build_regressor(model, seed)
    if model.name == "neural_network":
        regressor = MLPRegressor(**regressor.get_params())
    if model.standardise_target and standardise_target:
        regressor = TransformedTargetRegressor(regressor, transformer=StandardScaler())
    steps = make_pipeline(StandardScaler() if model.standardise_features else None, regressor)
    predicted = steps.fit(train, train_target).predict(test)
    return {
        "model": model.name,
        "repeat": seed,
        "mse": mean_squared_error(test_target, predicted),
        "r2": r2_score(test_target, predicted),
        "pearson_r": pearsonr(test_target, predicted)[0],
    }
