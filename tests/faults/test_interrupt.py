"""Runs that receive a signal, and runs whose parent process is killed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from harness import PARTS, REPEATS
from processes import COMPUTED, Command, run, wait_until

import lakebatch

INTERRUPTED = 130


def _start(folder: Path) -> Command:
    """Start a run and return it when its first part is in the table."""
    command = Command(folder, "--lake", "lake", "run", "toy", "--jobs", "2")
    command.wait_for_lines(2)
    assert command.process.poll() is None, command.err
    return command


def _assembly(folder: Path) -> dict[str, object]:
    (assembly,) = lakebatch.open_lake(folder / "lake")["toy"].assemblies().rows(named=True)
    return assembly


def _committed(folder: Path) -> set[str]:
    parts = lakebatch.open_lake(folder / "lake")["toy"].completeness().filter(present=True)
    return set(parts["part"])


def _states(folder: Path) -> list[str]:
    return lakebatch.open_lake(folder / "lake")["toy"].assemblies()["status"].to_list()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_to_the_parent_ends_the_run_resumably(folder: Path, number: signal.Signals) -> None:
    command = _start(folder)
    assert command.workers()
    command.process.send_signal(number)
    assert command.wait() == INTERRUPTED
    command.wait_for_workers()
    if number == signal.SIGINT:
        assert "Ctrl-C again stops at once" in command.err
        assert set((folder / "computed").read_text().split()) == _committed(folder)

    last = command.err.splitlines()[-1]
    assembly = _assembly(folder)
    assert last == (
        f"Interrupted with {assembly['parts_done']} of {PARTS} parts done. "
        f"Continue with: lakebatch --lake lake resume toy {assembly['assembly_id']}"
    )
    assert "Traceback" not in command.err
    assert _states(folder) == ["interrupted"]

    resumed = run(folder, *last.partition("lakebatch ")[2].split())
    assert resumed.wait() == 0, resumed.err
    assert _states(folder) == ["completed"]
    computed = (folder / "computed").read_text().split()
    rows = lakebatch.open_lake(folder / "lake")["toy"].reassemble(on_gap="refuse")
    assert rows.height == rows.select("part", "repeat").n_unique() == PARTS * REPEATS
    assert len(set(computed)) == PARTS


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("seconds", [0.1, 2.0])
def test_signal_to_the_whole_group_is_reported_once(
    folder: Path, number: signal.Signals, seconds: float
) -> None:
    """Ctrl-C on a terminal, twice, and the end of a cluster job also reach the workers, even during their start."""
    command = _start_endless(folder)
    time.sleep(seconds)
    os.killpg(command.process.pid, number)
    if number == signal.SIGINT:
        wait_until(lambda: "Ctrl-C again" in command.err)
        os.killpg(command.process.pid, number)
    assert command.wait() == INTERRUPTED
    command.wait_for_workers()
    assert command.err.count("Interrupted") == 1
    assert "Traceback" not in command.err
    assert _states(folder) == ["interrupted"]


@pytest.mark.parametrize("seconds", [0.0, 2.0], ids=["workers starting", "workers computing"])
def test_second_interrupt_within_a_long_part_does_not_wait_for_it(folder: Path, seconds: float) -> None:
    command = _start_endless(folder)
    time.sleep(seconds)
    command.process.send_signal(signal.SIGINT)
    wait_until(lambda: "Ctrl-C again" in command.err)
    assert command.process.poll() is None
    command.process.send_signal(signal.SIGINT)
    assert command.wait() == INTERRUPTED
    command.wait_for_workers()


@pytest.mark.parametrize("seconds", [0.0, 0.2])
def test_signal_before_the_first_part_leaves_a_lake_that_works(
    folder: Path, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = Command(folder, "--lake", "lake", "run", "toy", "--jobs", "2")
    wait_until((folder / "lake").exists)
    time.sleep(seconds)
    command.process.send_signal(signal.SIGTERM)
    assert command.wait() == INTERRUPTED, command.err
    command.wait_for_workers()
    assert "Traceback" not in command.err
    monkeypatch.chdir(folder)
    monkeypatch.setenv(COMPUTED, "computed")
    assert lakebatch.run(lakebatch.open_lake("lake"), "toy", jobs=1).status == "completed"


@pytest.mark.parametrize("seconds", [0.0, 2.0], ids=["workers starting", "workers computing"])
def test_workers_of_a_killed_parent_exit(folder: Path, seconds: float) -> None:
    command = _start_endless(folder)
    time.sleep(seconds)
    assert command.workers()
    command.process.kill()
    command.wait()
    command.wait_for_workers()
    assert _states(folder) == ["interrupted"]


def _start_endless(folder: Path) -> Command:
    """Start a run with endless parts, and return it once its workers have started."""
    command = Command(folder, "--lake", "lake", "run", "toy", "--jobs", "2", "--set", "pause=600")
    wait_until(lambda: len(command.workers()) >= 2)
    return command
