"""Compare lakebatch with current tools, side by side, as ratios, and with its targets.

Run all of it with ``python tests/benchmarks``, which takes about an hour on two cores, or some groups of rows:
``python tests/benchmarks [--rounds N] [--small N] [--large N] [--repeats N] [--folder FOLDER] [GROUP ...]``. A row is
the ratio of two medians over alternating rounds, or one measurement if it takes minutes. Lakes are kept in a FOLDER
for the next time. The other tools must be installed: ``pip install 'lakebatch[test]' mlflow signac``; DuckDB's delta
extension is fetched. Rows for which something is missing are left out, and said so.
"""

# ruff: noqa: T201
from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from comparison import HEAD, Comparison, Limit

GROUPS = {
    "starting": "starting",
    "cohorts": "cohorts",
    "reading": "reading",
    "fresh": "fresh",
    "tracking": "reading",
    "writing": "writing",
    "publishing": "writing",
    "durable": "writing",
    "at-once": "writing",
    "lake-share": "runs",
    "large": "reading",
    "fresh-large": "fresh",
    "whole": "runs",
    "full": "runs",
    "pages": "pages",
}
"""The module of each group of rows, imported when the group is measured."""


def main() -> None:
    """Print one line per comparison."""
    parser = argparse.ArgumentParser(prog="python tests/benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument(
        "groups",
        nargs="*",
        choices=[*GROUPS, []],
        metavar="GROUP",
        help=f"of {', '.join(GROUPS)}; all by default",
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--small", type=int, default=1_000)
    parser.add_argument("--large", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=1, help="repeats of the published study to measure")
    parser.add_argument("--folder", type=Path, help="where lakes are kept")
    arguments = parser.parse_args()
    print(HEAD)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(arguments.folder or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name in arguments.groups or GROUPS:
            for each in rows(name, folder, arguments):
                print(each.line(arguments.rounds), flush=True)


def rows(name: str, folder: Path, arguments: argparse.Namespace) -> Iterable[Comparison | Limit]:
    """Return the rows of a group; none, with the reason, if a package that it needs is not installed."""
    try:
        group = getattr(import_module(GROUPS[name]), name.replace("-", "_"))
    except ModuleNotFoundError as error:
        print(f"{name} is left out: {error.name} is not installed", flush=True)
        return []
    return group(folder, arguments)


if __name__ == "__main__":
    main()
