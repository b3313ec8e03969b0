"""One thing that is damaged, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

import polars as pl

from lakebatch.errors import LakebatchError

State: TypeAlias = Literal["healed", "can be healed", "stays damaged", "left alone"]
COLUMNS = {name: pl.String() for name in ("state", "subject", "what", "how")}
"""The columns of a frame of outcomes."""


class CannotHealError(LakebatchError):
    """Something damaged cannot be proven right; the message is the reason."""


@dataclass(frozen=True)
class Outcome:
    """What is damaged and how it was, or can be, healed; or why not."""

    state: State
    subject: str
    what: str
    how: str


def to_frame(outcomes: Iterable[Outcome]) -> pl.DataFrame:
    """Return outcomes as a frame, one row each."""
    return pl.DataFrame([asdict(each) for each in outcomes], schema=COLUMNS)
