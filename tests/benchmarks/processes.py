"""Commands of the benchmarks, each in a separate process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LAKEBATCH = Path(sys.executable).with_name("lakebatch")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Without it every process would compile an editable installation once more, and no other package."""
ONLY_CHILD = (
    "import resource, subprocess, sys;"
    "subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL);"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)
"""Runs a command, and prints the peak memory of it or one of its processes, in KiB."""


def run(*command: object) -> str:
    """Run a command, and return its output."""
    done = subprocess.run(
        [str(each) for each in command], check=True, capture_output=True, text=True, env=ENVIRONMENT
    )
    return done.stdout


def peak_bytes(*command: object) -> tuple[int, str]:
    """Return the peak memory of a command or one of its processes, and its output."""
    *printed, kibibytes = run(sys.executable, "-c", ONLY_CHILD, *command).splitlines()
    return int(kibibytes) * 1024, "\n".join(printed)
