"""Rows of large cohorts are made block by block."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from lakebatch.experiments.degradation import measurement
from lakebatch.experiments.response_noise import ResponseNoise, ResponseNoiseConfig


@pytest.fixture(scope="module")
def prepared():
    settings = {
        "cohort": {"n_samples": 25},
        "levels": [0.0, 0.2],
        "evaluation": {"n_reps": 1, "models": ["linear_regression"], "feature_sets": ["initial"]},
    }
    config = ResponseNoiseConfig.model_validate(settings)
    return config, ResponseNoise().prepare(config, np.random.default_rng(1))


@pytest.mark.parametrize("level", [0.0, 0.2])
def test_rows_do_not_depend_on_the_blocks(prepared, monkeypatch, level):
    config, shared = prepared
    part = next(each for each in ResponseNoise().parts(config) if each.values["level"] == level)

    def rows() -> dict[str, pl.DataFrame]:
        found: dict[str, list[pl.DataFrame]] = {}
        for frames in ResponseNoise().run(part, shared, config, np.random.default_rng(2)):
            for table, frame in frames.items():
                found.setdefault(table, []).append(frame)
        return {table: pl.concat(frames).drop("fit_seconds", strict=False) for table, frames in found.items()}

    whole = rows()
    monkeypatch.setattr(measurement, "BLOCK", 10)
    pieces = rows()
    assert whole.keys() == pieces.keys()
    assert whole["samples"].height == 25
    for table, frame in whole.items():
        assert_frame_equal(pieces[table], frame)
