"""Output of `lakebatch` without a command, mistyped names, and explanations of config keys."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_prompt import Terminal

import lakebatch
from lakebatch.cli.main import main
from lakebatch.errors import AssemblyError
from lakebatch.experiment import config as configs
from lakebatch.experiment import registry

LAKEBATCH = Path(sys.executable).with_name("lakebatch")
BUILT_IN = ("expression-noise", "parameter-distortion", "response-noise")


def output(*arguments, code=0):
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == code, done.output
    return done.output


def test_empty_lake_suggests_a_first_run(tmp_path):
    said = output("--lake", str(tmp_path / "lake"))
    assert ": empty" in said
    assert f"lakebatch --lake {tmp_path}/lake run response-noise --preset demo" in said


def test_folder_with_a_custom_experiment_suggests_that(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "lakebatch init study" in output()
    output("init", ".")
    said = output()
    assert "lakebatch run batch-effect --preset demo" in said
    assert "init study" not in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["run"],
            "Missing argument 'NAME'. List the experiments with: lakebatch list\nExample: lakebatch run resp",
        ),
        (
            ["discard", "toy", "x"],
            "Missing option '--reason'.\nExample: lakebatch discard response-noise 2026",
        ),
        (
            ["plot", "toy", "--kind", "levls"],
            "'levls' is unknown. Did you mean 'levels'? Expected one of: lev",
        ),
        (["status", "other"], "Did you mean 'other-toy'? There: "),
        (["sql", "--on-gap", "ignore", "SELECT 1 FROM toi.results"], "Did you mean 'toy.results'?"),
    ],
)
def test_usage_error_shows_the_correct_usage(copied_lake, arguments, said):
    assert said in output(*arguments, code=2)


def test_failed_assembly_suggests_resume_and_completed_ones_reading(copied_lake):
    failed = copied_lake["toy"].assemblies().filter(status="failed")["assembly_id"][0]
    said = output()
    assert "3 completed, 1 failed" in said
    assert f"lakebatch resume toy {failed}" in said
    for step in ("reassemble other-toy -o", "sql --query summary", "plot", "report", "status", "--help"):
        assert f"lakebatch {step}" in said
    assert "watch" not in said


def test_narrow_terminal_breaks_no_command(copied_lake, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert "\n    lakebatch status\n" in output()
    monkeypatch.setenv("COLUMNS", "200")
    assert "\n  lakebatch status  " in output()


@pytest.mark.parametrize("width", [60, 400])
def test_config_is_explained_within_the_width_of_the_terminal(tmp_path, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    terminal = Terminal(tmp_path, "config", "response-noise")
    try:
        terminal.wait_for(r"(?s)\A(?=.*clipped at 0)")
        assert terminal.process.wait(30) == 0
        lines = terminal.seen.splitlines()
        assert max(len(line.rstrip()) for line in lines) <= width
        narrow = [
            line.strip() for line in lines if line.startswith("drug.start = 500.0 a.u. of time   (default)")
        ]
        assert len(narrow) == (width == 60)
    finally:
        terminal.process.kill()
        os.close(terminal.master)


def test_damaged_experiment_does_not_hide_the_others(copied_lake):
    for file in Path(copied_lake["toy"].log.table.uri).glob("_delta_log/*.json"):
        file.write_text("{")
    done = subprocess.run([LAKEBATCH], capture_output=True, text=True)
    assert done.returncode == 0
    assert "toy is left out" in done.stderr
    assert "reassemble other-toy" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["runn"], "run"),
        (["run", "respons-noise"], "response-noise"),
        (["run", "response-noise", "--presett", "smoke"], "--preset"),
        (["run", "response-noise", "--preset", "smok"], "smoke"),
        (["run", "response-noise", "--set", "cohort.n_sample=3"], "n_samples"),
        (["status", "othertoy"], "other-toy"),
        (["history", "toyy"], "toy"),
        (["sql", "--query", "sumary"], "summary"),
        (["reassemble", "toy", "--tag", "papr"], "paper"),
        (["plot", "toy", "--kind", "levls", "-o", "x.png"], "levels"),
    ],
)
def test_mistyped_name_suggests_the_nearest_one(copied_lake, arguments, meant):
    copied_lake["toy"].tag("paper")
    assert f"'{meant}'" in output(*arguments, code=2).rpartition("Error:")[2]


def test_mistyped_assembly_suggests_the_nearest_one(copied_lake):
    known = copied_lake["toy"].assemblies()["assembly_id"][0]
    wrong = known.replace("run001", "run010")
    said = output("status", "toy", wrong, code=2)
    near = [
        each for each in copied_lake["toy"].assemblies()["assembly_id"] if f"Did you mean '{each}'?" in said
    ]
    assert len(near) == 1
    with pytest.raises(AssemblyError, match="lakebatch status"):
        copied_lake["toy"].log.get(known[:-1])


def test_experiment_without_runs_suggests_a_run(copied_lake):
    assert "Run it with: lakebatch run response-noise" in output("status", "response-noise", code=2)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_key_of_a_config_has_a_meaning_and_every_number_a_unit(name):
    source = registry.get(name)
    rows = list(configs.describe(configs.resolve(source, registry.load(source))))
    assert len(rows) > 20
    assert not [row["key"] for row in rows if not row["meaning"]]
    numbers = [row for row in rows if row["value"].strip("[")[0].isdigit()]
    assert len(numbers) > 10
    assert not [row["key"] for row in numbers if not row["unit"]]


def test_lake_with_one_run_says_so(lake, toy):
    lakebatch.run(lake, toy, jobs=1)
    assert "1 completed" in output("--lake", lake.storage.uri)


def test_upkeep_shows_its_command_or_that_nothing_is_to_do(copied_lake):
    assert "There is nothing to vacuum." in output("vacuum", "toy")
    assert "do it with: lakebatch optimize toy --yes" in output("optimize", "toy")
    output("optimize", "toy", "--yes")
    assert "There is nothing to optimize." in output("optimize", "toy")
