"""The README: size, marks and links; its commands run with those of the manual."""

import re

import manual
import pytest
from click.testing import CliRunner

from lakebatch.cli.main import main
from lakebatch.cli.pages import TOPICS, summary

README = manual.read(manual.README)
TERMINAL = 80


def test_readme_is_short():
    assert len(README.encode()) <= 12_000


@pytest.mark.parametrize(("name", "words"), [("tests", "pytest"), ("run", "lakebatch run")])
def test_readme_names_the_command_of(name, words):
    assert re.search(rf"^<!-- {name} -->\n```\S*\n\S.*\b{words}\b", README, re.MULTILINE)


def test_readme_fits_a_narrow_terminal():
    for block in manual.blocks(manual.README):
        if block.language == "console":
            assert max(map(len, block.text.splitlines())) <= TERMINAL, block.text


@pytest.mark.parametrize("topic", TOPICS)
def test_readme_lists_the_page(topic):
    row = rf"^\| \[[^]]+\]\(lakebatch/docs/{topic}\.md\) \| `{topic}` \| {re.escape(summary(topic))} \|$"
    assert re.search(row, README, re.MULTILINE)


def test_readme_ends_with_the_licence():
    assert "[LICENSE](LICENSE)" in README.rstrip().splitlines()[-1]
    assert (manual.ROOT / "LICENSE").read_text().startswith("MIT License")


@pytest.mark.parametrize("name", sorted(main.commands))
def test_help_of_every_command_ends_in_an_example_of_it(name):
    done = CliRunner().invoke(main, [name, "--help"])
    assert done.exit_code == 0
    last = " ".join(done.output.split("Example:")[-1].split())
    assert last.startswith(f"lakebatch {name}")
