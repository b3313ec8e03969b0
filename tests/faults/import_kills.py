"""Kills `lakebatch import-legacy` at random moments and compares the result with an undisturbed import."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
from processes import Command, require, run

NAME = "trial_results"
FOLDER = "92_v1_trial"
RUN = "20251216_142230_run001"
"""The only assembly with an id of its own in the older layout."""
IDS = ("0", "0.05", "0.1", "0.2", "0.3", "0.5", RUN)
ROWS = 4
"""Of each file."""
LET_FINISH = 0.2
"""Probability that an attempt is not killed."""
START_SECONDS = 1.5
FILE_SECONDS = 0.1
"""Longest wait after a line, one for each file."""
PHASES = (
    "import: before anything was recorded",
    "import: before the first file",
    "import: between files",
    "import: after the last file, before completed",
    "import: everything completed",
)


@dataclass(frozen=True)
class State:
    """Content of the tables, as read by polars alone, without times and ids that contain times."""

    rows: pl.DataFrame
    frames: pl.DataFrame
    statuses: dict[str, str]

    @property
    def files(self) -> set[tuple[str, str]]:
        """The assembly and part of every completely imported file."""
        return set(self.rows.select("run", "part").iter_rows()) & set(
            self.frames.select("run", "part").iter_rows()
        )

    @property
    def completed(self) -> bool:
        """Whether both assemblies are completed."""
        return self.statuses == {"levels": "completed", RUN: "completed"}


@dataclass(frozen=True)
class Template:
    """A folder of the older layout, and the state after an undisturbed import of it."""

    source: Path
    expected: State


def prepare(folder: Path) -> Template:
    """Write the folder and import it once."""
    source = folder / "03_v1_batch-trial"
    source.mkdir(parents=True)
    listed = [f"{each},20251216_142230,completed" for each in IDS]
    (source / "assembly_list.csv").write_text("\n".join(["assembly_id,timestamp,status", *listed, ""]))
    for index, each in enumerate(IDS):
        _results(index).to_pickle(source / f"{NAME}_{each}.pkl")
    command = run(folder, "--lake", "lake", "import-legacy", FOLDER, str(source), "--yes")
    require(command.wait() == 0, command.err)
    expected = state(folder)
    require(expected.completed and len(expected.files) == len(IDS), f"not imported: {expected}")
    return Template(source, expected)


def series(folder: Path, template: Template, kills: int, rng: np.random.Generator) -> Counter[str]:
    """Import into one lake after the other until the number of kills is reached."""
    phases: Counter[str] = Counter()
    trials = 0
    while phases.total() < kills:
        trials += 1
        trial = folder / f"trial{trials}"
        trial.mkdir(parents=True)
        try:
            phases += _to_the_end(trial, template, kills - phases.total(), rng)
        except Exception as error:
            raise AssertionError(f"{trial}: {error}") from error
    return phases


def state(folder: Path) -> State:
    """Return the content of the tables; a missing table is empty."""
    rows, frames, events = (_plain(folder, each) for each in ("results", f"frames/{NAME}", "assemblies"))
    for table in (rows, frames):
        counts = table.group_by("run", "part").len().filter(pl.col("len") != ROWS)
        require(counts.is_empty(), f"parts that are torn or doubled: {counts.rows()}")
    last = events.sort("event").unique("run", keep="last") if events.height else events
    return State(rows, frames, dict(last.select("run", "status").iter_rows()))


def _to_the_end(folder: Path, template: Template, kills: int, rng: np.random.Generator) -> Counter[str]:
    phases: Counter[str] = Counter()
    attempts = 0
    while not (before := state(folder)).completed:
        attempts += 1
        alone = phases.total() >= kills or (phases and rng.random() < LET_FINISH)
        command = Command(
            folder,
            *("--lake", "lake", "import-legacy", FOLDER, str(template.source), "--yes"),
            label=f"attempt{attempts}",
        )
        killed = not alone and command.kill_after(*_moment(len(IDS) - len(before.files), rng))
        code = command.wait()
        after = state(folder)
        require(before.files <= after.files, f"imported before and lost: {before.files - after.files}")
        require(killed or code == 0, f"ended with {code}: {command.err}")
        if killed:
            phases[_phase(after)] += 1
    require(
        state(folder).rows.equals(template.expected.rows), "other rows than those of an import nobody killed"
    )
    require(state(folder).frames.equals(template.expected.frames), "other frames")
    return phases


def _moment(pending: int, rng: np.random.Generator) -> tuple[int, float]:
    lines = int(rng.integers(0, pending + 1))
    return lines, rng.uniform(0, FILE_SECONDS if lines else START_SECONDS)


def _phase(after: State) -> str:
    if after.completed:
        return PHASES[4]
    if not after.statuses:
        return PHASES[0]
    if len(after.files) == len(IDS):
        return PHASES[3]
    return PHASES[2] if after.files else PHASES[1]


def _plain(folder: Path, table: str) -> pl.DataFrame:
    place = folder / "lake" / FOLDER / table
    if not any(place.glob("_delta_log/*.json")):
        return pl.DataFrame(
            schema={"run": pl.String, "part": pl.String, "event": pl.Int64, "status": pl.String}
        )
    rows = pl.read_delta(str(place))
    run_id = pl.when(pl.col("assembly_id") == RUN).then("assembly_id").otherwise(pl.lit("levels"))
    named = rows.with_columns(run=run_id).drop("assembly_id", "recorded_at", strict=False)
    return named.sort([name for name in ("run", "part", "event", "row", "r2") if name in named.columns])


def _results(seed: int) -> pd.DataFrame:
    """Return rows in the older layout."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "Model": ["Linear Regression", "Neural Network"] * (ROWS // 2),
            "Feature Data": ["dynamic_data"] * ROWS,
            "Mean Squared Error": rng.uniform(0, 9, ROWS),
            "R2 Score": rng.uniform(-1, 1, ROWS),
            "Pearson Correlation": rng.uniform(-1, 1, ROWS),
            "Timestamp": "2025-12-16T14:22:30.123456",
        }
    )
