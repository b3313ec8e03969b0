"""Runs that are killed at random moments."""

from __future__ import annotations

from pathlib import Path

from harness import PHASES, kill_and_resume

KILLS = 25


def test_kill_at_any_moment_loses_doubles_and_repeats_nothing(tmp_path: Path) -> None:
    phases = kill_and_resume(tmp_path, kills=KILLS, seed=1)
    assert phases.total() == KILLS
    assert all(phases[phase] for phase in PHASES[:3]), phases  # the last two are too short to be hit for sure
