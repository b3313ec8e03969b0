"""Start-up times of commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from comparison import Comparison
from lakes import ROWS, results_of, stored_in, write_one
from processes import LAKEBATCH, run

COMMANDS = ((["--help"], 0.15), (["status"], 0.6))


def starting(folder: Path, arguments: argparse.Namespace) -> Iterator[Comparison]:
    """Yield comparisons with an empty Python process."""
    lake = folder / "one"
    write_one(stored_in(lake), results_of(ROWS, 0))
    for words, seconds in COMMANDS:
        yield Comparison(
            f"`lakebatch {words[0]}`",
            "`python -c pass`",
            lambda w=words: run(LAKEBATCH, "--lake", lake, *w),
            lambda: run(sys.executable, "-c", "pass"),
            1,
            plus_seconds=seconds,
        )
