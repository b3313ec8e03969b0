"""A new folder to work in, and the notebook in it."""

import ast
import re
from pathlib import Path

import nbformat
import polars as pl
import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.analysis.plots.picture import Picture
from lakebatch.cli.main import main
from lakebatch.experiment import config, registry
from lakebatch.experiment.config import resolve
from lakebatch.sql import named as named_queries

NOTEBOOK = "first-steps.ipynb"


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Return a working directory created by `lakebatch init`."""
    folder = tmp_path / "study"
    monkeypatch.delenv("LAKEBATCH_LAKE", raising=False)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["init", "study"])
    assert done.exit_code == 0, done.output
    assert "cd study" in done.output
    monkeypatch.chdir(folder)
    return folder


def test_new_folder_holds_a_working_experiment_query_and_config(study):
    source = registry.get("batch-effect")
    assert registry.load(source).number == "10"
    assert {"demo", "smoke"} <= set(config.preset_names(source, registry.load(source)))
    assert named_queries.get("loss").help
    noise = registry.get("response-noise")
    assert resolve(noise, registry.load(noise), file=Path("small.toml")).model.cohort.n_samples == 40
    assert lakebatch.open_lake().storage.uri == str(study / "lake")


def test_existing_files_are_left_unchanged(study):
    (study / "small.toml").write_text("mine")
    (study / NOTEBOOK).unlink()
    done = CliRunner().invoke(main, ["init"])
    assert done.exit_code == 0
    assert (study / "small.toml").read_text() == "mine"
    assert [line.split()[1] for line in done.output.splitlines() if line.startswith("wrote")] == [NOTEBOOK]


def test_folder_that_cannot_be_created_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "queries").write_text("not a folder")
    done = CliRunner().invoke(main, ["init"])
    assert done.exit_code == 1
    assert "Choose another folder" in done.output


def test_source_tree_of_lakebatch_is_refused(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    done = CliRunner().invoke(main, ["init"])
    assert done.exit_code == 2
    assert "lakebatch init FOLDER" in done.output


def value_of(cell, names):
    """Run a notebook cell in this process, where most imports are loaded, and return the value of its last line."""
    *steps, last = ast.parse(cell.source).body
    if isinstance(last, ast.Expr):
        last = ast.Assign([ast.Name("_", ast.Store())], last.value)
    exec(compile(ast.fix_missing_locations(ast.Module([*steps, last], [])), "notebook", "exec"), names)
    return names.pop("_", None)


@pytest.mark.slow
def test_notebook_runs_in_a_new_folder(study):
    """For the notebook in a kernel see ``tests/project/test_clone.py``."""
    notebook = nbformat.read(study / NOTEBOOK, as_version=4)
    names = {}
    shown = [value_of(cell, names) for cell in notebook.cells if cell.cell_type == "code"]
    pictures = [each._repr_mimebundle_() for each in shown if isinstance(each, Picture)]
    assert pictures
    assert all({"image/svg+xml", "image/png"} & each.keys() for each in pictures)
    assert lakebatch.open_lake()["response-noise"].assemblies()["status"].to_list() == ["completed"] * 2
    means = names["rows"].group_by("feature_set", "level").agg(pl.col("pearson_r").mean())
    r = {(feature_set, level): mean for feature_set, level, mean in means.iter_rows()}
    assert r["last", 0.0] > 0.8  # as the text says
    assert r["last", 0.5] < r["last", 0.0] - 0.05
    assert max(mean for (feature_set, _), mean in r.items() if feature_set == "initial") < 0.5


def test_new_experiment_says_nothing_of_another_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["new", "measurement-dropout"]).exit_code == 0
    text = Path("experiments/measurement_dropout.py").read_text()
    assert not re.search("batch.effect|[Bb]iased|own factor|stays clean", text)
    source = registry.get("measurement-dropout")
    resolved = config.resolve(source, registry.load(source))
    (meaning,) = [row["meaning"] for row in config.describe(resolved) if row["key"] == "levels"]
    assert meaning == "Level of measurement-dropout; 0 is the baseline."
