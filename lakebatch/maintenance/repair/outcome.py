"""One thing that is damaged, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

from lakebatch.errors import LakebatchError

State: TypeAlias = Literal["healed", "can be healed", "stays damaged", "left alone"]
COLUMNS = {name: pl.String() for name in ("state", "subject", "what", "how")}
"""The columns of a frame of outcomes."""
AT_WORK = "a process works on the assembly; repeat the command when it has ended"


class CannotHealError(LakebatchError):
    """Something damaged cannot be proven right; the message is the reason."""

    advice = "Put it back from a backup."


class CannotComputeError(CannotHealError):
    """A part cannot be computed as it was."""

    advice = "Repeat the command with the code and packages that wrote it, or put it back from a backup."


@dataclass(frozen=True)
class Outcome:
    """What is damaged and how it was, or can be, healed; or why not.

    Attributes
    ----------
    subject : str
        The table or folder.
    where : str
        The file, where it is one.
    assembly_id : str or None
        Whose rows are concerned, where they are of one assembly.
    rows : int or None
        How many rows of it there were, where some were there several times.
    """

    state: State
    subject: str
    what: str
    how: str
    where: str = ""
    assembly_id: str | None = None
    rows: int | None = None


def to_frame(outcomes: Iterable[Outcome]) -> pl.DataFrame:
    """Return outcomes as a frame, one row each."""
    rows = [(each.state, each.subject, each.what, each.how) for each in outcomes]
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")
