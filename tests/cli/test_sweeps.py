"""Sweeps on the command line: plan, run, list, status, array job, exit codes."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import lakebatch
from lakebatch.cli.main import main

RUN = ["run", "toy", "--jobs", "1", "--set", "levels=[0.0]", "--set", "at_once=true"]


@pytest.fixture
def shown(toy):
    """Return a function that runs a command and returns its exit code, output and messages."""

    def run(*arguments):
        done = CliRunner(env={"COLUMNS": "80"}).invoke(main, arguments)
        return done.exit_code, done.stdout, done.stderr

    return run


def test_sweep_is_planned_run_listed_and_read(shown):
    keys = ["--sweep", "seed=1,2", "--sweep", "breach='','x'", "--sweep-name", "s"]
    code, plan, _ = shown(*RUN, *keys, "--dry-run")
    assert code == 0
    assert "4 points, 4 assemblies; to do: 4 parts, 4 rows, time unknown (no earlier run)" in plan
    assert not Path("lake").exists()
    code, out, said = shown(*RUN, *keys)
    assert code == 0, said
    assert "sweep s: 4 of 4 assemblies done" in out
    assert "lakebatch plot toy --sweep s --kind heatmap -o toy.png" in out
    assert "4/4 point 4 (seed=2, breach=x): " in said
    assert "6 more" not in said
    _, out, _ = shown("status", "toy")
    assert out.splitlines()[-1].split() == ["toy", "s", "seed,", "breach", "4", "4/4"]
    assert shown("watch", "--once")[1].splitlines()[-1].split()[-1] == "4/4"
    _, out, _ = shown("sweeps", "toy", "s", "--format", "json")
    assert [(row["point"], row["state"], row["seed"]) for row in json.loads(out)][-1] == (4, "done", 2)
    assert shown("sweeps")[1].splitlines()[-1].split()[-1] == "4/4"
    assert (
        shown("sql", "--sweep", "s", "SELECT count(*) AS n FROM toy.results", "--format", "csv")[1]
        == "n\n12\n"
    )
    code, out, said = shown(*RUN, *keys[:2], *keys[4:], "-q")
    assert (code, out) == (0, "")


def test_failed_point_is_named_and_ends_with_3(shown):
    code, out, said = shown(*RUN, "--sweep", "fail=[0.0],[]", "--sweep-name", "s")
    assert code == 3
    assert "1 of 2 assemblies done, 1 failed" in out
    assert "level 0.0 is bad" in said
    assert "Try the failed ones again with: lakebatch resume toy s" in said
    assert shown("resume", "s", "--jobs", "1")[0] == 3
    Path("mended").touch()
    assert shown("resume", "--jobs", "1")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--sweep", "seed=1,2", "--until", "ci(r2) < 1"], "Leave out --until, or --sweep"),
        (["--dry-run"], "--dry-run belongs to a sweep"),
        (["--sweep", "seed"], "expected KEY=VALUES"),
        (["--sweep", "seed=uniform(0,1)"], "Say how often to draw"),
        (["--sweep", "sed=1,2"], "Unknown config key 'sed' (from --sweep). Did you mean 'seed'?"),
        (["--sweep-file", "none.toml"], "Cannot read the config none.toml"),
    ],
)
def test_wrong_options_are_one_line_and_begin_nothing(shown, arguments, says):
    code, _, said = shown(*RUN, *arguments)
    assert code in (1, 2)
    assert says in said
    assert not Path("lake").exists()


def test_array_job_counts_its_tasks_by_points_and_parts(shown):
    keys = ["--set", "levels=[0.0,0.1]", "--sweep", "seed=1,2,3", "--print-slurm"]
    lines = [shown(*RUN, *keys, *more)[1] for more in ([], ["--shard", "1/5"], ["--shard", "1/99"])]
    assert [f"#SBATCH --array=1-{tasks}\n" in text for tasks, text in zip((3, 5, 6), lines, strict=True)] == [
        True
    ] * 3
    assert "of the 3 assemblies of one sweep" in lines[0]
    assert "--sweep seed=1,2,3 --shard" in lines[0]


def test_picture_and_report_show_the_sweep(shown):
    shown(*RUN, "--sweep", "seed=10,9", "--sweep", "breach='','x'", "--sweep-name", "s")
    code, _, said = shown("plot", "toy", "--kind", "heatmap", "--metric", "mse", "-o", "map.png")
    assert code == 0, said
    assert "Mean squared error by seed and breach, toy. Each cell is the mean over 1 assembly" in said
    picture = lakebatch.open_lake("lake")["toy"].plot("heatmap", metric="mse", x="seed", y="breach")
    panel = picture.chart.panels[0]
    assert (panel.x_names, len(panel.y_names)) == (("9", "10"), 2)
    rows = lakebatch.open_lake("lake")["toy"].reassemble(where={"seed": 9, "breach": "x"})
    assert panel.marks[0].values[0][0] == pytest.approx(rows["mse"].mean())
    assert picture.to_bytes(".svg").startswith(b"<?xml")
    assert "heatmap" in picture.interactive().to_json()
    code, _, said = shown("plot", "toy", "--by", "seed", "--metric", "mse", "-o", "by.svg")
    assert "It compares seed 9, seed 10." in said
    code, _, said = shown("plot", "toy", "--by", "sed", "-o", "by.svg")
    assert (code, "Cannot colour by 'sed'" in said) == (2, True)
    text = lakebatch.open_lake("lake")["toy"].report(metric="mse").markdown("r")
    assert "## Sweeps" in text
    assert "| 1 | seed=10, breach=" in text
