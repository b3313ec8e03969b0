"""The states of an assembly, as people read them; data keeps the recorded statuses."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

State: TypeAlias = Literal["running", "interrupted", "completed", "failed", "discarded"]
STATES: tuple[State, ...] = get_args(State)
RECORDED = {"started": "running"}
"""The recorded status whose state has another word."""


def state_of(status: str) -> str:
    """Return the state that people read for a status in data.

    >>> state_of("started"), state_of("interrupted")
    ('running', 'interrupted')
    """
    return RECORDED.get(status, status)
