"""Experiment versions on the command line, from the edit of an experiment to the comparison."""

import sys
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.cli.main import main

TOY = Path("experiments/toy.py")
pytestmark = pytest.mark.filterwarnings("ignore::lakebatch.errors.MixtureWarning")


def command(*arguments: str):
    return CliRunner().invoke(main, ["--lake", "lake", *arguments])


def output(*arguments: str) -> str:
    done = command(*arguments)
    assert done.exit_code == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("words", [("status",), ("watch", "--once"), ("list",)])
def test_tables_name_several_versions(both, words):
    shown = output(*words)
    assert "toy@v1 " in shown
    assert "toy@v2 " in shown


def test_single_version_is_shown_without_it(lake, toy):
    lakebatch.run(lake, toy, jobs=1)
    for words in (("status",), ("list",)):
        assert "toy" in output(*words)
        assert "@" not in output(*words)


@pytest.mark.parametrize("words", ["status", "list"])
def test_lossless_formats_have_a_column_of_versions(both, words):
    frame = pl.read_csv(output(words, "--format", "csv").encode()).filter(experiment="toy")
    assert frame["experiment_version"].to_list() == ["v1", "v2"]


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        (("reassemble", "NAME"), (3, 9)),
        (("status", "NAME"), (1, 1)),
        (("history", "NAME"), (2, 2)),
        (("completeness", "NAME", "--all"), (1, 3)),
        (("sql", "--query", "levels", "--param", "experiment=NAME"), (1, 3)),
    ],
)
def test_argument_name_takes_a_version(both, words, rows):
    for name, expected in zip(("toy", "toy@v1"), rows, strict=True):
        named = [each.replace("NAME", name) for each in words]
        assert pl.read_csv(output(*named, "--format", "csv").encode()).height == expected


@pytest.mark.parametrize(
    "name", ["status", "reassemble", "history", "doctor", "repair", "optimize", "vacuum", "du", "plot"]
)
def test_unknown_version_is_one_line_with_the_known_ones(both, name):
    done = command(name, "toy@v9")
    assert done.exit_code == 2
    line = "Error: There is no experiment version 'v9' of toy. Known: toy@v1, toy@v2.\n"
    assert done.stderr == line


@pytest.mark.parametrize("words", [("run", "toy@v1"), ("config", "toy@v1"), ("check", "toy@v1")])
def test_only_the_version_of_the_code_can_be_computed(both, words):
    done = command(*words)
    assert done.exit_code == 2
    assert done.stderr.startswith(
        "Error: toy@v1 cannot be computed: the code (experiments/toy.py) has experiment"
    )
    assert done.stderr.count("\n") == 1


def test_run_of_an_older_version_points_to_its_own_rows(both):
    TOY.write_text(TOY.read_text().replace('version = "v2"', 'version = "v1"'))
    sys.modules.pop("_experiments_toy", None)
    shown = output("run", "toy", "--jobs", "1")
    assert "lake/90_v1_toy/results" in shown
    assert "plot toy@v1 -o toy-v1.png" in shown


def test_versions_are_compared_by_diff_and_plot(both):
    shown = output("diff", "toy", "v1", "v2", "--metric", "mse")
    assert shown.startswith("From toy@v1 to toy@v2\n")
    assert "only before" in shown
    done = command("plot", "toy", "--metric", "mse", "--against", "v1")
    assert done.exit_code == 0
    assert "ollow: toy@v1, version" in done.stderr
    assert command("plot", "toy@v1", "--metric", "mse").stderr.startswith("toy-v1-levels.png: ")
