"""Re-assemble a lake larger than the memory in use, and show the peak.

Run it with ``python tests/benchmarks/reassembly_memory.py [--assemblies N] [--rows N]``. It writes a lake of N
completed assemblies of N rows with lakebatch's own writer. ``lakebatch reassemble -o`` then reads it in one process
per format; the peak is the maximum resident memory. It is compared with all rows of the lake as one frame in memory.
"""

# ruff: noqa: T201
from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from lakes import NAME, results_of, stored_in, write_one

LAKEBATCH = Path(sys.executable).with_name("lakebatch")
MIB = 2**20


def main() -> None:
    """Print the peak for each format."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assemblies", type=int, default=40)
    parser.add_argument("--rows", type=int, default=500_000, help="rows per assembly")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        size = fill(Path(folder, "lake"), arguments.assemblies, arguments.rows)
        rows = arguments.assemblies * arguments.rows
        print(f"{rows:,} rows, {size / MIB:,.0f} MiB as one frame in memory")
        bare = peak([LAKEBATCH, "--lake", "lake", "status"], folder)[0]
        print(f"{'status alone':16} {bare:6,.0f} MiB")
        for ending in ("parquet", "arrow", "csv"):
            command = [LAKEBATCH, "--lake", "lake", "reassemble", NAME, "-o", f"all.{ending}"]
            most, seconds = peak(command, folder)
            print(f"reassemble .{ending:8} {most:6,.0f} MiB  {seconds:5.0f} s")
            Path(folder, f"all.{ending}").unlink()


def fill(lake: Path, assemblies: int, rows: int) -> int:
    """Write the lake, and return the size of its rows in memory, in bytes."""
    stored, size = stored_in(lake), 0
    for number in range(assemblies):
        write_one(stored, frame := results_of(rows, number))
        size += int(frame.estimated_size())
    return size


def peak(command: list[str | Path], folder: str) -> tuple[float, float]:
    """Return the peak memory of a command, in MiB, and its seconds; the command is the only child of a process."""
    script = (
        "import resource, subprocess, sys, time; began = time.perf_counter();"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, time.perf_counter() - began)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command], cwd=folder, check=True, capture_output=True, text=True
    )
    kibibytes, seconds = done.stdout.split()
    return int(kibibytes) / 1024, float(seconds)


if __name__ == "__main__":
    main()
