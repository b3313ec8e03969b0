"""Tasks of an array job as real processes, and the batch script that starts them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import polars as pl
import processes
from click.testing import CliRunner
from processes import Command

import lakebatch
from lakebatch.cli import main

SHARDS = 4
PARTS = 8
REPEATS = 3


def task(folder: Path, index: int, *arguments: str, label: str = "task") -> Command:
    """Start one task as SLURM does, with the array number in its environment."""
    return Command(
        folder,
        *("run", "toy", "--jobs", "1", "--seed", "7", "--shard", f"{index}/{SHARDS}", *arguments),
        environment={"SLURM_ARRAY_JOB_ID": "4711"},
        label=f"{label}{index}",
    )


def test_parallel_tasks_complete_after_one_is_killed_and_restarted(slow) -> None:
    tasks = [task(slow, index) for index in range(1, SHARDS + 1)]
    tasks[1].wait_for_lines(2)
    was_killed = tasks[1].kill()
    codes = [each.wait() for each in tasks]
    assert codes[:1] + codes[2:] == [0, 0, 0], [each.err for each in tasks]
    if was_killed:
        again = task(slow, 2, label="again")
        assert again.wait() == 0, again.err
        assert "is completed: 24 rows" in again.out
    stored = lakebatch.open_lake("lake")["toy"]
    assert stored.assemblies()["status"].to_list() == ["completed"]
    rows = stored.reassemble(on_gap="refuse")
    assert rows.height == rows.select("part", "repeat").n_unique() == PARTS * REPEATS
    whole = lakebatch.run(lakebatch.open_lake("other"), "toy", jobs=1, seed=7, settings=["pause=0"])
    assert whole.rows == rows.height
    columns = ["part", "level", "repeat", "mse", "r2"]
    expected = lakebatch.open_lake("other")["toy"].reassemble().select(columns).sort(columns)
    assert rows.select(columns).sort(columns).equals(expected)


def test_exit_codes_and_output_of_a_shard(slow, monkeypatch) -> None:
    def shown(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["run", "toy", "--jobs", "1", "--set", "pause=0", *arguments])
        return done.exit_code, done.stdout + done.stderr

    code, text = shown("--shard", "1/2", "--array", "a")
    assert code == 0
    assert "this shard's 4 parts of 8" in text
    assert "is done: 4 of 8 parts are committed. The last shard to finish completes it." in text
    code, text = shown("--shard", "1/2")
    assert (code, "Give each of them the same array=NAME (--array)" in text) == (2, True)
    code, text = shown("--array", "a")
    assert (code, "Give --shard too" in text) == (2, True)
    code, text = shown("--shard", "2/2", "--array", "a")
    assert (code, "is completed: 24 rows" in text) == (0, True)


def test_batch_script_runs_the_array(slow) -> None:
    """Each task runs the last line of the script; here a shell takes the place of SLURM."""
    arguments = ["run", "toy", "--set", "pause=0", "--levels", "0", "0.5", "--seed", "7", "--print-slurm"]
    printed = CliRunner().invoke(main, arguments, catch_exceptions=False).stdout
    assert not Path("lake").exists()
    assert "#SBATCH --array=1-2" in printed.splitlines()
    Path("job.sh").write_text(printed)
    Path("srun").write_text('#!/bin/sh\nexec "$@"\n')
    Path("srun").chmod(0o755)
    for index in (1, 2):
        variables = {
            "SLURM_ARRAY_TASK_ID": str(index),
            "SLURM_ARRAY_TASK_COUNT": "2",
            "SLURM_ARRAY_JOB_ID": "12",
            "SLURM_CPUS_PER_TASK": "1",
        }
        command = ["bash", "-c", 'export PATH="$PWD:$PATH"; . ./job.sh']
        environment = {**processes.os.environ, **variables}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    rows = lakebatch.open_lake("lake")["toy"].reassemble(on_gap="ignore")
    assert sorted(rows["level"].unique()) == [0.0, 0.5]
    assert isinstance(rows, pl.DataFrame)
    assert lakebatch.open_lake("lake")["toy"].assemblies()["seed"].to_list() == [7]


def test_batch_script_keeps_the_option_that_accepts_changes(slow) -> None:
    printed = [
        CliRunner().invoke(main, ["run", "toy", "--print-slurm", *options], catch_exceptions=False).stdout
        for options in ([], ["--accept-changes"])
    ]
    assert ["--accept-changes" in each for each in printed] == [False, True]
