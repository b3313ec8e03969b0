"""An interrupt ends a command also where Python ignores exceptions."""

import subprocess
import sys

import pytest

SCRIPT = """
import signal, time, weakref
from lakebatch.cli import main

class Watched:
    pass

@main.command()
def wait():
    watched = Watched()
    kept = weakref.ref(watched, lambda _: signal.raise_signal({number}))
    del watched
    time.sleep(20)
    print("went on")

main(["wait"])
"""


@pytest.mark.parametrize("number", ["signal.SIGTERM", "signal.SIGINT"])
def test_interrupt_inside_of_a_callback_is_not_lost(number, tmp_path):
    command = [sys.executable, "-c", SCRIPT.format(number=number)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted.\n")
