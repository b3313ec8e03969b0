"""Findings: what one check says of one subject."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

import polars as pl

Severity: TypeAlias = Literal["ok", "note", "problem"]

COLUMNS = {name: pl.String() for name in ("severity", "check", "subject", "what", "advice")}
"""The columns of a frame of findings."""


@dataclass(frozen=True)
class Finding:
    """The result of one check of one subject.

    A ``problem`` is damage, or prevents some command from working; a ``note`` is worth knowing, and nothing is wrong.
    """

    check: str
    subject: str
    severity: Severity
    what: str
    advice: str = ""


def to_frame(findings: Iterable[Finding]) -> pl.DataFrame:
    """Return findings as a frame, one row each."""
    return pl.DataFrame([asdict(each) for each in findings], schema=COLUMNS)
