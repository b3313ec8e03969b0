"""The contract checks: built-in experiments pass, and each breach is found."""

import textwrap

import pytest

from lakebatch.errors import ExperimentError, NameClashError
from lakebatch.experiment import registry
from lakebatch.experiment.scaffold import new_experiment
from lakebatch.runner import check as contract
from lakebatch.runner.check import CHECKS, CheckConfig

SMALL = (
    "cohort.n_samples=12",
    'evaluation.models=["linear_regression", {name = "tree", path = "sklearn.tree.ExtraTreeRegressor"}]',
    'evaluation.feature_sets=["initial", "initial+last"]',
)
COIN = """
import numpy as np, polars as pl
from lakebatch.experiment import ConfigModel, Experiment, Part, setting


class CoinConfig(ConfigModel):
    levels: tuple[float, ...] = setting((0.0, 0.1), help="Bias.", unit="1")


class Coin(Experiment):
    name, number, version, config_model = "coin", "20", "v1", CoinConfig
    calls = 0

    def parts(self, config):
        return [Part(f"level={level:g}", {"level": level}) for level in config.levels]

    def run(self, part, prepared, config, rng):
        BODY
        return {"results": pl.DataFrame({"level": [part.values["level"]], "mse": [value]})}
"""


@pytest.fixture
def coin(tmp_path, monkeypatch):
    """Return a function that writes an experiment whose run() computes ``value`` by a given expression."""
    monkeypatch.chdir(tmp_path)

    def write(body, **replaced):
        text = COIN.replace("BODY", textwrap.indent(textwrap.dedent(body), "        ").strip())
        for old, new in replaced.items():
            text = text.replace(old, new)
        (tmp_path / "experiments").mkdir()
        (tmp_path / "experiments" / "coin.py").write_text(text)
        return CheckConfig("coin")

    return write


BUILT_IN = [name for name, source in registry.find().items() if source.origin == "built in"]
IN_OTHER_PROCESSES = "parameter-distortion"
"""Experiments checked with worker processes, which are slow to start; ``tests/executor`` covers all on a cluster."""

PROMISES = [
    pytest.param(name, check, id=f"{name}-{check.__name__}")
    for name in BUILT_IN
    for check in CHECKS
    if check is not contract.check_repeatable or name == IN_OTHER_PROCESSES
]


@pytest.mark.parametrize(("name", "check"), PROMISES)
def test_built_in_experiment_passes(name, check):
    check(CheckConfig(name, "smoke", SMALL))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_correct_experiment_passes(coin, check):
    check(coin("value = float(rng.random())"))


def test_global_randomness_is_found(coin):
    trial = coin("value = float(np.random.rand())")
    with pytest.raises(ExperimentError, match="A second run with the same seed gives other results: mse"):
        contract.check_repeatable(trial)


def test_state_between_parts_is_found(coin):
    trial = coin("type(self).calls += 1\nvalue = float(rng.random()) + type(self).calls")
    with pytest.raises(ExperimentError, match="gives other results: mse"):
        contract.check_resumable(trial)


def test_fixed_seed_is_found(coin):
    trial = coin("value = 0.5")
    with pytest.raises(ExperimentError, match="The rows are the same for two seeds"):
        contract.check_independent(trial)
    with pytest.raises(ExperimentError, match="Two replicates of a sweep have the same rows"):
        contract.check_sweep(trial)


def test_wrong_number_of_rows_is_found(coin):
    trial = coin("value = float(rng.random())\nreturn {'results': pl.DataFrame({'mse': [value, value]})}")
    with pytest.raises(
        ExperimentError, match=r"The parts have other numbers of rows.*'level=0': 2.*not .*'level=0': 1"
    ):
        contract.check_rows(trial)


def test_column_of_another_type_is_found(coin):
    trial = coin("value = str(rng.random())")
    with pytest.raises(ExperimentError, match="column 'mse' is String"):
        contract.check_rows(trial)


def test_key_given_twice_is_found(coin):
    trial = coin("value = float(rng.random())", **{'f"level={level:g}"': '"level"'})
    with pytest.raises(ExperimentError, match="gives the key 'level' to two parts"):
        contract.check_plan(trial)


@pytest.mark.parametrize(
    "check", [contract.check_plan, contract.check_rows], ids=lambda check: check.__name__
)
def test_new_experiment_works_as_written(tmp_path, monkeypatch, check):
    monkeypatch.chdir(tmp_path)
    new_experiment("plate-effect", tmp_path)
    assert registry.load(registry.get("plate-effect")).number == "10"
    check(CheckConfig("plate-effect", "smoke", (*SMALL, "levels=[0.0, 0.3]")))


def test_new_experiment_refuses_a_name_that_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = new_experiment("plate-effect", tmp_path)
    text = file.read_text()
    with pytest.raises(NameClashError, match=r"'plate-effect' already: experiments/plate_effect\.py"):
        new_experiment("plate-effect", tmp_path)
    with pytest.raises(NameClashError, match="'response-noise' already: built in"):
        new_experiment("response-noise", tmp_path)
    assert file.read_text() == text


def test_pieces_with_different_rows_are_found(coin):
    twice = "calls = 0\n\n    def pieces(self, part, config):\n        return [part, part]"
    trial = coin("value = float(rng.random())", **{"calls = 0": twice})
    with pytest.raises(ExperimentError, match="The pieces of level=0 have other results than the part"):
        contract.check_pieces(trial)
