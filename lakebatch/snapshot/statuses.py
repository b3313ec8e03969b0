"""The assemblies of one experiment at one moment."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import Any

import polars as pl

from lakebatch._text import nearest
from lakebatch.assembly import record as assembly
from lakebatch.assembly.lease import Leases
from lakebatch.assembly.record import EVERY_STATUS, Assembly, Status
from lakebatch.errors import ConfigError, UnknownNameError
from lakebatch.snapshot.moment import Moment
from lakebatch.storage.delta import forks

COMPLETED: tuple[Status, ...] = ("completed",)


class Statuses:
    """The status of each assembly of one experiment at one moment.

    Parameters
    ----------
    folder : str
        The experiment's folder in the lake.
    moment : Moment
        The moment.
    events : frame
        The events that had been recorded by then.
    leases : Leases, optional
        The leases that tell whether a process on another machine is alive.
    uncertain : collection of str
        The assemblies with events that cannot be read.
    """

    def __init__(
        self,
        folder: str,
        moment: Moment,
        events: pl.DataFrame,
        leases: Leases | None = None,
        uncertain: Collection[str] = (),
    ) -> None:
        self.folder = folder
        self.moment = moment
        self._events = events
        self.leases = leases
        self.uncertain = frozenset(uncertain)

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self.folder.split("_", 2)[2]

    @property
    def experiment_version(self) -> str:
        """The experiment version, as v1."""
        return self.folder.split("_", 2)[1]

    @property
    def qualified_name(self) -> str:
        """The experiment's name with its experiment version, as NAME@v1."""
        return f"{self.name}@{self.experiment_version}"

    @property
    def events(self) -> pl.DataFrame:
        """The events that had been recorded by then."""
        forks.check()
        return self._events

    @property
    def last_events(self) -> pl.DataFrame:
        """The last event of each assembly, by run number."""
        forks.check()
        return self._last_events

    @cached_property
    def _last_events(self) -> pl.DataFrame:
        return assembly.last_events(self._events)

    @cached_property
    def assemblies(self) -> list[Assembly]:
        """Each assembly at the moment, by run number."""
        return assembly.from_rows(self.last_events, self.leases)

    @cached_property
    def not_completed(self) -> list[Assembly]:
        """The assemblies that are not completed."""
        return assembly.from_rows(self.last_events.filter(~pl.col("status").is_in(COMPLETED)), self.leases)

    def assembly(self, assembly_id: str) -> Assembly:
        """Return one assembly at the moment.

        Raises
        ------
        UnknownNameError
            If the assembly did not exist.
        """
        for each in assembly.from_rows(self.last_events.filter(assembly_id=assembly_id), self.leases):
            return each
        raise UnknownNameError(
            f"There is no assembly {assembly_id} in {self.folder}, {self.moment}. List them with: lakebatch status"
        )

    def state(self, each: Assembly) -> str:
        """Return an assembly's state; of a past moment its status, since leases tell of live processes only now."""
        return each.status if self.moment.is_past else each.state

    def ids(self, include: Collection[Status] = COMPLETED) -> list[str]:
        """Return the ids of the assemblies with one of these statuses.

        Raises
        ------
        ConfigError
            If there is no such status.
        """
        wanted = pl.col("status").is_in(check_statuses(include)) & ~pl.col("assembly_id").is_in(
            list(self.uncertain)
        )
        return self.last_events.filter(wanted)["assembly_id"].to_list()


def check_statuses(include: Collection[Status]) -> list[Status]:
    """Return statuses as a list; a string is one status.

    >>> check_statuses("completed")
    ['completed']

    Raises
    ------
    ConfigError
        If there is no such status.
    """
    statuses: list[Any] = [include] if isinstance(include, str) else list(include)
    for each in statuses:
        if each not in EVERY_STATUS:
            raise ConfigError(f"Unknown status {each!r} in include. {nearest(str(each), EVERY_STATUS)}")
    return statuses
