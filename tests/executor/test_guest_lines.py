"""Lines and log records of estimators: they reach the log file, and neither the display nor standard output."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import lakebatch

PROGRAM = Path(sys.executable).with_name("lakebatch")
CALL = """
        import ctypes, logging, os, sys
        from lakebatch.experiment import contained
        with contained() as output:
            print("python")
            os.write(2, b"compiled\\n")
            ctypes.CDLL(None).puts(b"held back")
        logging.getLogger("lakebatch.guests").debug("%s printed: %s", part.key, output.text.split())
        print("own line", file=sys.stderr)
"""


@pytest.mark.parametrize("options", ["--jobs 1", "--jobs 2", "--jobs 1 --executor dask"])
def test_lines_of_estimators_go_to_the_log_file(toy, tmp_path, options):
    file = tmp_path / "experiments" / "toy.py"
    begin = '        """Return three rows."""\n'
    file.write_text(file.read_text().replace(begin, begin + CALL))
    command = [PROGRAM, "run", toy, "--levels", "0", "0.1", *options.split()]
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path / "state")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=True)
    assert not {"python", "compiled", "held"} & {*done.stdout.split(), *done.stderr.split()}
    assert " is completed: 6 rows in " in done.stdout.splitlines()[0]
    assert done.stderr.count("own line\n") == 2
    (log,) = (tmp_path / "state").rglob("*.log")
    lines = {line.partition("guests: ")[2] for line in log.read_text().splitlines() if "guests" in line}
    assert lines == {
        f"level={level} printed: ['python', 'compiled', 'held', 'back']" for level in ("0", "0.1")
    }


def test_experiment_that_ends_the_program_fails_its_part(toy, lake, tmp_path):
    file = tmp_path / "experiments" / "toy.py"
    begin = '        """Return three rows."""\n'
    file.write_text(file.read_text().replace(begin, f"{begin}        raise SystemExit(0)\n"))
    assembly = lakebatch.run(lake, toy, overrides={"levels": [0.0]}, jobs=1)
    assert (assembly.status, assembly.failures) == ("failed", {"level=0": "SystemExit: 0"})
