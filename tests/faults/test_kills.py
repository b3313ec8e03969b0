"""Runs, upkeep and imports that are killed at random moments, and commands that disturb each other unseen."""

from __future__ import annotations

from pathlib import Path

import namespace_rounds
import numpy as np
import polars as pl
import pytest
from harness import KINDS, PHASES, kill_and_resume
from processes import make_working_directory

KILLS = {("run",): 5, ("upkeep", "import"): 6}
"""Processes to kill, of some kinds in equal shares; `harness.py` kills hundreds."""
ROUNDS = 3


@pytest.mark.parametrize("kinds", KILLS, ids="-".join)
def test_kill_at_any_moment_loses_doubles_and_recomputes_nothing(
    tmp_path: Path, kinds: tuple[str, ...]
) -> None:
    phases = kill_and_resume(tmp_path, kills=KILLS[kinds], seed=1, side_by_side=1, kinds=kinds)
    assert phases.total() == KILLS[kinds]
    for kind in kinds:
        assert sum(phases[phase] for phase in KINDS[kind].PHASES) == KILLS[kinds] // len(kinds)
    if "run" in kinds:  # most phases are too short to be hit reliably by a few kills
        assert phases[PHASES[1]] + phases[PHASES[2]], phases


@pytest.mark.skipif(not namespace_rounds.is_possible(), reason="PID namespaces cannot be made here")
def test_commands_in_namespaces_of_one_host_name_keep_rows_and_statuses(tmp_path: Path) -> None:
    done = kill_and_resume(tmp_path, kills=ROUNDS, seed=1, side_by_side=1, kinds=("namespaces",))
    stopped = done[namespace_rounds.STOPPED_MERGE]
    assert done.total() == stopped + (ROUNDS - stopped) * namespace_rounds.AT_ONCE


@pytest.mark.skipif(not namespace_rounds.is_possible(), reason="PID namespaces cannot be made here")
def test_merge_paused_while_another_merged_the_same_files_is_refused(tmp_path: Path) -> None:
    expected = namespace_rounds.prepare(tmp_path / "as-planned")
    trial = namespace_rounds.CheckConfig(make_working_directory(tmp_path / "trial"), expected)
    trial.merge_round(np.random.default_rng(1))
    assert pl.read_delta(str(trial.folder / "lake" / "91_v1_toy" / "results")).height > 0
