"""Experiment versions in SQL: one schema each, never averaged together, told apart in the views of all."""

import shutil
from pathlib import Path

import duckdb
import pytest

import lakebatch
from lakebatch.errors import QueryError, UnknownNameError

TOY = Path("experiments/toy.py")
pytestmark = pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning")


def count(lake, schema: str) -> int:
    return lake.sql(f"SELECT count(*) FROM {schema}.results").item()


def copied(lake, folder: str) -> None:
    """Copy the experiment of the lake into another folder."""
    shutil.copytree(Path(lake.storage.uri, "90_v1_toy"), Path(lake.storage.uri, folder))


def test_plain_name_is_the_newest_version_and_each_version_has_a_schema(both):
    assert [count(both, schema) for schema in ("toy", "toy_v1", "toy_v2")] == [3, 9, 3]
    for view in ("assemblies", "events", "gaps", "configs"):
        newest = both.sql(f"FROM toy.{view}")
        assert newest.equals(both.sql(f"FROM toy_v2.{view}"))
        assert newest.columns == both.sql(f"FROM toy_v1.{view}").columns
    with pytest.raises(QueryError, match=r"There is no view '90_v1_toy\.results'"):
        count(both, '"90_v1_toy"')


def test_single_version_has_both_names(filled):
    assert (count(filled, "toy"), count(filled, "toy_v1")) == (9, 9)


@pytest.mark.parametrize(
    ("view", "counts"), [("results", [9, 3]), ("assemblies", [1, 1]), ("configs", [1, 1])]
)
def test_views_of_the_lake_tell_versions_and_configs_apart(both, view, counts):
    text = f"SELECT experiment, version, config_hash, count(*) FROM lake.{view} GROUP BY ALL ORDER BY ALL"
    hashes = [both[name].assemblies()["config_hash"].item() for name in ("toy@v1", "toy@v2")]
    expected = [("toy", name, each, n) for name, each, n in zip(("v1", "v2"), hashes, counts, strict=True)]
    assert both.sql(text).rows() == expected


@pytest.mark.filterwarnings("ignore::lakebatch.errors.IncompleteWarning")
def test_gaps_of_the_lake_have_version_and_config(both):
    lakebatch.run(both, "toy", jobs=1, settings=["fail=[0.1]"])
    rows = both.sql("SELECT version, config_hash, what FROM lake.gaps").rows()
    failed = both["toy"].assemblies().filter(status="failed")["config_hash"].item()
    assert [row[:2] for row in rows] == [("v2", failed)]


def test_named_queries_never_average_two_versions(both):
    def fits(experiment: str) -> int:
        return both.query("levels", {"experiment": experiment})["fits"].sum()

    assert [fits(name) for name in ("toy", "toy@v1", "toy@v2", "90_v1_toy")] == [3, 9, 3, 9]
    with pytest.raises(
        UnknownNameError, match=r"^There is no experiment version 'v9' of toy\. Known: toy@v1, toy@v2\.$"
    ):
        fits("toy@v9")


def test_config_keys_are_typed_columns(both):
    lakebatch.run(both, "toy", jobs=1, settings=["at_once=true"])
    text = "SELECT version, levels, at_once, typeof(levels), typeof(at_once) FROM lake.configs ORDER BY ALL"
    assert both.sql(text).rows() == [
        ("v1", [0.0, 0.1, 0.2], False, "DOUBLE[]", "BOOLEAN"),
        ("v2", [0.0], False, "DOUBLE[]", "BOOLEAN"),
        ("v2", [0.0, 0.1, 0.2], True, "DOUBLE[]", "BOOLEAN"),
    ]
    joined = "SELECT count(*) FROM toy.results JOIN toy.configs USING (assembly_id) WHERE at_once"
    assert both.sql(joined).item() == 9


def test_newest_version_is_the_highest_not_the_last_by_letter(filled):
    copied(filled, "90_v10_toy")
    copied(filled, "90_v2_toy")
    assert filled["toy"].experiment_version == "v10"
    assert filled.sql("SELECT DISTINCT version FROM lake.results ORDER BY ALL")["version"].to_list() == [
        "v1",
        "v10",
        "v2",
    ]
    assert filled.snapshot().schemas()["toy"] == ("toy_v10", "toy")


def test_schema_that_two_experiments_could_have_is_of_neither_and_said(filled):
    copied(filled, "91_v1_toy-v1")
    called = "toy@v1 is called toy, toy-v1@v1 is called toy_v1_v1"
    line = rf"^toy_v1 is no schema in SQL, since the name has two meanings: {called}\.$"
    with pytest.warns(UserWarning, match=line):
        assert count(filled, "toy") == 9
    with pytest.warns(UserWarning, match=line):
        assert count(filled, "toy_v1_v1") == 9
    with (
        pytest.warns(UserWarning, match=line),
        pytest.raises(QueryError, match=r"There is no view 'toy_v1\.results'"),
    ):
        count(filled, "toy_v1")


def test_one_version_under_two_numbers_has_two_schemas(filled):
    copied(filled, "91_v1_toy")
    with pytest.warns(UserWarning, match="90_v1_toy is called toy__90_v1, 91_v1_toy is called toy"):
        assert count(filled, "toy__90_v1") == 9


@pytest.mark.parametrize("schema", ["toy", "toy_v1", "toy_v2", "lake"])
def test_plain_duckdb_gets_the_same_schemas(both, schema):
    with duckdb.connect() as plain:
        plain.execute(both.snapshot().sql_setup())
        for view in ("results", "assemblies", "configs"):
            columns = "experiment, version, config_hash" if schema == "lake" else "assembly_id"
            text = f"SELECT {columns}, count(*) FROM {schema}.{view} GROUP BY ALL ORDER BY ALL"
            assert plain.sql(text).fetchall() == both.sql(text).rows()
        types = f"SELECT typeof(levels), typeof(at_once) FROM {schema}.configs LIMIT 1"
        assert plain.sql(types).fetchall() == both.sql(types).rows()


def test_state_before_the_newest_version_has_the_version_of_that_time(filled):
    then = filled.snapshot()
    filled["toy"].tag("paper")
    copied(filled, "90_v2_toy")
    shutil.rmtree(Path(filled.storage.uri, "90_v2_toy", "tags"))
    with pytest.warns(UserWarning, match=r"^Left out, since they have no tag 'paper': toy\.$"):
        tagged = filled.snapshot(tag="paper")
    assert [each.experiment_version for each in tagged.values()] == ["v1"]
    assert list(then) == list(tagged) == ["toy"]
    assert list(filled.snapshot()) == ["toy@v1", "toy"]
