"""A lake that has lived, and the answers of every engine to questions about it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import life as life_cycle
import pytest
from engines import ENGINES
from environments import NotToBeHadError
from questions import Questions

NOT_TRIED = "engine not tried: "
"""Beginning of the reason why a test of an engine is skipped."""


@pytest.fixture(scope="session")
def life(tmp_path_factory: pytest.TempPathFactory) -> life_cycle.Life:
    """Return a lake after its life cycle; to be read only."""
    return life_cycle.live(tmp_path_factory.mktemp("life"))


@pytest.fixture(scope="session")
def questions(life: life_cycle.Life) -> Questions:
    """Return the questions, and the answers of a replay of the log."""
    return Questions(life)


@pytest.fixture(scope="session")
def found(questions: Questions) -> Callable[[str], Any]:
    """Return a function that gives the answers of an engine, which is asked once."""
    engines = {engine.name: engine for engine in ENGINES}

    @cache
    def ask(name: str) -> Any:
        return engines[name].ask(questions.of_engine(name))

    def ask_or_skip(name: str) -> Any:
        try:
            return ask(name)
        except NotToBeHadError as error:
            pytest.skip(f"{NOT_TRIED}{name}, {error}")

    return ask_or_skip


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the engines that were not tried."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = {str(report.longrepr[2]) for report in skipped if isinstance(report.longrepr, tuple)}
    for reason in sorted(each for each in reasons if NOT_TRIED in each):
        terminalreporter.write_line(reason.removeprefix("Skipped: "), yellow=True)
