"""The assemblies of one experiment at one moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property

import polars as pl

from lakebatch import _html
from lakebatch import _process as process
from lakebatch._public import Public
from lakebatch._text import hint
from lakebatch.assembly import labels
from lakebatch.assembly import record as assembly
from lakebatch.assembly.lease import Leases
from lakebatch.assembly.record import Assembly, Include
from lakebatch.errors import UnknownNameError
from lakebatch.snapshot.choice import config_numbers
from lakebatch.snapshot.moment import Moment
from lakebatch.snapshot.selection import COMPLETED, Selection, check_statuses


class Statuses(Public):
    """The status of each assembly of one experiment at one moment.

    Parameters
    ----------
    folder : str
        The experiment's folder in the lake.
    selection : Selection
        The moment, and what datasets are made of by default.
    events : frame
        The events of the selected assemblies that had been recorded by then.
    leases : Leases, optional
        The leases that tell whether a process on another machine is alive.
    uncertain : collection of str
        The assemblies with events that cannot be read.
    numbers : mapping, optional
        The number of each config by its hash; by default from the events.
    """

    def __init__(
        self,
        folder: str,
        selection: Selection,
        events: pl.DataFrame,
        leases: Leases | None = None,
        uncertain: Collection[str] = (),
        numbers: Mapping[str, int] | None = None,
    ) -> None:
        self.folder = folder
        self.selection = selection
        self._events = events
        self.leases = leases
        self.uncertain = frozenset(uncertain)
        self._numbers = numbers

    @property
    def without_event(self) -> frozenset[str]:
        """The assemblies that have rows and no event that can be read."""
        return self.uncertain - set(self.last_events["assembly_id"])

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
    def moment(self) -> Moment:
        """The moment."""
        return self.selection.moment

    @cached_property
    def config_numbers(self) -> Mapping[str, int]:
        """The number of each config by its hash, counted from 1 by the first run of the experiment."""
        return config_numbers(self.last_events) if self._numbers is None else self._numbers

    @property
    def events(self) -> pl.DataFrame:
        """The events that had been recorded by then."""
        process.check_fork()
        return self._events

    @property
    def last_events(self) -> pl.DataFrame:
        """The last event of each assembly, by run number."""
        process.check_fork()
        return self._last_events

    @cached_property
    def _last_events(self) -> pl.DataFrame:
        return assembly.last_events(self._events)

    @cached_property
    def assemblies(self) -> list[Assembly]:
        """Each assembly at the moment, by run number."""
        return self._listed(self.last_events)

    @cached_property
    def not_completed(self) -> list[Assembly]:
        """The assemblies that are not completed."""
        return self._listed(self.last_events.filter(~pl.col("status").is_in(COMPLETED)))

    def _listed(self, events: pl.DataFrame) -> list[Assembly]:
        return _html.Records(assembly.from_rows(events, self.leases), "assemblies", Assembly.row)

    def assembly(self, assembly_id: str) -> Assembly:
        """Return one assembly at the moment, by its id or its name.

        Raises
        ------
        UnknownNameError
            If the assembly did not exist.
        """
        assembly_id = labels.find(self.last_events, assembly_id)
        for each in assembly.from_rows(self.last_events.filter(assembly_id=assembly_id), self.leases):
            return each
        known = self.last_events["assembly_id"].to_list()
        raise UnknownNameError(
            f"There is no assembly {assembly_id} in {self.folder}, {self.moment}. {hint(assembly_id, known)}"
            "List them with: lakebatch status"
        )

    def state(self, each: Assembly) -> str:
        """Return an assembly's state; of a past moment its status, since leases tell of live processes only now."""
        return each.status if self.moment.is_past else each.state

    def present_status(self, each: Assembly) -> str:
        """Return the same for data, where a running assembly is ``started``."""
        return each.status if self.moment.is_past else each.present_status

    def ids(self, include: Include | None = None) -> list[str]:
        """Return the ids of the assemblies with one of these statuses, by default those of the selection.

        Raises
        ------
        ConfigError
            If there is no such status.
        """
        statuses = self.selection.statuses if include is None else check_statuses(include)
        wanted = pl.col("status").is_in(statuses) & ~pl.col("assembly_id").is_in(list(self.uncertain))
        return self.last_events.filter(wanted)["assembly_id"].to_list()
