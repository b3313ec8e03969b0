"""The README's own commands, run in a fresh folder, and what it says about the command line."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from lakebatch.cli.main import main

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_readme_names_the_test_command():
    assert re.search(r"^<!-- tests -->\n```\S*\n\S.*\bpytest\b", README, re.MULTILINE)


def test_readme_names_every_command():
    for name in main.commands:
        assert f"lakebatch {name}" in README, name


def in_shell(command):
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def in_this_process(command):
    """Run one command of lakebatch as its program does, without starting Python and all it imports once more."""
    done = CliRunner().invoke(main, shlex.split(command)[1:], catch_exceptions=False)
    assert done.exit_code == 0, f"{command}\n{done.output}"


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # as outside of tests
def test_readme_tour_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    commands = [
        line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")
    ]
    assert len(commands) > 5
    in_shell(commands[0])
    for command in commands[1:]:
        for step in command.split(" && "):
            in_this_process(step) if step.startswith("lakebatch ") else in_shell(step)
            if step.startswith("cd "):
                monkeypatch.chdir(step.removeprefix("cd "))
        monkeypatch.chdir(tmp_path)
    for script in blocks("python"):
        exec(compile(script, "README.md", "exec"), {})


@pytest.mark.parametrize("name", sorted(main.commands))
def test_help_of_every_command_ends_in_an_example_of_it(name):
    done = CliRunner().invoke(main, [name, "--help"])
    assert done.exit_code == 0
    last = " ".join(done.output.split("Example:")[-1].split())
    assert last.startswith(f"lakebatch {name}")
