"""A lake that has lived: finished, discarded, failed and interrupted runs, merged, tagged, vacuumed."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow.dataset as ds

import lakebatch
from lakebatch import Lake, StoredExperiment
from lakebatch.errors import RunInterrupted
from lakebatch.executor.worker import Outcome
from lakebatch.runner.assembly_run import Progress

EXPERIMENT = Path(__file__).with_name("curves_experiment.py")
NAME = "curves"
PAPER, REVISION = "paper", "revision"
"""Tags below and above the newest checkpoint of results."""
FRAME = "fits"


class StopAfterOne(Progress):
    """Interrupts a run when it has committed its first part."""

    def part_committed(self, outcome: Outcome, rows: int) -> None:
        """Stop."""
        raise KeyboardInterrupt


@dataclass(frozen=True)
class Life:
    """A lake at the end of its life cycle, and what was counted on the way."""

    lake: Lake
    folder_rows: int
    """Rows that a reader of the folder ``results`` without its log gets before `vacuum`."""
    right_rows: int
    """Rows of the dataset at that moment."""

    @property
    def stored(self) -> StoredExperiment:
        """The experiment."""
        return self.lake[NAME]

    @property
    def folder(self) -> str:
        """The folder of the experiment, or its URI."""
        return f"{self.lake.storage.uri}/{self.stored.folder}"

    def table(self, name: str) -> str:
        """Return the path of a table."""
        return f"{self.folder}/{name}"

    def tag(self, name: str) -> Mapping[str, Any]:
        """Return the row of a tag."""
        return self.stored.tags().row(by_predicate=pl.col("tag") == name, named=True)


def live(folder: Path) -> Life:
    """Run, discard, interrupt, fail, tag, merge and vacuum in a new lake; the rest of a run comes last."""
    (folder / "experiments").mkdir(parents=True)
    shutil.copy(EXPERIMENT, folder / "experiments" / "curves.py")
    with contextlib.chdir(folder):
        lake = lakebatch.open_lake(folder / "lake")
        _begin(lake)
        lake.optimize()
        rows = ds.dataset(str(folder / "lake" / lake[NAME].folder / "results"), format="parquet").count_rows()
        right = lake[NAME].reassemble(on_gap="ignore").height
        lake.vacuum(keep_days=0, dry_run=False)
        _run(lake)
        lake[NAME].tag(REVISION)
        with contextlib.suppress(RunInterrupted):
            lakebatch.run(lake, NAME, jobs=1, progress=StopAfterOne())
    return Life(lake, rows, right)


def _begin(lake: Lake) -> None:
    _run(lake)
    stored = lake[NAME]
    _save_frame(lake)
    second = _run(lake)
    _run(lake, "fail=[0.2]")
    stored.tag(PAPER, note="Submitted.")
    stored.discard(second, "a wrong plate")
    for _ in range(2):
        _run(lake)


def _run(lake: Lake, *settings: str) -> str:
    return str(lakebatch.run(lake, NAME, jobs=1, settings=settings).assembly_id)


def _save_frame(lake: Lake) -> None:
    """Save a frame by the older interface, which makes an assembly of its own."""
    executor = lakebatch.create_batch_executor("batch-fits", "93", "v1", lake=lake.storage.uri)
    executor.generate_assembly_id(0.0)
    executor.save_batch_data(pd.DataFrame({"Name": ["a", "b"], "Value": [1.5, 2.5]}), FRAME)
    executor.mark_assembly_completed()
