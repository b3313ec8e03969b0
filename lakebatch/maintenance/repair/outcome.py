"""Outcomes: one damage each, and whether it was healed."""

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
    """Damage that cannot be proven healed; the message is the reason."""

    advice = "Put it back from a backup."


class CannotComputeError(CannotHealError):
    """A part that cannot be computed as it was."""

    advice = "Repeat the command with the code and packages that wrote it, or put it back from a backup."


@dataclass(frozen=True)
class Outcome:
    """One damage, and how it was or can be healed, or why not.

    Attributes
    ----------
    subject : str
        The table or folder.
    where : str
        The damaged file; empty where no single file is damaged.
    assembly_id : str or None
        The assembly whose rows are damaged, where there is one.
    rows : int or None
        The row count of the assembly before, where rows were there several times.
    """

    state: State
    subject: str
    what: str
    how: str
    where: str = ""
    assembly_id: str | None = None
    rows: int | None = None


def healed(dry_run: bool) -> State:
    """Return the state of damage that is healed, or would be in a dry run."""
    return "can be healed" if dry_run else "healed"


def to_frame(outcomes: Iterable[Outcome]) -> pl.DataFrame:
    """Return outcomes as a frame, one row each."""
    rows = [(each.state, each.subject, each.what, each.how) for each in outcomes]
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")
