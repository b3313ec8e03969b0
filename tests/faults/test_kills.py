"""Runs, upkeep and imports that are killed at random moments."""

from __future__ import annotations

from pathlib import Path

from harness import KINDS, PHASES, kill_and_resume

KILLS = 15


def test_kill_at_any_moment_loses_doubles_and_repeats_nothing(tmp_path: Path) -> None:
    phases = kill_and_resume(tmp_path, kills=KILLS, seed=1, side_by_side=2, kinds=tuple(KINDS))
    assert phases.total() == KILLS
    for kind in KINDS:
        assert sum(phases[phase] for phase in KINDS[kind].PHASES) in (
            KILLS // len(KINDS),
            KILLS // len(KINDS) + 1,
        )
    # most phases are too short to be hit for sure by so few
    assert phases[PHASES[1]] + phases[PHASES[2]], phases
