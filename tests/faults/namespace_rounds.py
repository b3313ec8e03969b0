"""Rounds of commands at once on one lake, in PID namespaces of one host name, stopped and killed, with clocks set apart.

This is the situation of containers with the host's name, and of machines all called ``localhost``: none sees
the processes of another.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from processes import Command, make_working_directory, require, run

import lakebatch
from lakebatch.assembly.record import EVERY_STATUS

PARTS = 4
REPEATS = 3
SEED = 7
SETTINGS = ("--set", f"levels={[index / 10 for index in range(PARTS)]}", "--set", "pause=0.02")
VOLATILE = ("assembly_id", "recorded_at", "fit_seconds")
PRIVATE_MEMORY = 'mount -t tmpfs tmpfs /dev/shm && exec "$@"'
NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", PRIVATE_MEMORY, "sh")
"""Prefix that starts a command like a container: with separate process ids and shared memory."""
CLOCKS = ("+0", "+25h", "-25h", "+8d")
"""Offsets of the clocks, if faketime is installed."""
AT_ONCE = 4
"""Commands of a round."""
VERBS = ("run", "resume", "optimize", "vacuum", "discard")
SHARES = (0.3, 0.15, 0.3, 0.15, 0.1)
"""How often each verb is drawn; the first of a round is always `run` or `optimize`."""
KILLED, STOPPED = 0.35, 0.35
"""Probabilities of a command to be killed, or to be paused."""
LONGEST_START = 1.8
"""Latest time of a signal in seconds: about the time of a command until just after its first commit."""
LONGEST_STOP = 2.0
SETTLED_CODES = (0, 1, 3, 130)
"""Allowed exit codes of a command that was not killed: another one can have discarded its assembly."""
MOST_ROUNDS = 12
"""Rounds on one lake."""

STOPPED_MERGE = "optimize: stopped between its merged file and its commit, while another merged the same"
MERGE_ROUNDS = 0.25
"""Probability of such a merge round; other rounds hit this case only by chance."""

PHASES = (
    *(f"{verb}: {fate}" for verb in VERBS for fate in ("killed", "stopped and continued", "left alone")),
    STOPPED_MERGE,
)


@dataclass
class CheckConfig:
    """One lake with its rounds."""

    folder: Path
    expected: pl.DataFrame
    rounds: int = 0

    def round(self, rng: np.random.Generator) -> Counter[str]:
        """Run commands in parallel, disturb them, and check the lake when all have ended."""
        self.rounds += 1
        verbs = [str(rng.choice(["run", "optimize"])), *rng.choice(VERBS, AT_ONCE - 1, p=SHARES)]
        commands = [self._start(str(verb), index, rng) for index, verb in enumerate(verbs)]
        fates = [
            str(
                rng.choice(
                    ["killed", "stopped and continued", "left alone"],
                    p=[KILLED, STOPPED, 1 - KILLED - STOPPED],
                )
            )
            for _ in verbs
        ]
        _disturb(commands, fates, rng)
        for command, fate in zip(commands, fates, strict=True):
            code = command.wait()
            require(
                fate == "killed" or code in SETTLED_CODES,
                f"{command.arguments} ended with {code}: {command.err}",
            )
            require("Traceback" not in command.err and "panicked" not in command.err, command.err)
        self.check()
        return Counter(f"{verb}: {fate}" for verb, fate in zip(verbs, fates, strict=True))

    def merge_round(self, rng: np.random.Generator) -> Counter[str]:
        """Pause a merge after it wrote its file, let another merge the same files, continue it, and check the lake."""
        self.rounds += 1
        killed = self._start("run", 0, rng)
        killed.wait_for_lines(3)  # a headline and two parts
        killed.kill()
        before = self._data_files()
        stopped = self._start("optimize", 1, rng)
        while self._data_files() == before and stopped.process.poll() is None:
            pass  # the commit follows within milliseconds
        with suppress(ProcessLookupError):
            os.killpg(stopped.process.pid, signal.SIGSTOP)
        other = self._start("optimize", 2, rng)
        other_code = other.wait()
        with suppress(ProcessLookupError):
            os.killpg(stopped.process.pid, signal.SIGCONT)
        for command, code in ((other, other_code), (stopped, stopped.wait())):
            require(code in SETTLED_CODES, f"{command.arguments} ended with {code}: {command.err}")
        self.check()
        return Counter({STOPPED_MERGE: 1})

    def _data_files(self) -> set[Path]:
        return set((self.folder / "lake" / "91_v1_toy" / "results").glob("assembly_id=*/*.parquet"))

    def check(self) -> None:
        """Check that no row is doubled or lost and that every status is right."""
        lake = lakebatch.open_lake(self.folder / "lake")
        if not lake.begun():
            return
        stored = lake["toy"]
        rows = stored.reassemble(include=EVERY_STATUS, on_gap="ignore")
        doubled = rows.filter(rows.select("assembly_id", "part", "repeat").is_duplicated())
        require(doubled.is_empty(), f"doubled: {doubled}")
        plain = pl.read_delta(stored.results.uri).height if stored.results.exists() else 0
        require(plain == rows.height, f"{rows.height} rows are read, {plain} are there")
        for assembly in stored.assemblies().iter_rows(named=True):
            self._check_assembly(assembly, rows.filter(assembly_id=assembly["assembly_id"]))
        problems = lake.doctor(deep=True).filter(severity="problem")
        require(problems.is_empty(), f"doctor says: {problems.rows()}")

    def _check_assembly(self, assembly: dict[str, object], rows: pl.DataFrame) -> None:
        same = comparable(rows)
        require(
            same.equals(self.expected.filter(pl.col("part").is_in(same["part"].implode()))),
            f"other rows: {same}",
        )
        if assembly["status"] == "completed":
            require(
                assembly["rows"] == rows.height == PARTS * REPEATS,
                f"{assembly} is completed with {rows.height} rows",
            )

    def finish(self) -> None:
        """Resume unfinished assemblies, and check that all rows are stored."""
        lake = lakebatch.open_lake(self.folder / "lake")
        if not lake.begun():
            return
        for each in lake["toy"].assemblies().iter_rows(named=True):
            if each["status"] in ("started", "interrupted", "failed"):
                _expire_leases(self.folder / "lake")
                command = run(
                    self.folder, "--lake", "lake", "resume", "toy", each["assembly_id"], "--jobs", "1"
                )
                require(command.wait() == 0, command.err)
        self.check()
        left = lake["toy"].assemblies().filter(~pl.col("status").is_in(["completed", "discarded"]))
        require(left.is_empty(), f"not completed: {left}")

    def _start(self, verb: str, index: int, rng: np.random.Generator) -> Command:
        wrapped = (*NAMESPACE, *_with_clock(str(rng.choice(CLOCKS))))
        return Command(
            self.folder,
            *("--lake", "lake", *self._arguments(verb, rng)),
            label=f"round{self.rounds}-{index}",
            under=wrapped,
        )

    def _arguments(self, verb: str, rng: np.random.Generator) -> tuple[str, ...]:
        if verb == "run":
            return ("run", "toy", "--seed", str(SEED), "--jobs", "1", *SETTINGS)
        if verb == "optimize":
            return ("optimize", "--yes")
        if verb == "vacuum":
            return ("vacuum", "--keep-days", "0", "--yes")
        known = self._known()
        if not known:
            return ("status",)
        chosen = str(rng.choice(known))
        return (
            ("resume", "toy", chosen, "--jobs", "1")
            if verb == "resume"
            else ("discard", "toy", chosen, "--reason", "a round")
        )

    def _known(self) -> list[str]:
        lake = lakebatch.open_lake(self.folder / "lake")
        return lake["toy"].assemblies()["assembly_id"].to_list() if lake.begun() else []


def prepare(folder: Path) -> pl.DataFrame:
    """Return the rows of an undisturbed run."""
    make_working_directory(folder)
    command = run(folder, "--lake", "lake", "run", "toy", "--seed", str(SEED), "--jobs", "1", *SETTINGS)
    require(command.wait() == 0, command.err)
    return comparable(lakebatch.open_lake(folder / "lake")["toy"].reassemble(on_gap="refuse"))


def series(folder: Path, expected: pl.DataFrame, kills: int, rng: np.random.Generator) -> Counter[str]:
    """Run rounds on one lake after the other, and count the commands by their fate."""
    phases: Counter[str] = Counter()
    trial, done = None, 0
    while done < kills:
        if trial is None:
            trial = CheckConfig(make_working_directory(folder / f"trial{done}"), expected)
        try:
            phases += trial.merge_round(rng) if rng.random() < MERGE_ROUNDS else trial.round(rng)
            done += 1
            if trial.rounds == MOST_ROUNDS or done == kills:
                trial.finish()
                shutil.rmtree(trial.folder)
                trial = None
        except Exception as error:
            raise AssertionError(f"{trial.folder if trial else folder}, round {done + 1}: {error}") from error
    return phases


def comparable(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows without times and ids, in a fixed order."""
    return rows.drop(VOLATILE).sort("part", "repeat")


def _with_clock(offset: str) -> tuple[str, ...]:
    """Return the prefix that shifts a command's clock, if faketime is installed."""
    return ("faketime", "-f", offset) if offset != "+0" and shutil.which("faketime") else ()


def is_possible() -> bool:
    """Whether this user can create PID namespaces."""
    command = [*NAMESPACE, "true"]
    return (
        shutil.which("unshare") is not None and subprocess.run(command, capture_output=True).returncode == 0
    )


def _disturb(commands: list[Command], fates: list[str], rng: np.random.Generator) -> None:
    """Send each command the signals of its fate, at random moments."""
    began = time.monotonic()
    events: list[tuple[float, Command, int]] = []
    for command, fate in zip(commands, fates, strict=True):
        at = rng.uniform(0.1, LONGEST_START)
        if fate == "killed":
            events.append((at, command, signal.SIGKILL))
        elif fate == "stopped and continued":
            events.append((at, command, signal.SIGSTOP))
            events.append((at + rng.uniform(0.1, LONGEST_STOP), command, signal.SIGCONT))
    for at, command, number in sorted(events, key=lambda event: event[0]):
        time.sleep(max(0.0, began + at - time.monotonic()))
        if number == signal.SIGKILL:
            command.kill()
        else:
            with suppress(ProcessLookupError):
                os.killpg(command.process.pid, number)


def _expire_leases(lake: Path) -> None:
    """Make the leases of killed runs as old as they are after two minutes."""
    for lease in lake.glob("*/leases/*"):
        os.utime(lease, (time.time() - 3600,) * 2)
