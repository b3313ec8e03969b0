"""The prompt for SQL, on a real terminal."""

import codecs
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

import lakebatch

LAKEBATCH = Path(sys.executable).with_name("lakebatch")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command on a pseudo-terminal."""

    def __init__(self, folder, *arguments, command=()):
        self.master, slave = pty.openpty()
        environment = {**os.environ, "HOME": str(folder), "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        self.process = subprocess.Popen(
            command or [LAKEBATCH, *arguments],
            cwd=folder,
            env=environment,
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        self.seen = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def type(self, text):
        os.write(self.master, text.encode())

    def wait_for(self, pattern, seconds=60):
        """Read until a text is on the screen, and drop the output before it."""
        limit = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            assert time.monotonic() < limit, f"{pattern!r} did not come: {self.seen}"
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += ESCAPES.sub("", self._decoder.decode(os.read(self.master, 65536)))
        self.seen = self.seen[found.end() :]


@pytest.fixture
def terminal(lake, toy, tmp_path):
    lakebatch.run(lake, toy, jobs=1)
    opened = Terminal(tmp_path, "--lake", "lake", "sql")
    try:
        opened.wait_for("^toy: now")
        opened.wait_for("lake>")
        yield opened
    finally:
        opened.process.kill()
        opened.process.wait()
        os.close(opened.master)


def test_prompt_takes_statements_of_several_lines_and_survives_an_error(terminal, tmp_path):
    terminal.type("SELECT level, count(*) AS n\r")
    terminal.wait_for(r"\.\.\.")
    terminal.type("FROM toy.results GROUP BY level ORDER BY level;\r")
    terminal.wait_for(r"0\.2\s+3\s")
    terminal.type("SELECT nothing FROM nowhere;\r")
    terminal.wait_for("Error: There is no view 'nowhere'")
    terminal.wait_for("lake>")
    terminal.type(".tables\r")
    terminal.wait_for(r"toy\.results")
    terminal.wait_for("lake>")
    terminal.type("help\r")
    terminal.wait_for("A statement ends with ';'")
    terminal.wait_for("lake>")
    terminal.type("exit\r")
    assert terminal.process.wait(30) == 0
    assert "SELECT nothing FROM nowhere;" in (tmp_path / ".lakebatch_history").read_text()


def test_prompt_reads_a_newer_state_on_request(terminal, lake, toy):
    count = "SELECT 'rows ' || count(*) AS counted FROM toy.results;\r"
    terminal.type(count)
    terminal.wait_for("rows 9")
    lakebatch.run(lake, toy, jobs=1)
    terminal.type(count)
    terminal.wait_for("rows 9")
    terminal.type(".refresh\r")
    terminal.type(count)
    terminal.wait_for("rows 18")
