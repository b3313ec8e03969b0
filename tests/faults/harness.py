"""Kills runs, resumes, upkeep and imports at random moments, lets them finish, and checks that nothing was lost or doubled.

``python tests/faults/harness.py --kills 200 --seed 1`` does so at length and says which phases were hit.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click
import import_kills
import namespace_rounds
import numpy as np
import polars as pl
import upkeep_kills
from processes import Command, make_working_directory, require, run

import lakebatch
from lakebatch.storage.delta.schema import load_schema

PARTS = 8
REPEATS = 3
SEED = 7
VOLATILE = ("assembly_id", "recorded_at", "fit_seconds")
"""Columns that differ between two runs with the same seed."""
LET_FINISH = 0.25
"""Probability that an attempt is not killed and completes."""
DURING_START_UP = 0.3
"""Probability of a kill before the command's first output."""
START_SECONDS = 1.0
"""Approximate time until the headline, and from there until the first part."""
PART_SECONDS = 0.3
"""Longest wait after a line: covers the next parts or, after the last part, `completed`."""

PHASES = (
    "run: before the attempt was recorded",
    "run: before its first part",
    "run: between its parts",
    "run: after the last part, before completed",
    "run: after completed",
)


@dataclass(frozen=True)
class State:
    """Content of a lake's tables for its only assembly, as read by polars alone."""

    rows: pl.DataFrame
    events: pl.DataFrame

    @property
    def parts(self) -> set[str]:
        """The keys of the committed parts."""
        return set(self.rows["part"])

    @property
    def completed(self) -> bool:
        """Whether the assembly is recorded as completed."""
        return "completed" in self.events["status"]


class CheckConfig:
    """One lake and one assembly in it, which is killed and resumed until it has completed.

    Attempts alternate between two workers and none.
    """

    def __init__(self, folder: Path, expected: pl.DataFrame) -> None:
        self.folder = make_working_directory(folder)
        self.lake = folder / "lake"
        self.expected = expected
        self.attempts = 0
        (folder / "scratch").mkdir()

    def attempt(self, moment: tuple[int, float] | None) -> str | None:
        """Run or resume, killed after N lines and M seconds; return the phase hit by the kill, or None."""
        before, noted = self.state(), len(self.computed())
        command = self._start(before)
        killed = moment is not None and command.kill_after(*moment)
        code = command.wait()
        after = self.state()
        self._check(before, after, self.computed()[noted:])
        if not killed:
            require(code == 0, f"{command.arguments} ended with {code}: {command.err}")
            return None
        return _phase(before, after)

    def state(self) -> State:
        """Return the content of the tables; a missing table is empty."""
        state = State(self._read("results"), self._read("assemblies"))
        whole = state.rows.group_by("part").agg(pl.len(), pl.col("repeat").n_unique().alias("repeats"))
        torn = whole.filter((pl.col("len") != REPEATS) | (pl.col("repeats") != REPEATS))
        require(torn.is_empty(), f"parts that are torn or doubled: {torn.rows()}")
        return state

    def computed(self) -> list[str]:
        """Return the keys of the parts computed, in order, as recorded by the experiment itself."""
        file = self.folder / "computed"
        return file.read_text().split() if file.exists() else []

    def check_end(self) -> None:
        """Check that the lake equals one of an undisturbed run."""
        stored = lakebatch.open_lake(self.lake)["toy"]
        (assembly,) = stored.assemblies().rows(named=True)
        require(assembly["status"] == "completed", f"the assembly is {assembly['status']}")
        require(assembly["rows"] == PARTS * REPEATS, f"{assembly['rows']} rows are recorded")
        rows = stored.reassemble(on_gap="refuse")
        require(comparable(rows).equals(self.expected), f"other rows than an uninterrupted run: {rows}")
        for table in ("results", "assemblies"):
            self._check_constraints(table)

    def _start(self, state: State) -> Command:
        self.attempts += 1
        verb = ("run", "toy", "--seed", str(SEED)) if state.events.is_empty() else ("resume", "toy")
        scratch = {"TMPDIR": str(self.folder / "scratch")}  # a killed run cannot clean up
        return Command(
            self.folder,
            *("--lake", str(self.lake), *verb, "--jobs", str(1 + self.attempts % 2)),
            environment=scratch,
            label=f"attempt{self.attempts}",
        )

    def _check(self, before: State, after: State, computed: list[str]) -> None:
        again = before.parts & set(computed)
        require(not again, f"committed before and computed again: {sorted(again)}")
        lost = before.parts - after.parts
        require(not lost, f"committed before and lost: {sorted(lost)}")
        invented = after.parts - set(self.computed())
        require(not invented, f"committed and never computed: {sorted(invented)}")

    def _read(self, table: str) -> pl.DataFrame:
        folder = self._table(table)
        if not any(folder.glob("_delta_log/*.json")):
            return pl.DataFrame(schema=load_schema(table).polars)
        return pl.read_delta(str(folder))

    def _check_constraints(self, table: str) -> None:
        log = sorted(self._table(table).glob("_delta_log/*.json"))
        actions = [json.loads(line) for file in log for line in file.read_text().splitlines()]
        properties = [each["metaData"]["configuration"] for each in actions if "metaData" in each][-1]
        missing = [
            name for name in load_schema(table).constraints if f"delta.constraints.{name}" not in properties
        ]
        require(not missing, f"{table} lacks the constraints {missing}")

    def _table(self, name: str) -> Path:
        return self.lake / "91_v1_toy" / name


def kill_and_resume(
    folder: Path, *, kills: int, seed: int, side_by_side: int = 3, kinds: Collection[str] = ("run",)
) -> Counter[str]:
    """Kill a number of processes and return how often each phase was hit.

    Parameters
    ----------
    folder : Path
        Where the lakes are made.
    kills : int
        Number of processes killed, without those that ended before; divided evenly among the kinds.
    seed : int
        Seed of the random moments of the kills.
    side_by_side : int
        Number of processes at the same time, each on its own lake.
    kinds : collection of str
        Kinds of processes to kill: runs and resumes, upkeep, imports; see `KINDS`.

    Raises
    ------
    AssertionError
        If a lake was unreadable, or rows were lost, doubled or recomputed; names the folder.
    """
    generators = np.random.default_rng(seed).spawn(len(kinds) * side_by_side)
    tasks = []
    for index, kind in enumerate(kinds):
        prepared = KINDS[kind].prepare(folder / f"{kind}-as-planned")
        share = kills // len(kinds) + (index < kills % len(kinds))
        for side in range(side_by_side):
            count = share // side_by_side + (side < share % side_by_side)
            tasks.append((KINDS[kind], folder / f"{kind}{side}", prepared, count, generators.pop(0)))
    with ThreadPoolExecutor(side_by_side) as pool:
        return sum(pool.map(lambda task: task[0].series(*task[1:]), tasks), Counter())


def comparable(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows without times and ids, in a fixed order."""
    return rows.drop(VOLATILE).sort("part", "repeat")


def prepare(folder: Path) -> pl.DataFrame:
    """Return the rows of an undisturbed run."""
    make_working_directory(folder)
    command = run(folder, "--lake", "lake", "run", "toy", "--jobs", "2", "--seed", str(SEED))
    require(command.wait() == 0, command.err)
    rows = comparable(lakebatch.open_lake(folder / "lake")["toy"].reassemble(on_gap="refuse"))
    require(rows.height == PARTS * REPEATS, f"{rows.height} rows")
    return rows


def series(folder: Path, expected: pl.DataFrame, kills: int, rng: np.random.Generator) -> Counter[str]:
    """Kill and resume one assembly after the other until the number of kills is reached."""
    phases: Counter[str] = Counter()
    trials = 0
    while phases.total() < kills:
        trials += 1
        trial = CheckConfig(folder / f"trial{trials}", expected)
        try:
            phases += _to_the_end(trial, kills - phases.total(), rng)
            trial.check_end()
        except Exception as error:
            raise AssertionError(f"{trial.folder}, attempt {trial.attempts}: {error}") from error
    return phases


def _to_the_end(trial: CheckConfig, kills: int, rng: np.random.Generator) -> Counter[str]:
    """Kill an assembly until it has completed, at most N times, and return the phases hit."""
    phases: Counter[str] = Counter()
    while not trial.state().completed:
        alone = phases.total() == kills or (phases and rng.random() < LET_FINISH)
        moment = None if alone else _moment(PARTS - len(trial.state().parts), rng)
        if phase := trial.attempt(moment):
            phases[phase] += 1
    return phases


def _moment(pending: int, rng: np.random.Generator) -> tuple[int, float]:
    """Draw the moment of a kill: a number of output lines, and seconds after that line."""
    lines = 0 if rng.random() < DURING_START_UP else int(rng.integers(1, pending + 2))
    return lines, rng.uniform(0, START_SECONDS if lines <= 1 and pending else PART_SECONDS)


def _phase(before: State, after: State) -> str:
    if after.completed:
        return PHASES[4]
    if after.events.height == before.events.height:
        return PHASES[0]
    if len(after.parts) == PARTS:
        return PHASES[3]
    return PHASES[2] if after.parts > before.parts else PHASES[1]


class Runs:
    """Runs and resumes, one of the kinds of processes to kill."""

    PHASES = PHASES
    prepare = staticmethod(prepare)
    series = staticmethod(series)


KINDS = {"run": Runs, "upkeep": upkeep_kills, "import": import_kills, "namespaces": namespace_rounds}
"""Kinds of processes to kill, by their name on the command line."""


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--kills",
        type=int,
        default=200,
        help="processes to kill, or rounds of commands in namespaces (default: 200)",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default: 1)")
    parser.add_argument("--side-by-side", type=int, default=3, help="processes at a time (default: 3)")
    parser.add_argument(
        "--kinds", default=",".join(KINDS), help="kinds of processes to kill (default: run,upkeep,import)"
    )
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"unknown kinds {', '.join(sorted(unknown))}; known: {', '.join(KINDS)}")
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="lakebatch-faults-"))  # kept if a check fails, which names it
    phases = kill_and_resume(
        folder, kills=options.kills, seed=options.seed, side_by_side=options.side_by_side, kinds=kinds
    )
    shutil.rmtree(folder)
    for phase in (phase for kind in kinds for phase in KINDS[kind].PHASES):
        click.echo(f"{phases[phase]:5d}  {phase}")
    click.echo(
        f"{phases.total():5d}  processes in {time.monotonic() - began:.0f} s: nothing lost, doubled or computed again"
    )


if __name__ == "__main__":
    _main()
