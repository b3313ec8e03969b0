"""Whole processes that read a lake for the first time, imports included, beside processes of other tools."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from comparison import Comparison
from delta_extension import ONCE, extension_python
from lakes import BY_LEVEL, FOLDER, NAME, ROWS, filled, results_of, stored_in, write_one
from processes import LAKEBATCH, run

OPEN = f"import sys, lakebatch; stored = lakebatch.open_lake(sys.argv[1])[{NAME!r}]; "
ALL = OPEN + "stored.reassemble()"
ONE = OPEN + "stored.snapshot().scan_one(sys.argv[2]).collect()"
PAST = OPEN + "stored.reassemble(version=60, on_gap='ignore')"
SQL = f"import sys, lakebatch; lakebatch.open_lake(sys.argv[1]).sql({BY_LEVEL.format(f'{NAME}.results')!r})"
FILE = "import sys, polars; polars.read_parquet(sys.argv[1])"
DELTA = "import sys, polars; polars.read_delta(sys.argv[1])"
DELTA_ONE = (
    "import sys, polars; polars.scan_delta(sys.argv[1])"
    ".filter(polars.col('assembly_id') == sys.argv[2]).collect()"
)


def fresh(folder: Path, arguments: argparse.Namespace) -> Iterator[Comparison]:
    """Yield comparisons of reading a thousand assemblies, and a single one, with other tools."""
    count = arguments.small
    stored, lake, single = filled(folder, count), folder / f"lake-{count}", folder / "single.parquet"
    stored.reassemble(on_gap="refuse").write_parquet(single)
    what = f"re-assembly, {count:,} x {ROWS} rows, whole process"
    yield _processes(what, "one Parquet file", (ALL, lake), (FILE, single), 3)
    one, results = _middle(lake), lake / FOLDER / "results"
    what = f"one assembly out of {count:,}, whole process"
    yield _processes(what, "polars.scan_delta with a filter", (ONE, lake, one), (DELTA_ONE, results, one), 1)
    with extension_python() as python:
        if python:
            query = BY_LEVEL.format(f"delta_scan('{results}')")
            yield Comparison(
                f"aggregate in SQL, {count:,} assemblies, whole process",
                "DuckDB's delta extension",
                lambda: run(sys.executable, "-c", SQL, lake),
                lambda: run(python, "-c", ONCE, query),
                0.7,
            )
    tiny = folder / "one"
    write_one(stored_in(tiny), results_of(ROWS, 0))
    what = "re-assembly of one assembly, whole process"
    yield _processes(what, "polars.read_delta", (ALL, tiny), (DELTA, tiny / FOLDER / "results"), 1.5)


def fresh_large(folder: Path, arguments: argparse.Namespace) -> Iterator[Comparison]:
    """Yield comparisons of a large lake with a small one."""
    lakes = [folder / f"lake-{count}" for count in (arguments.large, 100)]
    for count in (arguments.large, 100):
        filled(folder, count)
    of = f"out of {arguments.large:,}, whole process"
    many, few = ((ONE, lake, _middle(lake)) for lake in lakes)
    yield _processes(f"one assembly {of}", "out of 100", many, few, 2)
    yield _processes(f"a past version {of}", "out of 100", *((PAST, lake) for lake in lakes), 2)
    status = [(LAKEBATCH, "--lake", lake, "status", NAME) for lake in lakes]
    yield Comparison(
        f"status of {arguments.large:,}", "of 100", lambda: run(*status[0]), lambda: run(*status[1]), 2
    )


def _processes(
    what: str, against: str, ours: tuple[object, ...], theirs: tuple[object, ...], at_most: float
) -> Comparison:
    """Return the comparison of two programs in Python, each with its arguments."""
    return Comparison(
        what,
        against,
        lambda: run(sys.executable, "-c", *ours),
        lambda: run(sys.executable, "-c", *theirs),
        at_most,
    )


def _middle(lake: Path) -> str:
    """Return the id of the assembly in the middle."""
    ids = stored_in(lake).snapshot().ids()
    return ids[len(ids) // 2]
