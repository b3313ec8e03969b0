"""Commands in a deleted working directory: they work without it or end with one line."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from lakebatch.cli import main

GONE = "The working directory is gone (No such file or directory). Change to one that exists."


@pytest.fixture
def gone(study, tmp_path, monkeypatch):
    """Enter a folder, remove it, and return a function that runs a command on a lake elsewhere."""
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    return lambda *arguments: CliRunner().invoke(
        main, ["--lake", study.storage.uri, *arguments], catch_exceptions=False
    )


@pytest.mark.parametrize(
    "arguments",
    [(), ("list",), ("queries",), ("status",), ("config", "response-noise"), ("sql", "SELECT 1", "--on-gap", "ignore"),
     ("sql", "--query", "summary", "--param", "experiment=study", "--on-gap", "ignore", "--on-mix", "ignore")],
)  # fmt: skip
def test_command_that_needs_no_working_directory_works_without(gone, arguments):
    done = gone(*arguments)
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("run", "response-noise", "--jobs", "2"), GONE),
        (("run", "response-noise", "--print-slurm"), GONE),
        (("new", "mine"), GONE),
        (("run", "study"), "Unknown experiment 'study'"),
        (("reassemble", "study", "--on-gap", "ignore", "-o", "rows.csv"), "Cannot write rows.csv"),
        (("--lake", "lake", "status"), "Cannot open a lake at 'lake': the working directory is gone"),
    ],
)
def test_command_that_needs_the_working_directory_says_so(gone, arguments, line):
    done = gone(*arguments)
    assert done.exit_code in (1, 2)
    assert done.stderr.startswith(f"Error: {line}")
    assert done.stderr.count("\n") == 1
