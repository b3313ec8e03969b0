"""Kills `lakebatch optimize` and `lakebatch vacuum` at random moments and checks that no row and no past state changes."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from processes import Command, make_working_directory, require, wait_until

from lakebatch.assembly.part_writer import PartWriter
from lakebatch.assembly.record import EVERY_STATUS, Plan
from lakebatch.lake.experiment import StoredExperiment
from lakebatch.storage import locate

FOLDER = "91_v1_toy"
ASSEMBLIES = 6
PARTS = tuple(f"level={level}" for level in range(4))
FAILED, DISCARDED = 2, 4
"""The assembly with a missing part, and the discarded assembly."""
TAGGED = (1, 4)
"""The assemblies after which a tag is set."""
OPTIMIZE = ("optimize", "--yes")
VACUUM = ("vacuum", "--keep-days", "0", "--yes")
LET_FINISH = 0.2
"""Probability that an attempt is not killed."""
DURING_START_UP = 0.2
START_SECONDS = 1.0
"""Longest wait before a kill that waits for no file."""
WORK_SECONDS = 0.15
"""Mean wait after the first change of a file."""
MOST_KILLS = 4
"""Kills of one command on one copy."""
VERSIONS = 1
"""Past versions read after each kill; all are read at the end."""

PHASES = (
    "optimize: before it wrote anything",
    "optimize: merged files written, none committed",
    "optimize: some tables merged, others not",
    "optimize: everything merged",
    "vacuum: before it removed anything",
    "vacuum: some files removed, others not",
    "vacuum: everything removed",
)


@dataclass(frozen=True)
class Promises:
    """Data that must not change: rows and events as read by polars alone, each past version, each tag."""

    rows: pl.DataFrame
    events: pl.DataFrame
    versions: dict[int, pl.DataFrame]
    tags: dict[str, pl.DataFrame]


@dataclass(frozen=True)
class Template:
    """A lake of many small files, to be copied, and its promises."""

    folder: Path
    promises: Promises


def prepare(folder: Path) -> Template:
    """Build the lake: completed assemblies, one that failed, one that was discarded, two tags, a file per part."""
    stored = _open(make_working_directory(folder))
    for table in (stored.results, stored.log.table):
        table.ensure()
    for number in range(ASSEMBLIES):
        _add(stored, number)
    versions = stored.history()["version"].unique().to_list()
    promises = Promises(
        plain(folder, "results"),
        plain(folder, "assemblies"),
        {version: read(stored, version=version) for version in versions},
        {tag: read(stored, tag=tag) for tag in stored.tags()["tag"]},
    )
    completed = ASSEMBLIES - 2
    require(read(stored).height == 2 * (ASSEMBLIES * len(PARTS) - 1), "the lake is not as planned")
    require(
        stored.reassemble(on_gap="ignore", on_mix="ignore").height == 2 * completed * len(PARTS),
        "nor is the dataset",
    )
    return Template(folder, promises)


def series(folder: Path, template: Template, kills: int, rng: np.random.Generator) -> Counter[str]:
    """Merge and remove files of one copy after the other until the number of kills is reached."""
    phases: Counter[str] = Counter()
    trials = 0
    while phases.total() < kills:
        trials += 1
        trial = CheckConfig(folder / f"trial{trials}", template)
        try:
            phases += trial.to_the_end(kills - phases.total(), rng)
        except Exception as error:
            raise AssertionError(f"{trial.folder}, attempt {trial.attempts}: {error}") from error
    return phases


class CheckConfig:
    """One copy of the lake, whose files are merged and removed by processes that are killed."""

    def __init__(self, folder: Path, template: Template) -> None:
        shutil.copytree(template.folder, folder)
        self.folder = folder
        self.promises = template.promises
        self.attempts = 0

    def to_the_end(self, kills: int, rng: np.random.Generator) -> Counter[str]:
        """Kill both commands until they have finished, at most N times, and return the phases hit."""
        phases: Counter[str] = Counter()
        for verb in (OPTIMIZE, VACUUM):
            most = min(kills, phases.total() + MOST_KILLS)
            while self._left(verb):
                alone = phases.total() >= most or (phases and rng.random() < LET_FINISH)
                if phase := self.attempt(verb, None if alone else rng):
                    phases[phase] += 1
        self.check(list(self.promises.versions))
        return phases

    def attempt(self, verb: tuple[str, ...], rng: np.random.Generator | None) -> str | None:
        """Run a command, killed at a random moment; return the phase hit by the kill, or None."""
        self.attempts += 1
        before = self.files()
        command = Command(self.folder, "--lake", "lake", *verb, label=f"attempt{self.attempts}")
        killed = rng is not None and self._kill(command, before, rng)
        code = command.wait()
        if not killed:
            require(code == 0, f"{verb} ended with {code}: {command.err}")
            require(not self._left(verb), f"{verb} left {self._left(verb)} files")
            return None
        self.check(rng.permutation(list(self.promises.versions))[:VERSIONS].tolist())
        return self._phase(verb, before)

    def files(self) -> set[Path]:
        """Return every file of the tables."""
        return {file for file in (self.folder / "lake").rglob("*.parquet") if "_delta_log" not in file.parts}

    def check(self, versions: list[int]) -> None:
        """Check the rows read by polars alone, some past versions and every tag."""
        for table, expected in (("results", self.promises.rows), ("assemblies", self.promises.events)):
            require(plain(self.folder, table).equals(expected), f"other rows of {table}")
        stored = _open(self.folder)
        for version in versions:
            require(
                read(stored, version=version).equals(self.promises.versions[version]),
                f"other rows at {version}",
            )
        for tag, expected in self.promises.tags.items():
            require(read(stored, tag=tag).equals(expected), f"other rows of the tag {tag}")

    def _kill(self, command: Command, before: set[Path], rng: np.random.Generator) -> bool:
        folders = {file.parent for file in before}
        quiet = _touched(folders)
        if rng.random() < DURING_START_UP:
            time.sleep(rng.uniform(0, START_SECONDS))
        else:
            wait_until(lambda: _touched(folders) != quiet or command.process.poll() is not None)
            time.sleep(rng.exponential(WORK_SECONDS))
        return command.kill()

    def _left(self, verb: tuple[str, ...]) -> int:
        """Return how many files are still to be merged or removed."""
        stored = _open(self.folder)
        if verb is VACUUM:
            return int(stored.vacuum(keep_days=0)["files"].sum())
        planned = stored.optimize(dry_run=True)
        return int((planned["files"] - planned["files_after"]).sum())

    def _phase(self, verb: tuple[str, ...], before: set[Path]) -> str:
        after, left = self.files(), self._left(verb)
        if verb is VACUUM:
            return PHASES[6] if not left else PHASES[5] if before - after else PHASES[4]
        if not left:
            return PHASES[3]
        planned = _open(self.folder).optimize(dry_run=True)
        merged = planned.filter(pl.col("files") == pl.col("files_after")).height
        return PHASES[2] if merged else PHASES[1] if after - before else PHASES[0]


def _touched(folders: set[Path]) -> int:
    """Return a number that changes with every file that comes into one of the folders or goes."""
    return sum(folder.stat().st_mtime_ns for folder in folders)


def plain(folder: Path, table: str) -> pl.DataFrame:
    """Return the rows of a table in a fixed order, read by polars alone."""
    rows = pl.read_delta(str(folder / "lake" / FOLDER / table))
    return rows.sort([name for name in ("assembly_id", "event", "part", "repeat") if name in rows.columns])


def read(stored: StoredExperiment, **moment: int | str) -> pl.DataFrame:
    """Return the rows of all assemblies of any status at a moment."""
    return stored.reassemble(include=EVERY_STATUS, on_gap="ignore", on_mix="ignore", **moment)


def _open(folder: Path) -> StoredExperiment:
    return StoredExperiment(locate(str(folder / "lake")), FOLDER)


def _add(stored: StoredExperiment, number: int) -> None:
    plan = Plan({"number": number}, PARTS, 1, None, (), "0", {})
    assembly = stored.log.start(plan, stored.results.version())
    writer = PartWriter(stored.results, assembly.assembly_id, {})
    done = PARTS[1:] if number == FAILED else PARTS
    for level, part in enumerate(done):
        rows = pl.DataFrame({"level": [float(level)] * 2, "repeat": [0, 1], "mse": [float(number), 1.0]})
        writer.append(part, rows, datetime.now(UTC))
    stored.log.record(
        assembly,
        "failed" if number == FAILED else "completed",
        parts_done=len(done),
        rows=2 * len(done),
        results_version=stored.results.version(),
    )
    if number == DISCARDED:
        stored.discard(assembly.assembly_id, "an outlier")
    if number in TAGGED:
        stored.tag(f"after-{number}")
