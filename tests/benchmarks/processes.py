"""Commands of the benchmarks, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LAKEBATCH = Path(sys.executable).with_name("lakebatch")
ONLY_CHILD = (
    "import resource, subprocess, sys;"
    "subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL);"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)
"""Runs a command, and prints the most memory that it or one of its processes took, in KiB."""


def run(*command: object) -> str:
    """Carry out a command, and return what it prints."""
    done = subprocess.run([str(each) for each in command], check=True, capture_output=True, text=True)
    return done.stdout


def peak_bytes(*command: object) -> tuple[int, str]:
    """Return the most memory that a command or one of its processes took, and what it printed."""
    *printed, kibibytes = run(sys.executable, "-c", ONLY_CHILD, *command).splitlines()
    return int(kibibytes) * 1024, "\n".join(printed)
