"""The manual on the command line."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner
from test_completion import offered
from test_prompt import Terminal

from lakebatch.cli import pages
from lakebatch.cli.main import main


def output(*arguments, code=0):
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == code, done.output
    return done.output


def test_help_lists_every_page_on_a_separate_line():
    lines = [line.split(maxsplit=1) for line in output("help").splitlines()]
    assert [[topic, pages.summary(topic)] for topic in pages.TOPICS] == lines[1 : len(pages.TOPICS) + 1]


def test_page_is_markdown_without_a_terminal():
    assert output("help", "benchmarks") == pages.read("benchmarks")


def test_page_is_formatted_on_a_terminal(tmp_path):
    shown = Terminal(tmp_path, "help", "python")
    try:
        shown.wait_for("Every public name")
        shown.wait_for(r"────")
        shown.wait_for(r"Clusters\s+\(lakebatch\s+help\s+clusters\)")
        assert "|---" not in shown.seen
    finally:
        shown.process.kill()  # the pager may wait for a key
        shown.process.wait()
        os.close(shown.master)


@pytest.mark.parametrize("name", ["run", "import-legacy"])
def test_name_of_a_command_shows_its_help(name):
    assert output("help", name) == output(name, "--help")


def test_page_takes_precedence_over_the_command_of_its_name():
    assert output("help", "sql").startswith("# SQL\n")


def test_unknown_topic_leads_to_the_nearest():
    said = output("help", "past-state", code=2)
    assert said.startswith(
        "Error: Unknown topic 'past-state'. Did you mean 'past-states'? Pages: installing, configuring, "
    )
    assert said.count("\n") == 1
    assert "Did you mean 'reassemble'?" in output("help", "reasemble", code=2)


def test_topics_and_commands_are_completed(tmp_path):
    assert offered(["lakebatch", "help", "past"], tmp_path) == ["past-states"]
    assert offered(["lakebatch", "help", "reass"], tmp_path) == ["reassemble"]


def test_command_line_starts_without_importing_the_manual():
    script = "import sys, lakebatch.cli.main; print({'rich', 'importlib.resources'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "set()\n", done.stderr
