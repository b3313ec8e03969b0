"""Monitoring of a run: status and watch from the lake alone, -q and -v, and the log file."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from test_prompt import Terminal

import lakebatch
from lakebatch.cli.main import main

LAKEBATCH = Path(sys.executable).with_name("lakebatch")


@pytest.fixture
def waiting(toy, tmp_path):
    """Return a run, by another process, that has committed two of its three parts and waits in the third."""
    command = [LAKEBATCH, "--lake", "lake", "run", "toy", "--jobs", "1", "--set", "wait=[0.2]"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    lines = [process.stderr.readline() for _ in range(3)]
    assert lines[2].startswith("2/3 level=0.1: 3 rows committed"), lines
    yield process
    process.kill()
    process.communicate()


def test_status_shows_age_and_eta_of_another_run_and_watch_ends_with_ctrl_c(waiting, tmp_path):
    done = CliRunner().invoke(main, ["--lake", "lake", "status", "--format", "csv"])
    row = pl.read_csv(done.output.encode(), try_parse_dates=True).row(0, named=True)
    assert (row["status"], row["parts_done"], row["parts_planned"]) == ("started", 2, 3)
    assert row["last_commit"] > row["started_at"]
    assert 0 < row["eta_seconds"] < 60
    shown = CliRunner().invoke(main, ["--lake", "lake", "watch", "--once"]).output
    assert "2/3" in shown
    assert {"age", "eta"} < set(shown.split())

    watching = Terminal(tmp_path, "--lake", "lake", "watch", "toy", "--every", "0.2")
    try:
        watching.wait_for(r"running\s+2/3")
        (tmp_path / "mended").touch()
        waiting.send_signal(signal.SIGKILL)
        waiting.wait()
        watching.wait_for(r"interrupted\s+2/3")
        watching.process.send_signal(signal.SIGINT)
        assert watching.process.wait(30) == 0
    finally:
        watching.process.kill()
        os.close(watching.master)


def test_watch_on_a_pipe_prints_once_per_change(lake, toy, tmp_path):
    lakebatch.run(lake, toy, jobs=1)
    command = [LAKEBATCH, "--lake", "lake", "watch", "--every", "0.2"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = [process.stdout.readline() for _ in range(4)]
    assert "completed" in first[2]
    lakebatch.run(lake, toy, jobs=1)
    while "run002" not in (line := process.stdout.readline()):
        assert line
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_quiet_run_prints_nothing_and_verbose_run_prints_durations(toy, tmp_path):
    def run(*words):
        done = subprocess.run([LAKEBATCH, *words], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done

    quiet = run("run", "toy", "--jobs", "1", "--quiet", "--lake", "lake")
    verbose = run("-v", "--lake", "nowhere", "run", "toy", "--jobs", "1", "--lake", "lake")
    assert (quiet.stdout, quiet.stderr) == ("", "")
    assert not (tmp_path / "nowhere").exists()
    assert "lakebatch --lake lake reassemble toy" in verbose.stdout
    assert "computed in" in verbose.stderr
    file = Path(verbose.stderr.partition("log file of ")[2].split()[1])
    assert "part level=0.1: computed in" in file.read_text()
    assert file.parent.name == "90_v1_toy"


@pytest.mark.filterwarnings("always:There is no lake")
def test_group_options_work_before_and_after_every_command(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("LAKEBATCH_LAKE", "from-the-environment")
    for words in (["--lake", "typed", "status"], ["status", "--lake", "typed"]):
        done = CliRunner().invoke(main, [*words, "-q", "-v"])
        assert done.exit_code == 0, done.output
        assert "/typed: the folder does not exist" in done.output
    assert "/from-the-environment: the folder" in CliRunner().invoke(main, ["status"]).output
    for command in main.commands.values():
        assert {"--lake", "--verbose", "--quiet"} <= {name for each in command.params for name in each.opts}


def test_unwritable_log_file_does_not_affect_the_run(toy, tmp_path):
    (tmp_path / "file").touch()
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "file")}
    command = [LAKEBATCH, "--lake", "lake", "run", "toy", "--jobs", "1"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "There is no log file" in done.stderr


def test_display_on_a_terminal_shows_rate_last_commit_and_failures(toy, tmp_path):
    running = Terminal(
        tmp_path, "--lake", "lake", "run", "toy", "--jobs", "1", "--set", "fail=[0.0]", "--set", "wait=[0.2]"
    )
    try:
        running.wait_for(r"rows/s, .* left, version \d+ committed .* ago, 1 failed")
        running.process.send_signal(signal.SIGINT)
        running.wait_for("Ctrl-C again stops at once")
        running.process.send_signal(signal.SIGINT)
        running.wait_for("Interrupted with 1 of 3 parts done")
        assert running.process.wait(30) == 130
    finally:
        running.process.kill()
        os.close(running.master)
