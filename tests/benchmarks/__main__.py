"""Compare lakebatch with what people use today, side by side, as ratios, and with the targets that it is to meet.

Run all of it with ``python tests/benchmarks``, which takes about an hour on two cores, or some groups of rows:
``python tests/benchmarks [--rounds N] [--small N] [--large N] [--repeats N] [--folder FOLDER] [GROUP ...]``. A row is the
ratio of two medians over rounds that alternate between the two, or one measurement of what takes minutes. Lakes are kept
in a FOLDER for the next time. What is compared with has to be there: ``pip install 'lakebatch[test]' mlflow signac``;
DuckDB's delta extension is fetched. Rows for which something is missing are left out, and said so.
"""

# ruff: noqa: T201
from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from cohorts import cohorts
from comparison import HEAD
from reading import large, reading, tracking
from runs import full, lake_share, whole
from starting import starting
from writing import at_once, durable, writing

GROUPS = {
    "starting": starting,
    "cohorts": cohorts,
    "reading": reading,
    "tracking": tracking,
    "writing": writing,
    "durable": durable,
    "at-once": at_once,
    "lake-share": lake_share,
    "large": large,
    "whole": whole,
    "full": full,
}


def main() -> None:
    """Print one line per comparison."""
    parser = argparse.ArgumentParser(prog="python tests/benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="*", choices=[*GROUPS, []], help="all by default")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--small", type=int, default=1_000)
    parser.add_argument("--large", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=10, help="so many of the published study are measured")
    parser.add_argument("--folder", type=Path, help="where lakes are kept")
    arguments = parser.parse_args()
    print(HEAD)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(arguments.folder or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name in arguments.groups or GROUPS:
            for each in GROUPS[name](folder, arguments):
                print(each.line(arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
