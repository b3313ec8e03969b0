"""README and pages of the manual as blocks, and a folder in which their commands and scripts run."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

import lakebatch
from lakebatch.cli.main import main
from lakebatch.cli.pages import TOPICS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "lakebatch" / "docs"
README = "README"
FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*) -->\n)?^```(?P<language>\S*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
FILE = "file: "
"""Prefix of a mark for a block to be written to a file; after NOT_RUN follows the reason why a block is not run."""
NOT_RUN = "not run: "
NEEDED = {"plots": ("past-states",), "past-states": ("experiments",)}
"""The pages whose commands must run before those of a page, besides the README."""
RUN = re.compile(r"lakebatch (--lake \S+ )?run ")
SMALLER = {
    "--preset demo": " --set cohort.n_samples=60 --set evaluation.n_reps=3",
    "--preset smoke": " --set 'evaluation.models=[\"linear_regression\"]'",
}
"""Options that make runs of a preset fast enough for a test; no page depends on the sizes."""


@dataclass(frozen=True)
class Block:
    """A block of code of a page, and the comment above it."""

    page: str
    language: str
    text: str
    mark: str


def read(page: str) -> str:
    """Return the text of the README or of a topic's page."""
    file = ROOT / "README.md" if page == README else DOCS / f"{page}.md"
    return file.read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page, from top to bottom."""
    found = FENCE.finditer(read(page))
    return [Block(page, each["language"], each["text"], each["mark"] or "") for each in found]


def commands(text: str) -> Iterator[str]:
    """Yield the commands of a block: lines after ``$``, continued after a backslash or inside quotation marks."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("$ "):
            command = line[2:]
            while is_open(command):
                command = f"{command}\n{next(lines)}"
            yield command


def is_open(command: str) -> bool:
    """Whether a command goes on in the next line."""
    if command.endswith("\\"):
        return True
    try:
        shlex.split(command)
    except ValueError:
        return True
    return False


class Workshop:
    """A folder with a lake in which pages run, each once, after the pages that it needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._done: set[str] = set()
        self._first = True

    def run(self, page: str) -> None:
        """Run every block of a page that can be run."""
        if page in self._done:
            return
        self._done.add(page)
        for needed in () if page == README else (README, *NEEDED.get(page, ())):
            self.run(needed)
        for block in blocks(page):
            self._carry_out(block)

    def _carry_out(self, block: Block) -> None:
        os.chdir(self.folder)
        actions: dict[str, Callable[[Block], None]] = {
            "console": self._type,
            "python": execute,
            "sql": lambda block: answer(block.text),
            "toml": lambda block: keep(tomllib.loads(block.text)),
        }
        if block.mark.startswith(FILE):
            file = self.folder / block.mark.removeprefix(FILE)
            file.parent.mkdir(exist_ok=True)
            file.write_text(block.text)
        elif block.language in actions:
            actions[block.language](block)

    def _type(self, block: Block) -> None:
        for command in commands(block.text):
            os.chdir(self.folder)
            for step in command.replace("\\\n", "").split(" && "):
                self._step(smaller(step))

    def _step(self, step: str) -> None:
        """Run one command: the first one as a program, those of lakebatch then in this process."""
        if step.startswith("cd "):
            os.chdir(step.removeprefix("cd "))
        elif self._first or not step.startswith("lakebatch ") or " > " in step:
            in_shell(step)
        else:
            in_this_process(step)
        self._first = False


def smaller(command: str) -> str:
    """Return a command with the options that make its run small, unless it sets what is trained by itself."""
    if not RUN.match(command) or "--config " in command or " > " in command:
        return command
    return command + "".join(options for preset, options in SMALLER.items() if preset in command)


def execute(block: Block) -> None:
    """Run a block of Python as a file, so that the source of its classes can be had."""
    file = Path(f"page_{block.page.replace('-', '_')}.py")
    file.write_text(block.text, encoding="utf-8")
    runpy.run_path(str(file), run_name=file.stem)
    file.unlink()


def answer(text: str) -> None:
    """Ask one SQL query of the lake."""
    assert lakebatch.open_lake("lake").sql(text).width


def keep(tree: dict[str, object]) -> None:
    """Assert that a settings file holds some settings."""
    assert tree


def in_shell(command: str) -> None:
    """Run a command as typed in a shell."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def in_this_process(command: str) -> None:
    """Run one lakebatch command in this process, to save the start of Python and all imports."""
    done = CliRunner().invoke(main, shlex.split(command)[1:], catch_exceptions=False)
    assert done.exit_code == 0, f"{command}\n{done.output}"


PAGES = (README, *TOPICS)
