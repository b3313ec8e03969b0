"""Elements of benchmarks: comparisons of two calls, and figures with a limit; each is a line of a table."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

Call = Callable[[], object]
"""A call to time; if it returns seconds, these are used."""
HEAD = "| what | against | lakebatch | the other | ratio | target |\n|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Comparison:
    """Two calls to compare: `at_most` is the target ratio of the first to the second."""

    what: str
    against: str
    ours: Call
    theirs: Call
    at_most: float
    plus_seconds: float = 0.0
    """Allowed extra time; if set, the difference is shown in place of the ratio."""
    once: bool = False
    """Whether it takes minutes and is measured only once."""

    def line(self, rounds: int) -> str:
        """Measure, and return a line of the table."""
        ours, theirs = measure(self.ours, self.theirs, 0 if self.once else rounds)
        if self.plus_seconds:
            shown, target = f"{ours - theirs:+.2f} s", f"at most +{self.plus_seconds:g} s"
            is_met = ours - theirs <= self.plus_seconds
        else:
            shown, target = _ratio(ours / theirs), f"at most {_ratio(self.at_most)}"
            is_met = ours / theirs <= self.at_most
        return _line(self.what, self.against, _time(ours), _time(theirs), shown, target, is_met=is_met)


@dataclass(frozen=True)
class Limit:
    """A figure with an upper limit, measured once."""

    what: str
    measure: Callable[[], float]
    at_most: float
    unit: str

    def line(self, _rounds: int) -> str:
        """Measure, and return a line of the table."""
        value = self.measure()
        shown, target = (f"{each:.3g} {self.unit}".strip() for each in (value, self.at_most))
        return _line(self.what, "", shown, "", "", f"at most {target}", is_met=value <= self.at_most)


def measure(ours: Call, theirs: Call, rounds: int) -> tuple[float, float]:
    """Return the median seconds of both calls, in alternating rounds after a warm-up round; with 0 rounds, of one call."""
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for call, seconds in zip((ours, theirs), taken, strict=True):
            began = time.perf_counter()
            timed = call()
            if number or not rounds:
                seconds.append(timed if isinstance(timed, float) else time.perf_counter() - began)
    return median(taken[0]), median(taken[1])


def _line(*cells: str, is_met: bool) -> str:
    return f"| {' | '.join(cells)}{'' if is_met else ' MISSED'} |"


def _time(seconds: float) -> str:
    return (
        f"{seconds:.1f} s"
        if seconds >= 10
        else f"{1e3 * seconds:.3g} ms"
        if seconds < 1
        else f"{seconds:.2f} s"
    )


def _ratio(value: float) -> str:
    """Return a ratio for a person to read.

    >>> _ratio(1.5), _ratio(0.31), _ratio(1 / 7.52), _ratio(1 / 1_000)
    ('1.5', '0.31', '1/7.5', '1/1,000')
    """
    if value > 0.3:
        return f"{value:.3g}"
    times = 1 / value
    return f"1/{times:.2g}" if times < 10 else f"1/{times:,.0f}"
