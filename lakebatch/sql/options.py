"""Options of a query: its gaps, further snapshots, and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lakebatch.snapshot.gaps import OnGap
from lakebatch.snapshot.snapshots import Snapshots
from lakebatch.sql import supervision
from lakebatch.sql.supervision import Limits


@dataclass(frozen=True)
class QueryOptions:
    """Options of a query.

    Attributes
    ----------
    also : mapping
        More snapshots, by name: with ``{"before": then}``, ``before.response_noise.results`` stands beside
        ``response_noise.results``.
    timeout : float, s
        No limit by default.
    memory_limit : str
        Such as ``4GB`` or ``25%``; half of the memory of the machine or container by default.
    """

    on_gap: OnGap = "warn"
    also: Mapping[str, Snapshots] | None = None
    timeout: float | None = None
    memory_limit: str | None = None

    @property
    def limits(self) -> Limits:
        """The limits of time and memory.

        Raises
        ------
        ConfigError
            If one is impossible.
        """
        return supervision.limits(self.timeout, self.memory_limit)
