"""Names reserved in SQL; versions and configs that are combined only with a warning."""

import re
import shutil
import sys
import warnings
from pathlib import Path

import duckdb
import polars as pl
import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.cli.main import main
from lakebatch.errors import ConfigError, DamageError, MixtureError, MixtureWarning
from lakebatch.ids import RESERVED

TOY = Path("experiments/toy.py")


def edited() -> None:
    """Change the code of the experiment."""
    TOY.write_text(f"{TOY.read_text()}\n# changed\n")
    sys.modules.pop("_experiments_toy", None)


def command(lake, *arguments: str):
    """Return the result of a command."""
    warnings.simplefilter("always")
    return CliRunner().invoke(main, ["--lake", str(lake.storage.uri), *arguments])


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_name_reserved_in_sql_is_refused_at_creation(lake, toy, name):
    text = TOY.read_text().replace('name = "toy"', f'name = "{name}"')
    file = TOY.with_name(f"{name.replace('-', '_')}.py")
    file.write_text(text)
    for make in (
        lambda: lakebatch.run(lake, name, jobs=1),
        lambda: lake.sql("SELECT 1", also={name: lake.snapshot()}),
    ):
        with pytest.raises(ConfigError, match=f"'{name}'.* another meaning in SQL"):
            make()
    file.unlink()
    done = command(lake, "new", name)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert f"'{name}' cannot be an experiment name" in done.stderr
    assert not Path(lake.storage.uri).exists()


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_older_lake_with_such_a_name_is_read_with_its_experiment_version(filled, name):
    shutil.copytree(Path(filled.storage.uri, "90_v1_toy"), Path(filled.storage.uri, f"91_v1_{name}"))
    plain = name.replace("-", "_")
    schema = f"{plain}_v1"
    line = (
        f"^{plain} is no schema in SQL, since the name has another meaning: {name}@v1 is called {schema}\\.$"
    )
    with pytest.warns(UserWarning, match=line) as warned:
        assert filled.sql("SELECT count(*) FROM toy.results").item() == 9
    assert len(warned) == 1
    with pytest.warns(UserWarning, match=line):
        rows = filled.sql("SELECT experiment, count(*) FROM lake.results GROUP BY ALL ORDER BY ALL").rows()
    assert rows == sorted([(name, 9), ("toy", 9)])
    with pytest.warns(UserWarning, match=line):
        assert filled.sql(f"SELECT count(*) FROM {schema}.results").item() == 9
    with pytest.warns(UserWarning, match=line):
        assert filled.query("levels", {"experiment": name}).height == 3
    with pytest.warns(UserWarning, match=line):
        setup = filled.snapshot().sql_setup()
    with duckdb.connect() as plain_duckdb:
        plain_duckdb.execute(setup)
        assert plain_duckdb.sql(f"SELECT count(*) FROM {schema}.results").fetchall() == [(9,)]


def test_snapshot_beside_another_cannot_have_the_name_of_an_experiment(filled):
    with pytest.raises(ConfigError, match="A snapshot cannot be called 'toy'"):
        filled.sql("FROM toy.results", also={"toy": filled.snapshot()})
    done = command(filled, "sql", "--also", "lake=now", "SELECT 1")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)


def test_named_query_reads_the_newest_version_and_says_so(both):
    with pytest.warns(MixtureWarning, match="This is toy@v2; other experiment versions are left out: toy@v1"):
        assert both.query("levels", {"experiment": "toy"})["level"].to_list() == [0.0]
    assert both.query("levels", {"experiment": "90_v1_toy"})["level"].to_list() == [0.0, 0.1, 0.2]
    assert both.query("levels", {"experiment": "toy@v1"})["level"].to_list() == [0.0, 0.1, 0.2]
    assert both.query("levels", {"experiment": "toy@v2"})["fits"].to_list() == [3]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        both.query("levels", {"experiment": "toy"}, on_mix="ignore")


def test_custom_query_leaves_out_other_versions_of_its_experiment(both):
    Path("queries").mkdir()
    text = "-- Mine.\n-- $experiment: name\nSELECT DISTINCT experiment, version, $experiment FROM lake.results ORDER BY 1"
    Path("queries/mine.sql").write_text(text)
    TOY.with_name("other_toy.py").write_text(TOY.read_text().replace('name = "toy"', 'name = "other-toy"'))
    lakebatch.run(both, "other-toy", jobs=1)
    with pytest.warns(MixtureWarning, match="other experiment versions are left out"):
        rows = both.query("mine", {"experiment": "toy"}).rows()
    assert rows == [("other-toy", "v2", "toy"), ("toy", "v2", "toy")]


def test_reassemble_names_its_version(both):
    line = "This is toy@v2; other experiment versions are left out: toy@v1"
    with pytest.warns(MixtureWarning, match=line):
        assert both["toy"].reassemble().height == 3
    assert both["90_v1_toy"].reassemble().height == 9
    assert both["90_v2_toy"].reassemble().height == 3
    done = command(both, "reassemble", "toy", "-o", "x.parquet")
    assert (done.exit_code, len(re.findall(line, done.stderr))) == (0, 1)
    assert pl.read_parquet("x.parquet").height == 3


def test_different_configs_are_named_once_by_every_reader(filled, toy):
    first = filled[toy].results.version()
    lakebatch.run(filled, toy, jobs=1, settings=["levels=[0]", "at_once=true"])
    line = r"^2 assemblies of toy have 2 configs: at_once false, true; levels \[0.0, 0.1, 0.2\], \[0.0\] \(choose"
    readers = {
        "reassemble": filled[toy].reassemble,
        "pieces": lambda **how: list(filled[toy].snapshot(**how).pieces()),
        "sql": lambda **how: filled.sql("FROM toy.results", **how),
        "all": lambda **how: filled.sql("FROM lake.results", **how),
        "plot": lambda **how: filled[toy].plot("levels", metric="mse", **how),
        "connect": lambda **how: filled.connect(**how).close(),
    }
    for read in readers.values():
        with pytest.warns(MixtureWarning, match=line) as warned:
            read()
        assert len(warned) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for read in readers.values():
            read(on_mix="ignore")
        filled.sql("FROM lake.assemblies")  # one row per assembly, with its config
        filled[toy].reassemble(version=first)  # holds only the first assembly


def test_warning_of_many_keys_and_long_values_is_one_line(filled, toy):
    levels = ", ".join(str(number / 100) for number in range(30))
    lakebatch.run(filled, toy, jobs=1, settings=[f"levels=[{levels}]"])
    with pytest.warns(MixtureWarning) as warned:
        filled[toy].reassemble()
    assert len(str(warned[0].message)) < 300


def test_code_changed_between_runs_is_named(filled, toy):
    edited()
    lakebatch.run(filled, toy, jobs=1)
    with pytest.warns(
        MixtureWarning,
        match=r"^2 assemblies of toy were computed by 2 codes: source \w{12}, \w{12} \(toy.py\) \(",
    ):
        assert filled[toy].reassemble().height == 18


def test_named_query_ignores_damage_in_another_version(both):
    file = Path(both["90_v1_toy"].results.at().files()[0])
    file.unlink()
    assert both.query("levels", {"experiment": "90_v2_toy"}).height == 1
    with pytest.raises(DamageError, match=re.escape(str(file))):
        both.query("levels", {"experiment": "90_v1_toy"})


def test_left_out_version_is_no_mixture_but_a_union_of_versions_is(both):
    with pytest.warns(
        MixtureWarning, match="other experiment versions are left out: toy@v1. Read them by name"
    ):
        assert both["toy"].reassemble(on_mix="refuse").height == 3
    union = "SELECT avg(mse) FROM lake.results"
    line = "toy has 2 experiment versions: v1, v2; tell them apart by the column version"
    with pytest.warns(MixtureWarning, match=line):
        both.sql(union)
    with pytest.raises(MixtureError, match=line):
        both.sql(union, on_mix="refuse")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        both.sql("SELECT (SELECT count(*) FROM toy.results), (SELECT count(*) FROM toy_v1.results)")
