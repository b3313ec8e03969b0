"""Number of lakebatch modules used by a plain run."""

import subprocess
import sys
from pathlib import Path

import lakebatch

MAX_MODULES = 113
SCRIPT = """
import sys, threading

PACKAGE, *arguments = sys.argv[1:]
entered = set()

def is_import(frame):
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_code.co_filename.startswith(PACKAGE):
            return True
        frame = frame.f_back
    return False

def note(frame, event, _):
    file = frame.f_code.co_filename
    if event == "call" and file.startswith(PACKAGE) and file not in entered and not is_import(frame):
        entered.add(file)

threading.settrace(note)
sys.settrace(note)
from lakebatch.cli.main import main
main(arguments, standalone_mode=False)
sys.settrace(None)
print(*sorted(file.removeprefix(PACKAGE) for file in entered), *{"pandas"} & sys.modules.keys(), sep="\\n")
"""


def test_plain_run_enters_few_modules(toy, tmp_path):
    """A module is entered when one of its functions is called after the imports, in the main process."""
    package = f"{Path(lakebatch.__file__).parent}/"
    arguments = ["--lake", str(tmp_path / "lake"), "-q", "run", toy, "--jobs", "2"]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, package, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    entered = done.stdout.splitlines()
    assert {"cli/commands/run.py", "runner/run.py", "storage/delta/table.py"} <= set(entered)
    assert len(entered) <= MAX_MODULES, entered
    assert "pandas" not in entered  # its import takes half as long as a small run
