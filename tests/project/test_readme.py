"""The README's own commands, run in a fresh folder, and what it says about the command line."""

import os
import re
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


@pytest.mark.slow
def test_readme_tour_runs(tmp_path):
    commands = [
        line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")
    ]
    assert len(commands) > 5
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for command in commands:
        done = subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    for script in blocks("python"):
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("name", sorted(main.commands))
def test_help_of_every_command_ends_in_an_example_of_it(name):
    done = CliRunner().invoke(main, [name, "--help"])
    assert done.exit_code == 0
    last = " ".join(done.output.split("Example:")[-1].split())
    assert last.startswith(f"lakebatch {name}")
