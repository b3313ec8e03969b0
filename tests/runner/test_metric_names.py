"""Metrics that differ from run to run: the table keeps the names of all of them."""

import json

import pytest

import lakebatch

EXPERIMENT = """
import polars as pl

from lakebatch.experiment import ConfigModel, Experiment, Part, metric, setting


class GrowingConfig(ConfigModel):
    more: tuple[str, ...] = setting((), help="Metrics beside the built-in ones.")
    seed: int = setting(1, help="Seed of all replicates.")


class Growing(Experiment[GrowingConfig, None]):
    name, number, version = "growing", "92", "v1"
    config_model = GrowingConfig

    def parts(self, config):
        return [Part("only")]

    def own_columns(self, config):
        return [metric(name, "A metric that only some runs have.") for name in config.more]

    def metric_names(self, config):
        return ("pearson_r", "r2", "mse", *config.more)

    def run(self, part, prepared, config, rng):
        others = {name: [0.5] for name in config.more}
        return {"results": pl.DataFrame({"level": [0.0], "mse": [1.0], **others})}
"""


@pytest.fixture
def growing(tmp_path, monkeypatch):
    """Return the name of an experiment whose config names its metrics."""
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "growing.py").write_text(EXPERIMENT)
    monkeypatch.chdir(tmp_path)
    return "growing"


def test_names_of_metrics_are_the_union_over_runs(lake, growing):
    def names(*more):
        assert lakebatch.run(lake, growing, overrides={"more": more}, jobs=1).status == "completed"
        return lake[growing].snapshot().roles.names

    built_in = ("pearson_r", "r2", "mse")
    assert names() == built_in
    assert "lakebatch.metrics" not in lake[growing].snapshot().table().properties
    assert names("b") == (*built_in, "b")
    assert names("a") == (*built_in, "a", "b")
    assert names() == names("b") == (*built_in, "a", "b")
    table = lake[growing].snapshot().table()
    assert json.loads(table.properties["lakebatch.metrics"]) == [*built_in, "a", "b"]
    assert lake[growing].reassemble(on_mix="ignore")["b"].to_list() == [None, 0.5, None, None, 0.5]
